//! The tables as they were found: when the first request comes, again after a minute, and when a call does not fit
//! them.

use std::time::{Duration, Instant};

use crate::storage::dialect::mysql::tables::Tables;

/// The tables, and when they were found.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) tables: Tables,
    pub(super) at: Instant,
}

impl Found {
    /// An app's owner who adds a column wants to see it soon, without a restart.
    const FRESH: Duration = Duration::from_secs(60);

    pub(super) fn is_fresh(&self) -> bool {
        self.at.elapsed() < Self::FRESH
    }
}
