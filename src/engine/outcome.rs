//! The result of a request, and where it is sent.

use serde_json::Value as Json;

use crate::domain::audit::Finding;
use crate::domain::expiring::Expiring;
use crate::domain::grant::Grant;
use crate::domain::quote::Quote;
use crate::domain::refund::Refund;
use crate::domain::renewal::Carried;
use crate::domain::repair::Fix;
use crate::domain::revocation::Standing;
use crate::domain::settle::Difference;
use crate::domain::statement::AccountStatement;
use crate::domain::top_up::Declined;
use crate::domain::value::Value;
use crate::error::{Error, Result};
use crate::storage::{Page, Row};

/// The result of a request.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// No value.
    Done,
    /// A boolean.
    Bool(bool),
    /// A number of credits or rows.
    Number(i64),
    /// A row, if there is one.
    Row(Option<Row>),
    /// A row that the same call wrote before.
    Replayed(Row),
    /// A task after an update, with the refund if it failed; or a charge after a refund.
    Updated(Row, Option<Refund>),
    /// A charge after a settlement, and the credits that moved.
    Settled(Row, Difference),
    /// The state of an order after a revocation.
    Standing {
        /// The state.
        standing: Standing,
        /// Whether the same call was made before.
        replayed: bool,
        /// The change of the user's spendable credits.
        moved: Moved,
    },
    /// A grant that was made, confirmed or extended, and the change of the user's spendable credits.
    Grant(Row, Moved),
    /// The grant of a subscription's new period, and the credits of earlier periods.
    Renewed(Row, Carried),
    /// The result of a top-up's claim.
    TopUp {
        /// The claimed grant.
        row: Option<Row>,
        /// Whether the same call claimed it before.
        replayed: bool,
        /// Why nothing was claimed.
        declined: Option<Declined>,
    },
    /// The quote of a charge.
    Quote(Quote),
    /// A user's spendable grants in draw order, and the credits in open holds.
    Balance(Vec<Grant>, i64),
    /// A page of a statement, and its rows of `credit`.
    Statement(AccountStatement, Vec<Row>),
    /// The audit of a page of users.
    Audited(Audited),
    /// A page of users with expiring credits, and the next page's cursor.
    Expiring(Vec<Expiring>, Option<String>),
    /// The repairs that were made, or that are possible.
    Fixes(Vec<Fix>),
    /// The outcomes of an atomic batch.
    All(Vec<Outcome>),
    /// Rows.
    Rows(Vec<Row>),
    /// Rows, and their users.
    RowsOfUsers(Vec<Row>, Vec<Row>),
    /// A page of rows, and the total number of rows.
    Page(Vec<Row>, i64, Page),
    /// What was detected when the database was opened.
    Diagnostics(Diagnostics),
    /// The engine's statistics, with the names that callers read.
    Stats(Json),
}

/// The change of a user's spendable credits.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// The user's id, as the column has it: it may be a number.
    pub user_id: Value,
    /// The difference in credits; negative if the user has fewer.
    pub credits: i64,
}

impl Moved {
    /// The change of the user of this row.
    pub fn of(row: Option<&Row>, credits: i64) -> Self {
        let user_id = row.and_then(|row| row.get("userId"));
        Self { user_id: user_id.cloned().unwrap_or(Value::Null), credits }
    }
}

impl Outcome {
    /// A grant's row after a change, of which the user could spend `before` credits before.
    pub fn of_grant(row: Row, before: i64, now_ms: i64) -> Self {
        let after = row.as_held().map_or(0, |held| held.grant.spendable(now_ms));
        let moved = Moved::of(Some(&row), after - before);
        Self::Grant(row, moved)
    }

    /// A top-up that was claimed now.
    pub fn claimed(row: Row) -> Self {
        Self::TopUp { row: Some(row), replayed: false, declined: None }
    }

    /// The row, of an outcome that is one row.
    pub fn row(&self) -> Option<&Row> {
        match self {
            Self::Row(row) | Self::TopUp { row, .. } => row.as_ref(),
            Self::Replayed(row)
            | Self::Updated(row, _)
            | Self::Settled(row, _)
            | Self::Grant(row, _)
            | Self::Renewed(row, _) => Some(row),
            _ => None,
        }
    }
}

/// The audit of a page of users.
#[derive(Debug, Clone)]
pub struct Audited {
    /// The findings.
    pub findings: Vec<Finding>,
    /// The number of users.
    pub users: usize,
    /// The number of their rows of `credit`.
    pub credit_rows: i64,
    /// The last user, if there are more pages.
    pub next: Option<String>,
}

impl Audited {
    /// The audit of these users and of those that follow.
    pub fn followed_by(mut self, rest: Self) -> Self {
        self.findings.extend(rest.findings);
        self.users += rest.users;
        self.credit_rows += rest.credit_rows;
        self.next = rest.next;
        self
    }
}

/// What was detected when the database was opened: the names that callers read, and values.
pub type Diagnostics = Vec<(&'static str, Value)>;

/// Sends a request's outcome to its caller, exactly once. If it is dropped without sending, the caller gets
/// an error, so that no caller waits for ever.
pub struct ReplySender(Option<Box<dyn FnOnce(Result<Outcome>) + Send>>);

impl ReplySender {
    /// Creates a sender that calls this function, from any thread.
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
