//! The ways in which a transaction can fail, in terms that all databases share.

use crate::domain::plan::Plan;
use crate::domain::table::TableName;
use crate::domain::value::Value;
use crate::error::Error;
use crate::storage::Row;

/// What a store answers.
pub type Answer<T> = Result<T, Failure>;

/// What came of a statement that failed.
#[derive(Debug)]
pub enum Failure {
    /// The database said no, or the ledger did, and nothing is written.
    Refused(Error),
    /// The same transaction can succeed if it is tried again: a deadlock, a serialization failure.
    Conflict(String),
    /// The server takes no writes: it is a standby, or has become one. The caller's error, if no other
    /// server does.
    ReadOnly(Error),
    /// The connection broke, or the server fell silent: what became of the last statement is not known.
    Lost(String),
    /// The server or a pooler said that the session is over. Of the last statement no more is known.
    Ended(String),
    /// The connection was lost or ended, and the last statement was the COMMIT.
    Unknown {
        /// What the driver says.
        message: String,
        /// For each request, the row that tells whether it is written; none, if it was refused. Empty, if no row
        /// tells.
        witnesses: Vec<Option<Witness>>,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    /// A commit that was not answered.
    pub fn unknown(message: String) -> Self {
        Self::Unknown { message, witnesses: Vec::new() }
    }

    /// The same, with the rows that tell whether it is written.
    pub fn with_witnesses(self, find: impl FnOnce() -> Vec<Option<Witness>>) -> Self {
        match self {
            Self::Unknown { message, .. } => Self::Unknown { message, witnesses: find() },
            other => other,
        }
    }

    /// The error for a caller who can't try again.
    pub fn into_error(self) -> Error {
        match self {
            Self::Refused(error) | Self::ReadOnly(error) => error,
            Self::Conflict(message) => Error::DatabaseBusy { message },
            Self::Lost(message) | Self::Ended(message) => unavailable(&message),
            Self::Unknown { message, .. } => Error::OutcomeUnknown { message },
        }
    }

    /// Whether the server has answered, and undone the transaction.
    pub fn is_answered(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Conflict(_))
    }
}

/// A server that can't be had now, and may be had soon.
pub fn unavailable(message: &str) -> Error {
    Error::DatabaseUnavailable {
        message: message.to_owned(),
        advice: ", try again",
        retryable: true,
    }
}

/// The code of an answer that is longer than is read, or sent.
#[cfg(any(feature = "libsql", feature = "mysql"))]
pub(super) const LONG_ANSWER: &str = "ANSWER_TOO_LONG";

/// An answer to a question that is longer than is read here.
#[cfg(any(feature = "libsql", feature = "mysql"))]
pub(super) fn long_answer(doing: &'static str) -> Error {
    Error::Database {
        doing,
        database_code: LONG_ANSWER.to_owned(),
        message: "the server's answer is longer than 64 MiB: ask for fewer rows at once".to_owned(),
        retryable: false,
    }
}

/// A server that lets no call in until something is mended.
#[cfg(any(feature = "libsql", feature = "mysql", feature = "postgres"))]
pub(super) fn not_usable(message: String, advice: &'static str) -> Error {
    Error::DatabaseUnavailable { message, advice, retryable: false }
}

/// A row that is there if a commit is, and only then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its family.
    pub user_id: String,
    /// Its table.
    pub table: TableName,
    /// Its id.
    pub id: String,
    /// The charge that a new task has: it tells our task from another one with the same id.
    credit_id: Option<String>,
    /// The row that the caller gets.
    pub reply: (TableName, String),
}

impl Witness {
    /// The new row that a plan replies with.
    pub fn of_reply(plan: &Plan) -> Self {
        let (table, id) = plan.reply.clone();
        let credit_id = plan.rows.last().and_then(|row| row.fields.get("creditId"));
        let credit_id = credit_id.and_then(Value::as_text).map(str::to_owned);
        Self { user_id: plan.user_id.clone(), table, id, credit_id, reply: plan.reply.clone() }
    }

    /// The first row that a plan writes, which is new.
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

    /// Whether a row that was found is the one that was to be written.
    pub fn is(&self, row: &Row) -> bool {
        self.table == TableName::Credit || row.text("creditId") == self.credit_id.as_deref()
    }
}
