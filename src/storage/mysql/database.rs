//! The connections of this process to one server.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Instant;

use deadpool::managed::{Object, Pool};

use super::error::no_connection;
use super::found::Found;
use super::options::Options;
use super::pool::Manager;
use crate::histogram::Histogram;
use crate::storage::failure::Answer;

/// A database on a server, with its schema as found.
pub struct Database {
    pub(super) pool: Pool<Manager>,
    pub(super) options: Options,
    pub(super) found: Mutex<Option<Found>>,
    /// For the log, once it has let us in: what is wrong in a URL may be a part of its password.
    pub(super) name: String,
    pub(super) first_look: Once,
    pub(super) latencies: Latencies,
    /// Whether the URL names another server for a write that one did not take.
    pub(super) others_may_write: bool,
}

/// How long things took, in microseconds.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    /// Until a connection was there, free or new.
    pub(super) connections: Histogram,
    /// From what was sent to the server's last answer to it.
    pub(super) round_trips: Histogram,
    /// Those round trips that wrote and committed.
    pub(super) commits: Histogram,
}

impl Database {
    pub(super) async fn connection(&self) -> Answer<Object<Manager>> {
        let asked = Instant::now();
        let connection = self.pool.get().await.map_err(no_connection)?;
        self.latencies.connections.count_since(asked);
        Ok(connection)
    }

    /// A panic elsewhere can't leave it half changed.
    pub(super) fn known_tables(&self) -> MutexGuard<'_, Option<Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
