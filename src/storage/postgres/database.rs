//! The connections of this process to one server.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Instant;

use deadpool_postgres::{Object, Pool};

use super::begin::Begin;
use super::error::no_connection;
use super::found::Found;
use super::options::Options;
use super::watch::Latencies;
use crate::storage::failure::Answer;

/// A database on a server, with its schema as found.
pub struct Database {
    pub(super) pool: Pool,
    pub(super) options: Options,
    pub(super) begin: Begin,
    pub(super) found: Mutex<Option<Found>>,
    /// For the log, once it has let us in: what is wrong in a URL may be a part of its password.
    pub(super) name: String,
    pub(super) first_look: Once,
    pub(super) latencies: Latencies,
    /// Whether the URL names another server for a write that one did not take.
    pub(super) others_may_write: bool,
}

impl Database {
    pub(super) async fn client(&self) -> Answer<Object> {
        let asked = Instant::now();
        let client = self.pool.get().await.map_err(|error| no_connection(&error))?;
        self.latencies.connections.count_since(asked);
        Ok(client)
    }

    /// A panic elsewhere can't leave it half changed.
    pub(super) fn known_tables(&self) -> MutexGuard<'_, Option<Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
