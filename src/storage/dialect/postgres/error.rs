//! Maps a server's errors to this package's errors.

use crate::error::{Error, Wait};
use crate::storage::failure::Failure;

/// An error of the server, or of a pooler in front of it.
pub struct ServerError<'e> {
    /// Its SQLSTATE.
    pub code: &'e str,
    /// Its message.
    pub message: &'e str,
    /// The table that it names.
    pub table: Option<&'e str>,
    /// The constraint that it names.
    pub constraint: Option<&'e str>,
    /// Whether the session has ended.
    pub ends_session: bool,
}

impl ServerError<'_> {
    /// The consequence for the transaction. `doing` describes the statement.
    pub fn failure(&self, doing: &'static str) -> Failure {
        let message = self.message.to_owned();
        // The number may be this package's or the caller's: checking the guards again shows which.
        let is_number = self.constraint.is_some_and(|name| name.contains("transaction_no"));
        if self.code == UNIQUE_VIOLATION && self.table == Some("credit") && is_number {
            return Failure::Refused(Error::TransactionNoCollision);
        }
        let refusal = |message, retryable| Error::Database {
            doing,
            database_code: self.code.to_owned(),
            retryable,
            message,
        };
        match meaning(self.code, self.ends_session) {
            Meaning::Ended => Failure::Ended(message),
            Meaning::Conflict => Failure::Conflict(message),
            Meaning::Busy(wait) => Failure::Refused(Error::DatabaseBusy { wait, message }),
            Meaning::ReadOnly => Failure::ReadOnly(refusal(message + TAKES_NO_WRITES, false)),
            Meaning::Refused { retryable } => Failure::Refused(refusal(message, retryable)),
        }
    }
}

/// The code of a duplicate key.
pub const UNIQUE_VIOLATION: &str = "23505";

/// Codes that suggest that the tables have changed: a missing column or table, another type or limit, a
/// column that requires a value, a missing privilege, or rows hidden by a policy.
pub const ABOUT_SCHEMA: [&str; 9] =
    ["42703", "42P01", "42804", "42883", "23502", "22001", "22003", "42501", "22012"];

const TAKES_NO_WRITES: &str =
    "; the server is a standby, or read-only: DATABASE_URL must name one that takes writes";

/// What an error says about the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The session has ended. The outcome of a COMMIT is unknown; anything else was rolled back.
    Ended,
    /// A conflict with another transaction. The transaction was rolled back.
    Conflict,
    /// A lock or a statement timed out. The transaction was rolled back.
    Busy(Wait),
    /// The server is read-only.
    ReadOnly,
    /// The transaction was rolled back; `retryable` if the cause may pass by itself.
    Refused { retryable: bool },
}

/// By severity, then by SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn meaning(code: &str, ends_session: bool) -> Meaning {
    if ends_session {
        return Meaning::Ended;
    }
    let class = code.get(..2).unwrap_or_default();
    match (class, code) {
        // Poolers report it for the connection behind them, some with severity ERROR.
        ("08", _) => Meaning::Ended,
        // The outcome of a statement is unknown.
        (_, "40003") => Meaning::Ended,
        // Timeouts of a transaction or a session; a server that stops, starts or has crashed.
        (_, "25P03" | "25P04" | "57P01" | "57P02" | "57P03" | "57P05") => Meaning::Ended,
        (_, "25006") => Meaning::ReadOnly,
        // A deferred constraint, checked at COMMIT, as in class 23.
        (_, "40002") => Meaning::Refused { retryable: false },
        ("40", _) => Meaning::Conflict,
        (_, "55P03") => Meaning::Busy(Wait::Lock),
        (_, "57014") => Meaning::Busy(Wait::Server),
        // Out of disk space, memory or connections; an error of the disk or the system.
        ("53" | "58", _) => Meaning::Refused { retryable: true },
        _ => Meaning::Refused { retryable: false },
    }
}

#[cfg(test)]
mod tests {
    use super::Meaning::{Busy, Conflict, Ended, ReadOnly};
    use super::*;

    #[test]
    fn each_error_code_has_its_meaning() {
        const FINAL: Meaning = Meaning::Refused { retryable: false };
        const PASSING: Meaning = Meaning::Refused { retryable: true };
        let rows = [
            // 08: the connection. PgBouncer uses 08P01 for all its errors.
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
            // 40: the transaction was rolled back.
            ("40000", Conflict),
            ("40001", Conflict),
            ("40002", FINAL),
            ("40003", Ended),
            ("40P01", Conflict),
            // 53: out of resources.
            ("53000", PASSING),
            ("53100", PASSING),
            ("53200", PASSING),
            ("53300", PASSING),
            ("53400", PASSING),
            // 55: an object in the wrong state.
            ("55000", FINAL),
            ("55006", FINAL),
            ("55P02", FINAL),
            ("55P03", Busy(Wait::Lock)),
            ("55P04", FINAL),
            // 57: an operator or a timeout.
            ("57000", FINAL),
            ("57014", Busy(Wait::Server)),
            ("57P01", Ended),
            ("57P02", Ended),
            ("57P03", Ended),
            // The database was dropped: always FATAL, and the next connection gets the same error.
            ("57P04", FINAL),
            ("57P05", Ended),
            // 58: the system. XX: the server itself.
            ("58000", PASSING),
            ("58030", PASSING),
            ("58P01", PASSING),
            ("XX000", FINAL),
            ("XX001", FINAL),
            ("XX002", FINAL),
            // Raised by a trigger of the app.
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
