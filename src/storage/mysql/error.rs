//! Maps the client's errors to this package's errors.

use super::client::ClientError;
use crate::error::Error;
use crate::storage::dialect::mysql::error::ServerError;
use crate::storage::failure::{Failure, long_answer, not_usable, unavailable};

impl Failure {
    /// The failure of statements.
    pub(super) fn of_client(error: &ClientError, doing: &'static str) -> Self {
        match error {
            ClientError::Server { code, message, .. } => {
                ServerError { code: *code, message }.failure(doing)
            }
            ClientError::TooLarge { .. } => Self::Refused(Error::Database {
                doing,
                // The code that the server would send.
                database_code: "1153".to_owned(),
                message: error.to_string(),
                retryable: false,
            }),
            ClientError::TooLong => Self::Refused(long_answer(doing)),
            error => Self::Lost(error.to_string()),
        }
    }
}

/// The error of a server that rejects a session.
pub(super) fn not_let_in(error: &ClientError) -> Error {
    match error {
        ClientError::Server { code, .. } => match advice(*code) {
            Some(advice) => not_usable(error.to_string(), advice),
            None => unavailable(&error.to_string()),
        },
        ClientError::Tls(_) => {
            not_usable(error.to_string(), "; check ssl-mode and ssl-ca in DATABASE_URL")
        }
        ClientError::Auth(_) => not_usable(error.to_string(), "; check DATABASE_URL"),
        error => unavailable(&error.to_string()),
    }
}

/// Advice to the operator if a server rejects sessions with this code; `None` if it may accept one soon.
fn advice(code: u16) -> Option<&'static str> {
    Some(match code {
        // The password, the host, the database, or a setting of the session.
        1044 | 1045 | 1049 | 1130 | 1227 | 1231 | 1698 => "; check DATABASE_URL",
        // MySQL's code and MariaDB's.
        3118 | 4151 => "; the account is locked: unlock it with ALTER USER … ACCOUNT UNLOCK",
        1820 | 1862 => {
            "; the password has expired: set a new one with ALTER USER, and in DATABASE_URL"
        }
        3159 => {
            "; the server accepts only encrypted connections: add ssl-mode=REQUIRED to DATABASE_URL"
        }
        1251 | 1524 => {
            "; give the user a login that is supported: caching_sha2_password, mysql_native_password or MariaDB's ed25519"
        }
        1129 => {
            "; the server has blocked this host after failed connections: run FLUSH HOSTS, or mariadb-admin flush-hosts"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_no_session_begins() {
        let rows = [
            // the server's code; whether it may accept a session soon, a word of the advice
            (1040, true, "try again"),
            (1053, true, "try again"),
            (1044, false, "check DATABASE_URL"),
            (1045, false, "check DATABASE_URL"),
            (1049, false, "check DATABASE_URL"),
            (1130, false, "check DATABASE_URL"),
            (1698, false, "check DATABASE_URL"),
            (3118, false, "ACCOUNT UNLOCK"),
            (4151, false, "ACCOUNT UNLOCK"),
            (1820, false, "expired"),
            (1862, false, "expired"),
            (3159, false, "ssl-mode=REQUIRED"),
            (1251, false, "caching_sha2_password"),
            (1524, false, "caching_sha2_password"),
            (1129, false, "FLUSH HOSTS"),
        ];
        for (code, retryable, word) in rows {
            let (state, message) = ("HY000".to_owned(), "no".to_owned());
            let said = ClientError::Server { code, state, message, statement: 0 };
            let error = not_let_in(&said);
            assert_eq!(
                (error.code(), error.retryable()),
                ("DATABASE_UNAVAILABLE", retryable),
                "{code}"
            );
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
