//! The time of a request, and new ids for its rows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::domain::plan::{NewIds, Stamp};

/// The time of a request, and the generator of ids for its rows.
#[derive(Debug, Clone, Copy)]
pub struct Clock<'i> {
    /// The time, in epoch milliseconds.
    pub now_ms: i64,
    /// The generator of ids.
    pub ids: &'i Ids,
}

impl Clock<'_> {
    /// The time and the keys of a row that is written now.
    pub(super) fn stamp(self) -> Stamp {
        Stamp { now_ms: self.now_ms, ids: self.ids.next(self.now_ms) }
    }
}

/// The time in epoch milliseconds. A clock before 1970 counts as 1970.
pub(super) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// Generates ids and transaction numbers, each unique within this process.
///
/// Both grow with time: rows that are written together are adjacent in the indexes, so that a commit touches
/// fewer pages.
#[derive(Debug)]
pub struct Ids {
    suffix: AtomicU64,
}

/// A transaction number consists of the milliseconds since 2020 and seven more digits: 19 digits, like the
/// app's snowflake numbers. Two processes can generate the same one; the table's unique index rejects it, and
/// the engine retries with another.
const EPOCH_MS: i64 = 1_577_836_800_000;
const SUFFIXES: u64 = 10_000_000;

impl Ids {
    /// Starts at a random number, so that processes differ.
    pub fn new() -> Self {
        // The last 62 bits of a version 7 UUID are random.
        let (_, random) = Uuid::now_v7().as_u64_pair();
        Self { suffix: AtomicU64::new(random % SUFFIXES) }
    }

    /// The keys of a row that is written now.
    pub fn next(&self, now_ms: i64) -> NewIds {
        let suffix = self.suffix.fetch_add(1, Ordering::Relaxed) % SUFFIXES;
        let since_epoch_ms = u64::try_from(now_ms - EPOCH_MS).unwrap_or(0);
        NewIds {
            id: Uuid::now_v7().to_string(),
            transaction_no: format!("{since_epoch_ms}{suffix:07}"),
        }
    }
}

impl Default for Ids {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_ordered_and_unique() {
        let ids = Ids::new();
        let made: Vec<NewIds> = (0..10_000).map(|_| ids.next(1_795_380_509_258)).collect();
        assert!(made.windows(2).all(|pair| pair[0].id < pair[1].id));
        let numbers: HashSet<_> = made.iter().map(|ids| &ids.transaction_no).collect();
        assert_eq!(numbers.len(), made.len());
        assert!(numbers.iter().all(|no| no.len() == 19 && no.bytes().all(|b| b.is_ascii_digit())));
    }
}
