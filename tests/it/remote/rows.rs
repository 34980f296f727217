//! What goes wrong with requests, and what comes of it.

use super::faults::Fault;

/// What goes wrong, and what comes of it.
pub(super) struct Row<const N: usize> {
    pub(super) faults: &'static [Fault],
    /// What callers of either kind are told.
    pub(super) told: [&'static str; 2],
    pub(super) written: bool,
    /// How often the server was asked to commit.
    pub(super) commits: usize,
    /// How often the engine did something again, by reason.
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
