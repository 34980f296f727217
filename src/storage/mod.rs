//! The engine's interface to databases, in the domain's terms.
//!
//! Storage loads facts and writes plans. It applies no rules of the ledger; its statements select grants in
//! the draw order that `store::Facts` describes, and fail if a plan no longer holds.

pub mod account;
pub mod books;
pub mod column;
pub mod dialect;
pub mod failure;
#[cfg(feature = "sqlite")]
mod grant_cache;
#[cfg(any(feature = "libsql", feature = "mysql", feature = "postgres"))]
mod known;
#[cfg(feature = "libsql")]
pub mod libsql;
pub mod location;
#[cfg(feature = "mysql")]
pub mod mysql;
mod needs;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod pool;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod roles;
#[cfg(any(feature = "libsql", feature = "mysql", feature = "postgres"))]
mod roots;
pub mod schema;
pub mod search_path;
#[cfg(feature = "remote")]
pub mod server;
#[cfg(any(feature = "libsql", feature = "mysql"))]
mod sockets;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod store;
pub mod times;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod tls;
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
pub mod within;

#[cfg(test)]
mod properties;

use std::borrow::Cow;
use std::sync::Arc;

use crate::domain::charge::Charge;
use crate::domain::grant::is_withdrawn;
use crate::domain::own::{is_kept, is_own};
use crate::domain::plan::NewIds;
use crate::domain::refundable::Origin;
use crate::domain::table::{TableName, TaskKind};
use crate::domain::value::{Fields, Value};
use schema::{Column, Limit, Table};

/// A whole row, as stored: a value for each column of its table.
#[derive(Debug, Clone)]
pub struct Row {
    /// The columns.
    pub table: Arc<Table>,
    /// Their values, in the same order.
    pub values: Vec<Value>,
}

impl Row {
    /// The value of a column, by its JavaScript name.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = self.table.columns.iter().position(|column| column.key == key)?;
        self.values.get(at)
    }

    /// The text of a column, including JSON.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) | Value::Json(text) => Some(text),
            _ => None,
        }
    }

    /// The id in a column, as text for any type of column.
    pub fn id(&self, key: &str) -> Option<Cow<'_, str>> {
        match self.get(key)? {
            Value::Text(text) => Some(Cow::Borrowed(text)),
            Value::Integer(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
    }

    /// The whole number in a column.
    pub fn integer(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The total size of its texts and bytes.
    pub fn text_bytes(&self) -> usize {
        let bytes = |value: &Value| match value {
            Value::Text(text) | Value::Json(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        self.values.iter().map(bytes).sum()
    }

    /// The columns of a row of `credit` that a new row copies: those that match `which`, except unique ones
    /// and those that the database computes.
    fn copied(&self, which: fn(&str) -> bool) -> Fields {
        let copied = |column: &Column| {
            which(&column.key) && !column.unique && column.limit != Limit::Computed
        };
        let columns = self.table.columns.iter().zip(&self.values);
        let own = columns.filter(|(column, value)| copied(column) && **value != Value::Null);
        own.map(|(column, value)| (column.key.clone(), value.clone())).collect()
    }

    /// Reads a row of `credit` as the grant, or the charge in place of a missing grant, that a new grant is
    /// modelled on. `ids` are the new grant's keys.
    pub fn as_origin(&self, ids: NewIds) -> Origin {
        if self.text("transactionType") == Some("grant") {
            let is_deleted = self.get("deletedAt").is_some_and(|at| *at != Value::Null);
            let withdrawn = is_withdrawn(self.text("status"), is_deleted);
            return Origin { withdrawn, kept: self.copied(is_kept), ids };
        }
        // The original grant's columns are unknown.
        let mut kept = self.copied(is_own);
        kept.set("transactionScene", Value::Text("gift".to_owned()));
        Origin { withdrawn: false, kept, ids }
    }

    /// Reads a row of `credit` as a charge.
    pub fn as_charge(&self) -> Charge {
        let text = |key| self.text(key).map(str::to_owned);
        Charge {
            id: text("id").unwrap_or_default(),
            user_id: self.id("userId").unwrap_or_default().into_owned(),
            active: self.text("status") == Some("active"),
            credits: self.integer("credits").unwrap_or_default().saturating_neg(),
            consumed_detail: text("consumedDetail").map(String::into_bytes),
            metadata: text("metadata"),
        }
    }
}

/// A filter for lists of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The table.
    pub table: TableName,
    /// Columns, by their SQL names, and the values that they must have.
    pub equal: Vec<(&'static str, String)>,
}

/// A filter for stuck tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckFilter {
    /// Their kind.
    pub kind: TaskKind,
    /// They have one of these statuses.
    pub statuses: Vec<String>,
    /// They were not changed for this many milliseconds.
    pub older_than_ms: i64,
    /// Maximum number of rows: 1 to 1000.
    pub limit: u32,
    /// How many to skip, such as tasks that can't be failed.
    pub skip: u32,
}

/// A page of a list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its number, from 1.
    pub page: i64,
    /// Rows per page.
    pub limit: i64,
    /// Which of its rows to read: a long page is read in parts.
    pub part: Window,
}

impl Page {
    /// A whole page.
    pub fn whole(page: i64, limit: i64) -> Self {
        Self { page, limit, part: Window { limit, offset: 0 } }
    }

    /// Its position among all rows.
    pub fn window(self) -> Window {
        let begin = (self.page - 1).saturating_mul(self.limit);
        Window { limit: self.part.limit, offset: begin.saturating_add(self.part.offset) }
    }
}

/// A range of rows in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Maximum number of rows.
    pub limit: i64,
    /// How many to skip.
    pub offset: i64,
}
