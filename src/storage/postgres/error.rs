//! Maps the client's errors to this package's errors.

use std::error::Error as _;

use tokio_postgres::error::{DbError, Severity, SqlState};

use super::connect::is_turned_away;
use crate::error::Error;
use crate::storage::dialect::postgres::error::ServerError;
use crate::storage::failure::{Failure, not_usable, unavailable};

impl Failure {
    pub(super) fn of(error: &tokio_postgres::Error, doing: &'static str) -> Self {
        let Some(database) = error.as_db_error() else { return Self::Lost(reason(error)) };
        let error = ServerError {
            code: database.code().code(),
            message: database.message(),
            table: database.table(),
            constraint: database.constraint(),
            ends_session: ends_session(database),
        };
        error.failure(doing)
    }
}

/// Whether the error ends the session. Servers and poolers end it after errors of these severities.
fn ends_session(error: &DbError) -> bool {
    match error.parsed_severity() {
        Some(severity) => matches!(severity, Severity::Fatal | Severity::Panic),
        // Poolers with an old protocol version omit the untranslated severity.
        None => matches!(error.severity(), "FATAL" | "PANIC"),
    }
}

/// The failure when a server rejects a session.
pub(super) fn not_let_in(error: &tokio_postgres::Error) -> Failure {
    match is_turned_away(error) {
        true => Failure::ReadOnly(unavailable(&reason(error))),
        false => Failure::Refused(refusal(error)),
    }
}

fn refusal(error: &tokio_postgres::Error) -> Error {
    let Some(database) = error.as_db_error() else {
        let reason = reason(error);
        // The library has no other indication of it.
        if reason.contains("TLS") {
            return not_usable(reason, "; check sslmode and sslrootcert in DATABASE_URL");
        }
        if reason.contains("password missing") {
            let message = "the server asks for a password, and there is none".to_owned();
            return not_usable(message, "; write it in DATABASE_URL, or set PGPASSWORD");
        }
        // An authentication method that the client does not support or allow.
        if reason.contains("authentication") {
            return not_usable(reason, "; check DATABASE_URL and the server's pg_hba.conf");
        }
        return unavailable(&reason);
    };
    let code = database.code();
    // Class 28: the password; 3D000: no such database; 22, 42: a setting in `options`, which poolers reject
    // with a code of their own.
    let wrong = ["28", "22", "42"].iter().any(|class| code.code().starts_with(class))
        || *code == SqlState::INVALID_CATALOG_NAME
        || database.message().starts_with("unsupported startup parameter");
    if !wrong {
        return unavailable(database.message());
    }
    not_usable(format!("{} ({})", database.message(), code.code()), "; check DATABASE_URL")
}

/// The error and its cause. The library's own message is only "error connecting to server".
fn reason(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
