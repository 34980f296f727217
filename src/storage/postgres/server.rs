//! The engine's interface to a PostgreSQL server.

use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod};
use serde_json::Value as Json;

use super::begin::Begin;
use super::connect::Hosts;
use super::database::Database;
use super::options::Options;
use super::session::Session;
use super::{config, tls, watch};
use crate::domain::table::TableName;
use crate::domain::value::Value;
use crate::error::{Error, Result};
use crate::histogram::Histogram;
use crate::storage::Row;
use crate::storage::dialect::postgres::error::{ABOUT_SCHEMA, UNIQUE_VIOLATION};
use crate::storage::dialect::postgres::ids::has_numbered_users;
use crate::storage::dialect::postgres::wire::{End, Mode, Pipeline, Wire};
use crate::storage::dialect::postgres::written::find_and_end;
use crate::storage::failure::{Answer, Failure, Witness};
use crate::storage::known::Known;
use crate::storage::location::PostgresUrl;
use crate::storage::pool::{Latencies, final_error, pool, report};
use crate::storage::server::{self, Deadline};
use crate::storage::store::LoadFacts;

impl server::Server for Database {
    type Session = Session;
    type Url = Box<PostgresUrl>;
    type Options = Options;
    const STORAGE: &'static str = "postgres";

    fn new(url: &Box<PostgresUrl>, options: Options) -> Result<Self> {
        let config = config::config(url, &options);
        let name = watch::name(&config);
        let tls = tls::connector(&url.tls)?;
        let connector = Hosts::new(&config, url.target(), tls, options.connect_timeout);
        let others_may_write = connector.others_may_write();
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(config, connector, recycling);
        let pool = pool(manager, options.max_connections, options.connect_timeout)?;
        Ok(Self {
            pool,
            begin: Begin::new(url, &options),
            options,
            known: Known::default(),
            name,
            first_look: Once::new(),
            latencies: Latencies::default(),
            others_may_write,
        })
    }

    /// Each of its waits has its own timeout.
    async fn session(self: &Arc<Self>, _: Deadline) -> Answer<Session> {
        let client = self.client().await?;
        let mut session = Session::new(Arc::clone(self), client);
        match self.known.get() {
            Some(found) => session.use_tables(found),
            None => session.look_again().await?,
        }
        Ok(session)
    }

    async fn find_committed(
        self: &Arc<Self>,
        witness: &Witness,
        deadline: Deadline,
    ) -> Answer<Option<Row>> {
        let mut session = self.session(deadline).await?;
        let lock = [session.tables()?.lock_user(&witness.user_id, None, None)?];
        let (begin, doing) = (Some(Mode::Write), "waiting for a lost commit");
        session.send(Pipeline { begin, statements: &lock, end: None, doing }).await?;
        // Its COMMIT waits for the synchronous standbys, which the lost one may not have done.
        find_and_end(&mut session, End::Release, witness.table, &witness.id).await
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
        database_code == UNIQUE_VIOLATION
    }

    fn knows_numbered_users(&self) -> Option<bool> {
        let found = self.known.fresh()?;
        Some(has_numbered_users(&found.tables.schema))
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
