//! The engine's interface to a MySQL server.

use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::client::Settings;
use super::database::Database;
use super::options::Options;
use super::pool::Manager;
use super::session::Session;
use crate::domain::table::TableName;
use crate::domain::value::Value;
use crate::error::{Error, Result};
use crate::histogram::Histogram;
use crate::storage::Row;
use crate::storage::dialect::mysql::error::{ABOUT_SCHEMA, DUPLICATE_KEY};
use crate::storage::dialect::mysql::ids::has_numbered_users;
use crate::storage::dialect::mysql::ledger::Ledger;
use crate::storage::failure::{Answer, Failure, Witness};
use crate::storage::known::Known;
use crate::storage::location::MysqlUrl;
use crate::storage::pool::{Latencies, final_error, pool, report};
use crate::storage::server::{self, Deadline};
use crate::storage::store::LoadFacts;

impl server::Server for Database {
    type Session = Ledger<Session>;
    type Url = Box<MysqlUrl>;
    type Options = Options;
    const STORAGE: &'static str = "mysql";

    fn new(url: &Box<MysqlUrl>, options: Options) -> Result<Self> {
        // A server that does not respond leaves time for the others.
        let share = options.connect_timeout / u32::try_from(url.hosts.len()).unwrap_or(1).max(1);
        let servers = Settings::of(url, share)?;
        let manager = Manager::new(servers, options.clone());
        let (name, others_may_write) = (manager.name(), manager.has_others());
        let pool = pool(manager, options.max_connections, options.connect_timeout)?;
        Ok(Self {
            pool,
            options,
            known: Known::default(),
            name,
            first_look: Once::new(),
            latencies: Latencies::default(),
            others_may_write,
        })
    }

    /// Each of its waits has its own timeout.
    async fn session(self: &Arc<Self>, _: Deadline) -> Answer<Ledger<Session>> {
        let mut session = Session::new(Arc::clone(self), self.connection().await?);
        match self.known.get() {
            Some(tables) => session.use_tables(tables),
            None => session.look().await?,
        }
        Ok(Ledger(session))
    }

    async fn find_committed(
        self: &Arc<Self>,
        witness: &Witness,
        deadline: Deadline,
    ) -> Answer<Option<Row>> {
        let row = (witness.table, witness.id.as_str());
        let mut ledger = self.session(deadline).await?;
        ledger.0.see_whole_cluster().await?;
        ledger.find_after(&witness.user_id, row).await
    }

    async fn create_tables(&self, tables: &[TableName]) -> Answer<()> {
        self.make_tables(tables).await
    }

    async fn diagnostics(self: &Arc<Self>) -> Answer<Vec<(&'static str, Value)>> {
        self.diagnose().await
    }

    fn knows_schema(&self) -> bool {
        self.known.is_some()
    }

    fn forget_schema(&self) {
        self.known.forget();
    }

    fn is_about_schema(database_code: &str) -> bool {
        ABOUT_SCHEMA.contains(&database_code)
    }

    fn is_taken_key(database_code: &str) -> bool {
        database_code.parse() == Ok(DUPLICATE_KEY)
    }

    fn knows_numbered_users(&self) -> Option<bool> {
        let tables = self.known.fresh()?;
        Some(has_numbered_users(&tables.schema))
    }

    async fn has_numbered_users(self: &Arc<Self>) -> Result<bool> {
        let session =
            self.session(self.deadline(Instant::now())).await.map_err(Failure::into_error)?;
        session.schema().map(has_numbered_users)
    }

    fn connect_timeout(&self) -> Duration {
        self.options.connect_timeout
    }

    fn answer_timeout(&self) -> Duration {
        self.options.answer_timeout()
    }

    /// With one host in the URL, only a new connection is tried.
    fn writable_host_timeout(&self) -> Duration {
        if self.others_may_write { self.connect_timeout() } else { Duration::ZERO }
    }

    fn final_error(&self, failure: Failure) -> Error {
        final_error(failure, self.others_may_write)
    }

    fn close_idle(&self, idle: Duration) {
        self.pool.retain(|_, metrics| metrics.last_used() < idle);
    }

    fn close(&self) {
        self.pool.close();
    }

    fn commits(&self) -> &Histogram {
        &self.latencies.commits
    }

    fn report(&self) -> Json {
        report(&self.pool, &self.latencies)
    }
}
