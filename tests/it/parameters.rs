//! No function of `src` takes more than four parameters, and `self`. Clippy counts `self` too, so it lets one without it
//! take five.

use crate::arrows::sources;

const MOST: usize = 4;
/// Functions that a trait of another crate demands.
const OF_OTHERS: [&str; 1] = ["verify_server_cert"];

#[test]
fn no_function_takes_more_than_four_parameters() {
    let mut functions = 0;
    let mut broken = Vec::new();
    for (module, text) in sources() {
        for declared in text.split("fn ").skip(1) {
            let Some((name, parameters)) = declaration(declared) else { continue };
            functions += 1;
            if parameters > MOST && !OF_OTHERS.contains(&name) {
                broken.push(format!("{}::{name} takes {parameters}", module.join("::")));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
    assert!(functions > 1000, "these are not all functions: {functions}");
}

#[test]
fn parameters_are_counted_correctly() {
    let rows = [
        ("none() {}", Some(("none", 0))),
        ("own(&'a mut self) {}", Some(("own", 0))),
        ("own(mut self, one: u8) {}", Some(("own", 1))),
        (
            "three<'a, F: Fn(u8, u8) -> u8>(one: F, (two, too): (u8, u8), three: &[u8; 2]) {}",
            Some(("three", 3)),
        ),
        (
            "two(\n    one: HashMap<u8, Vec<(u8, u8)>>,\n    two: impl Fn(u8, u8) -> u8,\n) {}",
            Some(("two", 2)),
        ),
        ("(u8, u8) -> u8", None),
    ];
    for (text, expected) in rows {
        assert_eq!(declaration(text), expected, "{text}");
    }
}

/// The name of a function, and how many parameters it takes besides `self`.
fn declaration(text: &str) -> Option<(&str, usize)> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').filter(|end| *end > 0)?;
    let (name, rest) = text.split_at(end);
    let rest = if rest.starts_with('<') { &rest[split(rest).1..] } else { rest };
    let parts = rest.starts_with('(').then(|| split(rest).0)?;
    let is_self = |part: &&str| {
        part.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "self")
            && !part.contains(':')
    };
    Some((name, parts.iter().filter(|part| !part.trim().is_empty() && !is_self(part)).count()))
}

/// The parts between a bracket and its end, split at commas, and where the bracket ends.
fn split(text: &str) -> (Vec<&str>, usize) {
    let (mut depth, mut begin, mut parts) = (0, 1, Vec::new());
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '[' | '{' | '<' => depth += 1,
            '>' if ['-', '='].contains(&before) => {}
            ')' | ']' | '}' | '>' => depth -= 1,
            _ => {}
        }
        if depth == 0 || depth == 1 && letter == ',' {
            parts.push(&text[begin..at]);
            begin = at + 1;
        }
        if depth == 0 {
            return (parts, at + 1);
        }
        before = letter;
    }
    (parts, text.len())
}
