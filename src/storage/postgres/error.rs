//! What PostgreSQL's errors mean to a caller.

use std::error::Error as _;

use deadpool_postgres::PoolError;
use tokio_postgres::error::{DbError, Severity, SqlState};

use super::connect::is_turned_away;
use crate::error::Error;
use crate::storage::failure::{Failure, unavailable};

impl Failure {
    pub(in crate::storage) fn of(error: &tokio_postgres::Error, doing: &'static str) -> Self {
        let Some(database) = error.as_db_error() else { return Self::Lost(reason(error)) };
        let message = database.message().to_owned();
        // Our number or the caller's: the guards tell, when they look again.
        let constraint = database.constraint().unwrap_or_default();
        if *database.code() == SqlState::UNIQUE_VIOLATION
            && database.table() == Some("credit")
            && constraint.contains("transaction_no")
        {
            return Self::Refused(Error::TransactionNoCollision);
        }
        let code = database.code().code();
        let refusal = |message, retryable| Error::Database {
            doing,
            database_code: code.to_owned(),
            retryable,
            message,
        };
        match meaning(code, ends_session(database)) {
            Meaning::Ended => Self::Ended(message),
            Meaning::Conflict => Self::Conflict(message),
            Meaning::Busy => Self::Refused(Error::DatabaseBusy { message }),
            Meaning::ReadOnly => Self::ReadOnly(refusal(message + TAKES_NO_WRITES, false)),
            Meaning::Refused { retryable } => Self::Refused(refusal(message, retryable)),
        }
    }
}

const TAKES_NO_WRITES: &str =
    "; the server is a standby, or read-only: DATABASE_URL must name one that takes writes";

/// What an error of the server, or of a pooler before it, says of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// There is no session any more. What came of a COMMIT is not known; anything else was undone.
    Ended,
    /// The transaction met another one, and was undone.
    Conflict,
    /// A lock, or a statement, took longer than the options allow. The transaction was undone.
    Busy,
    /// The server takes no writes.
    ReadOnly,
    /// The transaction was undone; `retryable` if what stopped it passes by itself.
    Refused { retryable: bool },
}

/// By severity, and then by SQLSTATE
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn meaning(code: &str, ends_session: bool) -> Meaning {
    if ends_session {
        return Meaning::Ended;
    }
    let class = code.get(..2).unwrap_or_default();
    match (class, code) {
        // Poolers say it of the connection behind them, some of them with severity ERROR.
        ("08", _) => Meaning::Ended,
        // The outcome of a statement is not known.
        (_, "40003") => Meaning::Ended,
        // Timeouts of a transaction or a session; a server that stops, starts or has crashed.
        (_, "25P03" | "25P04" | "57P01" | "57P02" | "57P03" | "57P05") => Meaning::Ended,
        (_, "25006") => Meaning::ReadOnly,
        // A constraint that is checked at the COMMIT, as class 23.
        (_, "40002") => Meaning::Refused { retryable: false },
        ("40", _) => Meaning::Conflict,
        (_, "55P03" | "57014") => Meaning::Busy,
        // No disk, memory or connections; an error of the disk or of the system.
        ("53" | "58", _) => Meaning::Refused { retryable: true },
        _ => Meaning::Refused { retryable: false },
    }
}

/// Servers and poolers end the session after an error of this severity.
fn ends_session(error: &DbError) -> bool {
    match error.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        // Poolers that speak the protocol of old servers leave out what is not translated.
        None => matches!(error.severity(), "FATAL" | "PANIC"),
    }
}

/// Why no connection could be had.
pub(super) fn no_connection(error: &PoolError) -> Failure {
    let error = match error {
        PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => Error::DatabaseBusy {
            message: "all connections of this process are in use; see maxConnections".to_owned(),
        },
        PoolError::Timeout(_) => unavailable("connecting took longer than connectTimeoutMs"),
        PoolError::Closed => Error::Closed,
        PoolError::Backend(error) if is_turned_away(error) => {
            return Failure::ReadOnly(unavailable(&reason(error)));
        }
        PoolError::Backend(error) => not_let_in(error),
        PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            Error::Internal(error.to_string())
        }
    };
    Failure::Refused(error)
}

