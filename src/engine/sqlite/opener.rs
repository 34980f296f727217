//! How the engine's threads open its database.

use crate::domain::table::TableName;
use crate::error::Result;
use crate::storage::sqlite::{Database, Options, Place, Purpose};

/// Everything needed to open a database repeatedly.
#[derive(Debug, Clone)]
pub(super) struct Opener {
    pub(super) place: Place,
    pub(super) options: Options,
}

impl Opener {
    pub(super) fn open(&self, purpose: Purpose) -> Result<Database> {
        Database::open(&self.place, self.options, purpose)
    }

    /// Creates these tables and opens the database.
    pub(super) fn create(&self, tables: &[TableName]) -> Result<Database> {
        Database::create(&self.place, self.options, tables)
    }

    /// Whether the database can be reopened: an in-memory one is lost with its connection.
    pub(super) fn can_reopen(&self) -> bool {
        self.place != Place::Memory
    }
}
