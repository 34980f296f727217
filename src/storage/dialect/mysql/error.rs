//! Maps a server's errors to this package's errors.

use crate::error::{Error, Wait};
use crate::storage::failure::Failure;

/// An error of the server, or of a pooler in front of it.
#[derive(Debug, Clone, Copy)]
pub struct ServerError<'e> {
    /// Its code.
    pub code: u16,
    /// Its message.
    pub message: &'e str,
}

impl ServerError<'_> {
    /// The consequence for the transaction. `doing` describes the statement.
    pub fn failure(&self, doing: &'static str) -> Failure {
        // The number may be this package's or the caller's: checking the guards again shows which.
        if self.code == DUPLICATE_KEY && self.key().contains("transaction_no") {
            return Failure::Refused(Error::TransactionNoCollision);
        }
        let message = self.message.to_owned();
        let refusal = |message, retryable| Error::Database {
            doing,
            database_code: self.code.to_string(),
            retryable,
            message,
        };
        match self.meaning() {
            Meaning::Ended => Failure::Ended(message),
            Meaning::Changed => Failure::Conflict(CHANGED.to_owned()),
            Meaning::Conflict => Failure::Conflict(message),
            Meaning::Busy(wait) => Failure::Refused(Error::DatabaseBusy { wait, message }),
            Meaning::LogsStatements => {
                Failure::Refused(refusal(message + WANTS_ROWS_LOGGED, false))
            }
            Meaning::ReadOnly => Failure::ReadOnly(refusal(message + TAKES_NO_WRITES, false)),
            Meaning::Refused { retryable } => Failure::Refused(refusal(message, retryable)),
        }
    }

    fn meaning(&self) -> Meaning {
        if self.code == OUT_OF_RANGE && self.message.starts_with("DOUBLE") {
            return Meaning::Changed;
        }
        meaning(self.code)
    }

    /// The key that exists already, which is at the end of the message.
    fn key(&self) -> &str {
        self.message.rsplit_once(" for key ").map_or("", |(_, key)| key)
    }
}

/// The code of a duplicate key.
pub const DUPLICATE_KEY: u16 = 1062;

/// The code of a missing savepoint: the server has rolled back the transaction.
const NO_SAVEPOINT: u16 = 1305;

/// The code of a number outside its type's range. For floating-point numbers there is only one cause: see
/// [`super::change::assert_rows`].
const OUT_OF_RANGE: u16 = 1690;

const CHANGED: &str = "a statement changed another number of rows than planned: another client changed them meanwhile";

/// Codes that suggest that the tables have changed: a missing column or table, another type or limit, a
/// column that requires a value, or a missing privilege.
pub const ABOUT_SCHEMA: [&str; 12] = [
    "1054", "1146", "1406", "1264", "1265", "1292", "1366", "1048", "1364", "1142", "1143", "4025",
];

const TAKES_NO_WRITES: &str =
    "; the server is a replica, or read-only: DATABASE_URL must name one that takes writes";

const WANTS_ROWS_LOGGED: &str = "; set the server's binlog_format to ROW or MIXED";

/// What an error says about the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The session has ended. The outcome of a COMMIT is unknown; anything else was rolled back.
    Ended,
    /// A statement changed other rows than planned.
    Changed,
    /// A conflict with another transaction.
    Conflict,
    /// A lock or a statement timed out or was cancelled.
    Busy(Wait),
    /// The server is read-only.
    ReadOnly,
    /// The server also rejects writes at READ COMMITTED, because its statement-based binary log can't
    /// replicate them.
    LogsStatements,
    /// No retry helps now; `retryable` if the cause may pass by itself.
    Refused { retryable: bool },
}

/// By code (<https://dev.mysql.com/doc/mysql-errors/en/server-error-reference.html>,
/// <https://mariadb.com/kb/en/mariadb-error-codes/>).
fn meaning(code: u16) -> Meaning {
    match code {
        // The server shuts down; its node has left the cluster; the connection was killed or idle for too
        // long.
        1053 | 1047 | 1927 | 3169 | 4031 => Meaning::Ended,
        // Network errors, as reported by servers, clients and poolers.
        1158..=1161 | 2006 | 2013 => Meaning::Ended,
        // A COMMIT that may have been executed: the node was cut off from the cluster, a hook failed, or TiDB
        // does not know.
        1180 | 3100 | 8501 => Meaning::Ended,
        // A deadlock or a failed certification in a cluster; rows or tables that changed after the snapshot;
        // the last ones are TiDB's.
        1213 | 3101 | 1020 | 1412 | 9007 | 8022 | 8028 | NO_SAVEPOINT => Meaning::Conflict,
        1205 | 3572 => Meaning::Busy(Wait::Lock),
        3024 | 1969 | 1317 => Meaning::Busy(Wait::Server),
        1290 | 1836 | 1792 => Meaning::ReadOnly,
        1665 => Meaning::LogsStatements,
        // Out of memory, disk space, locks or connections.
        1021 | 1037 | 1038 | 1040 | 1041 | 1114 | 1203 | 1206 | 1226 => {
            Meaning::Refused { retryable: true }
        }
        _ => Meaning::Refused { retryable: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_as_the_caller_sees_them() {
        let number = "Duplicate entry '7' for key 'credit.credit_transaction_no_unique'";
        let other = "Duplicate entry 'transaction_no for key' for key 'PRIMARY'";
        let rows = [
            // the error; its meaning, and the caller's code
            (1062, number, "refused", "DATABASE_BUSY"),
            (1062, other, "refused", "DATABASE_ERROR"),
            (1213, "Deadlock found", "conflict", "DATABASE_BUSY"),
            (
                1690,
                "DOUBLE value is out of range in 'exp(1000 * (row_count() <> 1))'",
                "conflict",
                "DATABASE_BUSY",
            ),
            (
                1690,
                "BIGINT UNSIGNED value is out of range in 'remaining_credits + -5'",
                "refused",
                "DATABASE_ERROR",
            ),
            (1205, "Lock wait timeout exceeded", "locked", "DATABASE_BUSY"),
            (1969, "max_statement_time exceeded", "slow", "DATABASE_BUSY"),
            (1290, "--read-only", "read only", "DATABASE_ERROR"),
            (1665, "impossible to write to binary log", "refused", "DATABASE_ERROR"),
            (1836, "Running in read-only mode", "read only", "DATABASE_ERROR"),
            (1927, "Connection was killed", "ended", "DATABASE_UNAVAILABLE"),
            (1047, "WSREP has not yet prepared node", "ended", "DATABASE_UNAVAILABLE"),
            (1180, "Got error during COMMIT", "ended", "DATABASE_UNAVAILABLE"),
            (3101, "Plugin instructed the server to rollback", "conflict", "DATABASE_BUSY"),
            (1406, "Data too long", "refused", "DATABASE_ERROR"),
        ];
        for (code, message, kind, expected) in rows {
            let failure = ServerError { code, message }.failure("writing");
            let found = match &failure {
                Failure::Refused(Error::DatabaseBusy { wait: Wait::Lock, .. }) => "locked",
                Failure::Refused(Error::DatabaseBusy { wait: Wait::Server, .. }) => "slow",
                Failure::Refused(_) => "refused",
                Failure::Conflict(_) => "conflict",
                Failure::ReadOnly(_) => "read only",
                Failure::Ended(_) => "ended",
                Failure::Lost(_) | Failure::Unknown { .. } => "lost",
            };
            assert_eq!((found, failure.into_error().code()), (kind, expected), "{code}");
        }
    }
}
