//! Whether what was read still holds: for a store that reads without a lock, and writes later under one.
//!
//! It is the question itself, asked again, and its answer compared as text: so it holds for whatever was asked.

use std::fmt::Write as _;

use super::Statement;
use super::cell::Cell;
use super::wire::OwnedRow;
use crate::domain::hex::to_hex;

/// A statement that fails unless a question has this answer. The order of the rows does not matter.
pub fn guard(question: &Statement<'_>, answer: &[OwnedRow]) -> Statement<'static> {
    let mut values: Vec<Cell<'static>> =
        question.values.iter().map(|value| value.clone().into_owned()).collect();
    let text = match answer.first() {
        None => format!("SELECT abs(-9223372036854775807 - EXISTS (\n{}\n))", question.text),
        Some(first) => {
            values.push(as_json(answer).into());
            let (mut names, mut found, mut expected) =
                (String::new(), String::new(), String::new());
            for at in 0..first.len() {
                let (comma, and) = if at == 0 { ("", "") } else { (", ", " || ',' || ") };
                let has_bytes = answer.iter().any(|row| matches!(row.get(at), Some(Cell::Blob(_))));
                // Writing to a String can't fail.
                let _ = write!(names, "{comma}c{at}");
                let _ = write!(found, "{and}quote(c{at})");
                let _ = match has_bytes {
                    false => write!(expected, "{and}quote(value ->> {at})"),
                    true => write!(
                        expected,
                        "{and}CASE json_type(value, '$[{at}]') WHEN 'array' \
                         THEN 'X''' || (value ->> '$[{at}][0]') || '''' ELSE quote(value ->> {at}) END"
                    ),
                };
            }
            format!(
                "WITH q({names}) AS (\n{}\n) SELECT abs(-9223372036854775807 - ((\
                 SELECT coalesce(group_concat(line, ';'), '') FROM (SELECT {found} AS line FROM q ORDER BY 1)\
                 ) <> (\
                 SELECT group_concat(line, ';') FROM (SELECT {expected} AS line FROM json_each(?{}) ORDER BY 1)\
                 )))",
                question.text,
                values.len(),
            )
        }
    };
    Statement::new(text, values)
}

/// A statement that fails unless the one before has changed one row.
pub const ONE_CHANGED: &str = "SELECT abs(-9223372036854775807 - (changes() <> 1))";

/// The rows as an array of arrays, bytes as an array of their digits.
fn as_json(rows: &[OwnedRow]) -> String {
    let mut json = String::from("[");
    for (at, row) in rows.iter().enumerate() {
        json.push_str(if at == 0 { "[" } else { ",[" });
        for (at, cell) in row.iter().enumerate() {
            json.push_str(if at == 0 { "" } else { "," });
            // Writing to a String can't fail.
            let _ = match cell {
                Cell::Null => write!(json, "null"),
                Cell::Integer(number) => write!(json, "{number}"),
                Cell::Real(number) if number.is_finite() => write!(json, "{number:?}"),
                Cell::Real(number) => write!(json, "{}9e999", if *number < 0.0 { "-" } else { "" }),
                Cell::Text(text) => {
                    write!(json, "{}", serde_json::Value::from(String::from_utf8_lossy(text)))
                }
                Cell::Blob(bytes) => {
                    write!(json, "[\"{}\"]", to_hex(bytes).to_ascii_uppercase())
                }
            };
        }
        json.push(']');
    }
    json.push(']');
    json
}