fn not_let_in(error: &tokio_postgres::Error) -> Error {
    let Some(database) = error.as_db_error() else {
        let reason = reason(error);
        // The library has no other word for it.
        if reason.contains("TLS") {
            return not_usable(reason, "; check sslmode and sslrootcert in DATABASE_URL");
        }
        if reason.contains("password missing") {
            let message = "the server asks for a password, and there is none".to_owned();
            return not_usable(message, "; write it in DATABASE_URL, or set PGPASSWORD");
        }
        // A way of logging in that the client can't go, or may not.
        if reason.contains("authentication") {
            return not_usable(reason, "; check DATABASE_URL and the server's pg_hba.conf");
        }
        return unavailable(&reason);
    };
    let code = database.code();
    // Class 28: the password; 3D000: no such database; 22, 42: a setting in `options`, which a pooler refuses in a word
    // of its own.
    let wrong = ["28", "22", "42"].iter().any(|class| code.code().starts_with(class))
        || *code == SqlState::INVALID_CATALOG_NAME
        || database.message().starts_with("unsupported startup parameter");
    if !wrong {
        return unavailable(database.message());
    }
    not_usable(format!("{} ({})", database.message(), code.code()), "; check DATABASE_URL")
}

fn not_usable(message: String, advice: &'static str) -> Error {
    Error::DatabaseUnavailable { message, advice, retryable: false }
}

/// The error and what caused it: the library's own message is only "error connecting to server".
fn reason(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::Meaning::{Busy, Conflict, Ended, ReadOnly};
    use super::*;

    #[test]
    fn meanings() {
        const FINAL: Meaning = Meaning::Refused { retryable: false };
        const PASSING: Meaning = Meaning::Refused { retryable: true };
        let rows = [
            // 08: the connection. PgBouncer's 08P01 covers whatever happens to it.
            ("08000", Ended),
            ("08001", Ended),
            ("08003", Ended),
            ("08004", Ended),
            ("08006", Ended),
            ("08007", Ended),
            ("08P01", Ended),
            // 23, 22, 42: values, constraints, names and privileges.
            ("22001", FINAL),
            ("22P02", FINAL),
            ("23502", FINAL),
            ("23505", FINAL),
            ("42501", FINAL),
            ("42703", FINAL),
            ("42883", FINAL),
            // 25: the state of the transaction.
            ("25000", FINAL),
            ("25001", FINAL),
            ("25006", ReadOnly),
            ("25P01", FINAL),
            ("25P02", FINAL),
            ("25P03", Ended),
            ("25P04", Ended),
            // 40: it was rolled back.
            ("40000", Conflict),
            ("40001", Conflict),
            ("40002", FINAL),
            ("40003", Ended),
            ("40P01", Conflict),
            // 53: no resources.
            ("53000", PASSING),
            ("53100", PASSING),
            ("53200", PASSING),
            ("53300", PASSING),
            ("53400", PASSING),
            // 55: something is not in the state that it should be in.
            ("55000", FINAL),
            ("55006", FINAL),
            ("55P02", FINAL),
            ("55P03", Busy),
            ("55P04", FINAL),
            // 57: an operator, or a timeout.
            ("57000", FINAL),
            ("57014", Busy),
            ("57P01", Ended),
            ("57P02", Ended),
            ("57P03", Ended),
            // The database was dropped: always FATAL, and the next connection is told so.
            ("57P04", FINAL),
            ("57P05", Ended),
            // 58: the system. XX: the server itself.
            ("58000", PASSING),
            ("58030", PASSING),
            ("58P01", PASSING),
            ("XX000", FINAL),
            ("XX001", FINAL),
            ("XX002", FINAL),
            // A trigger of the app's own.
            ("P0001", FINAL),
            ("", FINAL),
        ];
        for (code, expected) in rows {
            assert_eq!(meaning(code, false), expected, "{code}");
            // FATAL or PANIC.
            assert_eq!(meaning(code, true), Ended, "{code}");
        }
    }
}
