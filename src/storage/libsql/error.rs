//! Maps a libSQL server's errors: one table for errors of statements, one for HTTP statuses.

use hyper::StatusCode;
use serde::Deserialize;

use super::hrana::ServerError;
use crate::error::Error;
use crate::storage::dialect::sqlite::error::error as error_of;
use crate::storage::failure::{Failure, LONG_ANSWER, not_usable, unavailable};
use crate::storage::location;

/// The failure for the error of a statement or of a whole batch.
pub(super) fn of_statement(error: &ServerError, doing: &'static str) -> Failure {
    // sqld puts this before SQLite's message.
    let said = |prefix| error.message.strip_prefix(prefix);
    let message = said("SQLite error: ").or(said("SQL input error: ")).unwrap_or(&error.message);
    let code = error.code.as_deref().unwrap_or("HRANA");
    match code {
        // Another process took over the lock: the transaction was rolled back.
        "TRANSACTION_TIMEOUT" | "TRANSACTION_BUSY" => return Failure::Conflict(message.to_owned()),
        // Extended codes begin with it, such as SQLITE_BUSY_SNAPSHOT.
        _ if code.starts_with("SQLITE_BUSY") || code.starts_with("SQLITE_LOCKED") => {
            return Failure::Conflict(message.to_owned());
        }
        _ if code.starts_with("STREAM_") || code.contains("BATON") => {
            return Failure::Ended(format!("{message} ({code})"));
        }
        "RESPONSE_TOO_LARGE" => return Failure::Refused(long_for_server(message, doing)),
        _ => {}
    }
    if is_busy(message) {
        return Failure::Conflict(message.to_owned());
    }
    Failure::Refused(error_of(code_of(code, message).to_owned(), message.to_owned(), doing))
}

/// sqld has no code for most of SQLite's errors.
fn is_busy(message: &str) -> bool {
    message.contains("database is locked") || message.contains("database table is locked")
}

fn code_of<'c>(code: &'c str, message: &str) -> &'c str {
    const WORDS: [(&str, &str); 4] = [
        ("constraint failed", "SQLITE_CONSTRAINT"),
        ("database or disk is full", "SQLITE_FULL"),
        ("disk I/O error", "SQLITE_IOERR"),
        ("attempt to write a readonly database", "SQLITE_READONLY"),
    ];
    // Errors at a position in the SQL, such as an unknown column, have codes of their own.
    if !["SQLITE_UNKNOWN", "SQL_INPUT_ERROR"].contains(&code) {
        return code;
    }
    let known = WORDS.iter().find(|(words, _)| message.contains(words));
    known.map_or("SQLITE_ERROR", |(_, code)| code)
}

/// The token of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'t> {
    Sent(&'t location::Token),
    Missing,
    /// Not sent, because the server redirected to another host.
    KeptFromOtherHost,
}

/// The failure for any HTTP status but `200 OK`.
pub(super) fn of_status(
    status: StatusCode,
    body: &[u8],
    token: Token<'_>,
    doing: &'static str,
) -> Failure {
    let number = status.as_u16();
    let said = said(body, token);
    let error = match number {
        403 if said.as_ref().is_some_and(is_about_writing) => reads_alone(doing),
        401 | 403 => {
            let message = match token {
                Token::Sent(_) => "the server does not accept the token",
                Token::Missing | Token::KeptFromOtherHost => "the server asks for a token",
            };
            let advice = match token {
                Token::Sent(_) => {
                    "; it may have expired: make a new one for DATABASE_AUTH_TOKEN or authToken"
                }
                Token::Missing => "; set DATABASE_AUTH_TOKEN, or pass authToken",
                Token::KeptFromOtherHost => {
                    "; the database has moved to another host, which the token was not sent to: set DATABASE_URL to it"
                }
            };
            not_usable(format!("{message} ({number})"), advice)
        }
        404 => not_usable("there is no such database (404)".to_owned(), "; check DATABASE_URL"),
        413 => too_long(doing),
        429 => unavailable("the server asks for fewer requests (429)"),
        // sqld stops in the middle of the batch; the COMMIT comes after all rows, so it was not executed.
        500 if said.as_ref().is_some_and(is_about_text) => not_text(doing),
        // A server behind a proxy may have executed the request.
        408 | 500..=599 => {
            let message = said.map_or_else(String::new, |error| format!(": {}", error.message));
            return Failure::Lost(format!("the server said {status}{message}"));
        }
        _ => match said {
            Some(error) => return of_statement(&error, doing),
            None => not_usable(
                format!("the server said {status}"),
                "; check that DATABASE_URL names a libSQL server",
            ),
        },
    };
    Failure::Refused(error)
}

