//! The ways in which a transaction can fail, in terms that all databases share.

use crate::domain::plan::Plan;
use crate::domain::table::TableName;
use crate::domain::value::Value;
use crate::error::{Error, Wait};
use crate::storage::Row;

/// The result of a store's method.
pub type Answer<T> = Result<T, Failure>;

/// The reason why a statement failed.
#[derive(Debug)]
pub enum Failure {
    /// The database or the ledger rejected it, and nothing was written.
    Refused(Error),
    /// The transaction may succeed if it is retried: a deadlock, a serialization failure.
    Conflict(String),
    /// The server is read-only, such as a standby. The error is for the caller if no other server accepts
    /// writes.
    ReadOnly(Error),
    /// The connection broke, or the server stopped responding: the outcome of the last statement is unknown.
    Lost(String),
    /// The server or a pooler ended the session. The outcome of the last statement is unknown as well.
    Ended(String),
    /// The connection was lost or ended after COMMIT was sent.
    Unknown {
        /// The driver's message.
        message: String,
        /// For each request the row that proves the commit; `None` if the request was rejected. Empty if no
        /// row proves it.
        witnesses: Vec<Option<Witness>>,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    /// An unanswered commit.
    pub fn unknown(message: String) -> Self {
        Self::Unknown { message, witnesses: Vec::new() }
    }

    /// The same, with the rows that prove the commit.
    pub fn with_witnesses(self, find: impl FnOnce() -> Vec<Option<Witness>>) -> Self {
        match self {
            Self::Unknown { message, .. } => Self::Unknown { message, witnesses: find() },
            other => other,
        }
    }

    /// The caller's error, if no retry is possible.
    pub fn into_error(self) -> Error {
        match self {
            Self::Refused(error) | Self::ReadOnly(error) => error,
            Self::Conflict(message) => Error::DatabaseBusy { wait: Wait::Conflict, message },
            Self::Lost(message) | Self::Ended(message) => unavailable(&message),
            Self::Unknown { message, .. } => Error::OutcomeUnknown { message },
        }
    }

    /// Whether the server replied and rolled back the transaction.
    pub fn is_answered(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Conflict(_))
    }
}

/// The error for a server that is not available now, but may be soon.
pub fn unavailable(message: &str) -> Error {
    Error::DatabaseUnavailable {
        message: message.to_owned(),
        advice: ", try again",
        retryable: true,
    }
}

/// The code for a reply or a request that is too long.
#[cfg(any(feature = "libsql", feature = "mysql"))]
pub(super) const LONG_ANSWER: &str = "ANSWER_TOO_LONG";

/// The error for a reply that is too long to read.
#[cfg(any(feature = "libsql", feature = "mysql"))]
pub(super) fn long_answer(doing: &'static str) -> Error {
    Error::Database {
        doing,
        database_code: LONG_ANSWER.to_owned(),
        message: "the server's answer is longer than 64 MiB: ask for fewer rows at once".to_owned(),
        retryable: false,
    }
}

/// The error for a request that got no connection, because others use them.
#[cfg(any(feature = "libsql", feature = "mysql", feature = "postgres"))]
pub(super) fn all_in_use() -> Error {
    let message = "all connections are in use; see maxConnections".to_owned();
    Error::DatabaseBusy { wait: Wait::Process, message }
}

/// The error for a server that rejects connections until an operator changes something.
#[cfg(any(feature = "libsql", feature = "mysql", feature = "postgres"))]
pub(super) fn not_usable(message: String, advice: &'static str) -> Error {
    Error::DatabaseUnavailable { message, advice, retryable: false }
}

/// A row that exists exactly if a commit succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The user's id.
    pub user_id: String,
    /// Its table.
    pub table: TableName,
    /// Its `id`.
    pub id: String,
    /// The charge of a new task, which distinguishes it from another task with the same id.
    credit_id: Option<String>,
    /// The row that the caller receives.
    pub reply: (TableName, String),
}

impl Witness {
    /// The new row that a plan returns.
    pub fn of_reply(plan: &Plan) -> Self {
        let (table, id) = plan.reply.clone();
        let credit_id = plan.rows.last().and_then(|row| row.fields.get("creditId"));
        let credit_id = credit_id.and_then(Value::as_text).map(str::to_owned);
        Self { user_id: plan.user_id.clone(), table, id, credit_id, reply: plan.reply.clone() }
    }

    /// The first row of a plan, if it is new.
    pub fn of_first_row(plan: &Plan) -> Option<Self> {
        let row = plan.rows.first()?;
        Some(Self {
            user_id: plan.user_id.clone(),
            table: row.table,
            id: row.id.clone(),
            credit_id: None,
            reply: plan.reply.clone(),
        })
    }

    /// Whether a row that was found is the one that was written.
    pub fn is(&self, row: &Row) -> bool {
        self.table == TableName::Credit || row.text("creditId") == self.credit_id.as_deref()
    }
}
