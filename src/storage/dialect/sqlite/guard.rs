//! Checks that facts still hold, for a store that reads without a lock and writes later under one.
//!
//! A check runs the same query again and compares the results as text, so it works for any query.

use std::fmt::Write as _;

use super::Statement;
use super::cell::Cell;
use super::wire::OwnedRow;
use crate::domain::hex::to_hex;

/// A statement that fails unless a query returns these rows, in any order.
pub fn guard(question: &Statement<'_>, answer: &[OwnedRow]) -> Statement<'static> {
    let mut values: Vec<Cell<'static>> =
        question.values.iter().map(|value| value.clone().into_owned()).collect();
    let asked = &question.text;
    let Some(first) = answer.first() else {
        let text = format!("SELECT abs(-9223372036854775807 - EXISTS (\n{asked}\n))");
        return Statement::new(text, values);
    };
    let columns = first.len();
    let names = list(columns, ", ", |at| format!("c{at}"));
    let (found, expected) = match as_lines(answer) {
        Some(lines) => {
            values.push(lines.into());
            (format!("json_array({names})"), format!("?{}", values.len()))
        }
        None => {
            values.push(as_json(answer).into());
            let found = list(columns, " || ',' || ", |at| format!("quote(c{at})"));
            let line = list(columns, " || ',' || ", |at| expected(answer, at));
            let lines = format!("SELECT {line} AS line FROM json_each(?{})", values.len());
            (found, format!("(SELECT group_concat(line) FROM ({lines} ORDER BY 1))"))
        }
    };
    let text = format!(
        "WITH q({names}) AS (\n{asked}\n) SELECT abs(-9223372036854775807 - ((\
         SELECT group_concat(line) FROM (SELECT {found} AS line FROM q ORDER BY 1)) IS NOT {expected}))"
    );
    Statement::new(text, values)
}

/// A list with an item for each column.
fn list(columns: usize, between: &str, of: impl Fn(usize) -> String) -> String {
    (0..columns).map(of).collect::<Vec<_>>().join(between)
}

/// The rows as SQLite's `json_array` writes them, sorted. `None` if a value has several textual forms: a
/// number with a fraction, bytes, or control characters.
fn as_lines(rows: &[OwnedRow]) -> Option<String> {
    let cell = |cell: &Cell<'_>| match cell {
        Cell::Null => Some("null".to_owned()),
        Cell::Integer(number) => Some(number.to_string()),
        Cell::Text(text) => {
            let text = std::str::from_utf8(text).ok()?;
            let is_plain = !text.chars().any(|letter| letter.is_control() && letter != '\n');
            is_plain.then(|| serde_json::Value::from(text).to_string())
        }
        Cell::Real(_) | Cell::Blob(_) => None,
    };
    let line = |row: &OwnedRow| {
        let cells: Option<Vec<String>> = row.iter().map(cell).collect();
        cells.map(|cells| format!("[{}]", cells.join(",")))
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect::<Option<_>>()?;
    lines.sort_unstable();
    Some(lines.join(","))
}

/// The SQL of a column's expected value as text, written by SQLite itself.
fn expected(answer: &[OwnedRow], at: usize) -> String {
    match answer.iter().any(|row| matches!(row.get(at), Some(Cell::Blob(_)))) {
        false => format!("quote(value ->> {at})"),
        true => format!(
            "CASE json_type(value, '$[{at}]') WHEN 'array' \
             THEN 'X''' || (value ->> '$[{at}][0]') || '''' ELSE quote(value ->> {at}) END"
        ),
    }
}

/// A statement that fails unless the one before changed this many rows.
pub fn changed(rows: usize) -> String {
    format!("SELECT abs(-9223372036854775807 - (changes() <> {rows}))")
}

/// The rows as JSON arrays, with bytes as arrays of their digits.
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
