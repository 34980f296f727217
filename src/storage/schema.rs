//! The tables as a database has them: which columns, what they hold, and the unit of their times.
//!
//! It checks what a caller passes against them. It must never change a schema.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::value::{Fields, Value, describe};
use crate::error::{Error, Result};

/// The tables that this package works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableName {
    /// The app's users.
    User,
    /// Grants and charges.
    Credit,
    /// Media tasks.
    MediaTasks,
}

impl TableName {
    /// Every table.
    pub const ALL: [Self; 3] = [Self::User, Self::Credit, Self::MediaTasks];

    /// The table's name in SQL.
    pub fn sql(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Credit => "credit",
            Self::MediaTasks => "media_tasks",
        }
    }

    /// The columns that must be there, with the type that adds one that is missing.
    pub fn needed_columns(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::User => &[("id", "text")],
            Self::Credit => &[
                ("id", "text"),
                ("user_id", "text"),
                ("transaction_no", "text"),
                ("transaction_type", "text"),
                ("transaction_scene", "text"),
                ("credits", "integer"),
                ("remaining_credits", "integer"),
                ("description", "text"),
                ("expires_at", "integer"),
                ("status", "text"),
                ("created_at", "integer"),
                ("updated_at", "integer"),
                ("consumed_detail", "text"),
                ("metadata", "text"),
            ],
            Self::MediaTasks => &[
                ("id", "text"),
                ("user_id", "text"),
                ("status", "text"),
                ("credit_id", "text"),
                ("created_at", "integer"),
                ("updated_at", "integer"),
                ("deleted_at", "integer"),
            ],
        }
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; an object is written into it as JSON.
    Text,
    /// Whole numbers.
    Integer,
    /// Any numbers.
    Real,
    /// True or false.
    Boolean,
    /// Times: a `Date` in JavaScript.
    Timestamp,
    /// JSON: whatever `JSON.stringify` takes.
    Json,
    /// Anything else, passed through.
    Other,
}

/// How SQLite keeps times. It has no type for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampUnit {
    /// Epoch milliseconds, as ShipAny does.
    Milliseconds,
    /// Epoch seconds.
    Seconds,
}

impl TimestampUnit {
    /// A time as the database keeps it. Seconds round down, so that `expires_at > now` says the same
    /// in both units.
    pub fn from_ms(self, time_ms: i64) -> i64 {
        match self {
            Self::Milliseconds => time_ms,
            Self::Seconds => time_ms.div_euclid(1000),
        }
    }

    /// A time that the database keeps, in milliseconds.
    pub fn to_ms(self, stored: i64) -> i64 {
        match self {
            Self::Milliseconds => stored,
            Self::Seconds => stored.saturating_mul(1000),
        }
    }

    /// The unit as the option `timestampUnit` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        }
    }
}

/// A column as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in SQL: `video_url`.
    pub name: String,
    /// Its name in JavaScript: `videoUrl`.
    pub key: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether it refuses NULL.
    pub not_null: bool,
    /// Whether the database fills it in.
    pub has_default: bool,
}

/// A table as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name in SQL.
    pub name: &'static str,
    /// Its columns, in the database's order.
    pub columns: Vec<Column>,
    /// The columns as a SELECT lists them.
    pub select_list: String,
    by_key: HashMap<String, usize>,
}

impl Table {
    /// A table with these columns.
    pub fn new(name: TableName, columns: Vec<Column>) -> Self {
        let by_key =
            columns.iter().enumerate().map(|(at, column)| (column.key.clone(), at)).collect();
        let quoted: Vec<String> = columns.iter().map(|column| quote(&column.name)).collect();
        Self { name: name.sql(), select_list: quoted.join(", "), columns, by_key }
    }

    /// The column that JavaScript calls `key`.
    pub fn column(&self, key: &str) -> Result<&Column> {
        self.by_key.get(key).and_then(|&at| self.columns.get(at)).ok_or_else(|| {
            Error::UnknownField { table: self.name.to_owned(), field: key.to_owned() }
        })
    }

