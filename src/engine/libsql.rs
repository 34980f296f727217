//! The engine over a libSQL server.

use super::remote::{self, Engines};
use crate::error::Result;
use crate::storage::libsql::{Database, Options};
use crate::storage::location::LibsqlUrl;

/// An engine's settings. All connections of a process to one database must use the same.
pub type Settings = remote::Settings<Options>;

/// A share of a database's engine. Closing the last share closes the engine's connections.
pub type Connection = remote::Connection<Database>;

static ENGINES: Engines<Database> = Engines::new();

/// Joins the engine of this database, or creates it. It connects later.
pub(super) fn open(url: &LibsqlUrl, settings: Settings) -> Result<Connection> {
    ENGINES.open(&Box::new(url.clone()), settings)
}
