//! The slots of waiting and running requests. The number of waiting requests is limited.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::Value as Json;

use crate::engine::stats::Requests;
use crate::error::{Error, Result};

/// The slots of one engine.
pub(super) struct Slots {
    taken: AtomicUsize,
    capacity: usize,
    requests: Requests,
}

impl Slots {
    pub(super) fn new(capacity: usize) -> Self {
        Self { taken: AtomicUsize::new(0), capacity, requests: Requests::default() }
    }

    /// Takes a slot for a request, unless too many requests wait.
    pub(super) fn take(self: &Arc<Self>) -> Result<Slot> {
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        let slot = Slot { slots: Arc::clone(self), enqueued: Instant::now(), started: false };
        if before >= self.capacity {
            self.requests.refused();
            return Err(Error::Overloaded { waiting: self.capacity });
        }
        self.requests.enqueued((before + 1).saturating_sub(self.requests.running()));
        Ok(slot)
    }

    pub(super) fn report(&self) -> Json {
        let taken = self.taken.load(Ordering::Relaxed);
        self.requests.report(taken.saturating_sub(self.requests.running()), self.capacity)
    }
}

/// A slot of a waiting or running request.
pub(super) struct Slot {
    slots: Arc<Slots>,
    enqueued: Instant,
    started: bool,
}

impl Slot {
    /// When the request arrived.
    pub(super) fn arrived(&self) -> Instant {
        self.enqueued
    }

    /// Marks the request as running.
    pub(super) fn start(&mut self) {
        self.started = true;
        self.slots.requests.dequeued(1);
        self.slots.requests.started(self.enqueued, Instant::now());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.started {
            self.slots.requests.finished(1);
        }
        self.slots.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
