//! A column's declaration, and the kind of its values.

use super::cell::{Cell, SelectedRow};
use crate::storage::column::{Column, Kind, Limit};
use crate::storage::schema::camel_case;
use crate::storage::times::TimestampUnit;

/// A column, as `PRAGMA table_info` returns it.
pub struct Declared {
    pub(super) name: String,
    declared_type: String,
    not_null: bool,
    default: Option<String>,
    unique: bool,
    /// A sample of its values, if it holds times.
    pub(super) samples: Vec<Sample>,
}

impl Declared {
    /// Reads a row of [`columns`](super::schema::columns).
    pub fn read(row: &impl SelectedRow) -> Self {
        let text = |at| row.cell(at).into_text().map(|text| text.into_owned());
        let is = |at| row.cell(at).whole().is_some_and(|number| number != 0);
        Self {
            name: text(0).unwrap_or_default(),
            declared_type: text(1).unwrap_or_default().to_ascii_uppercase(),
            not_null: is(2),
            default: text(3),
            unique: is(4),
            samples: Vec::new(),
        }
    }

    /// Adds a row of [`samples`](super::schema::samples).
    pub fn add_sample(&mut self, row: &impl SelectedRow) {
        self.samples.push(Sample::new(&row.cell(0)));
    }

    pub(super) fn into_column(self) -> Column {
        Column {
            key: camel_case(&self.name),
            kind: self.kind(),
            limit: Limit::None,
            not_null: self.not_null,
            has_default: self.default.is_some(),
            name: self.name,
            sql_type: self.declared_type,
            unique: self.unique,
            type_id: 0,
        }
    }

    /// The kind of values, by the declared type (<https://sqlite.org/datatype3.html>). Drizzle declares times
    /// and booleans as `integer`, so the default value and the name decide.
    pub(super) fn kind(&self) -> Kind {
        let declared = |part: &str| self.declared_type.contains(part);
        if declared("JSON") {
            Kind::Json
        } else if declared("BOOL") {
            Kind::Boolean
        } else if declared("DATE") || declared("TIME") {
            Kind::Timestamp
        } else if declared("INT") {
            if self.is_boolean() {
                Kind::Boolean
            } else if self.is_timestamp() {
                Kind::Timestamp
            } else {
                Kind::Integer
            }
        } else if declared("CHAR") || declared("CLOB") || declared("TEXT") {
            Kind::Text
        } else if declared("REAL") || declared("FLOA") || declared("DOUB") {
            Kind::Real
        } else {
            Kind::Other
        }
    }

    fn is_boolean(&self) -> bool {
        let default = self.default.as_deref().unwrap_or_default();
        default.eq_ignore_ascii_case("true")
            || default.eq_ignore_ascii_case("false")
            || self.name.starts_with("is_")
            || self.name.starts_with("has_")
    }

    fn is_timestamp(&self) -> bool {
        self.name.ends_with("_at") || self.default_clock().is_some()
    }

    /// The unit of the column's default value, if that is the current time.
    pub(super) fn default_clock(&self) -> Option<TimestampUnit> {
        let default = self.default.as_deref()?.to_ascii_lowercase();
        let clock =
            ["julianday", "unixepoch", "strftime"].iter().any(|name| default.contains(name));
        let milliseconds = default.contains("86400000") || default.contains("1000");
        match (clock, milliseconds) {
            (false, _) => None,
            (true, true) => Some(TimestampUnit::Milliseconds),
            (true, false) => Some(TimestampUnit::Seconds),
        }
    }
}

/// A value of a time column; `None` if it is not a number, such as text.
pub(super) struct Sample(pub(super) Option<f64>);

impl Sample {
    /// Creates a sample from a stored value.
    pub(super) fn new(stored: &Cell<'_>) -> Self {
        let is_time = stored.time_ms(TimestampUnit::Milliseconds).is_some();
        Self(match stored {
            // A float is exact enough to find the unit.
            Cell::Integer(number) => Some(*number as f64),
            Cell::Real(number) if is_time => Some(*number),
            _ => None,
        })
    }
}
