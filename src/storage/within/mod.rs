//! Stores inside a transaction that the app has begun: statements go to the app's own client, and its rows come back.
//!
//! Nothing here begins, commits or rolls back. A store's futures wait for [`Exchange::answer`] alone.

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

/// What the app's client says: of each statement the texts of its rows, which have one column.
pub type ClientReply = Result<Vec<Vec<String>>, ClientError>;

/// An error of the app's client, or of the database behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientError {
    /// The database's code, if the client passes it on.
    pub code: Option<String>,
    /// What it says.
    pub message: String,
    /// The table that it names.
    pub table: Option<String>,
    /// The constraint that it names.
    pub constraint: Option<String>,
    /// The columns of a key that is taken.
    pub key: Option<String>,
}

/// Where statements wait for the app's client, and what it says waits for the store.
#[derive(Debug, Default)]
pub struct Exchange(Mutex<ExchangeState>);

#[derive(Debug, Default)]
enum ExchangeState {
    #[default]
    Idle,
    Asked(Vec<String>),
    /// The client has them.
    Sent,
    Answered(ClientReply),
}

impl Exchange {
    /// Statements to run one after the other; what the client says to them.
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

    /// Undoes what a call has written before it failed: the app may go on, and commit. Whether it is undone.
    #[cfg(any(feature = "sqlite", feature = "mysql"))]
    async fn undo_writes(&self) -> bool {
        // JavaScript begins each call with it (`lib/within/ask.js`).
        self.ask(vec!["ROLLBACK TO SAVEPOINT media_credits".to_owned()]).await.is_ok()
    }

    /// The statements that the client is to run now.
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

    /// What the client says to them.
    pub fn answer(&self, reply: ClientReply) {
        *self.lock() = ExchangeState::Answered(reply);
    }

    /// A panic elsewhere can't leave it half changed.
    fn lock(&self) -> MutexGuard<'_, ExchangeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error of the client that is none of the database's, as far as it tells.
fn client_error(error: &ClientError, doing: &'static str) -> Failure {
    Failure::Refused(Error::Database {
        doing,
        database_code: error.code.clone().unwrap_or_else(|| "CLIENT".to_owned()),
        message: error.message.clone(),
        retryable: false,
    })
}

/// The client has returned something else than the statement selects.
fn odd(doing: &'static str) -> Failure {
    Failure::Refused(Error::Database {
        doing,
        database_code: "CLIENT".to_owned(),
        message: "the transaction's client returned other rows than the statement selects; see docs/transactions.md"
            .to_owned(),
        retryable: false,
    })
}
