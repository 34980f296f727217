//! PostgreSQL values as literals in a statement.

use std::fmt::Write as _;

use super::Statement;
use super::value::Value;
use crate::domain::hex::to_hex;
use crate::domain::value::iso8601;

/// The statement as text without parameters.
pub fn inline(statement: &Statement) -> String {
    super::super::inline::inline(&statement.text, b'$', |inlined, number| {
        let value = number.and_then(|number| statement.values.get(number.checked_sub(1)?));
        value.inspect(|value| write_value(inlined, value)).is_some()
    })
}

fn write_value(inlined: &mut String, value: &Value) {
    let mut typed = |value: Option<String>, sql_type: &str| {
        let value = value.map_or_else(|| "NULL".to_owned(), |value| quote_text(&value));
        // Writing to a String can't fail. The parentheses separate the value from a cast after the
        // placeholder.
        let _ = write!(inlined, "({value}::{sql_type})");
    };
    match value {
        Value::Bool(value) => typed(value.map(|value| value.to_string()), "boolean"),
        Value::Integer(value) => typed(value.map(|value| value.to_string()), "bigint"),
        Value::Real(value) => typed(value.map(|value| value.to_string()), "double precision"),
        Value::Text(value) => typed(value.clone(), "text"),
        Value::Uuid(value) => typed(value.map(|value| value.to_string()), "uuid"),
        Value::Bytes(None) => typed(None, "bytea"),
        Value::Bytes(Some(bytes)) => {
            let _ = write!(inlined, "decode('{}', 'hex')", to_hex(bytes));
        }
        Value::Time(None) => typed(None, "timestamp"),
        // The server plans a literal faster than an expression.
        Value::Time(Some(time_ms)) => match literal(*time_ms) {
            Some(literal) => {
                let _ = write!(inlined, "('{literal}'::timestamp)");
            }
            None => {
                let _ = write!(inlined, "({} AT TIME ZONE 'UTC')", instant(*time_ms));
            }
        },
        Value::ZonedTime(None) => typed(None, "timestamptz"),
        Value::ZonedTime(Some(time_ms)) => match literal(*time_ms) {
            Some(literal) => {
                let _ = write!(inlined, "('{literal}'::timestamptz)");
            }
            None => inlined.push_str(&instant(*time_ms)),
        },
        Value::Texts(values) => {
            array(inlined, values.iter().map(|text| Some(quote_text(text))), "text")
        }
        Value::Integers(values) => {
            array(
                inlined,
                values.iter().map(|number| number.map(|number| number.to_string())),
                "bigint",
            );
        }
        Value::Uuids(values) => {
            let quoted = |uuid: &Option<uuid::Uuid>| uuid.map(|uuid| format!("'{uuid}'"));
            array(inlined, values.iter().map(quoted), "uuid");
        }
    }
}

fn array(inlined: &mut String, values: impl Iterator<Item = Option<String>>, sql_type: &str) {
    let values: Vec<String> =
        values.map(|value| value.unwrap_or_else(|| "NULL".to_owned())).collect();
    let _ = write!(inlined, "(ARRAY[{}]::{sql_type}[])", values.join(", "));
}

/// A time as a literal that a server reads with any `DateStyle`, if its year is from 1 to 9999. Types without
/// a time zone ignore the Z.
fn literal(time_ms: i64) -> Option<String> {
    // A longer year begins with a sign, and there is no year 0.
    iso8601(time_ms).filter(|text| text.as_str() >= "0001")
}

/// An expression with exact milliseconds, because the server rounds to microseconds.
fn instant(time_ms: i64) -> String {
    let (sign, ms) = (if time_ms < 0 { "-" } else { "" }, time_ms.unsigned_abs());
    format!("to_timestamp({sign}{}.{:03})", ms / 1000, ms % 1000)
}

/// Quoted text, for any `standard_conforming_strings`.
fn quote_text(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match quoted.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_their_places_are() {
        let uuid = uuid::Uuid::nil();
        let rows: [(&str, Vec<Value>, &str); 17] = [
            ("-- The app's $1.\nSELECT $1", vec![1.into()], "SELECT ('1'::bigint)"),
            ("3 - $1 -- the app's", vec![1.into()], "3 - ('1'::bigint) "),
            ("SELECT $1, $2", vec!["a".into(), 5.into()], "SELECT ('a'::text), ('5'::bigint)"),
            ("$1$2", vec![(-5).into(), Value::Bool(None)], "('-5'::bigint)(NULL::boolean)"),
            ("$1::varchar", vec!["it's".into()], "('it''s'::text)::varchar"),
            (
                "$1",
                vec![r"\'; DROP TABLE credit; --".into()],
                r"(E'\\''; DROP TABLE credit; --'::text)",
            ),
            ("\"a$1\" = '$1' AND $1", vec![1.into()], "\"a$1\" = '$1' AND ('1'::bigint)"),
            ("\"odd\"\"$1\" = $1", vec![1.into()], "\"odd\"\"$1\" = ('1'::bigint)"),
            ("$1", vec!["$1 $2".into()], "('$1 $2'::text)"),
            (
                "$1",
                vec![vec!["a".to_owned(), "b'".to_owned()].into()],
                "(ARRAY['a', 'b''']::text[])",
            ),
            ("$1", vec![Value::Integers(vec![Some(1), None])], "(ARRAY[1, NULL]::bigint[])"),
            ("$1", vec![Value::Time(Some(-1))], "('1969-12-31T23:59:59.999Z'::timestamp)"),
            ("$1", vec![Value::ZonedTime(Some(0))], "('1970-01-01T00:00:00.000Z'::timestamptz)"),
            (
                "$1",
                vec![Value::Time(Some(317_336_745_600_001))],
                "(to_timestamp(317336745600.001) AT TIME ZONE 'UTC')",
            ),
            (
                "$1",
                vec![Value::ZonedTime(Some(-62_135_596_800_001))],
                "to_timestamp(-62135596800.001)",
            ),
            ("$1", vec![Value::Bytes(Some(vec![0, 255]))], "decode('00ff', 'hex')"),
            (
                "$1",
                vec![Value::Uuids(vec![Some(uuid)])],
                "(ARRAY['00000000-0000-0000-0000-000000000000']::uuid[])",
            ),
        ];
        for (text, values, expected) in rows {
            assert_eq!(inline(&Statement::new(text, values)), expected);
        }
    }
}