/// sqld's message names the missing permission and the database.
fn is_about_writing(error: &ServerError) -> bool {
    error.message.to_lowercase().contains("write permission")
}

/// The error for a read-only token. Its code is that of a read-only file.
fn reads_alone(doing: &'static str) -> Error {
    Error::Database {
        doing,
        database_code: "SQLITE_READONLY".to_owned(),
        message: "the token may only read (403): make one that may write, for DATABASE_AUTH_TOKEN or authToken"
            .to_owned(),
        retryable: false,
    }
}

/// A batch with other requests may be too long: it is then split.
fn too_long(doing: &'static str) -> Error {
    Error::Database {
        doing,
        database_code: "HTTP_413".to_owned(),
        message: "the server, or a proxy in front of it, does not accept a request of this length (413); shorten its texts, \
                  make fewer rows with one call, or raise the limit, which nginx calls client_max_body_size"
            .to_owned(),
        retryable: false,
    }
}

/// Like [`crate::storage::failure::long_answer`], for a limit of the server.
fn long_for_server(message: &str, doing: &'static str) -> Error {
    Error::Database {
        doing,
        database_code: LONG_ANSWER.to_owned(),
        message: format!(
            "{message}: ask for fewer rows at once, or raise the server's limit, which sqld calls --max-response-size"
        ),
        retryable: false,
    }
}

fn is_about_text(error: &ServerError) -> bool {
    error.message.starts_with("invalid utf-8 sequence")
}

fn not_text(doing: &'static str) -> Error {
    Error::Database {
        doing,
        database_code: "INVALID_UTF8".to_owned(),
        message: "a row has a text that is not UTF-8, which a libSQL server can't send; hex() shows its bytes"
            .to_owned(),
        retryable: false,
    }
}

/// The error in a body, in either of the servers' formats. It may repeat the request, but not the token.
fn said(body: &[u8], token: Token<'_>) -> Option<ServerError> {
    #[derive(Deserialize)]
    struct Plain {
        error: String,
    }
    let plain = |_| serde_json::from_slice(body).map(|Plain { error }| error);
    let error = serde_json::from_slice::<ServerError>(body)
        .or_else(|error| plain(error).map(|message| ServerError { message, code: None }))
        .ok()?;
    let Token::Sent(token) = token else { return Some(error) };
    let ServerError { message, code } = error;
    Some(ServerError { message: token.hide(&message), code: code.map(|code| token.hide(&code)) })
}

