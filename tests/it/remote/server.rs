//! A server that fails as a test demands.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use media_credits::domain::table::TableName;
use media_credits::domain::value::Value;
use media_credits::error::{Error, Result};
use media_credits::histogram::Histogram;
use media_credits::storage::Row;
use media_credits::storage::failure::{Answer, Failure, Witness};
use media_credits::storage::schema::Schema;
use media_credits::storage::server::{self, Deadline};
use media_credits::storage::store::Views;
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;

use super::faults::{At, Faults, OTHER_TABLES, TAKEN_KEY};
use super::session::Session;
use crate::memory::Memory;

/// The state of a server, which outlives the connections of a process.
pub(super) struct Database {
    /// Each transaction has it alone.
    pub(super) ledger: Arc<Mutex<Memory>>,
    pub(super) schema: Schema,
    pub(super) faults: Faults,
}

/// Where a database is.
#[derive(Clone)]
pub(super) struct Address(pub(super) Arc<Database>);

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// How long a call waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timeout {
    pub(super) connect: Duration,
    pub(super) answer: Duration,
}

/// The connections of this process to it.
pub(super) struct Server {
    database: Arc<Database>,
    timeout: Timeout,
    knows_schema: AtomicBool,
    commits: Histogram,
}

impl server::Server for Server {
    type Session = Session;
    type Url = Address;
    type Options = Timeout;
    const STORAGE: &'static str = "a test's own";

    fn new(Address(database): &Address, timeout: Timeout) -> Result<Self> {
        Ok(Self {
            database: Arc::clone(database),
            timeout,
            knows_schema: AtomicBool::new(false),
            commits: Histogram::default(),
        })
    }

    async fn session(self: &Arc<Self>, _: Deadline) -> Answer<Session> {
        self.database.faults.reach(At::Session)?;
        self.knows_schema.store(true, Ordering::Relaxed);
        Ok(Session::new(&self.database))
    }

    async fn find_committed(
        self: &Arc<Self>,
        witness: &Witness,
        _: Deadline,
    ) -> Answer<Option<Row>> {
        self.database.faults.reach(At::Look)?;
        self.database.ledger.lock().await.find(witness.table, &witness.id).await
    }

    async fn create_tables(&self, _: &[TableName]) -> Answer<()> {
        Ok(())
    }

    async fn diagnostics(self: &Arc<Self>) -> Answer<Vec<(&'static str, Value)>> {
        Ok(Vec::new())
    }

    fn knows_schema(&self) -> bool {
        self.knows_schema.load(Ordering::Relaxed)
    }

    fn forget_schema(&self) {
        self.knows_schema.store(false, Ordering::Relaxed);
    }

    fn is_about_schema(database_code: &str) -> bool {
        database_code == OTHER_TABLES
    }

    fn is_taken_key(database_code: &str) -> bool {
        database_code == TAKEN_KEY
    }

    fn knows_numbered_users(&self) -> Option<bool> {
        Some(false)
    }

    async fn has_numbered_users(self: &Arc<Self>) -> Result<bool> {
        Ok(false)
    }

    fn connect_timeout(&self) -> Duration {
        self.timeout.connect
    }

    fn answer_timeout(&self) -> Duration {
        self.timeout.answer
    }

    fn writable_host_timeout(&self) -> Duration {
        self.timeout.connect
    }

    fn final_error(&self, failure: Failure) -> Error {
        failure.into_error()
    }

    fn close_idle(&self, _: Duration) {}

    fn close(&self) {}

    fn commits(&self) -> &Histogram {
        &self.commits
    }

    fn report(&self) -> Json {
        json!({})
    }
}
