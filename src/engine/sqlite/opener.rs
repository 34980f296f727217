//! How the threads of an engine open its database.

use crate::domain::table::TableName;
use crate::error::Result;
use crate::storage::sqlite::{Database, Options, Place, Purpose};

/// What it takes to open a database, again and again.
#[derive(Debug, Clone)]
pub(super) struct Opener {
    pub(super) place: Place,
    pub(super) options: Options,
}

impl Opener {
    pub(super) fn open(&self, purpose: Purpose) -> Result<Database> {
        Database::open(&self.place, self.options, purpose)
    }

    /// Opens it after making these tables.
    pub(super) fn create(&self, tables: &[TableName]) -> Result<Database> {
        Database::create(&self.place, self.options, tables)
    }

    /// A database in memory is gone with its connection.
    pub(super) fn can_reopen(&self) -> bool {
        self.place != Place::Memory
    }
}
