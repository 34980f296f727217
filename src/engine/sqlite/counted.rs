//! Counters of the writer.

use crate::engine::stats::{Counter, Stats};
use crate::histogram::Histogram;

/// The writer's counters.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) stats: Stats,
    /// How long the writer waited for the lock, and how often it timed out.
    pub(super) lock_waits: Histogram,
    pub(super) lock_timeouts: Counter,
    pub(super) commits: Histogram,
    /// Batches that were rolled back because of one request.
    pub(super) one_by_one: Counter,
    pub(super) reopened: Counter,
}
