//! Values: of a caller's fields, and of columns.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat};

use crate::error::{Error, Result};

/// One value, independent of its form in JavaScript or a database.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number, including NaN and infinity.
    Real(f64),
    /// Text that is not interpreted.
    Text(String),
    /// A point in time, in epoch milliseconds.
    TimeMs(i64),
    /// An object or array, as JSON text.
    Json(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A `Date` without a valid time. No column accepts it.
    InvalidDate,
    /// A value that no column accepts, described for a message: "a function".
    Unsupported(String),
}

impl Value {
    /// A text, or null.
    pub fn text_or_null(text: Option<&str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.to_owned()))
    }

    /// A time, or null.
    pub fn time_or_null(time_ms: Option<i64>) -> Self {
        time_ms.map_or(Self::Null, Self::TimeMs)
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A description for messages: the kind of the value, and a useful part of it.
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

/// A time in the format of JavaScript's `toISOString`; `None` outside the range of `Date`.
pub fn iso8601(time_ms: i64) -> Option<String> {
    DateTime::from_timestamp_millis(time_ms)
        .map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// A description of an argument that may be missing.
pub(crate) fn describe(value: Option<&Value>) -> String {
    value.map_or_else(|| "undefined".to_owned(), Value::describe)
}

/// The fields of a row or a patch: JavaScript names, in the caller's order, each once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields(Vec<(Cow<'static, str>, Value)>);

impl Fields {
    /// A field's value; `None` if it was not passed or is `undefined`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A copy with room for this many more fields. If there are more, its memory is moved.
    pub fn with_room(&self, more: usize) -> Self {
        let mut fields = Vec::with_capacity(self.0.len() + more);
        fields.extend_from_slice(&self.0);
        Self(fields)
    }

    /// Sets a field, or replaces its value.
    pub fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((Cow::Borrowed(name), value)),
        }
    }

    /// The same as [`Self::set`], for a name chosen by a caller.
    pub fn insert(&mut self, name: &str, value: Value) {
        self.remove(name);
        self.0.push((Cow::Owned(name.to_owned()), value));
    }

    /// Changes a field, if it exists.
    pub fn update(&mut self, name: &str, change: impl FnOnce(Value) -> Value) {
        if let Some((_, value)) = self.0.iter_mut().find(|(key, _)| key == name) {
            *value = change(std::mem::replace(value, Value::Null));
        }
    }

    /// Removes a field.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(key, _)| key != name);
    }

    /// The fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// A required id.
    pub fn id(&self, name: &'static str) -> Result<String> {
        check_id(name, self.get(name))
    }

    /// An optional id; null counts as missing.
    pub fn optional_id(&self, name: &'static str) -> Result<Option<String>> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            value => check_id(name, value).map(Some),
        }
    }

    /// Rejects the first field that is not in `known`. `what` says whose fields they are.
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
    /// Names must be unique, as the keys of a JavaScript object are.
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect())
    }
}

impl FromIterator<(&'static str, Value)> for Fields {
    fn from_iter<I: IntoIterator<Item = (&'static str, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect())
    }
}

/// Checks an id in an argument: text of 1 to 255 characters. Longer ones may not fit a PostgreSQL index.
pub fn check_id(name: &str, value: Option<&Value>) -> Result<String> {
    const LONGEST: usize = 255;
    match value.and_then(Value::as_text) {
        Some(id) if !id.is_empty() && id.chars().count() <= LONGEST && !id.contains('\0') => {
            Ok(id.to_owned())
        }
        _ => Err(Error::InvalidId { name: name.to_owned(), given: describe(value) }),
    }
}
