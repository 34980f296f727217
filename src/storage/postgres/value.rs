//! Values in and out of PostgreSQL, by what their column holds, in its binary format
//! (<https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-FORMAT-CODES>).

use std::error::Error as StdError;

use postgres_types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::ids::Uuid;
use crate::domain::column::in_form;
use crate::domain::value::{Value, iso8601};
use crate::storage::schema::{Column, Kind};
use crate::storage::times::within_dates;

type Boxed = Box<dyn StdError + Sync + Send>;

/// PostgreSQL counts microseconds from the year 2000.
const EPOCH_2000_MS: i64 = 946_684_800_000;

/// A parameter of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Param {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    /// For a column without a time zone, which holds UTC, and for one with: they look the same.
    TimeMs(i64),
    Bytes(Vec<u8>),
    Texts(Vec<String>),
    Integers(Vec<i64>),
    Uuid(Uuid),
    Uuids(Vec<Option<Uuid>>),
    Numbers(Vec<Option<i64>>),
}

impl ToSql for Param {
    fn to_sql(&self, declared: &Type, out: &mut BytesMut) -> Result<IsNull, Boxed> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Bool(value) => value.to_sql(declared, out),
            Self::Integer(value) => value.to_sql(declared, out),
            Self::Real(value) => value.to_sql(declared, out),
            Self::Text(value) => value.to_sql(declared, out),
            Self::TimeMs(time_ms) => to_micros(*time_ms)?.to_sql(declared, out),
            Self::Bytes(value) => value.to_sql(declared, out),
            Self::Texts(values) => values.to_sql(declared, out),
            Self::Integers(values) => values.to_sql(declared, out),
            Self::Uuid(value) => value.to_sql(declared, out),
            Self::Uuids(values) => values.to_sql(declared, out),
            Self::Numbers(values) => values.to_sql(declared, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn to_micros(time_ms: i64) -> Result<i64, Boxed> {
    let micros = time_ms.checked_sub(EPOCH_2000_MS).and_then(|since_ms| since_ms.checked_mul(1000));
    micros.ok_or_else(|| "a time out of range".into())
}

impl Param {
    /// A value on its way into a column, and the type that it is sent as. The schema has checked that
    /// it fits.
    pub(super) fn of(value: &Value, column: &Column) -> (Self, Type) {
        let value = in_form(column.kind, value);
        let param = match (value.as_ref(), column.kind) {
            // A JSON column keeps a lone text or number the way JSON.stringify writes it.
            (Value::Text(text), Kind::Json) => {
                Self::Text(serde_json::Value::from(text.as_str()).to_string())
            }
            (Value::Bool(value), Kind::Json | Kind::Other) => Self::Text(value.to_string()),
            (Value::Integer(value), Kind::Json | Kind::Other) => Self::Text(value.to_string()),
            (Value::Real(value), Kind::Json | Kind::Other) => Self::Text(value.to_string()),
            (Value::TimeMs(time_ms), Kind::Json) => {
                Self::Text(serde_json::Value::from(iso8601(*time_ms)).to_string())
            }
            (Value::TimeMs(time_ms), Kind::Other) => {
                iso8601(*time_ms).map_or(Self::Null, Self::Text)
            }
            // As real as it gets: the column holds floating point numbers.
            (Value::Integer(value), Kind::Real) => Self::Real(*value as f64),
            (Value::Null | Value::InvalidDate | Value::Unsupported(_), _) => Self::Null,
            (Value::Bool(value), _) => Self::Bool(*value),
            (Value::Integer(value), _) => Self::Integer(*value),
            (Value::Real(value), _) => Self::Real(*value),
            (Value::TimeMs(time_ms), _) => Self::TimeMs(*time_ms),
            (Value::Text(text) | Value::Json(text), _) => Self::Text(text.clone()),
            (Value::Bytes(bytes), _) => Self::Bytes(bytes.clone()),
        };
        let declared = match column.kind {
            Kind::Integer => Type::INT8,
            Kind::Real => Type::FLOAT8,
            Kind::Boolean => Type::BOOL,
            Kind::Timestamp => time_type(column),
            Kind::Other if column.sql_type == "bytea" => Type::BYTEA,
            Kind::Text | Kind::Json | Kind::Other => Type::TEXT,
        };
        (param, declared)
    }
}

/// The type of a time in this column.
pub(super) fn time_type(column: &Column) -> Type {
    if column.sql_type.contains("with time zone") { Type::TIMESTAMPTZ } else { Type::TIMESTAMP }
}

/// Whether text must be cast to the column's type, and its values to text: the statements that this
/// package sends know only plain types.
pub(super) fn needs_cast(column: &Column) -> bool {
    let plain = |names: &[&str]| names.iter().any(|name| column.sql_type.starts_with(name));
    match column.kind {
        Kind::Text => !plain(&["text", "character"]),
        Kind::Json => true,
        Kind::Real => plain(&["numeric"]),
        Kind::Other => column.sql_type != "bytea",
        Kind::Integer | Kind::Boolean | Kind::Timestamp => false,
    }
}

/// A value as the server sent it.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Boxed> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A value of a column. What can't be read comes through as bytes: a page that shows an odd row is
/// better than one that can't be read.
pub(super) fn read(
    row: &tokio_postgres::Row,
    at: usize,
    column: &Column,
) -> Result<Value, tokio_postgres::Error> {
    let Some(Raw(raw)) = row.try_get::<_, Option<Raw<'_>>>(at)? else { return Ok(Value::Null) };
    Ok(decode(raw, column).unwrap_or_else(|| Value::Bytes(raw.to_vec())))
}

/// A value by the type that it was sent as, of a column that had another one when it was looked at.
pub(super) fn read_as_sent(
    row: &tokio_postgres::Row,
    at: usize,
    column: &Column,
) -> Result<Value, tokio_postgres::Error> {
    let sent = row.columns().get(at).map(|sent| sent.type_().clone());
    let kind = match sent {
        Some(Type::INT2 | Type::INT4 | Type::INT8) => Kind::Integer,
        Some(Type::FLOAT4 | Type::FLOAT8) => Kind::Real,
        Some(Type::BOOL) => Kind::Boolean,
        Some(Type::TIMESTAMP | Type::TIMESTAMPTZ) => Kind::Timestamp,
        Some(Type::TEXT | Type::VARCHAR | Type::BPCHAR) => Kind::Text,
        _ => Kind::Other,
    };
    // What is none of these comes as bytes.
    let sql_type = if kind == Kind::Other { "bytea" } else { "" };
    read(row, at, &Column { kind, sql_type: sql_type.to_owned(), ..column.clone() })
}

fn decode(raw: &[u8], column: &Column) -> Option<Value> {
    let text = || std::str::from_utf8(raw).ok().map(ToOwned::to_owned);
    let integer = || match raw.len() {
        2 => Some(i64::from(i16::from_be_bytes(raw.try_into().ok()?))),
        4 => Some(i64::from(i32::from_be_bytes(raw.try_into().ok()?))),
        8 => Some(i64::from_be_bytes(raw.try_into().ok()?)),
        _ => None,
    };
    match column.kind {
        Kind::Integer => integer().map(|number| whole(number, column)),
        Kind::Timestamp => integer().map(|micros| Value::TimeMs(to_ms(micros))),
        Kind::Boolean => raw.first().map(|byte| Value::Bool(*byte != 0)),
        Kind::Real if needs_cast(column) => text()?.parse().ok().map(Value::Real),
        Kind::Real => match raw.len() {
            4 => Some(Value::Real(f64::from(f32::from_be_bytes(raw.try_into().ok()?)))),
            _ => Some(Value::Real(f64::from_be_bytes(raw.try_into().ok()?))),
        },
        Kind::Text => text().map(Value::Text),
        Kind::Json => text().map(Value::Json),
        Kind::Other if needs_cast(column) => text().map(Value::Text),
        Kind::Other => None,
    }
}

/// An id keeps all its digits, as text: a number of JavaScript would lose the last ones of a large one.
fn whole(number: i64, column: &Column) -> Value {
    const LARGEST: u64 = (1 << 53) - 1;
    let is_id = column.key == "id" || column.key == "userId";
    match is_id && number.unsigned_abs() > LARGEST {
        true => Value::Text(number.to_string()),
        false => Value::Integer(number),
    }
}

/// Rounds down to the millisecond. "infinity" becomes the latest time that a `Date` holds.
pub(super) fn to_ms(micros: i64) -> i64 {
    within_dates(micros.div_euclid(1000).saturating_add(EPOCH_2000_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_down_and_come_back() {
        let rows = [(0, EPOCH_2000_MS), (1999, EPOCH_2000_MS + 1), (-1, EPOCH_2000_MS - 1)];
        for (micros, expected_ms) in rows {
            assert_eq!(to_ms(micros), expected_ms);
        }
        for time_ms in [0, 1_797_022_109_250, -8_640_000_000_000_000, 8_640_000_000_000_000] {
            assert_eq!(to_ms(to_micros(time_ms).unwrap()), time_ms);
        }
        assert!(to_micros(i64::MAX).is_err());
    }
}
