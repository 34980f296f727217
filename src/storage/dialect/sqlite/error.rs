//! Maps SQLite's errors to this package's errors.

use crate::error::{Error, Wait};

/// The error for a result code, given its name (<https://sqlite.org/rescode.html>), SQLite's message, and a
/// description of the statement.
pub fn error(code: String, message: String, doing: &'static str) -> Error {
    // Nothing was written, and the cause may pass: disk space may be freed, a file may come back.
    const PASSING: [&str; 6] = [
        "SQLITE_FULL",
        "SQLITE_IOERR",
        "SQLITE_NOMEM",
        "SQLITE_CANTOPEN",
        "SQLITE_INTERRUPT",
        "SQLITE_PROTOCOL",
    ];
    let is_one_of = |names: &[&str]| names.iter().any(|name| code.starts_with(name));
    if is_one_of(&["SQLITE_BUSY", "SQLITE_LOCKED"]) {
        return Error::DatabaseBusy { wait: Wait::Lock, message };
    }
    // The engine checks first whether a caller's number is in use. A number that the engine generated may
    // collide with another process's; it then retries with another one.
    if message.ends_with("UNIQUE constraint failed: credit.transaction_no") {
        return Error::TransactionNoCollision;
    }
    let retryable = is_one_of(&PASSING);
    Error::Database { doing, database_code: code, message, retryable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_code_has_its_meaning() {
        let rows = [
            // the code, SQLite's message; the caller's code, and whether it is retryable
            ("SQLITE_BUSY", "database is locked", "DATABASE_BUSY", true),
            ("SQLITE_BUSY 517", "database is locked", "DATABASE_BUSY", true),
            ("SQLITE_LOCKED", "database table is locked", "DATABASE_BUSY", true),
            ("SQLITE_FULL", "database or disk is full", "DATABASE_ERROR", true),
            ("SQLITE_IOERR 1034", "disk I/O error", "DATABASE_ERROR", true),
            ("SQLITE_CANTOPEN", "unable to open database file", "DATABASE_ERROR", true),
            ("SQLITE_INTERRUPT", "interrupted", "DATABASE_ERROR", true),
            ("SQLITE_READONLY", "attempt to write a readonly database", "DATABASE_ERROR", false),
            ("SQLITE_CORRUPT", "database disk image is malformed", "DATABASE_ERROR", false),
            ("SQLITE_CONSTRAINT 1811", "a trigger says no", "DATABASE_ERROR", false),
            (
                "SQLITE_CONSTRAINT 2067",
                "UNIQUE constraint failed: credit.id",
                "DATABASE_ERROR",
                false,
            ),
        ];
        for (code, message, expected, retryable) in rows {
            let found = error(code.to_owned(), message.to_owned(), "writing");
            assert_eq!((found.code(), found.retryable()), (expected, retryable), "{code}");
        }
        let taken = "UNIQUE constraint failed: credit.transaction_no".to_owned();
        let found = error("SQLITE_CONSTRAINT 2067".to_owned(), taken, "writing");
        assert!(matches!(found, Error::TransactionNoCollision), "{found:?}");
    }
}
