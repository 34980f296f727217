//! The schema as it was read.

use std::sync::Arc;

use super::begin::Commands;
use crate::storage::dialect::postgres::tables::Tables;

/// The tables, and what begins transactions over them.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) tables: Tables,
    /// How transactions begin, now that the session's own search path is known.
    pub(super) commands: Arc<Commands>,
}
