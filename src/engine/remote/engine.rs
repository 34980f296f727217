//! The state shared by all connections of a process to one database.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::batch::Batches;
use super::slots::Slots;
use crate::engine::clock::Ids;
use crate::engine::stats::{Counter, Stats};
use crate::error::Result;
use crate::storage::server::Server;

/// An engine's settings. All connections of a process to one database must use the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings<O> {
    /// The server's settings.
    pub database: O,
    /// The maximum number of waiting requests; further ones are rejected.
    pub max_queue: usize,
}

impl<O: Default> Default for Settings<O> {
    fn default() -> Self {
        Self { database: O::default(), max_queue: 10_000 }
    }
}

/// The pool of one database, its queue and its statistics.
pub(in crate::engine) struct Engine<S: Server> {
    pub(super) server: Arc<S>,
    pub(super) settings: Settings<S::Options>,
    pub(super) ids: Ids,
    pub(super) slots: Arc<Slots>,
    pub(super) batches: Batches,
    pub(super) stats: Stats,
    pub(super) retries: Retries,
}

/// How often requests were retried, by reason.
#[derive(Default)]
pub(super) struct Retries {
    /// Conflicts with another transaction, or with another process's transaction number.
    pub(super) conflicts: Counter,
    /// Dead connections of the pool.
    pub(super) lost_connections: Counter,
    /// Changes of the tables.
    pub(super) schema_changes: Counter,
    /// Batches that were rolled back because of one request.
    pub(super) one_by_one: Counter,
}

impl<S: Server> Engine<S> {
    pub(super) fn new(url: &S::Url, settings: Settings<S::Options>) -> Result<Self> {
        Ok(Self {
            server: Arc::new(S::new(url, settings.database.clone())?),
            slots: Arc::new(Slots::new(settings.max_queue)),
            settings,
            ids: Ids::new(),
            batches: Batches::new(S::BATCHES),
            stats: Stats::default(),
            retries: Retries::default(),
        })
    }

    /// Closes idle connections, so that a serverless database can sleep.
    pub(super) async fn close_idle(self: Arc<Self>) {
        const EVERY: Duration = Duration::from_secs(30);
        const IDLE: Duration = Duration::from_secs(60);
        let engine = Arc::downgrade(&self);
        drop(self);
        loop {
            tokio::time::sleep(EVERY).await;
            let Some(engine) = engine.upgrade() else { return };
            engine.server.close_idle(IDLE);
        }
    }

    pub(super) fn report(&self) -> Json {
        let retries = &self.retries;
        let mut more = self.server.report();
        more["retries"] = json!({
            "oneByOne": retries.one_by_one.get(),
            "conflicts": retries.conflicts.get(),
            "lostConnections": retries.lost_connections.get(),
            "schemaChanges": retries.schema_changes.get(),
        });
        self.stats.report(S::STORAGE, &self.slots.report(), self.server.commits(), more)
    }
}
