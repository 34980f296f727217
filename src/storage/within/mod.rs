//! Stores inside a transaction that the app has begun: statements go to the app's own client, which returns
//! the rows.
//!
//! Nothing here begins, commits or rolls back. A store's futures wait only for [`Exchange::answer`].

#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "postgres")]
mod question;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use crate::error::Error;
use crate::storage::failure::Failure;

/// The client's reply: for each statement its rows, each a text, because the statements select one column.
pub type ClientReply = Result<Vec<Vec<String>>, ClientError>;

/// An error of the app's client, or of its database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientError {
    /// The database's code, if the client provides it.
    pub code: Option<String>,
    /// Its message.
    pub message: String,
    /// The table that it names.
    pub table: Option<String>,
    /// The constraint that it names.
    pub constraint: Option<String>,
    /// The columns of the duplicate key.
    pub key: Option<String>,
}

/// Holds statements for the app's client, and its replies for the store.
#[derive(Debug, Default)]
pub struct Exchange(Mutex<ExchangeState>);

#[derive(Debug, Default)]
enum ExchangeState {
    #[default]
    Idle,
    Asked(Vec<String>),
    /// The client has received them.
    Sent,
    Answered(ClientReply),
}

impl Exchange {
    /// Passes statements to the client, to be run in order, and waits for its reply.
    async fn ask(&self, statements: Vec<String>) -> ClientReply {
        *self.lock() = ExchangeState::Asked(statements);
        poll_fn(|_| {
            let mut state = self.lock();
            match std::mem::take(&mut *state) {
                ExchangeState::Answered(reply) => Poll::Ready(reply),
                waiting => {
                    *state = waiting;
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Rolls back the writes of a failed call, because the app may go on and commit. Returns whether that
    /// succeeded.
    #[cfg(any(feature = "sqlite", feature = "mysql"))]
    async fn undo_writes(&self) -> bool {
        // JavaScript creates this savepoint at the start of each call (`lib/within/ask.js`).
        self.ask(vec!["ROLLBACK TO SAVEPOINT media_credits".to_owned()]).await.is_ok()
    }

    /// The statements that the client must run now.
    pub fn take(&self) -> Option<Vec<String>> {
        let mut state = self.lock();
        match std::mem::take(&mut *state) {
            ExchangeState::Asked(statements) => {
                *state = ExchangeState::Sent;
                Some(statements)
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// Passes on the client's reply.
    pub fn answer(&self, reply: ClientReply) {
        *self.lock() = ExchangeState::Answered(reply);
    }

    /// The lock may be poisoned: a panic elsewhere can't leave it half changed.
    fn lock(&self) -> MutexGuard<'_, ExchangeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The failure for an error that does not seem to be the database's.
fn client_error(error: &ClientError, doing: &'static str) -> Failure {
    Failure::Refused(Error::Database {
        doing,
        database_code: error.code.clone().unwrap_or_else(|| "CLIENT".to_owned()),
        message: error.message.clone(),
        retryable: false,
    })
}

/// The failure of a server for the caller, who alone can repeat the app's transaction.
#[cfg(any(feature = "mysql", feature = "postgres"))]
fn to_repeat(failure: Failure) -> Failure {
    use crate::error::Wait;

    let (wait, message) = match failure {
        Failure::Conflict(message) => (Wait::Conflict, message),
        Failure::Refused(Error::DatabaseBusy { wait, message }) => (wait, message),
        Failure::Refused(Error::TransactionNoCollision) => {
            (Wait::Conflict, "another transaction has taken the transaction number".to_owned())
        }
        other => return other,
    };
    let message = format!("{message}; roll back and repeat the whole transaction");
    Failure::Refused(Error::DatabaseBusy { wait, message })
}

/// The failure for rows that do not match the statement.
fn odd(doing: &'static str) -> Failure {
    Failure::Refused(Error::Database {
        doing,
        database_code: "CLIENT".to_owned(),
        message: "the transaction's client returned other rows than the statement selects; see docs/transactions.md"
            .to_owned(),
        retryable: false,
    })
}
