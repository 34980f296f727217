//! An open database, and its transactions.

use std::time::Duration;

use rusqlite::{Connection, MAIN_DB, OpenFlags, Transaction, TransactionBehavior};
use tracing::{debug, info};

use super::connect::{connect, journal_mode, tune};
use super::error::Doing;
use super::file::{Size, Watch, cut_off, wait_for_old_file};
use super::options::{Options, Purpose};
use super::tables::{create_tables, discover};
use super::wal::{Log, Wal, checkpoint};
use super::{access, budget, busy_handler, locking};
use crate::domain::table::TableName;
use crate::domain::value::Value;
use crate::error::{Error, Result};
use crate::storage::dialect::sqlite::rows::RowTexts;
use crate::storage::dialect::sqlite::schema::DESCRIPTION;
use crate::storage::grant_cache::GrantCache;
use crate::storage::location::Place;
use crate::storage::schema::Schema;
use crate::storage::times::TimestampUnit;

/// An open database, with its schema.
pub struct Database {
    pub(super) connection: Connection,
    pub(super) schema: Schema,
    schema_version: i64,
    timestamp_unit: Option<TimestampUnit>,
    pub(super) row_texts: RowTexts,
    pub(super) grants: GrantCache,
    data_version: i64,
    others_wrote: bool,
    watch: Option<Watch>,
    wal: Option<Wal>,
    busy_timeout: Duration,
}

