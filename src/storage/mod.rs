//! What the engine asks of a database, in the domain's nouns.
//!
//! Storage loads facts and writes plans. It must never decide: no rule of the ledger is here.

pub mod books;
pub mod location;
mod needs;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod roles;
pub mod schema;
pub mod search_path;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod times;

#[cfg(test)]
mod properties;

use std::borrow::Cow;
use std::sync::Arc;

use crate::domain::audit::Owners;
use crate::domain::books::RowId;
use crate::domain::charge::{Charge, Grant};
use crate::domain::credits::Credits;
use crate::domain::own::is_own;
use crate::domain::plan::Plan;
use crate::domain::refund::Refundable;
use crate::domain::table::{TableName, TaskKind};
use crate::domain::task::TaskFacts;
use crate::domain::value::{Fields, Value};
use crate::error::Result;
use books::{BooksPage, Shelf};
use schema::{Column, Limit, Schema, Table};

/// A whole row, as found: a value for each column of its table.
#[derive(Debug, Clone)]
pub struct Row {
    /// The columns.
    pub table: Arc<Table>,
    /// Their values, in the same order.
    pub values: Vec<Value>,
}

impl Row {
    /// The value in a column, by its name in JavaScript.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = self.table.columns.iter().position(|column| column.key == key)?;
        self.values.get(at)
    }

    /// The text in a column, JSON included.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) | Value::Json(text) => Some(text),
            _ => None,
        }
    }

    /// The id in a column: text, whatever the column's type.
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

    /// How many bytes of text and other bytes it holds.
    pub fn text_bytes(&self) -> usize {
        let bytes = |value: &Value| match value {
            Value::Text(text) | Value::Json(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        self.values.iter().map(bytes).sum()
    }

    /// The app's own columns of a row of `credit`, as a row that is made of it has them too: all but those of
    /// which each value is there once, and those that the database computes.
    pub fn own_columns(&self) -> Fields {
        let copied = |column: &Column| {
            is_own(&column.key) && !column.unique && column.limit != Limit::Computed
        };
        let columns = self.table.columns.iter().zip(&self.values);
        let own = columns.filter(|(column, value)| copied(column) && **value != Value::Null);
        own.map(|(column, value)| (column.key.clone(), value.clone())).collect()
    }

    /// What a row of `credit` says as a charge.
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

/// Facts and writes, inside a transaction that the engine began.
pub trait Ledger {
    /// The tables.
    fn schema(&self) -> &Schema;
    /// Whether a row with this value in a column that is unique is there.
    fn exists(&mut self, table: TableName, column: &'static str, value: &str) -> Result<bool>;
    /// How many tasks of this kind the user has whose credits are at risk.
    fn tasks_at_risk(&mut self, kind: TaskKind, user_id: &str) -> Result<i64>;
    /// How many free trials the user has used.
    fn free_trials_used(&mut self, user_id: &str) -> Result<i64>;
    /// What decides on a change of this task.
    fn task_facts(&mut self, kind: TaskKind, id: &str) -> Result<Option<TaskFacts>>;
    /// The charge with this id.
    fn charge(&mut self, id: &str) -> Result<Option<Charge>>;
    /// The user's spendable grants in draw order: expiring first, then older ones, then by id; a
    /// grant that never expires comes last. All of them, or as many as cover `credits`.
    fn spendable_grants(
        &mut self,
        user_id: &str,
        credits: Credits,
        now_ms: i64,
    ) -> Result<Vec<Grant>>;
    /// The grants that a charge drew on, those that its user still has.
    fn grants_drawn_on(&mut self, refundable: &Refundable) -> Result<Vec<Grant>>;
    /// Writes a plan. Each statement must change what the plan says, or it fails.
    fn apply(&mut self, plan: &Plan, now_ms: i64) -> Result<()>;
}

/// Which rows a page shows: those with these values in these columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The table.
    pub table: TableName,
    /// Columns, by their names in SQL, and what must be in them.
    pub equal: Vec<(&'static str, String)>,
}

/// Which tasks are stuck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckFilter {
    /// Their kind.
    pub kind: TaskKind,
    /// They are in one of these states.
    pub statuses: Vec<String>,
    /// Nobody has changed them for so long.
    pub older_than_ms: i64,
    /// At most so many.
    pub limit: u32,
    /// After so many, which can't be failed.
    pub skip: u32,
}

/// Which page of a list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its number, from 1.
    pub page: i64,
    /// Rows a page.
    pub limit: i64,
    /// Which of its rows: a long page comes in parts.
    pub part: Window,
}

impl Page {
    /// A whole page.
    pub fn whole(page: i64, limit: i64) -> Self {
        Self { page, limit, part: Window { limit, offset: 0 } }
    }

    /// Which rows these are, of all.
    pub fn window(self) -> Window {
        let begin = (self.page - 1).saturating_mul(self.limit);
        Window { limit: self.part.limit, offset: begin.saturating_add(self.part.offset) }
    }
}

/// Some rows of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// At most so many.
    pub limit: i64,
    /// After so many.
    pub offset: i64,
}

/// What an app's pages read, from one snapshot of the database.
pub trait Views {
    /// The row with this id.
    fn find(&mut self, table: TableName, id: &str) -> Result<Option<Row>>;
    /// The row of `credit` with this transaction number.
    fn find_transaction(&mut self, transaction_no: &str) -> Result<Option<Row>>;
    /// The user's media tasks in one of these states, newest first.
    fn active_tasks(&mut self, user_id: &str, statuses: &[String]) -> Result<Vec<Row>>;
    /// Whether there is such a task.
    fn has_active_task(&mut self, user_id: &str, statuses: &[String]) -> Result<bool>;
    /// A page of the user's media tasks, newest first, without deleted ones.
    fn task_history(&mut self, user_id: &str, page: Page) -> Result<Vec<Row>>;
    /// How many tasks all pages have.
    fn task_count(&mut self, user_id: &str) -> Result<i64>;
    /// What the user can spend now.
    fn balance(&mut self, user_id: &str, now_ms: i64) -> Result<i64>;
    /// All that the user can spend now, in draw order.
    fn all_spendable_grants(&mut self, user_id: &str, now_ms: i64) -> Result<Vec<Grant>>;
    /// A page of rows, newest first.
    fn list(&mut self, filter: &Filter, page: Page) -> Result<Vec<Row>>;
    /// How many rows all pages have.
    fn count(&mut self, filter: &Filter) -> Result<i64>;
    /// Charges of this user that may be a task's, oldest first: the one with this id, and those whose
    /// metadata holds this text.
    fn charges_about(
        &mut self,
        user_id: &str,
        charge_id: Option<&str>,
        text: &str,
    ) -> Result<Vec<Row>>;
    /// Tasks that nobody works on any more, oldest first.
    fn stuck_tasks(&mut self, filter: &StuckFilter, now_ms: i64) -> Result<Vec<Row>>;
    /// Some users' whole books.
    fn books(&mut self, shelf: &Shelf) -> Result<BooksPage>;
    /// Whose these rows are, those that are there.
    fn owners(&mut self, rows: &[RowId]) -> Result<Owners>;
    /// The rows with these ids, in any order, with one statement.
    fn find_all(&mut self, table: TableName, ids: &[&str]) -> Result<Vec<Row>>;
}
