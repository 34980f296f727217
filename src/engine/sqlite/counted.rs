//! Counters of the writer.

use crate::engine::stats::{Counter, Stats};
use crate::histogram::Histogram;

/// What the writer counts.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) stats: Stats,
    /// Until the database was ours to write, and how often it never was.
    pub(super) lock_waits: Histogram,
    pub(super) lock_timeouts: Counter,
    pub(super) commits: Histogram,
    /// Batches that were undone because of one of their requests.
    pub(super) one_by_one: Counter,
    pub(super) reopened: Counter,
}