impl Database {
    /// Opens a database and checks its schema.
    pub fn open(place: &Place, options: Options, purpose: Purpose) -> Result<Self> {
        wait_for_old_file(place)?;
        let watch = Watch::start(place);
        connect(place, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .and_then(|connection| Self::set_up(connection, watch, options, purpose))
            .and_then(|database| database.unless_read_only(purpose))
            .map_err(|error| access::explain(place, error))
    }

    /// Checkpoints the write-ahead log as far as possible, in this many passes, over a separate connection.
    pub fn checkpoint_log(place: &Place, times: usize) -> Result<()> {
        wait_for_old_file(place)?;
        let connection = connect(place, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        (0..times).for_each(|_| {
            checkpoint(&connection, "PASSIVE");
        });
        Ok(())
    }

    /// SQLite opens read-only files too, and fails at the first write.
    fn unless_read_only(self, purpose: Purpose) -> Result<Self> {
        let is_read_only = self.connection.is_readonly(MAIN_DB).doing("opening the database")?;
        if purpose == Purpose::Writer && is_read_only {
            return Err(Error::Database {
                doing: "opening the database",
                database_code: "SQLITE_READONLY".to_owned(),
                message: access::READ_ONLY.to_owned(),
                retryable: false,
            });
        }
        Ok(self)
    }

    /// Creates the file and those of these tables that do not exist, as in the app's schema, and opens the
    /// database.
    pub fn create(place: &Place, options: Options, tables: &[TableName]) -> Result<Self> {
        wait_for_old_file(place)?;
        let made = || {
            let create = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
            let mut connection = connect(place, create)?;
            busy_handler::set(&mut connection, options.busy_timeout)
                .doing("opening the database")?;
            create_tables(&connection, tables)?;
            Self::set_up(connection, Watch::start(place), options, Purpose::Writer)
        };
        made().map_err(|error| access::explain(place, error))
    }

    /// Creates those of these tables that do not exist.
    pub fn create_missing_tables(&mut self, tables: &[TableName]) -> Result<()> {
        if self.check_file()? {
            self.begin_read()?;
            self.rollback();
        }
        create_tables(&self.connection, tables)?;
        self.refresh_schema()
    }

    fn set_up(
        mut connection: Connection,
        watch: Option<Watch>,
        options: Options,
        purpose: Purpose,
    ) -> Result<Self> {
        busy_handler::set(&mut connection, options.busy_timeout).doing("opening the database")?;
        let schema_version = pragma(&connection, SCHEMA_VERSION)?;
        tune(&mut connection, options, purpose)?;
        let schema = discover(&connection, options.timestamp_unit)?;
        info!(
            path = ?connection.path().unwrap_or_default(),
            role = ?purpose,
            journal_mode = journal_mode(&connection).unwrap_or_default(),
            timestamp_unit = schema.timestamp_unit.as_str(),
            "opened the database and found the tables"
        );
        let timestamp_unit = options.timestamp_unit;
        let data_version = pragma(&connection, DATA_VERSION)?;
        let wal = match purpose {
            Purpose::Writer => Some(Wal::watch(&mut connection).doing("opening the database")?),
            Purpose::Reader => None,
        };
        Ok(Self {
            connection,
            wal,
            busy_timeout: options.busy_timeout,
            schema,
            schema_version,
            timestamp_unit,
            row_texts: RowTexts::default(),
            grants: GrantCache::default(),
            data_version,
            others_wrote: false,
            watch,
        })
    }

    /// Begins a transaction with the write lock, and updates the schema if it has changed.
    pub fn begin_write(&mut self) -> Result<()> {
        self.begin("BEGIN IMMEDIATE")
    }

    /// Whether another connection has committed since the last call.
    pub fn others_wrote(&mut self) -> bool {
        std::mem::take(&mut self.others_wrote)
    }

    /// Begins a read transaction over one snapshot.
    pub fn begin_read(&mut self) -> Result<()> {
        self.begin("BEGIN")
    }

    fn begin(&mut self, statement: &'static str) -> Result<()> {
        let is_shorter = self.check_file()?;
        let began = self.run(statement, "beginning a transaction");
        let began = began.and_then(|()| self.look_at_file(is_shorter));
        began.inspect_err(|_| self.rollback()).map_err(|error| match error {
            // SQLite may have noticed the missing part itself.
            Error::Database { .. } if is_shorter => cut_off(),
            error => error,
        })?;
        self.refresh_schema().inspect_err(|_| self.rollback())
    }

    /// Rejects a file that is not the one that was opened. Returns whether it has become shorter.
    fn check_file(&self) -> Result<bool> {
        let Some(watch) = &self.watch else { return Ok(false) };
        let file = watch.check_identity().inspect_err(|_| empty_log(&self.connection))?;
        Ok(watch.is_shorter(&file))
    }

    /// At the start of a transaction: checks that the file is complete, and whether other connections have
    /// written.
    fn look_at_file(&mut self, is_shorter: bool) -> Result<()> {
        let data_version = pragma(&self.connection, DATA_VERSION)?;
        let others_wrote = data_version != self.data_version;
        if let Some(watch) = &mut self.watch {
            let number = |sql| pragma(&self.connection, sql).map(i64::unsigned_abs);
            let size = Size { pages: number(PAGE_COUNT)?, page: number(PAGE_SIZE)? };
            if is_shorter {
                watch.check_length(size, others_wrote)?;
            }
            watch.remember_length(size);
        }
        if others_wrote {
            self.grants.clear();
            self.others_wrote = true;
            self.data_version = data_version;
        }
        Ok(())
    }

    /// The schema may have changed since the last transaction, for instance by `drizzle-kit push`.
    fn refresh_schema(&mut self) -> Result<()> {
        let version = pragma(&self.connection, SCHEMA_VERSION)?;
        if version != self.schema_version {
            self.schema = discover(&self.connection, self.timestamp_unit)?;
            debug!("the tables have changed: read the schema again");
            self.schema_version = version;
            self.row_texts.clear();
            self.grants.clear();
        }
        Ok(())
    }

    /// Commits. Afterwards the transaction is as durable as the options say, in the file at the database's
    /// path.
    pub fn commit(&mut self) -> Result<()> {
        if let Err(error) = self.run("COMMIT", "committing") {
            self.rollback();
            if matches!(error, Error::Database { .. }) {
                // If this fails too, the next commit repeats it; see `Writer::reopen`.
                let _ = self.overwrite_failed_commit();
            }
            return Err(error);
        }
        let Some(watch) = &self.watch else { return Ok(()) };
        watch.check_identity().inspect_err(|_| empty_log(&self.connection)).map(|_| ())
    }

    /// Ensures that a failed commit does not reappear. If only its fsync failed, it is complete in the
    /// write-ahead log. The log's index shows that it does not count, but after a crash SQLite rebuilds the
    /// index from the log. So another commit without changes overwrites it.
    fn overwrite_failed_commit(&self) -> rusqlite::Result<()> {
        if journal_mode(&self.connection)? != "wal" {
            return Ok(());
        }
        let behavior = TransactionBehavior::Immediate;
        let transaction = Transaction::new_unchecked(&self.connection, behavior)?;
        let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        // This writes a page even though the value stays the same.
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()
    }

    /// Rolls back the transaction, if SQLite has not done so.
    pub fn rollback(&mut self) {
        self.grants.clear();
        if self.in_transaction() {
            // According to SQLite's documentation, it can't fail with the transaction left open.
            let _ = self.run("ROLLBACK", "rolling back");
        }
    }

    /// Checkpoints the write-ahead log as far as possible without waiting.
    pub fn checkpoint(&self) {
        checkpoint(&self.connection, "PASSIVE");
    }

    /// Keeps the write-ahead log from growing without limit. `is_free`: no checkpoint that this asked for
    /// runs on another connection.
    pub fn look_at_log(&mut self, is_free: bool) -> Log {
        let Some(wal) = &mut self.wal else { return Log::Short };
        wal.look(&mut self.connection, self.busy_timeout, is_free)
    }

    /// Interrupts reads that take more than this much CPU time, so that they fail with an error that
    /// [`is_overdue`] recognizes; `None` removes the limit.
    pub fn set_budget(&mut self, budget: Option<Duration>) {
        // It fails only on a connection that another library owns.
        let _ = budget::set(&mut self.connection, budget);
    }

    /// Frees the memory of the page cache.
    pub fn release_memory(&self) {
        let _ = self.connection.release_memory();
    }

    /// Whether it has a write-ahead log, so that reads and writes do not wait for each other.
    pub fn has_wal(&self) -> bool {
        journal_mode(&self.connection).is_ok_and(|mode| mode == "wal")
    }

    /// Whether a transaction is open: some errors end it.
    pub fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// A counter that grows with every written row.
    pub fn rows_written(&self) -> u64 {
        self.connection.total_changes()
    }

    /// Reads diagnostics about the database, with JavaScript names.
    pub fn diagnostics(&self) -> Result<Vec<(&'static str, Value)>> {
        let text = |text: &str| Value::Text(text.to_owned());
        let path = self.connection.path().filter(|path| !path.is_empty()).unwrap_or(":memory:");
        let journal_mode = journal_mode(&self.connection).doing("reading the journal mode")?;
        let tables = self
            .connection
            .query_row(DESCRIPTION, [], |row| row.get(0))
            .doing("reading the schema")?;
        Ok(vec![
            ("storage", text("sqlite")),
            ("path", text(path)),
            ("journalMode", Value::Text(journal_mode)),
            ("timestampUnit", text(self.schema.timestamp_unit.as_str())),
            ("locking", text(locking::install().as_str())),
            ("sqliteVersion", text(rusqlite::version())),
            ("tables", Value::Json(tables)),
        ])
    }

    fn run(&self, statement: &'static str, doing: &'static str) -> Result<()> {
        self.connection
            .prepare_cached(statement)
            .and_then(|mut statement| statement.execute([]))
            .map(|_| ())
            .doing(doing)
    }
}

/// Whether a read was interrupted because it took too long.
pub fn is_overdue(error: &Error) -> bool {
    matches!(error, Error::Database { database_code, .. } if database_code == "SQLITE_INTERRUPT")
}

/// Checkpoints the log of a file that was replaced into that file. The log is found by its name, and would
/// otherwise be taken for the new file's.
fn empty_log(connection: &Connection) {
    // It fails if another process still uses the old file with the log.
    checkpoint(connection, "TRUNCATE");
}

const SCHEMA_VERSION: &str = "PRAGMA schema_version";
/// It changes whenever another connection commits.
const DATA_VERSION: &str = "PRAGMA data_version";
const PAGE_COUNT: &str = "PRAGMA page_count";
const PAGE_SIZE: &str = "PRAGMA page_size";

fn pragma(connection: &Connection, sql: &str) -> Result<i64> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .doing("reading the schema")
}
