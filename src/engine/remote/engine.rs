//! The state that all connections of a process to one database share.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::batch::Batches;
use super::slots::Slots;
use crate::engine::clock::Ids;
use crate::engine::stats::{Counter, Stats};
use crate::error::Result;
use crate::storage::server::Server;

/// How an engine works. Everything in one process that opens one database must say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings<O> {
    /// How to use the server.
    pub database: O,
    /// How many requests may wait before further ones are refused.
    pub max_queue: usize,
}

impl<O: Default> Default for Settings<O> {
    fn default() -> Self {
        Self { database: O::default(), max_queue: 10_000 }
    }
}

/// The pool of one database, what waits for it, and what is counted.
pub(in crate::engine) struct Engine<S: Server> {
    pub(super) server: Arc<S>,
    pub(super) settings: Settings<S::Options>,
    pub(super) ids: Ids,
    pub(super) slots: Arc<Slots>,
    pub(super) batches: Batches,
    pub(super) stats: Stats,
    pub(super) retries: Retries,
}

/// How often something was done again, and why.
#[derive(Default)]
pub(super) struct Retries {
    /// A request met another transaction, or another process's transaction number.
    pub(super) conflicts: Counter,
    /// A connection of the pool was dead.
    pub(super) lost_connections: Counter,
    /// The tables were not what they had been.
    pub(super) schema_changes: Counter,
    /// A batch was undone because of one of its requests.
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

    /// Closes connections that are idle: a server that sleeps when none is open must be able to.
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
