//! Faults of requests, and their outcomes.

use super::faults::Fault;

/// A fault, and its outcome.
pub(super) struct Row<const N: usize> {
    pub(super) faults: &'static [Fault],
    /// The outcomes for callers of both kinds.
    pub(super) told: [&'static str; 2],
    pub(super) written: bool,
    /// How often the server was asked to commit.
    pub(super) commits: usize,
    /// How often the engine retried, by reason.
    pub(super) retries: [u64; N],
}

pub(super) const fn written<const N: usize>(
    faults: &'static [Fault],
    told: [&'static str; 2],
    commits: usize,
    retries: [u64; N],
) -> Row<N> {
    Row { faults, told, written: true, commits, retries }
}

pub(super) const fn absent<const N: usize>(
    faults: &'static [Fault],
    told: [&'static str; 2],
    commits: usize,
    retries: [u64; N],
) -> Row<N> {
    Row { faults, told, written: false, commits, retries }
}

pub(super) const UNAVAILABLE: [&str; 2] = ["DATABASE_UNAVAILABLE", "DATABASE_UNAVAILABLE"];
