//! Errors between a client and its server.

use std::io;

/// What came of a connection, or of statements, that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server says no.
    #[error("{message} ({code})")]
    Server {
        /// Its number of the error.
        code: u16,
        /// The SQLSTATE; `HY000` where it names none.
        state: String,
        /// Its own words.
        message: String,
        /// Which of the statements it is about, from 0. Those before are carried out, those behind are not.
        statement: usize,
    },
    /// The connection could not be made, or broke.
    #[error("{0}")]
    Lost(String),
    /// Encryption did not begin.
    #[error("{0}")]
    Tls(String),
    /// The server wants a login that there is not, or that is not safe.
    #[error("{0}")]
    Auth(String),
    /// What came is nothing that a server sends here.
    #[error("the server's answer can't be read: {0}")]
    Protocol(&'static str),
    /// The answer is longer than is read: what came of the statements is not known.
    #[error("the server's answer is longer than is read here")]
    TooLong,
    /// The statements are longer than the server takes. None was sent.
    #[error("the statements have {length} bytes, and the server's max_allowed_packet is {most}")]
    TooLarge {
        /// How many bytes they have.
        length: usize,
        /// How many the server takes.
        most: usize,
    },
}

impl ClientError {
    /// The same error, about this one of the statements.
    pub(super) fn of_statement(self, at: usize) -> Self {
        match self {
            Self::Server { code, state, message, .. } => {
                Self::Server { code, state, message, statement: at }
            }
            other => other,
        }
    }

    /// Whether the server goes on with the session: it answered, and is neither shutting down nor has it ended the
    /// session.
    pub(super) fn keeps_session(&self) -> bool {
        // The session or the server ends: killed, idle for too long, going offline.
        const ENDS: [u16; 5] = [1053, 1927, 3032, 3169, 4031];
        match self {
            Self::Server { code, state, .. } => !ENDS.contains(code) && !state.starts_with("08"),
            Self::TooLarge { .. } => true,
            _ => false,
        }
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Self::Lost("the server closed the connection".to_owned())
            }
            _ => Self::Lost(error.to_string()),
        }
    }
}
