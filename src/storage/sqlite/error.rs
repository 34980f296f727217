//! Maps SQLite's errors to this package's errors, which keep SQLite's code and message.

use rusqlite::ffi::ErrorCode;

use crate::error::Error;
use crate::storage::dialect::sqlite::error::error as error_of;

/// Adds to an error what was being done.
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
    error_of(name(code.code, code.extended_code), message, doing)
}

/// SQLite's name of a result code: <https://sqlite.org/rescode.html>. An extended code follows as a number.
fn name(code: ErrorCode, extended_code: i32) -> String {
    let name = match code {
        ErrorCode::PermissionDenied => "SQLITE_PERM",
        ErrorCode::OperationAborted => "SQLITE_ABORT",
        ErrorCode::DatabaseBusy => "SQLITE_BUSY",
        ErrorCode::DatabaseLocked => "SQLITE_LOCKED",
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
