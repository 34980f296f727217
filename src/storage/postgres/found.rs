//! The schema as it was read.

use std::sync::Arc;

use super::begin::Commands;
use crate::storage::dialect::postgres::tables::Tables;

/// The tables, and the commands that begin transactions over them.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) tables: Tables,
    /// The commands with the session's own search path.
    pub(super) commands: Arc<Commands>,
}
