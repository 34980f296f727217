//! What a request waited for in vain.

/// What a request waited for, for too long. Nothing of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// A lock that another process or connection holds.
    Lock,
    /// Other transactions, which changed the same rows or waited for each other.
    Conflict,
    /// The server's reply.
    Server,
    /// Other requests of this process: for its turn, or for a connection.
    Process,
}

impl Wait {
    /// The beginning of the message.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "the database is locked by another process or connection",
            Self::Conflict => "the call conflicted with other transactions",
            Self::Server => "the server took too long",
            Self::Process => "the call waited too long for other calls of this process",
        }
    }
}
