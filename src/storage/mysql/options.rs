//! How to use a server.

use std::time::Duration;

/// How to use a server. Everything in one process that uses one database must say the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Options {
    /// The most connections of this process.
    pub max_connections: usize,
    /// How long to wait for a connection, free or new.
    pub connect_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
    /// How long to wait for a lock that another transaction holds.
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
    /// How long a transaction waits for a lock, in the server's seconds: one at least.
    pub(super) fn lock_seconds(&self) -> u64 {
        self.busy_timeout.as_millis().div_ceil(1000).clamp(1, 600) as u64
    }
}
