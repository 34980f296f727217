//! What the engine asks of a database, in the domain's nouns.
//!
//! Storage loads facts and writes plans. It must never decide: no rule of the ledger is here.

pub mod location;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod schema;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::sync::Arc;

use crate::domain::charge::{Charge, ChargePlan, Grant};
use crate::domain::credits::Credits;
use crate::domain::refund::{RefundPlan, Refundable};
use crate::domain::task::TaskFacts;
use crate::domain::value::{Fields, Value};
use crate::error::Result;
use schema::{Table, TableName};

/// A whole row, as found: a value for each column of its table.
#[derive(Debug, Clone)]
pub struct Row {
    /// The columns.
    pub table: Arc<Table>,
    /// Their values, in the same order.
    pub values: Vec<Value>,
}

impl Row {
    /// The text in a column, by its name in JavaScript.
    pub fn text(&self, key: &str) -> Option<&str> {
        let at = self.table.columns.iter().position(|column| column.key == key)?;
        self.values.get(at).and_then(Value::as_text)
    }
}

/// Facts and writes, inside a transaction that the engine began.
pub trait Ledger {
    /// The columns of a table.
    fn table(&self, name: TableName) -> &Arc<Table>;
    /// Whether a row with this value in a column that is unique is there.
    fn exists(&mut self, table: TableName, column: &'static str, value: &str) -> Result<bool>;
    /// What decides on a patch of this task.
    fn task_facts(&mut self, id: &str) -> Result<Option<TaskFacts>>;
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
    /// Writes a charge's row and takes its draws from their grants.
    fn write_charge(&mut self, plan: &ChargePlan, now_ms: i64) -> Result<()>;
    /// Flips the charge and gives back. `false`, and nothing is written, if somebody else flipped it.
    fn write_refund(&mut self, plan: &RefundPlan, now_ms: i64) -> Result<bool>;
    /// Inserts a row.
    fn insert(&mut self, table: TableName, row: &Fields) -> Result<()>;
    /// Changes columns of the row with this id.
    fn update(&mut self, table: TableName, id: &str, row: &Fields) -> Result<()>;
    /// The row with this id.
    fn find(&mut self, table: TableName, id: &str) -> Result<Option<Row>>;
}

/// Which credit rows a page shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreditFilter {
    /// Of this user alone.
    pub user_id: Option<String>,
    /// With this `status` alone.
    pub status: Option<String>,
    /// With this `transaction_type` alone.
    pub transaction_type: Option<String>,
}

/// Which page of a list, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its number, from 1.
    pub page: u32,
    /// Rows a page.
    pub limit: u32,
}

impl Page {
    /// How many rows come before this page.
    pub fn offset(self) -> i64 {
        i64::from(self.page - 1) * i64::from(self.limit)
    }
}

/// What an app's pages read, from one snapshot of the database.
pub trait Views {
    /// The row with this id.
    fn find(&mut self, table: TableName, id: &str) -> Result<Option<Row>>;
    /// The user's tasks that are still being worked on, newest first.
    fn active_tasks(&mut self, user_id: &str) -> Result<Vec<Row>>;
    /// Whether there is such a task.
    fn has_active_task(&mut self, user_id: &str) -> Result<bool>;
    /// A page of the user's tasks, newest first, without deleted ones.
    fn task_history(&mut self, user_id: &str, page: Page) -> Result<Vec<Row>>;
    /// How many tasks all pages have.
    fn task_count(&mut self, user_id: &str) -> Result<i64>;
    /// What the user can spend now.
    fn balance(&mut self, user_id: &str, now_ms: i64) -> Result<i64>;
    /// A page of credit rows, newest first.
    fn credits(&mut self, filter: &CreditFilter, page: Page) -> Result<Vec<Row>>;
    /// How many credit rows all pages have.
    fn credit_count(&mut self, filter: &CreditFilter) -> Result<i64>;
}
