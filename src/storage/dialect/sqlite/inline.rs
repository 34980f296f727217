//! SQLite values as literals in a statement.

use std::fmt::Write as _;

use super::Statement;
use super::cell::Cell;
use crate::domain::hex::to_hex;

/// The statement as text without parameters, for a connection that has only SQLite's built-in functions.
pub fn inline(statement: &Statement<'_>) -> String {
    let text = statement.text.replace("is_text(id)", "typeof(id) = 'text'");
    let (mut last, null) = (0, Cell::Null);
    super::super::inline::inline(&text, b'?', |inlined, number| {
        last = number.unwrap_or(last + 1);
        let value = last.checked_sub(1).and_then(|at| statement.values.get(at));
        write_value(inlined, value.unwrap_or(&null));
        true
    })
}

fn write_value(inlined: &mut String, value: &Cell<'_>) {
    // Writing to a String can't fail.
    let _ = match value {
        Cell::Null => write!(inlined, "NULL"),
        // Its digits without the sign exceed the range of an integer.
        Cell::Integer(i64::MIN) => write!(inlined, "(-9223372036854775807 - 1)"),
        Cell::Integer(number) => write!(inlined, "({number})"),
        // With a point or an exponent, otherwise it would be an integer.
        Cell::Real(number) if number.is_finite() => write!(inlined, "({number:?})"),
        Cell::Real(number) if number.is_nan() => write!(inlined, "NULL"),
        Cell::Real(number) => write!(inlined, "({}9e999)", if *number < 0.0 { "-" } else { "" }),
        Cell::Text(text) => match std::str::from_utf8(text) {
            // A literal ends at a NUL.
            Ok(text) if !text.contains('\0') => write!(inlined, "'{}'", text.replace('\'', "''")),
            _ => write!(inlined, "CAST(x'{}' AS TEXT)", to_hex(text)),
        },
        Cell::Blob(bytes) => write!(inlined, "x'{}'", to_hex(bytes)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_their_places_are() {
        let rows: [(&str, Vec<Cell<'_>>, &str); 10] = [
            (
                "is_text(id) AND id = ?",
                vec!["is_text(id)".into()],
                "typeof(id) = 'text' AND id = 'is_text(id)'",
            ),
            ("?", vec![i64::MIN.into()], "(-9223372036854775807 - 1)"),
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