/// The failure for a reply that is not a libSQL server's.
pub(super) fn unreadable() -> Failure {
    Failure::Lost(
        "the answer does not follow the protocol of libSQL; check DATABASE_URL".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_statement_has_its_code() {
        let rows = [
            // the code, the server's message; the caller's code, and whether it is retryable
            ("SQLITE_BUSY", "SQLite error: database is locked", "DATABASE_BUSY", true),
            ("SQLITE_BUSY_SNAPSHOT", "SQLite error: no", "DATABASE_BUSY", true),
            ("SQLITE_LOCKED_SHAREDCACHE", "SQLite error: no", "DATABASE_BUSY", true),
            ("SQLITE_UNKNOWN", "SQLite error: database is locked", "DATABASE_BUSY", true),
            ("TRANSACTION_TIMEOUT", "Transaction timed-out", "DATABASE_BUSY", true),
            ("STREAM_EXPIRED", "The stream has expired", "DATABASE_UNAVAILABLE", true),
            ("INVALID_BATON", "Received an invalid baton", "DATABASE_UNAVAILABLE", true),
            ("SQLITE_UNKNOWN", "SQLite error: no such table: nope", "DATABASE_ERROR", false),
            ("SQL_INPUT_ERROR", "SQL input error: no such column: nope", "DATABASE_ERROR", false),
            ("SQLITE_UNKNOWN", "SQLite error: database or disk is full", "DATABASE_ERROR", true),
            ("SQL_PARSE_ERROR", "syntax error", "DATABASE_ERROR", false),
        ];
        for (code, message, expected, retryable) in rows {
            let error = ServerError { message: message.to_owned(), code: Some(code.to_owned()) };
            let error = of_statement(&error, "writing").into_error();
            assert_eq!((error.code(), error.retryable()), (expected, retryable), "{code}");
        }
        let taken = ServerError {
            message: "SQLite error: UNIQUE constraint failed: credit.transaction_no".to_owned(),
            code: Some("SQLITE_CONSTRAINT".to_owned()),
        };
        let failure = of_statement(&taken, "writing");
        assert!(matches!(failure, Failure::Refused(Error::TransactionNoCollision)), "{failure:?}");
        let long = ServerError {
            message: "Response is too large".to_owned(),
            code: Some("RESPONSE_TOO_LARGE".to_owned()),
        };
        let error = of_statement(&long, "reading").into_error();
        assert!(error.to_string().contains("ask for fewer rows"), "{error}");
        assert!(error.to_string().contains("ANSWER_TOO_LONG"), "{error}");
    }

    #[test]
    fn a_status_of_http_has_its_code() {
        let rows = [
            // the status, the body, whether there is a token; the caller's code, whether it is retryable, a
            // word of the message
            (401, "", true, "DATABASE_UNAVAILABLE", false, "expired"),
            (401, "", false, "DATABASE_UNAVAILABLE", false, "DATABASE_AUTH_TOKEN"),
            (403, "", true, "DATABASE_UNAVAILABLE", false, "expired"),
            (
                403,
                r#"{"error":"Authorization forbidden: Current session doesn't not have Write permission to namespace default"}"#,
                true,
                "DATABASE_ERROR",
                false,
                "the token may only read",
            ),
            (
                403,
                r#"{"error":"Authorization forbidden: Current session doesn't not have Read permission to namespace default"}"#,
                true,
                "DATABASE_UNAVAILABLE",
                false,
                "does not accept the token",
            ),
            (404, r#"{"error":"Namespace"}"#, true, "DATABASE_UNAVAILABLE", false, "no such"),
            (413, "<html>", true, "DATABASE_ERROR", false, "shorten its texts"),
            (413, r#"{"error":"too large"}"#, true, "DATABASE_ERROR", false, "shorten its texts"),
            (429, "", true, "DATABASE_UNAVAILABLE", true, "fewer requests"),
            (
                400,
                r#"{"message":"gone","code":"STREAM_EXPIRED"}"#,
                true,
                "DATABASE_UNAVAILABLE",
                true,
                "gone",
            ),
            (400, "no JSON", true, "DATABASE_UNAVAILABLE", false, "400"),
            (302, "", true, "DATABASE_UNAVAILABLE", false, "302"),
        ];
        let secret = location::Token::new("secret").unwrap();
        for (status, body, has_token, expected, retryable, word) in rows {
            let status = StatusCode::from_u16(status).unwrap();
            let token = if has_token { Token::Sent(&secret) } else { Token::Missing };
            let failure = of_status(status, body.as_bytes(), token, "reading");
            let error = failure.into_error();
            assert_eq!((error.code(), error.retryable()), (expected, retryable), "{status}");
            assert!(error.to_string().contains(word), "{error}");
        }
        let text = br#"{"error":"invalid utf-8 sequence of 1 bytes from index 1"}"#;
        let failure = of_status(StatusCode::INTERNAL_SERVER_ERROR, text, Token::Missing, "reading");
        let Failure::Refused(error) = failure else { panic!("{failure:?}") };
        assert_eq!((error.code(), error.retryable()), ("DATABASE_ERROR", false));
        for status in [408, 500, 502, 503, 504] {
            let status = StatusCode::from_u16(status).unwrap();
            let failure = of_status(status, b"", Token::Missing, "writing");
            assert!(matches!(failure, Failure::Lost(_)), "{status}: {failure:?}");
        }
    }
}
