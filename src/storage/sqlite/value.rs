//! Values in and out of SQLite, by what their column holds.

use std::borrow::Cow;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use crate::domain::column::in_form;
use crate::domain::value::{Value, iso8601};
use crate::error::{Error, Result};
use crate::storage::schema::{Column, Kind};
use crate::storage::times::TimestampUnit;

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
        (ValueRef::Integer(_) | ValueRef::Real(_), Kind::Timestamp) => {
            time_ms(value, unit).map_or_else(|| plain(value), Value::TimeMs)
        }
        (ValueRef::Integer(stored), Kind::Boolean) => Value::Bool(stored != 0),
        (ValueRef::Real(_), Kind::Integer) => {
            whole(value).map_or_else(|| plain(value), Value::Integer)
        }
        (ValueRef::Text(text), Kind::Json) => Value::Json(lossy(text)),
        (value, _) => plain(value),
    }
}

/// A value as it stands, whatever its column says.
fn plain(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(stored) => Value::Integer(stored),
        ValueRef::Real(stored) => Value::Real(stored),
        ValueRef::Text(text) => Value::Text(lossy(text)),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

/// The whole number that a value is, without guessing. `spendable_grants.sql` and `balance.sql` say the same.
pub(super) fn whole(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Real(number) => {
            // Above, a float is larger than all whole numbers.
            const END: f64 = 9_223_372_036_854_775_808.0;
            let is_whole = number.fract() == 0.0 && (-END..END).contains(&number);
            is_whole.then_some(number as i64)
        }
        _ => None,
    }
}

/// The time that a value is, without guessing: a number in the column's unit. Text may be of any zone.
pub(super) fn time_ms(value: ValueRef<'_>, unit: TimestampUnit) -> Option<i64> {
    match value {
        ValueRef::Integer(stored) => Some(unit.to_ms(stored)),
        ValueRef::Real(stored) => unit.fraction_to_ms(stored),
        _ => None,
    }
}

/// A row's values, for facts that the ledger decides by: what can't be read is an error that says where it is.
pub(super) struct Cells<'r> {
    pub(super) row: &'r rusqlite::Row<'r>,
    pub(super) table: &'static str,
    /// The row's `id`.
    pub(super) id: &'r str,
    pub(super) unit: TimestampUnit,
}

impl Cells<'_> {
    pub(super) fn get(&self, at: usize) -> ValueRef<'_> {
        // A statement has as many columns as are asked for.
        self.row.get_ref(at).unwrap_or(ValueRef::Null)
    }

    fn unreadable(&self, at: usize, field: &'static str, expected: &'static str) -> Error {
        Error::ValueUnreadable {
            table: self.table,
            field,
            id: self.id.to_owned(),
            found: found(self.get(at)),
            expected,
        }
    }

    pub(super) fn whole(&self, at: usize, field: &'static str) -> Result<i64> {
        whole(self.get(at)).ok_or_else(|| self.unreadable(at, field, "a whole number"))
    }

    pub(super) fn time_ms(&self, at: usize, field: &'static str) -> Result<i64> {
        time_ms(self.get(at), self.unit).ok_or_else(|| self.unreadable(at, field, TIME))
    }

    pub(super) fn text(&self, at: usize, field: &'static str) -> Result<String> {
        self.text_or_null(at, field)?.ok_or_else(|| self.unreadable(at, field, "text"))
    }

    pub(super) fn text_or_null(&self, at: usize, field: &'static str) -> Result<Option<String>> {
        self.get(at)
            .as_str_or_null()
            .map(|text| text.map(str::to_owned))
            .map_err(|_| self.unreadable(at, field, "text"))
    }
}

/// What a message says belongs into a column of times.
pub(super) const TIME: &str = "a time as a number, in the unit of the others";

/// What a message says of a value that can't be read.
pub(super) fn found(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Text(text) if std::str::from_utf8(text).is_err() => {
            "text that is not UTF-8".to_owned()
        }
        value => plain(value).describe(),
    }
}

/// SQLite does not check that text is UTF-8.
fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
