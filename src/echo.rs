//! Shortens callers' texts that a message repeats.

use std::borrow::Cow;

/// The beginning of a text, for a message.
pub(crate) fn echo(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 100;
    cut(text, SHOWN)
}

/// A detail of an error. Every id fits, because longer ones are rejected.
pub(crate) fn detail(text: &str) -> Cow<'_, str> {
    const LONGEST_ID: usize = 255;
    cut(text, LONGEST_ID)
}

/// A database's message, which may repeat a value.
pub(crate) fn said(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 500;
    cut(text, SHOWN)
}

fn cut(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_after_whole_characters() {
        let rows = [
            // a text, the maximum number of characters; the result
            ("", 3, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "abc…"),
            ("é🎬éé", 3, "é🎬é…"),
        ];
        for (text, characters, expected) in rows {
            assert_eq!(cut(text, characters), expected, "{text}");
        }
        assert_eq!(echo(&"x".repeat(4_000_000)).chars().count(), 101);
    }
}
