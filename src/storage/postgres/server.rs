//! A PostgreSQL server, as the engine sees one.

use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use serde_json::{Value as Json, json};

use super::begin::Begin;
use super::connect::Hosts;
use super::ids::has_numbered_users;
use super::look::Found;
use super::rows::read_rows;
use super::statement::Statement;
use super::watch::Times;
use super::{Options, Server, Session, config, tls, watch};
use crate::domain::table::TableName;
use crate::domain::value::Value;
use crate::error::{Error, Result};
use crate::histogram::{Histogram, durations};
use crate::storage::Row;
use crate::storage::failure::{Answer, Failure, Witness, unavailable};
use crate::storage::location::PostgresUrl;
use crate::storage::server;
use crate::storage::store::LoadFacts;

impl server::Server for Server {
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
        let pool = Pool::builder(manager)
            .max_size(options.max_connections)
            .wait_timeout(Some(options.connect_timeout))
            .create_timeout(Some(options.connect_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Self {
            pool,
            begin: Begin::new(url, &options),
            options,
            schema: Mutex::new(None),
            name,
            first_look: Once::new(),
            times: Times::default(),
            others_may_write,
        })
    }

    async fn session(self: &Arc<Self>) -> Answer<Session> {
        let client = self.client().await?;
        let mut session = Session::new(Arc::clone(self), client);
        let known = self.known_schema().clone();
        session.found = Some(match known.filter(Found::is_fresh) {
            Some(found) => {
                session.commands = Arc::clone(&found.commands);
                found
            }
            None => session.discover().await?,
        });
        Ok(session)
    }

    async fn find_settled(self: &Arc<Self>, witness: &Witness) -> Answer<Option<Row>> {
        let mut session = self.session().await?;
        let lock = session.lock_user(&witness.user_id, None, None)?;
        session.begin([lock], "waiting for a lost commit").await?;
        let table = Arc::clone(session.table(witness.table)?);
        // The lock's own COMMIT waits for the synchronous standbys, as the lost one may not have done.
        let find = [Statement::find(&table, &witness.id)];
        let [rows] = session.end(find, "COMMIT", "reading").await?;
        Ok(read_rows(&table, &rows)?.into_iter().next())
    }

    async fn create_tables(&self, tables: &[TableName]) -> Answer<()> {
        self.make_tables(tables).await
    }

    async fn diagnostics(self: &Arc<Self>) -> Answer<Vec<(&'static str, Value)>> {
        self.diagnose().await
    }

    fn knows_schema(&self) -> bool {
        self.known_schema().is_some()
    }

    fn forget_schema(&self) {
        *self.known_schema() = None;
    }

    fn is_about_schema(database_code: &str) -> bool {
        ABOUT_SCHEMA.contains(&database_code)
    }

    fn is_taken_key(database_code: &str) -> bool {
        database_code == "23505"
    }

    fn knows_numbered_users(&self) -> Option<bool> {
        let found = self.known_schema().clone().filter(Found::is_fresh)?;
        Some(has_numbered_users(&found.schema))
    }

    async fn has_numbered_users(self: &Arc<Self>) -> Result<bool> {
        let session = self.session().await.map_err(Failure::into_error)?;
        session.schema().map(has_numbered_users)
    }

    fn patience(&self) -> Duration {
        self.options.connect_timeout
    }

    /// With one host in the URL it tries a new connection, and no more.
    fn patience_for_a_writable_host(&self) -> Duration {
        if self.others_may_write { self.patience() } else { Duration::ZERO }
    }

    fn final_error(&self, failure: Failure) -> Error {
        match failure {
            Failure::ReadOnly(Error::Database { .. }) if self.others_may_write => {
                unavailable("none of the servers in the URL takes writes")
            }
            failure => failure.into_error(),
        }
    }

    fn close_idle(&self, idle: Duration) {
        self.pool.retain(|_, metrics| metrics.last_used() < idle);
    }

    fn close(&self) {
        self.pool.close();
    }

    fn commits(&self) -> &Histogram {
        &self.times.commits
    }

    fn report(&self) -> Json {
        let pool = self.pool.status();
        json!({
            "connections": {
                "open": pool.size,
                "idle": pool.available,
                "waiting": pool.waiting,
                "most": pool.max_size,
                "waits": durations(&self.times.connections),
            },
            "roundTrips": durations(&self.times.round_trips),
        })
    }
}

/// A column or table that is not there, a type or a limit that has changed, a column that wants a value; a
/// privilege that is missing, or rows that a policy hides.
const ABOUT_SCHEMA: [&str; 9] =
    ["42703", "42P01", "42804", "42883", "23502", "22001", "22003", "42501", "22012"];
