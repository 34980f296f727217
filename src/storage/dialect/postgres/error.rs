//! Maps a server's errors to this package's errors.

use crate::error::Error;
use crate::storage::failure::Failure;

/// An error of the server, or of a pooler before it.
pub struct ServerError<'e> {
    /// Its SQLSTATE.
    pub code: &'e str,
    /// What it says.
    pub message: &'e str,
    /// The table that it names.
    pub table: Option<&'e str>,
    /// The constraint that it names.
    pub constraint: Option<&'e str>,
    /// Whether there is no session any more.
    pub ends_session: bool,
}

impl ServerError<'_> {
    /// What comes of the transaction; `doing` is what was being done.
    pub fn failure(&self, doing: &'static str) -> Failure {
        let message = self.message.to_owned();
        // Our number or the caller's: the guards tell, when they look again.
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
            Meaning::Busy => Failure::Refused(Error::DatabaseBusy { message }),
            Meaning::ReadOnly => Failure::ReadOnly(refusal(message + TAKES_NO_WRITES, false)),
            Meaning::Refused { retryable } => Failure::Refused(refusal(message, retryable)),
        }
    }
}

/// The code of a key that must be unique and is taken.
pub const UNIQUE_VIOLATION: &str = "23505";

/// Codes that say that the tables may not be what they were: a column or table that does not exist, a type or a limit
/// that has changed, a column that wants a value; a privilege that is missing, or rows that a policy hides.
pub const ABOUT_SCHEMA: [&str; 9] =
    ["42703", "42P01", "42804", "42883", "23502", "22001", "22003", "42501", "22012"];

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
