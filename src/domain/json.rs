//! JSON text from a caller: the parts that no database stores are replaced or refused.

use std::borrow::Cow;

/// The maximum nesting of arrays and objects. It is below the limits of PostgreSQL, of SQLite and of the code
/// that reads a charge's metadata.
pub const DEEPEST: usize = 100;

/// The part of an error message that says how deep JSON may be.
pub fn expected() -> String {
    format!("JSON whose arrays and objects are at most {DEEPEST} deep")
}

/// Replaces the characters in JSON text that databases can't store by U+FFFD, in keys and values: lone
/// surrogates, as `slice` leaves them in a title with emoji, and NUL.
pub fn mended(json: &str) -> Cow<'_, str> {
    const REPLACEMENT: char = '\u{fffd}';
    // Fast path: `JSON.stringify` escapes few characters.
    if !json.contains("\\u") {
        return Cow::Borrowed(json);
    }
    let mut mended = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0 | 0xd800..=0xdfff), _) => {
                mended.push(REPLACEMENT);
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            (Some(_), _) => 6,
            // A backslash and the escaped character.
            (None, _) => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        let (kept, behind) = escape.split_at(length);
        mended.push_str(kept);
        rest = behind;
    }
    mended.push_str(rest);
    Cow::Owned(mended)
}

/// The code unit of the escape, such as `\u00e9`, at the start of a text.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex { u16::from_str_radix(digits, 16).ok() } else { None }
}

/// Whether arrays and objects are nested deeper than [`DEEPEST`].
pub fn is_too_deep(json: &str) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > DEEPEST {
                    return true;
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_text_cannot_hold_are_replaced() {
        let rows = [
            // as JSON.stringify writes it; as it is kept
            (r#"{"title":"a\ud83c"}"#, "{\"title\":\"a\u{fffd}\"}"),
            (r#"["\uDF0A\ud83c"]"#, "[\"\u{fffd}\u{fffd}\"]"),
            (r#"["\ud83c\ud83c\udfac"]"#, "[\"\u{fffd}\\ud83c\\udfac\"]"),
            (r#"{"\udfac":{"\u0000":1}}"#, "{\"\u{fffd}\":{\"\u{fffd}\":1}}"),
            (
                r#"["\\ud83c","\\\\u0000","\\\u0000"]"#,
                "[\"\\\\ud83c\",\"\\\\\\\\u0000\",\"\\\\\u{fffd}\"]",
            ),
            (r#"["\u00e9\u001f\n🎬"]"#, r#"["\u00e9\u001f\n🎬"]"#),
            (r#""\ud83"#, r#""\ud83"#),
            (r#""\u+83c\é\"#, r#""\u+83c\é\"#),
            ("[1]", "[1]"),
        ];
        for (json, expected) in rows {
            assert_eq!(mended(json), expected, "{json}");
        }
    }

    #[test]
    fn json_that_is_nested_too_deep_is_found() {
        let arrays = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let objects = |depth: usize| "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
        let rows = [
            (arrays(DEEPEST), false),
            (arrays(DEEPEST + 1), true),
            (objects(DEEPEST), false),
            (objects(DEEPEST + 1), true),
            (format!("[{}]", vec!["[]"; 1000].join(",")), false),
            (format!("[\"\\\"{}\"]", "[".repeat(1000)), false),
            (format!("[\"\\\\\",{}", arrays(DEEPEST)), true),
        ];
        for (json, expected) in rows {
            assert_eq!(is_too_deep(&json), expected, "{json}");
        }
    }
}
