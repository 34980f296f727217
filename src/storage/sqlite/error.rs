//! SQLite's errors in this package's words. SQLite's own code and message stay inside.

use rusqlite::ffi::ErrorCode;

use crate::error::Error;

/// Says what was being done when SQLite failed.
pub(super) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|error| translate(&error, doing))
    }
}

fn translate(error: &rusqlite::Error, doing: &'static str) -> Error {
    let Some(code) = error.sqlite_error() else {
        return Error::Internal(format!("while {doing}: {error}"));
    };
    let message = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    };
    if matches!(code.code, ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) {
        return Error::DatabaseBusy { message };
    }
    // The engine asks first whether a number that the caller chose is taken. A number that it made by
    // itself can be another process's by chance; it then tries another one.
    if message.ends_with("UNIQUE constraint failed: credit.transaction_no") {
        return Error::TransactionNoCollision;
    }
    Error::Database {
        doing,
        database_code: name(code.code, code.extended_code),
        message,
        retryable: matches!(
            code.code,
            // A disk can be emptied, a file can come back; nothing was written.
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::CannotOpen
                | ErrorCode::OperationInterrupted
                | ErrorCode::FileLockingProtocolFailed
        ),
    }
}

/// SQLite's name of a result code: <https://sqlite.org/rescode.html>. An extended code follows as a
/// number.
fn name(code: ErrorCode, extended_code: i32) -> String {
    let name = match code {
        ErrorCode::PermissionDenied => "SQLITE_PERM",
        ErrorCode::OperationAborted => "SQLITE_ABORT",
        ErrorCode::OutOfMemory => "SQLITE_NOMEM",
        ErrorCode::ReadOnly => "SQLITE_READONLY",
        ErrorCode::OperationInterrupted => "SQLITE_INTERRUPT",
        ErrorCode::SystemIoFailure => "SQLITE_IOERR",
        ErrorCode::DatabaseCorrupt => "SQLITE_CORRUPT",
        ErrorCode::DiskFull => "SQLITE_FULL",
        ErrorCode::CannotOpen => "SQLITE_CANTOPEN",
        ErrorCode::FileLockingProtocolFailed => "SQLITE_PROTOCOL",
        ErrorCode::SchemaChanged => "SQLITE_SCHEMA",
        ErrorCode::TooBig => "SQLITE_TOOBIG",
        ErrorCode::ConstraintViolation => "SQLITE_CONSTRAINT",
        ErrorCode::TypeMismatch => "SQLITE_MISMATCH",
        ErrorCode::NotADatabase => "SQLITE_NOTADB",
        ErrorCode::Unknown => "SQLITE_ERROR",
        _ => return format!("SQLite result code {extended_code}"),
    };
    if extended_code > 0xff { format!("{name} {extended_code}") } else { name.to_owned() }
}
