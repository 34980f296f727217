//! Generators of values that a caller may pass or a database may hold: common, unusual and invalid ones.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value as Json;

/// The number of cases, unless `PROPTEST_CASES` sets another. Failures are not saved to a file: they become
/// rows in test tables.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let cases = if cfg!(debug_assertions) { cases / 8 } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Text: plain, of any characters, and known difficult cases.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let odd = ["", "\0", "__proto__", "null", "\"", "\\", "\u{feff}", "\u{202e}", "👩‍👩‍👧", "a\0b"];
    let long = [255, 256, 5000].map(|length| "é".repeat(length));
    let odd: Vec<String> = odd.into_iter().map(str::to_owned).chain(long).collect();
    prop_oneof![4 => "[a-z]{1,8}", 1 => any::<String>(), 1 => select(odd)]
}

/// Whole numbers, many of them near boundaries.
pub(crate) fn number() -> impl Strategy<Value = i64> {
    const MAX: i64 = i32::MAX as i64;
    let edges = [i64::MIN, i64::MIN + 1, -MAX - 2, -1, 0, 1, MAX, MAX + 1, i64::MAX - 1, i64::MAX];
    prop_oneof![4 => 0..100_i64, 1 => any::<i64>(), 2 => select(edges.to_vec())]
}

/// Any JSON.
pub(crate) fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        number().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        text().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Json::from),
            vec((text(), inner), 0..5).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// A change of bytes at a position.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index),
    Repeat(Index, Index),
    Cut(Index),
}

/// Changes, with bytes that are significant to parsers.
pub(crate) fn edits(most: usize) -> impl Strategy<Value = Vec<Edit>> {
    let byte = || prop_oneof![any::<u8>(), select(b"{}[]\":,0-9eE.\\ @/?#%&=".to_vec())];
    let at = || any::<Index>();
    let edit = prop_oneof![
        (at(), byte()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (at(), vec(byte(), 1..4)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        at().prop_map(Edit::Remove),
        (at(), at()).prop_map(|(from, to)| Edit::Repeat(from, to)),
        at().prop_map(Edit::Cut),
    ];
    vec(edit, 0..=most)
}

/// The bytes after these changes.
pub(crate) fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let length = bytes.len();
        let place = |index: &Index| index.index(length);
        match edit {
            _ if length == 0 => {}
            Edit::Replace(at, byte) => bytes[place(at)] = *byte,
            Edit::Insert(at, more) => drop(bytes.splice(place(at)..place(at), more.clone())),
            Edit::Remove(at) => drop(bytes.remove(place(at))),
            Edit::Repeat(from, to) => {
                let (from, to) = (place(from).min(place(to)), place(from).max(place(to)));
                bytes.extend_from_within(from..to);
                bytes[from..].rotate_right(to - from);
            }
            Edit::Cut(at) => bytes.truncate(place(at)),
        }
    }
    bytes
}
