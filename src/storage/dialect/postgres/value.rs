//! Encodes values for PostgreSQL with their types, and decodes values of rows.

use uuid::Uuid;

use crate::domain::column::in_form;
use crate::domain::value::{Value as Given, iso8601};
use crate::storage::schema::{Column, Kind};
use crate::storage::times::within_dates;

/// PostgreSQL counts microseconds from the year 2000.
const EPOCH_2000_MS: i64 = 946_684_800_000;

/// A parameter, by its SQL type. `None`, also in an array, is NULL.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `boolean`.
    Bool(Option<bool>),
    /// `bigint`.
    Integer(Option<i64>),
    /// `double precision`.
    Real(Option<f64>),
    /// `text`.
    Text(Option<String>),
    /// `bytea`.
    Bytes(Option<Vec<u8>>),
    /// `timestamp`, in UTC: epoch milliseconds.
    Time(Option<i64>),
    /// `timestamp with time zone`: epoch milliseconds.
    ZonedTime(Option<i64>),
    /// `uuid`.
    Uuid(Option<Uuid>),
    /// `text[]`.
    Texts(Vec<String>),
    /// `bigint[]`.
    Integers(Vec<Option<i64>>),
    /// `uuid[]`.
    Uuids(Vec<Option<Uuid>>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<Vec<String>> for Value {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}

impl From<Vec<i64>> for Value {
    fn from(numbers: Vec<i64>) -> Self {
        Self::Integers(numbers.into_iter().map(Some).collect())
    }
}

impl Value {
    /// The value of a column. The schema has checked that it fits.
    pub fn of(value: &Given, column: &Column) -> Self {
        let value = in_form(column.kind, value);
        match (column.kind, value.as_ref()) {
            (Kind::Integer, Given::Integer(number)) => Self::Integer(Some(*number)),
            (Kind::Integer, _) => Self::Integer(None),
            (Kind::Real, Given::Real(number)) => Self::Real(Some(*number)),
            // The closest floating-point number: the column holds no others.
            (Kind::Real, Given::Integer(number)) => Self::Real(Some(*number as f64)),
            (Kind::Real, _) => Self::Real(None),
            (Kind::Boolean, Given::Bool(value)) => Self::Bool(Some(*value)),
            (Kind::Boolean, _) => Self::Bool(None),
            (Kind::Timestamp, Given::TimeMs(time_ms)) => Self::time_of(column, Some(*time_ms)),
            (Kind::Timestamp, _) => Self::time_of(column, None),
            // The server rejects invalid text, unless the column holds bytes.
            (_, Given::Bytes(bytes)) => match String::from_utf8(bytes.clone()) {
                Ok(text) if column.sql_type != "bytea" => Self::Text(Some(text)),
                _ => Self::Bytes(Some(bytes.clone())),
            },
            (Kind::Other, value) if column.sql_type == "bytea" => {
                Self::Bytes(text(value, column.kind).map(String::into_bytes))
            }
            (Kind::Text | Kind::Json | Kind::Other, value) => Self::Text(text(value, column.kind)),
        }
    }

    /// A time as a parameter for this column.
    pub fn time_of(column: &Column, time_ms: Option<i64>) -> Self {
        if column.sql_type.contains("with time zone") {
            Self::ZonedTime(time_ms)
        } else {
            Self::Time(time_ms)
        }
    }
}

/// A value as text, for columns of text and of types that are written as text.
fn text(value: &Given, kind: Kind) -> Option<String> {
    Some(match (value, kind) {
        // A JSON column stores a lone text or time as JSON.stringify writes it.
        (Given::Text(text), Kind::Json) => serde_json::Value::from(text.as_str()).to_string(),
        (Given::TimeMs(time_ms), Kind::Json) => {
            serde_json::Value::from(iso8601(*time_ms)).to_string()
        }
        (Given::Text(text) | Given::Json(text), _) => text.clone(),
        (Given::Bool(value), _) => value.to_string(),
        (Given::Integer(value), _) => value.to_string(),
        (Given::Real(value), _) => value.to_string(),
        (Given::TimeMs(time_ms), _) => return iso8601(*time_ms),
        (Given::Null | Given::Bytes(_) | Given::InvalidDate | Given::Unsupported(_), _) => {
            return None;
        }
    })
}

/// Whether text must be cast to the column's type, and its values to text. Statements use only plain types.
pub fn needs_cast(column: &Column) -> bool {
    let plain = |names: &[&str]| names.iter().any(|name| column.sql_type.starts_with(name));
    match column.kind {
        Kind::Text => !plain(&["text", "character"]),
        Kind::Json => true,
        Kind::Real => plain(&["numeric"]),
        Kind::Other => column.sql_type != "bytea",
        Kind::Integer | Kind::Boolean | Kind::Timestamp => false,
    }
}

/// A time in the server's microseconds; `None` if it is out of range.
pub fn to_micros(time_ms: i64) -> Option<i64> {
    time_ms.checked_sub(EPOCH_2000_MS)?.checked_mul(1000)
}

/// Rounds down to milliseconds. "infinity" becomes the latest `Date`.
pub fn to_ms(micros: i64) -> i64 {
    within_dates(micros.div_euclid(1000).saturating_add(EPOCH_2000_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::table::TableName;
    use crate::storage::dialect::postgres::schema::column_of_type;

    #[test]
    fn times_round_down_and_come_back() {
        let rows = [(0, EPOCH_2000_MS), (1999, EPOCH_2000_MS + 1), (-1, EPOCH_2000_MS - 1)];
        for (micros, expected_ms) in rows {
            assert_eq!(to_ms(micros), expected_ms);
        }
        for time_ms in [0, 1_797_022_109_250, -8_640_000_000_000_000, 8_640_000_000_000_000] {
            assert_eq!(to_ms(to_micros(time_ms).unwrap()), time_ms);
        }
        assert_eq!(to_micros(i64::MAX), None);
    }

    #[test]
    fn values_take_the_type_of_their_column() {
        let text = |text: &str| Given::Text(text.to_owned());
        let (time, iso) = (Given::TimeMs(1), "1970-01-01T00:00:00.001Z");
        let rows = [
            // the column's type, the value; the parameter
            ("integer", text("7"), Value::Integer(Some(7))),
            ("bigint", Given::Null, Value::Integer(None)),
            ("double precision", Given::Integer(7), Value::Real(Some(7.0))),
            ("boolean", text("true"), Value::Bool(Some(true))),
            ("timestamp without time zone", time.clone(), Value::Time(Some(1))),
            ("timestamp(3) with time zone", time.clone(), Value::ZonedTime(Some(1))),
            ("timestamp with time zone", Given::Null, Value::ZonedTime(None)),
            ("text", Given::Integer(7), "7".into()),
            ("uuid", text("7"), "7".into()),
            ("jsonb", text("a\""), "\"a\\\"\"".into()),
            ("jsonb", Given::Json("[1]".to_owned()), "[1]".into()),
            ("jsonb", Given::Bool(true), "true".into()),
            ("jsonb", time.clone(), format!("\"{iso}\"").as_str().into()),
            ("date", time, iso.into()),
            ("date", Given::Null, Value::Text(None)),
            ("inet", Given::Bytes(b"::1".to_vec()), "::1".into()),
            ("inet", Given::Bytes(vec![0xff]), Value::Bytes(Some(vec![0xff]))),
            ("bytea", Given::Bytes(b"a".to_vec()), Value::Bytes(Some(b"a".to_vec()))),
            ("bytea", text("a"), Value::Bytes(Some(b"a".to_vec()))),
            ("bytea", Given::Null, Value::Bytes(None)),
        ];
        for (sql_type, given, expected) in rows {
            let column = column_of_type(TableName::User, "own", sql_type, false);
            assert_eq!(Value::of(&given, &column), expected, "{sql_type} {given:?}");
        }
    }
}
