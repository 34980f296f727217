//! Values in and out of SQLite, by what their column holds.

use std::borrow::Cow;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use crate::domain::column::in_form;
use crate::domain::value::{Value, iso8601};
use crate::storage::schema::{Column, Kind, TimestampUnit};

/// A value on its way into a column. The schema has checked that it fits.
pub(super) struct Bound<'a> {
    value: Cow<'a, Value>,
    kind: Kind,
    unit: TimestampUnit,
}

impl<'a> Bound<'a> {
    pub(super) fn new(value: &'a Value, kind: Kind, unit: TimestampUnit) -> Self {
        Self { value: in_form(kind, value), kind, unit }
    }
}

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let borrowed = |value| Ok(ToSqlOutput::Borrowed(value));
        match (self.value.as_ref(), self.kind) {
            (Value::Null, _) => borrowed(ValueRef::Null),
            // A JSON column keeps a lone text or number the way JSON.stringify writes it.
            (Value::Text(text), Kind::Json) => {
                Ok(ToSqlOutput::from(serde_json::Value::from(text.as_str()).to_string()))
            }
            (Value::Bool(value), Kind::Json) => Ok(ToSqlOutput::from(value.to_string())),
            (Value::Integer(value), Kind::Json) => Ok(ToSqlOutput::from(value.to_string())),
            (Value::Real(value), Kind::Json) => Ok(ToSqlOutput::from(value.to_string())),
            (Value::TimeMs(time_ms), Kind::Json) => {
                let text = iso8601(*time_ms);
                Ok(ToSqlOutput::from(serde_json::Value::from(text).to_string()))
            }
            (Value::InvalidDate | Value::Unsupported(_), _) => {
                Err(rusqlite::Error::ToSqlConversionFailure(self.value.describe().into()))
            }
            (Value::Bool(value), _) => borrowed(ValueRef::Integer(i64::from(*value))),
            (Value::Integer(value), _) => borrowed(ValueRef::Integer(*value)),
            (Value::Real(value), _) => borrowed(ValueRef::Real(*value)),
            (Value::TimeMs(time_ms), _) => borrowed(ValueRef::Integer(self.unit.from_ms(*time_ms))),
            (Value::Text(text) | Value::Json(text), _) => borrowed(ValueRef::Text(text.as_bytes())),
            (Value::Bytes(bytes), _) => borrowed(ValueRef::Blob(bytes)),
        }
    }
}

/// A value as a column had it. What does not look like its column's kind comes through as it is: a
/// page that shows an odd old row is better than one that can't be read.
pub(super) fn read(value: ValueRef<'_>, column: &Column, unit: TimestampUnit) -> Value {
    match (value, column.kind) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(stored), Kind::Timestamp) => Value::TimeMs(unit.to_ms(stored)),
        (ValueRef::Integer(stored), Kind::Boolean) => Value::Bool(stored != 0),
        (ValueRef::Integer(stored), _) => Value::Integer(stored),
        (ValueRef::Real(stored), _) => Value::Real(stored),
        (ValueRef::Text(text), Kind::Json) => Value::Json(lossy(text)),
        (ValueRef::Text(text), _) => Value::Text(lossy(text)),
        (ValueRef::Blob(bytes), _) => Value::Bytes(bytes.to_vec()),
    }
}

/// SQLite does not check that text is UTF-8.
fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
