//! Statements that carry their values in their text: for clients whose own way to write a value can be anything.

use std::fmt::Write as _;

use super::Statement;
use super::cell::Cell;

/// The statement as one text without parameters.
pub fn inline(statement: &Statement<'_>) -> String {
    let text = statement.text.as_ref();
    let mut inlined = String::with_capacity(text.len() + 64 * statement.values.len());
    let mut next = 0;
    let mut rest = text;
    while let Some(at) = rest.find(['?', '\'', '"', '-']) {
        let (before, from) = rest.split_at(at);
        inlined.push_str(before);
        rest = match from.as_bytes()[0] {
            b'?' => {
                let digits = from[1..].find(|character: char| !character.is_ascii_digit());
                let end = digits.map_or(from.len(), |digits| digits + 1);
                let number = from[1..end].parse().unwrap_or(next + 1);
                next = number;
                let null = Cell::Null;
                write_value(&mut inlined, statement.values.get(number - 1).unwrap_or(&null));
                &from[end..]
            }
            b'-' if from.starts_with("--") => from.split_once('\n').map_or("", |(_, rest)| rest),
            b'-' => {
                inlined.push('-');
                &from[1..]
            }
            quote => {
                let end = from[1..].find(char::from(quote)).map_or(from.len(), |at| at + 2);
                inlined.push_str(&from[..end]);
                &from[end..]
            }
        };
    }
    inlined.push_str(rest);
    inlined
}

fn write_value(inlined: &mut String, value: &Cell<'_>) {
    // Writing to a String can't fail.
    let _ = match value {
        Cell::Null => write!(inlined, "NULL"),
        // Its digits alone are too many for an integer.
        Cell::Integer(i64::MIN) => write!(inlined, "(-9223372036854775807 - 1)"),
        Cell::Integer(number) => write!(inlined, "({number})"),
        // With a point or an exponent, or it would be an integer.
        Cell::Real(number) if number.is_finite() => write!(inlined, "({number:?})"),
        Cell::Real(number) if number.is_nan() => write!(inlined, "NULL"),
        Cell::Real(number) => write!(inlined, "({}9e999)", if *number < 0.0 { "-" } else { "" }),
        Cell::Text(text) => match std::str::from_utf8(text) {
            // A literal ends at a NUL.
            Ok(text) if !text.contains('\0') => write!(inlined, "'{}'", text.replace('\'', "''")),
            _ => write!(inlined, "CAST(x'{}' AS TEXT)", hex(text)),
        },
        Cell::Blob(bytes) => write!(inlined, "x'{}'", hex(bytes)),
    };
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_their_places_are() {
        let rows: [(&str, Vec<Cell<'_>>, &str); 8] = [
            ("SELECT ?, ?", vec!["a".into(), 5.into()], "SELECT 'a', (5)"),
            ("?2 ?1 ?2", vec![1.into(), (-2).into()], "(-2) (1) (-2)"),
            ("? -- why? the app's\n = ?", vec![1.into(), 2.into()], "(1)  = (2)"),
            ("\"a?\" = '?' AND ?", vec!["it's".into()], "\"a?\" = '?' AND 'it''s'"),
            ("?", vec!["? ?1".into()], "'? ?1'"),
            ("?", vec![5.0.into()], "(5.0)"),
            ("?", vec!["a\0b".into()], "CAST(x'610062' AS TEXT)"),
            ("?", vec![Cell::Blob(vec![0, 255].into())], "x'00ff'"),
        ];
        for (text, values, expected) in rows {
            assert_eq!(inline(&Statement::new(text, values)), expected);
        }
    }
}
