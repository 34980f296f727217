//! The client's errors in this package's words.

use super::client::ClientError;
use crate::error::Error;
use crate::storage::dialect::mysql::error::ServerError;
use crate::storage::failure::{Failure, long_answer, not_usable, unavailable};

impl Failure {
    /// What came of statements.
    pub(super) fn of_client(error: &ClientError, doing: &'static str) -> Self {
        match error {
            ClientError::Server { code, message, .. } => {
                ServerError { code: *code, message }.failure(doing)
            }
            ClientError::TooLarge { .. } => Self::Refused(Error::Database {
                doing,
                // What the server would say.
                database_code: "1153".to_owned(),
                message: error.to_string(),
                retryable: false,
            }),
            ClientError::TooLong => Self::Refused(long_answer(doing)),
            error => Self::Lost(error.to_string()),
        }
    }
}

/// Why a server lets no session in.
pub(super) fn not_let_in(error: &ClientError) -> Error {
    match error {
        // The password, the host, the database, or what the session is to begin with.
        ClientError::Server { code: 1044 | 1045 | 1049 | 1130 | 1227 | 1231 | 1698, .. } => {
            not_usable(error.to_string(), "; check DATABASE_URL")
        }
        ClientError::Tls(_) => {
            not_usable(error.to_string(), "; check ssl-mode and ssl-ca in DATABASE_URL")
        }
        ClientError::Auth(_) => not_usable(error.to_string(), "; check DATABASE_URL"),
        error => unavailable(&error.to_string()),
    }
}
