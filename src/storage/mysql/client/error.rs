//! The client's errors.

use std::io;

/// An error of a connection or of statements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// An error of the server.
    #[error("{message} ({code})")]
    Server {
        /// Its code.
        code: u16,
        /// Its SQLSTATE, or `HY000`.
        state: String,
        /// Its message.
        message: String,
        /// The index of the failed statement. Statements before it were executed, those after it were not.
        statement: usize,
    },
    /// The connection failed or broke.
    #[error("{0}")]
    Lost(String),
    /// Encryption could not be started.
    #[error("{0}")]
    Tls(String),
    /// The server requires a login method that is not supported or not safe.
    #[error("{0}")]
    Auth(String),
    /// The reply violates the protocol.
    #[error("the server's answer can't be read: {0}")]
    Protocol(&'static str),
    /// The reply is too long: the outcome of the statements is unknown.
    #[error("the server's answer is longer than is read here")]
    TooLong,
    /// The statements are longer than the server allows. None was sent.
    #[error("the statements have {length} bytes, and the server's max_allowed_packet is {most}")]
    TooLarge {
        /// Their length in bytes.
        length: usize,
        /// The server's limit in bytes.
        most: usize,
    },
}

impl ClientError {
    /// The same error, for the statement at this index.
    pub(super) fn of_statement(self, at: usize) -> Self {
        match self {
            Self::Server { code, state, message, .. } => {
                Self::Server { code, state, message, statement: at }
            }
            other => other,
        }
    }

    /// Whether the session continues: the server replied, and is neither shutting down nor ending the
    /// session.
    pub(super) fn keeps_session(&self) -> bool {
        // Codes of an ended session or server: killed, idle for too long, going offline.
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