    /// Refuses fields that no column answers to, and values that their column can't hold.
    pub fn check(&self, fields: &Fields) -> Result<()> {
        for (key, value) in fields.iter() {
            self.check_value(self.column(key)?, value)?;
        }
        Ok(())
    }

    /// Refuses a new row that lacks a field which nobody fills in.
    pub fn check_complete(&self, row: &Fields) -> Result<()> {
        // The plan of every new row sets these.
        const FILLED_IN: [&str; 2] = ["createdAt", "updatedAt"];
        let missing = self.columns.iter().find(|column| {
            column.not_null
                && !column.has_default
                && !FILLED_IN.contains(&column.key.as_str())
                && row.get(&column.key).is_none()
        });
        match missing {
            None => Ok(()),
            Some(column) => {
                Err(Error::MissingField { table: self.name.to_owned(), field: column.key.clone() })
            }
        }
    }

    fn invalid_date(column: &Column, given: &Value) -> Error {
        Error::InvalidDate { field: column.key.clone(), given: describe(Some(given)) }
    }

    fn check_value(&self, column: &Column, value: &Value) -> Result<()> {
        let expected = match (column.kind, value) {
            (_, Value::InvalidDate) => return Err(Self::invalid_date(column, value)),
            (_, Value::Null) if column.not_null => "a value, not null",
            (_, Value::Null) => return Ok(()),
            (_, Value::Unsupported(_)) if column.kind != Kind::Timestamp => {
                "something that a database holds"
            }
            (_, Value::Real(number)) if !number.is_finite() => "a finite number",
            // PostgreSQL can't hold a NUL, and SQLite's own functions stop at it.
            (_, Value::Text(text)) if text.contains('\0') => "text without NUL characters",
            (Kind::Text, Value::Text(_) | Value::Json(_))
            | (Kind::Integer, Value::Integer(_))
            | (Kind::Real, Value::Integer(_) | Value::Real(_))
            | (Kind::Boolean, Value::Bool(_))
            | (Kind::Timestamp, Value::TimeMs(_))
            | (Kind::Json | Kind::Other, _) => return Ok(()),
            (Kind::Timestamp, _) => return Err(Self::invalid_date(column, value)),
            (Kind::Text, _) => "text",
            (Kind::Integer, _) => "a whole number",
            (Kind::Real, _) => "a number",
            (Kind::Boolean, _) => "true or false",
        };
        Err(Error::InvalidValue {
            table: self.name.to_owned(),
            field: column.key.clone(),
            expected: expected.to_owned(),
            given: describe(Some(value)),
        })
    }
}

/// The schema as found when the database was opened.
#[derive(Debug, Clone)]
pub struct Schema {
    tables: [Arc<Table>; TableName::ALL.len()],
    /// The unit of its times.
    pub timestamp_unit: TimestampUnit,
    /// Whether a write may change rows that it does not name.
    pub has_triggers: bool,
}

impl Schema {
    /// A schema of these tables, in the order of [`TableName::ALL`].
    pub fn new(
        tables: [Table; TableName::ALL.len()],
        timestamp_unit: TimestampUnit,
        has_triggers: bool,
    ) -> Self {
        Self { tables: tables.map(Arc::new), timestamp_unit, has_triggers }
    }

    /// A table's columns.
    pub fn table(&self, name: TableName) -> &Arc<Table> {
        let [user, credit, media_tasks] = &self.tables;
        match name {
            TableName::User => user,
            TableName::Credit => credit,
            TableName::MediaTasks => media_tasks,
        }
    }
}

/// An SQL name in quotes.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A column's name as JavaScript writes it, the way the app's Drizzle schema does.
pub fn camel_case(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        match letter {
            '_' if !key.is_empty() => upper = true,
            _ if upper => {
                key.extend(letter.to_uppercase());
                upper = false;
            }
            _ => key.push(letter),
        }
    }
    key
}
