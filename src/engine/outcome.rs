//! The result of a request, and where it is sent.

use serde_json::Value as Json;

use crate::domain::audit::Finding;
use crate::domain::expiring::Expiring;
use crate::domain::grant::Grant;
use crate::domain::quote::Quote;
use crate::domain::refund::Refund;
use crate::domain::renewal::Carried;
use crate::domain::repair::Fix;
use crate::domain::revocation::{Moved, Standing};
use crate::domain::settle::Difference;
use crate::domain::statement::AccountStatement;
use crate::domain::top_up::Declined;
use crate::domain::value::Value;
use crate::error::{Error, Result};
use crate::storage::{Page, Row};

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
    /// A row that the same call has written before.
    Replayed(Row),
    /// A task after an update, with what was refunded if it failed; a charge after a refund.
    Updated(Row, Option<Refund>),
    /// A charge after it was settled, and what that moved.
    Settled(Row, Difference),
    /// How an order stands after a revocation; whether the same call was made before.
    Standing {
        /// How it stands.
        standing: Standing,
        /// Whether nothing was written.
        replayed: bool,
        /// What that moved.
        moved: Moved,
    },
    /// A grant with another end, and what that moved.
    Extended(Row, Moved),
    /// The grant of a subscription's new period, and what became of earlier ones.
    Renewed(Row, Carried),
    /// A top-up: its grant, whether the same call had made it before, and else why there is none.
    TopUp {
        /// The grant that is claimed.
        row: Option<Row>,
        /// Whether it was there before.
        replayed: bool,
        /// Why there is none.
        declined: Option<Declined>,
    },
    /// What a charge would do.
    Quote(Quote),
    /// What a user can spend: grants in draw order; and how many credits holds have taken.
    Balance(Vec<Grant>, i64),
    /// A page of a statement, and the rows of `credit` that it is about.
    Statement(AccountStatement, Vec<Row>),
    /// What an audit of some users' books has found.
    Audited(Audited),
    /// What ends soon of some users' credits, and the cursor of the next page.
    Expiring(Vec<Expiring>, Option<String>),
    /// What was put right, or could be.
    Fixes(Vec<Fix>),
    /// An outcome for each of several requests that went together.
    All(Vec<Outcome>),
    /// A list of rows.
    Rows(Vec<Row>),
    /// A list of rows, and the users whose rows these are.
    RowsOfUsers(Vec<Row>, Vec<Row>),
    /// A page of a list, and how many rows all pages have.
    Page(Vec<Row>, i64, Page),
    /// What was found when the database was opened.
    Diagnostics(Diagnostics),
    /// What the engine has counted, by the names that callers read.
    Stats(Json),
}

/// What an audit of some users' books has found.
#[derive(Debug, Clone)]
pub struct Audited {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// How many users these were.
    pub users: usize,
    /// How many rows of `credit` they had.
    pub credit_rows: i64,
    /// The last of these users, if there are more.
    pub next: Option<String>,
}

/// What was found when the database was opened: each thing by the name that callers read, and what it is.
pub type Diagnostics = Vec<(&'static str, Value)>;

/// Where an outcome goes. It goes there exactly once: one that is dropped unsent says so, because
/// a caller who waits for ever is worse off than one who gets an error.
pub struct ReplySender(Option<Box<dyn FnOnce(Result<Outcome>) + Send>>);

impl ReplySender {
    /// One that calls this function, from any thread.
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

impl Drop for ReplySender {
    fn drop(&mut self) {
        if let Some(send) = self.0.take() {
            send(Err(Error::Internal("the request was dropped".to_owned())));
        }
    }
}
