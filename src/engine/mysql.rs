//! The engine over MySQL and MariaDB.

use super::remote::{self, Engines};
use crate::error::Result;
use crate::storage::location::MysqlUrl;
use crate::storage::mysql::{Database, Options};

/// How an engine works. Everything in one process that opens one database must say the same.
pub type Settings = remote::Settings<Options>;

/// A share of the engine of one database. The last one to be closed closes the pool.
pub type Connection = remote::Connection<Database>;

static ENGINES: Engines<Database> = Engines::new();

/// Joins the engine of this database, or makes it. Nothing is connected yet.
pub(super) fn open(url: &MysqlUrl, settings: Settings) -> Result<Connection> {
    ENGINES.open(&Box::new(url.clone()), settings)
}
