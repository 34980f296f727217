//! Options of a connection to a server.

use std::time::Duration;

use crate::storage::search_path::SearchPath;

/// Options of a connection. All connections of a process to one database must use the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Options {
    /// The maximum number of connections of this process.
    pub max_connections: usize,
    /// How long to wait for a connection, idle or new.
    pub connect_timeout: Duration,
    /// The maximum duration of a statement.
    pub statement_timeout: Duration,
    /// How long to wait for another transaction's lock.
    pub busy_timeout: Duration,
    /// The schema with the app's tables; `None` means the server's search path.
    pub schema: Option<SearchPath>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 10,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            busy_timeout: Duration::from_secs(5),
            schema: None,
        }
    }
}

impl Options {
    /// How long to wait for a reply. The server waits for a lock before it replies.
    pub(super) fn answer_timeout(&self) -> Duration {
        self.statement_timeout.max(self.busy_timeout)
    }
}
