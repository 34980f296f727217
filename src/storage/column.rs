//! A column of a database table.

pub use crate::domain::column::{Kind, Limit};

/// A column, as the database declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its SQL name: `video_url`.
    pub name: String,
    /// Its JavaScript name: `videoUrl`.
    pub key: String,
    /// The kind of its values.
    pub kind: Kind,
    /// Its declared type, as the database writes it.
    pub sql_type: String,
    /// The limit of its type, within its kind.
    pub limit: Limit,
    /// Whether it rejects NULL.
    pub not_null: bool,
    /// Whether the database has a default for it.
    pub has_default: bool,
    /// Whether it has a unique index of its own.
    pub unique: bool,
    /// The database's number for the type of its values; SQLite has none.
    pub type_id: u32,
}

impl Column {
    /// The precision of its times, in milliseconds. `digits`: those of a second's fraction that a type without a
    /// number has.
    pub fn time_step_ms(&self, digits: u32) -> i64 {
        let declared = self.sql_type.split(['(', ')']).nth(1);
        let digits = declared.and_then(|digits| digits.parse().ok()).unwrap_or(digits);
        10_i64.pow(3 - digits.min(3))
    }
}
