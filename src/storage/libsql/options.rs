//! How to use a server.

use std::time::Duration;

use crate::storage::times::TimestampUnit;

/// How to use a server. Everything in one process that uses one database must say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The most connections of this process.
    pub max_connections: usize,
    /// How long to wait for a connection, free or new.
    pub connect_timeout: Duration,
    /// How long the server may take for an answer.
    pub statement_timeout: Duration,
    /// How long to wait for a lock that another transaction holds.
    pub busy_timeout: Duration,
    /// The unit of times, if the tables are not to be asked.
    pub timestamp_unit: Option<TimestampUnit>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 10,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            busy_timeout: Duration::from_secs(5),
            timestamp_unit: None,
        }
    }
}

impl Options {
    /// How long to wait for an answer.
    pub(super) fn answer_timeout(&self) -> Duration {
        // The server itself waits for a lock before it answers.
        self.statement_timeout.max(self.busy_timeout)
    }
}
