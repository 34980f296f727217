//! Values as literals that have the same meaning in any `sql_mode` and any character set of the connection.

use chrono::DateTime;

use crate::domain::column::in_form;
use crate::domain::hex::to_hex;
use crate::domain::value::{Value, iso8601};
use crate::storage::schema::{Column, Kind};

/// The digits of a second's fraction that a type of times has by default.
pub(super) const TIME_DIGITS: u32 = 0;

/// The SQL literal NULL.
pub(super) const NULL: &str = "NULL";

/// A text. It is quoted only if every `sql_mode` reads it in the same way; otherwise it is written in
/// hexadecimal digits.
pub(super) fn text(text: &str) -> String {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'\'' && byte != b'\\';
    match text.bytes().all(is_plain) {
        true => format!("'{text}'"),
        false => format!("_utf8mb4 {}", bytes(text.as_bytes())),
    }
}

/// Bytes.
pub(super) fn bytes(bytes: &[u8]) -> String {
    format!("X'{}'", to_hex(bytes))
}

/// A list for IN, which matches no row if there are no values.
pub(super) fn list(values: impl IntoIterator<Item = String>) -> String {
    let values: Vec<String> = values.into_iter().collect();
    if values.is_empty() { format!("({NULL})") } else { format!("({})", values.join(", ")) }
}

/// A list of texts.
pub(super) fn texts(texts: impl IntoIterator<Item: AsRef<str>>) -> String {
    list(texts.into_iter().map(|one| text(one.as_ref())))
}

/// A time in this column's precision, rounded down. The server would round up.
pub(super) fn time(column: &Column, time_ms: i64) -> String {
    let step = column.time_step_ms(TIME_DIGITS);
    time_text(time_ms.div_euclid(step) * step)
}

/// The first time in this column's precision that is not before this one.
pub(super) fn time_from(column: &Column, time_ms: i64) -> String {
    time(column, time_ms.saturating_add(column.time_step_ms(TIME_DIGITS) - 1))
}

fn time_text(time_ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(time_ms).unwrap_or_default();
    format!("'{}'", time.format("%Y-%m-%d %H:%M:%S%.3f"))
}

/// The value of a column. The schema has checked that it fits.
pub(super) fn value(value: &Value, column: &Column) -> String {
    match (column.kind, in_form(column.kind, value).as_ref()) {
        (Kind::Timestamp, Value::TimeMs(time_ms)) => time(column, *time_ms),
        // A JSON column stores a lone text or time as JSON.stringify writes it.
        (Kind::Json, Value::Text(lone)) => json(lone),
        (Kind::Json, Value::TimeMs(time_ms)) => {
            iso8601(*time_ms).map_or_else(|| NULL.to_owned(), |lone| json(&lone))
        }
        (Kind::Json, Value::Bool(value)) => text(&value.to_string()),
        (Kind::Json, Value::Integer(value)) => text(&value.to_string()),
        (Kind::Json, Value::Real(value)) => text(&value.to_string()),
        (_, Value::Bool(value)) => u8::from(*value).to_string(),
        (_, Value::Integer(value)) => value.to_string(),
        // The exponent keeps it a floating-point literal; a decimal literal would lose digits.
        (_, Value::Real(value)) if !column.sql_type.starts_with("decimal") => format!("{value:e}"),
        (_, Value::Real(value)) => value.to_string(),
        (_, Value::Text(value) | Value::Json(value)) => text(value),
        (_, Value::TimeMs(time_ms)) => {
            iso8601(*time_ms).map_or_else(|| NULL.to_owned(), |value| text(&value))
        }
        (_, Value::Bytes(value)) => bytes(value),
        (_, Value::Null | Value::InvalidDate | Value::Unsupported(_)) => NULL.to_owned(),
    }
}

fn json(lone: &str) -> String {
    text(&serde_json::Value::from(lone).to_string())
}

#[cfg(test)]
mod tests {
    use super::super::schema::column_of_type;
    use super::*;
    use crate::domain::table::TableName;

    #[test]
    fn texts_are_plain_or_digits() {
        let rows = [
            ("", "''"),
            ("a-1 {\"b\":[2]} ?;--", "'a-1 {\"b\":[2]} ?;--'"),
            ("it's", "_utf8mb4 X'69742773'"),
            ("\\", "_utf8mb4 X'5c'"),
            ("\n", "_utf8mb4 X'0a'"),
            ("é", "_utf8mb4 X'c3a9'"),
        ];
        for (given, expected) in rows {
            assert_eq!(text(given), expected);
        }
        assert_eq!(texts(["a", "b"]), "('a', 'b')");
        assert_eq!(texts(Vec::<String>::new()), "(NULL)");
    }

    #[test]
    fn times_are_rounded_as_their_column_keeps_them() {
        let rows = [
            // the type, a time; the literal, and the first time that is not before it
            ("timestamp", 1999, "'1970-01-01 00:00:01.000'", "'1970-01-01 00:00:02.000'"),
            ("timestamp", 2000, "'1970-01-01 00:00:02.000'", "'1970-01-01 00:00:02.000'"),
            ("datetime(1)", 1999, "'1970-01-01 00:00:01.900'", "'1970-01-01 00:00:02.000'"),
            ("datetime(3)", 1999, "'1970-01-01 00:00:01.999'", "'1970-01-01 00:00:01.999'"),
            ("datetime(6)", -1, "'1969-12-31 23:59:59.999'", "'1969-12-31 23:59:59.999'"),
            ("datetime", -1, "'1969-12-31 23:59:59.000'", "'1970-01-01 00:00:00.000'"),
        ];
        for (sql_type, time_ms, down, up) in rows {
            let column = column_of_type(TableName::User, "own", sql_type);
            assert_eq!(time(&column, time_ms), down, "{sql_type}");
            assert_eq!(time_from(&column, time_ms), up, "{sql_type}");
        }
    }

    #[test]
    fn values_take_the_form_of_their_column() {
        let text = |text: &str| Value::Text(text.to_owned());
        let rows = [
            // the column's type, the value; the literal
            ("int", text("7"), "7"),
            ("int", Value::Null, "NULL"),
            ("double", Value::Real(0.1), "1e-1"),
            ("decimal(10,2)", Value::Real(1.5), "1.5"),
            ("tinyint(1)", text("true"), "1"),
            ("tinyint(1)", Value::Bool(false), "0"),
            ("varchar(9)", Value::Integer(7), "'7'"),
            ("json", text("a\""), r#"_utf8mb4 X'22615c2222'"#),
            ("json", Value::Json("[1]".to_owned()), "'[1]'"),
            ("json", Value::Bool(true), "'true'"),
            ("json", Value::TimeMs(1), "'\"1970-01-01T00:00:00.001Z\"'"),
            ("date", Value::TimeMs(1), "'1970-01-01T00:00:00.001Z'"),
            ("blob", Value::Bytes(vec![0, 255]), "X'00ff'"),
        ];
        for (sql_type, given, expected) in rows {
            let column = column_of_type(TableName::User, "own", sql_type);
            assert_eq!(value(&given, &column), expected, "{sql_type} {given:?}");
        }
    }
}
