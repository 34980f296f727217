//! How to use a server.

use std::time::Duration;

use crate::storage::search_path::SearchPath;

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
    /// The schema with the app's tables, if it is not the one that the server finds by itself.
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
