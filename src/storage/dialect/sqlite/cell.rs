//! Encodes and decodes SQLite's values, by the kind of their column.

use std::borrow::Cow;

use crate::domain::column::in_form;
use crate::domain::value::{Value, iso8601};
use crate::error::{Error, Result};
use crate::storage::schema::{Column, Kind};
use crate::storage::times::TimestampUnit;

/// A value as SQLite keeps it, in a row or on its way into one. Text may be any bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// A floating point number.
    Real(f64),
    /// Text.
    Text(Cow<'a, [u8]>),
    /// A BLOB.
    Blob(Cow<'a, [u8]>),
}

/// A row of what a statement selects, whatever brings it.
pub trait SelectedRow {
    /// The value in a column, by its place in the statement; NULL beyond the last.
    fn cell(&self, at: usize) -> Cell<'_>;
}

/// A row, which borrows nothing.
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
    /// A value on its way into a column. The schema has checked that it fits.
    pub fn of(value: &'a Value, kind: Kind, unit: TimestampUnit) -> Result<Self> {
        match in_form(kind, value) {
            Cow::Borrowed(value) => Self::of_form(value, kind, unit),
            Cow::Owned(value) => Cell::of_form(&value, kind, unit).map(Cell::into_owned),
        }
    }

    fn of_form(value: &'a Value, kind: Kind, unit: TimestampUnit) -> Result<Self> {
        Ok(match (value, kind) {
            (Value::Null, _) => Self::Null,
            // A JSON column keeps a lone text or number the way JSON.stringify writes it.
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

    /// The same value, which borrows nothing.
    pub fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Null => Cell::Null,
            Self::Integer(number) => Cell::Integer(number),
            Self::Real(number) => Cell::Real(number),
            Self::Text(text) => Cell::Text(Cow::Owned(text.into_owned())),
            Self::Blob(bytes) => Cell::Blob(Cow::Owned(bytes.into_owned())),
        }
    }

    /// A value as a column had it. What does not look like its column's kind comes through as it is: a
    /// page that shows an odd old row is better than one that can't be read.
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

    /// A value as it stands, whatever its column says.
    fn plain(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer(stored) => Value::Integer(*stored),
            Self::Real(stored) => Value::Real(*stored),
            Self::Text(text) => Value::Text(lossy(text).into_owned()),
            Self::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        }
    }

    /// The whole number that a value is, without guessing. `spendable_grants.sql` and `balance.sql` say the same.
    pub fn whole(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Real(number) => {
                // Above, a float is larger than all whole numbers.
                const END: f64 = 9_223_372_036_854_775_808.0;
                let is_whole = number.fract() == 0.0 && (-END..END).contains(number);
                is_whole.then_some(*number as i64)
            }
            _ => None,
        }
    }

    /// The time that a value is, without guessing: a number in the column's unit. Text may be of any zone.
    pub fn time_ms(&self, unit: TimestampUnit) -> Option<i64> {
        match self {
            Self::Integer(stored) => Some(unit.to_ms(*stored)),
            Self::Real(stored) => unit.fraction_to_ms(*stored),
            _ => None,
        }
    }

    /// The text that a value is. SQLite does not check that text is UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// A column that should be text, as text, whatever it is.
    pub fn into_text(self) -> Option<Cow<'a, str>> {
        Some(match self.into_bytes()? {
            Cow::Borrowed(bytes) => lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(lossy(&bytes).into_owned()),
        })
    }

    /// A column that should be text, whatever it is.
    pub fn into_bytes(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Null => None,
            Self::Integer(number) => Some(Cow::Owned(number.to_string().into_bytes())),
            Self::Real(number) => Some(Cow::Owned(number.to_string().into_bytes())),
            Self::Text(bytes) | Self::Blob(bytes) => Some(bytes),
        }
    }

    /// What a message says of a value that can't be read.
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Text(_) if self.as_text().is_none() => "text that is not UTF-8".to_owned(),
            _ => self.plain().describe(),
        }
    }
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    // Nearly every text is right, and this is the fastest way to know.
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}
