//! What PostgreSQL's errors mean to a caller.

use std::error::Error as _;

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::error::Error;

/// What came of a statement that failed.
#[derive(Debug)]
pub enum Failure {
    /// The server said no, and undid the transaction.
    Refused(Error),
    /// The same transaction can succeed if it is tried again: a deadlock, a serialization failure.
    Conflict(String),
    /// The connection broke, or the server fell silent: nobody knows what became of the last statement.
    Lost(String),
    /// So it was, and the last statement was the COMMIT.
    Unknown(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    /// The error for a caller who can't try again.
    pub fn into_error(self) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Conflict(message) => Error::DatabaseBusy { message },
            Self::Lost(message) => unavailable(&message),
            Self::Unknown(message) => Error::OutcomeUnknown { message },
        }
    }

    pub(super) fn of(error: &tokio_postgres::Error, doing: &'static str) -> Self {
        let Some(database) = error.as_db_error() else { return Self::Lost(reason(error)) };
        let code = database.code();
        let message = database.message().to_owned();
        if [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE].contains(code) {
            return Self::Conflict(message);
        }
        // Our number or the caller's: the guards tell, when they look again.
        let constraint = database.constraint().unwrap_or_default();
        if *code == SqlState::UNIQUE_VIOLATION
            && database.table() == Some("credit")
            && constraint.contains("transaction_no")
        {
            return Self::Refused(Error::TransactionNoCollision);
        }
        // A lock, or a statement, took longer than the options allow.
        if [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED].contains(code) {
            return Self::Refused(Error::DatabaseBusy { message });
        }
        if is_gone(code) {
            return Self::Lost(message);
        }
        Self::Refused(Error::Database {
            doing,
            database_code: code.code().to_owned(),
            retryable: is_passing(code),
            message,
        })
    }
}

/// The server ended the connection: it shuts down, starts up or crashed.
fn is_gone(code: &SqlState) -> bool {
    [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ]
    .contains(code)
}

/// Whether it can pass by itself: no more disk, memory or connections.
fn is_passing(code: &SqlState) -> bool {
    code.code().starts_with("53")
}

/// Why no connection could be had.
pub(super) fn no_connection(error: &PoolError) -> Error {
    match error {
        PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => Error::DatabaseBusy {
            message: "all connections of this process are in use; see maxConnections".to_owned(),
        },
        PoolError::Timeout(_) => unavailable("connecting took longer than connectTimeoutMs"),
        PoolError::Closed => Error::Closed,
        PoolError::Backend(error) => not_let_in(error),
        PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            Error::Internal(error.to_string())
        }
    }
}

fn not_let_in(error: &tokio_postgres::Error) -> Error {
    let Some(database) = error.as_db_error() else {
        let reason = reason(error);
        // The library has no other word for it.
        if reason.contains("TLS") {
            return not_usable(reason, "; check sslmode and sslrootcert in DATABASE_URL");
        }
        return unavailable(&reason);
    };
    let code = database.code();
    // Class 28: the password; 3D000: no such database.
    let wrong = code.code().starts_with("28") || *code == SqlState::INVALID_CATALOG_NAME;
    if !wrong {
        return unavailable(database.message());
    }
    not_usable(format!("{} ({})", database.message(), code.code()), "; check DATABASE_URL")
}

fn not_usable(message: String, advice: &'static str) -> Error {
    Error::DatabaseUnavailable { message, advice, retryable: false }
}

pub(super) fn unavailable(message: &str) -> Error {
    Error::DatabaseUnavailable {
        message: message.to_owned(),
        advice: ", try again",
        retryable: true,
    }
}

/// The error and what caused it: the library's own message is only "error connecting to server".
fn reason(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
