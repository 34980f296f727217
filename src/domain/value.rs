//! Values: what a caller passes for a column, and what a column holds.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat};

use crate::error::{Error, Result};

/// One value, independent of how JavaScript or a database writes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number, NaN and infinity included.
    Real(f64),
    /// Text without interpretation.
    Text(String),
    /// A point in time, in epoch milliseconds.
    TimeMs(i64),
    /// An object or array, as JSON text.
    Json(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A `Date` that holds no time. No column takes it.
    InvalidDate,
    /// What no column takes, in words: "a function".
    Unsupported(String),
}

impl Value {
    /// A text value of something that may be absent.
    pub fn text_or_null(text: Option<&str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.to_owned()))
    }

    /// A time of something that may be absent.
    pub fn time_or_null(time_ms: Option<i64>) -> Self {
        time_ms.map_or(Self::Null, Self::TimeMs)
    }

    /// The text, if that is what it is.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What a message says of this value: its kind, and as much of it as helps.
    pub fn describe(&self) -> String {
        const SHOWN: usize = 40;
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Real(value) => value.to_string(),
            Self::Text(text) if text.chars().count() > SHOWN => {
                let head: String = text.chars().take(SHOWN).collect();
                format!("the text {head:?}… of {} bytes", text.len())
            }
            Self::Text(text) => format!("the text {text:?}"),
            Self::TimeMs(_) => "a Date".to_owned(),
            Self::Json(json) if json.starts_with('[') => "an array".to_owned(),
            Self::Json(_) => "an object".to_owned(),
            Self::Bytes(_) => "bytes".to_owned(),
            Self::InvalidDate => "an invalid Date".to_owned(),
            Self::Unsupported(what) => what.clone(),
        }
    }
}

/// A time as JavaScript's `toISOString` writes it. `None` beyond the years that a `Date` can hold.
pub fn iso8601(time_ms: i64) -> Option<String> {
    DateTime::from_timestamp_millis(time_ms)
        .map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// What a message says of an argument that may be missing.
pub(crate) fn describe(value: Option<&Value>) -> String {
    value.map_or_else(|| "undefined".to_owned(), Value::describe)
}

/// The fields of a row or a patch: JavaScript's names in the caller's order, each once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields(Vec<(Cow<'static, str>, Value)>);

impl Fields {
    /// The value of a field; `None` if it was not passed (`undefined`).
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Sets a field, in place of what it was.
    pub fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((Cow::Borrowed(name), value)),
        }
    }

    /// As [`Self::set`], for a field that a caller names.
    pub fn insert(&mut self, name: &str, value: Value) {
        self.remove(name);
        self.0.push((Cow::Owned(name.to_owned()), value));
    }

    /// Changes a field, if it is there.
    pub fn update(&mut self, name: &str, change: impl FnOnce(Value) -> Value) {
        if let Some((_, value)) = self.0.iter_mut().find(|(key, _)| key == name) {
            *value = change(std::mem::replace(value, Value::Null));
        }
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// The id in a field that must have one.
    pub fn id(&self, name: &'static str) -> Result<String> {
        check_id(name, self.get(name))
    }

    /// The id in a field that may be missing or null.
    pub fn optional_id(&self, name: &'static str) -> Result<Option<String>> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            value => check_id(name, value).map(Some),
        }
    }

    /// Refuses the first field that is not in `known`. `what` names who has these fields.
    pub fn only(&self, what: &str, known: &[&str]) -> Result<()> {
        match self.iter().find(|(name, _)| !known.contains(name)) {
            None => Ok(()),
            Some((name, _)) => {
                Err(Error::UnknownField { table: what.to_owned(), field: name.to_owned() })
            }
        }
    }
}

impl FromIterator<(String, Value)> for Fields {
    /// The caller sees to it that each name comes once, as the keys of a JavaScript object do.
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect())
    }
}

impl FromIterator<(&'static str, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (&'static str, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
    }
}

/// The id in an argument: text of 1 to 255 characters. Longer ones don't fit a PostgreSQL index
/// with certainty, and no app makes them.
pub fn check_id(name: &str, value: Option<&Value>) -> Result<String> {
    const LONGEST: usize = 255;
    match value.and_then(Value::as_text) {
        Some(id) if !id.is_empty() && id.chars().count() <= LONGEST && !id.contains('\0') => {
            Ok(id.to_owned())
        }
        _ => Err(Error::InvalidId { name: name.to_owned(), given: describe(value) }),
    }
}
