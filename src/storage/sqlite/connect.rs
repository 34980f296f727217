//! Opens and configures connections.

use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, OpenFlags};

use super::error::Doing;
use super::options::{Durability, JournalMode, Options, Purpose};
use super::{busy_handler, locking};
use crate::error::{Error, Result};
use crate::storage::location::Place;

/// Opens the file, which must exist unless the flags allow SQLite to create it.
pub(super) fn connect(place: &Place, flags: OpenFlags) -> Result<Connection> {
    locking::install();
    let path = match place {
        Place::Memory => return Connection::open_in_memory().doing("opening the database"),
        Place::File(path) => path,
    };
    if let Some(folder) = path.parent()
        && !folder.is_dir()
    {
        let reason = format!("there is no folder {}; create it first", folder.display());
        return Err(Error::InvalidUrl { reason });
    }
    let creates = flags.contains(OpenFlags::SQLITE_OPEN_CREATE);
    if !creates && !path.exists() {
        return Err(Error::SchemaMismatch {
            problem: format!("there is no file {}", path.display()),
            remedy: "Check that DATABASE_URL names the app's own file (a relative path starts at \
                     the working directory); if it does, run `npx drizzle-kit push`. For a fresh \
                     start without the app: `npx media-credits init <url>`"
                .to_owned(),
        });
    }
    // Each connection stays on one thread, so SQLite need not lock it.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    Connection::open_with_flags(path, flags).doing("opening the database")
}

/// Configures a connection.
pub(super) fn tune(connection: &mut Connection, options: Options, purpose: Purpose) -> Result<()> {
    let cache_kib = match purpose {
        Purpose::Writer => 16 * 1024,
        Purpose::Reader => 8 * 1024,
    };
    let synchronous = match options.durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    connection.set_prepared_statement_cache_capacity(128);
    is_text(connection).doing("opening the database")?;
    // Otherwise SQLite recompiles a cached query each time its parameters are cleared, in case other values
    // need another plan. These queries never do.
    let stable_plans = DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
    connection.set_db_config(stable_plans, true).doing("opening the database")?;
    // Off, as in the app's own connections; the engine checks the references that it needs.
    let mut set = || {
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        // A negative value is in KiB: see docs/performance.md.
        connection.pragma_update(None, "cache_size", -cache_kib)?;
        // Only keys are sorted, not rows (see `views.rs`). A temporary file would need disk space, which a
        // container may lack, and would wait for the disk.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        match purpose {
            Purpose::Writer if options.journal_mode == JournalMode::Wal => {
                want_wal(connection, options.busy_timeout)
            }
            Purpose::Writer => Ok(()),
            Purpose::Reader => connection.pragma_update(None, "query_only", true),
        }
    };
    set().doing("opening the database")
}

/// Adds an SQL function that tells whether a value is valid text, because SQLite's text may be any bytes. A
/// row whose id is not valid text can't be referred to.
fn is_text(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let is_text = |call: &mut Context<'_>| Ok(call.get_raw(0).as_str().is_ok());
    connection.create_scalar_function("is_text", 1, flags, is_text)
}

/// Turns on write-ahead logging, unless another process uses the file in another mode or it can't be written.
/// Everything works without it too.
fn want_wal(connection: &mut Connection, busy_timeout: Duration) -> rusqlite::Result<()> {
    const WAIT: Duration = Duration::from_millis(200);
    if journal_mode(connection)? == "wal" {
        return Ok(());
    }
    busy_handler::set(connection, WAIT.min(busy_timeout))?;
    let _ = connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()));
    busy_handler::set(connection, busy_timeout)
}

/// The file's journal mode.
pub(super) fn journal_mode(connection: &Connection) -> rusqlite::Result<String> {
    connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))
}
