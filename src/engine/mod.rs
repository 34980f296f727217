//! Runs requests: load facts, let the domain plan, apply the plan, in one transaction.
//!
//! It knows threads, the clock and randomness. It must never know JavaScript, and never decide.

mod ids;
mod queue;
mod reads;
pub mod sqlite;
mod writes;

use crate::domain::charge::ChargeRequest;
use crate::domain::grant::NewGrant;
use crate::domain::refund::Refund;
use crate::domain::task::{NewTask, TaskPatch};
use crate::error::{Error, Result};
use crate::storage::schema::TableName;
use crate::storage::{CreditFilter, Page, Row};

pub use ids::Ids;
pub use reads::read;
pub use writes::write;

/// What a caller can ask for.
#[derive(Debug, Clone)]
pub enum Operation {
    /// A change of the ledger.
    Write(Write),
    /// Something that a page shows.
    Read(Read),
    /// Make the tables that are not there yet.
    CreateTables,
    /// Say what was found when the database was opened.
    Diagnose,
}

/// A change of the ledger. Each is one transaction.
#[derive(Debug, Clone)]
pub enum Write {
    /// `createMediaTask`
    CreateTask(NewTask),
    /// `updateMediaTaskById`
    UpdateTask(TaskPatch),
    /// `consumeCredits`
    Consume(ChargeRequest),
    /// `createCredit`
    Grant(NewGrant),
}

/// Something that a page shows.
#[derive(Debug, Clone)]
pub enum Read {
    /// `findMediaTaskById`, and any other row by its id.
    Find(TableName, String),
    /// `hasActiveMediaTask`
    HasActiveTask(String),
    /// `getActiveMediaTasks`
    ActiveTasks(String),
    /// `getMediaTaskHistory`
    TaskHistory(String, Page),
    /// `getRemainingCredits`
    Balance(String),
    /// `getCredits`
    Credits(CreditFilter, Page),
    /// `getCreditsCount`
    CreditCount(CreditFilter),
}

/// What a request came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Done, and there is nothing to say.
    Done,
    /// Yes or no.
    Bool(bool),
    /// A number of credits or rows.
    Number(i64),
    /// A row, if there is one.
    Row(Option<Row>),
    /// A task after an update, with what was refunded if it failed.
    Updated(Row, Option<Refund>),
    /// A list of rows.
    Rows(Vec<Row>),
    /// A page of a list, and how many rows all pages have.
    Page(Vec<Row>, i64, Page),
    /// What was found when the database was opened.
    Diagnostics(crate::storage::sqlite::Diagnostics),
}

/// Where an outcome goes. It goes there exactly once: a reply that is dropped unsent says so, because
/// a caller who waits for ever is worse off than one who gets an error.
pub struct Reply(Option<Box<dyn FnOnce(Result<Outcome>) + Send>>);

impl Reply {
    /// A reply that calls this function, from any thread.
    pub fn new(send: impl FnOnce(Result<Outcome>) + Send + 'static) -> Self {
        Self(Some(Box::new(send)))
    }

    /// Sends the outcome.
    pub fn send(mut self, outcome: Result<Outcome>) {
        if let Some(send) = self.0.take() {
            send(outcome);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(send) = self.0.take() {
            send(Err(Error::Internal("the request was dropped".to_owned())));
        }
    }
}
