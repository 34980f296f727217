//! Options of a connection to a server.

use std::time::Duration;

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
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 10,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            busy_timeout: Duration::from_secs(5),
        }
    }
}

impl Options {
    /// How long to wait for a reply. The server waits for a lock before it replies.
    pub(super) fn answer_timeout(&self) -> Duration {
        self.statement_timeout.max(self.busy_timeout)
    }

    /// How long a transaction waits for a lock, in whole seconds: at least 1.
    pub(super) fn lock_seconds(&self) -> u64 {
        self.busy_timeout.as_millis().div_ceil(1000).clamp(1, 600) as u64
    }
}
