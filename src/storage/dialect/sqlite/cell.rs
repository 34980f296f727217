//! Encodes and decodes SQLite's values, by the kind of their column.

use std::borrow::Cow;

use crate::domain::column::in_form;
use crate::domain::value::{Value, iso8601};
use crate::error::{Error, Result};
use crate::storage::schema::{Column, Kind};
use crate::storage::times::TimestampUnit;

/// A value as SQLite stores it, in a row or as a parameter. Text may be invalid UTF-8.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text.
    Text(Cow<'a, [u8]>),
    /// A BLOB.
    Blob(Cow<'a, [u8]>),
}

/// A row of a statement's result, from any driver.
pub trait SelectedRow {
    /// The value at this index; NULL beyond the last column.
    fn cell(&self, at: usize) -> Cell<'_>;
}

/// A row that borrows nothing.
pub type OwnedRow = Vec<Cell<'static>>;

impl SelectedRow for Vec<Cell<'_>> {
    fn cell(&self, at: usize) -> Cell<'_> {
        self.get(at).cloned().unwrap_or(Cell::Null)
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text.into_bytes()))
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Cell<'_> {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl<'a> Cell<'a> {
    /// The value of a column. The schema has checked that it fits.
    pub fn of(value: &'a Value, kind: Kind, unit: TimestampUnit) -> Result<Self> {
        match in_form(kind, value) {
            Cow::Borrowed(value) => Self::of_form(value, kind, unit),
            Cow::Owned(value) => Cell::of_form(&value, kind, unit).map(Cell::into_owned),
        }
    }

    fn of_form(value: &'a Value, kind: Kind, unit: TimestampUnit) -> Result<Self> {
        Ok(match (value, kind) {
            (Value::Null, _) => Self::Null,
            // A JSON column stores a lone text or number as JSON.stringify writes it.
            (Value::Text(text), Kind::Json) => {
                serde_json::Value::from(text.as_str()).to_string().into()
            }
            (Value::Bool(value), Kind::Json) => value.to_string().into(),
            (Value::Integer(value), Kind::Json) => value.to_string().into(),
            (Value::Real(value), Kind::Json) => value.to_string().into(),
            (Value::TimeMs(time_ms), Kind::Json) => {
                serde_json::Value::from(iso8601(*time_ms)).to_string().into()
            }
            (Value::InvalidDate | Value::Unsupported(_), _) => {
                return Err(Error::Internal(format!("{} on its way into a row", value.describe())));
            }
            (Value::Bool(value), _) => i64::from(*value).into(),
            (Value::Integer(value), _) => (*value).into(),
            (Value::Real(value), _) => (*value).into(),
            (Value::TimeMs(time_ms), _) => unit.from_ms(*time_ms).into(),
            (Value::Text(text) | Value::Json(text), _) => text.as_str().into(),
            (Value::Bytes(bytes), _) => Self::Blob(Cow::Borrowed(bytes)),
        })
    }

    /// The same value, without borrowed data.
    pub fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Null => Cell::Null,
            Self::Integer(number) => Cell::Integer(number),
            Self::Real(number) => Cell::Real(number),
            Self::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
            Self::Blob(bytes) => Cell::Blob(Cow::Owned(bytes.into_owned())),
        }
    }

    /// A column's value. A value of another type than the column's is returned as it is, so that a page can
    /// show a row with odd values.
    pub fn read(&self, column: &Column, unit: TimestampUnit) -> Value {
        match (self, column.kind) {
            (Self::Null, _) => Value::Null,
            (Self::Integer(_) | Self::Real(_), Kind::Timestamp) => {
                self.time_ms(unit).map_or_else(|| self.plain(), Value::TimeMs)
            }
            (Self::Integer(stored), Kind::Boolean) => Value::Bool(*stored != 0),
            (Self::Real(_), Kind::Integer) => {
                self.whole().map_or_else(|| self.plain(), Value::Integer)
            }
            (Self::Text(text), Kind::Json) => Value::Json(lossy(text).into_owned()),
            _ => self.plain(),
        }
    }

    /// The value by its own type.
    fn plain(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer(stored) => Value::Integer(*stored),
            Self::Real(stored) => Value::Real(*stored),
            Self::Text(text) => Value::Text(lossy(text).into_owned()),
            Self::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        }
    }

    /// The value as a whole number, if it is exact. `spendable_grants.sql` and `balance.sql` have the same
    /// rule.
    pub fn whole(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Real(number) => {
                // Larger floats exceed all 64-bit integers.
                const END: f64 = 9_223_372_036_854_775_808.0;
                let is_whole = number.fract() == 0.0 && (-END..END).contains(number);
                is_whole.then_some(*number as i64)
            }
            _ => None,
        }
    }

    /// The value as a time, if it is unambiguous: a number in the column's unit, or text in any time zone.
    pub fn time_ms(&self, unit: TimestampUnit) -> Option<i64> {
        match self {
            Self::Integer(stored) => Some(unit.to_ms(*stored)),
            Self::Real(stored) => unit.fraction_to_ms(*stored),
            _ => None,
        }
    }

    /// The value as text. SQLite does not check that text is UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// Any value of a text column, as text.
    pub fn into_text(self) -> Option<Cow<'a, str>> {
        Some(match self.into_bytes()? {
            Cow::Borrowed(bytes) => lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(lossy(&bytes).into_owned()),
        })
    }

    /// Any value of a text column, as bytes.
    pub fn into_bytes(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Null => None,
            Self::Integer(number) => Some(Cow::Owned(number.to_string().into_bytes())),
            Self::Real(number) => Some(Cow::Owned(number.to_string().into_bytes())),
            Self::Text(bytes) | Self::Blob(bytes) => Some(bytes),
        }
    }

    /// A description of an unreadable value, for messages.
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Text(_) if self.as_text().is_none() => "text that is not UTF-8".to_owned(),
            _ => self.plain().describe(),
        }
    }
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    // Fast path: nearly all texts are valid.
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}
