//! A column of a database table.

pub use crate::domain::column::{Kind, Limit};

/// A column as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in SQL: `video_url`.
    pub name: String,
    /// Its name in JavaScript: `videoUrl`.
    pub key: String,
    /// What it holds.
    pub kind: Kind,
    /// The type that it is declared with, in the database's own words.
    pub sql_type: String,
    /// What its type leaves out of what its kind could hold.
    pub limit: Limit,
    /// Whether it refuses NULL.
    pub not_null: bool,
    /// Whether the database fills it in.
    pub has_default: bool,
    /// Whether an index lets each of its values be there once.
    pub unique: bool,
    /// The type of its values as they are sent, by the database's own number for it. SQLite has none.
    pub type_id: u32,
}
