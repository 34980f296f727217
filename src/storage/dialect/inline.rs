//! Statements with their values as literals, for clients whose own encoding of values is unknown.

/// Inserts the values at their placeholders and removes comments. A placeholder is `mark`, perhaps with a
/// number. `write` gets the number and appends the value; it returns `false` if there is none.
pub(super) fn inline(
    text: &str,
    mark: u8,
    mut write: impl FnMut(&mut String, Option<usize>) -> bool,
) -> String {
    let mut inlined = String::with_capacity(2 * text.len());
    let mut rest = text;
    // All of these are ASCII, so they are never part of another character.
    let begins = |byte: u8| byte == mark || matches!(byte, b'\'' | b'"' | b'-');
    while let Some(at) = rest.bytes().position(begins) {
        let (before, from) = rest.split_at(at);
        inlined.push_str(before);
        let first = char::from(from.as_bytes()[0]);
        let end = match first {
            '-' if from.starts_with("--") => {
                rest = from.split_once('\n').map_or("", |(_, rest)| rest);
                continue;
            }
            '-' => 1,
            // Quoted text contains no placeholders.
            '\'' | '"' => from[1..].find(first).map_or(from.len(), |at| at + 2),
            _ => {
                let digits = from[1..].find(|character: char| !character.is_ascii_digit());
                let end = digits.map_or(from.len(), |digits| digits + 1);
                if write(&mut inlined, from[1..end].parse().ok()) {
                    rest = &from[end..];
                    continue;
                }
                end
            }
        };
        let (copied, behind) = from.split_at(end);
        inlined.push_str(copied);
        rest = behind;
    }
    inlined.push_str(rest);
    inlined
}
