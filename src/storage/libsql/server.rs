//! The engine's interface to a libSQL server.

use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::database::{Database, Latencies};
use super::http::Http;
use super::options::Options;
use super::session::Session;
use crate::domain::table::TableName;
use crate::domain::value::Value;
use crate::error::{Error, Result};
use crate::histogram::{Histogram, durations};
use crate::storage::Row;
use crate::storage::dialect::sqlite::memory::Memory;
use crate::storage::dialect::sqlite::over_wire::OverWire;
use crate::storage::failure::{Answer, Failure, Witness};
use crate::storage::known::Known;
use crate::storage::location::LibsqlUrl;
use crate::storage::server::{self, Deadline};
use crate::storage::store::Views;

/// The codes of violated constraints; not all servers name the constraint.
const TAKEN: [&str; 4] = [
    "SQLITE_CONSTRAINT",
    "SQLITE_CONSTRAINT_UNIQUE",
    "SQLITE_CONSTRAINT_PRIMARYKEY",
    "SQLITE_CONSTRAINT_ROWID",
];

impl server::Server for Database {
    type Session = OverWire;
    type Url = Box<LibsqlUrl>;
    type Options = Options;
    const LOCKS: bool = false;
    // One batch writes, while the next one reads.
    const BATCHES: usize = 2;
    const STORAGE: &'static str = "libsql";

    fn new(url: &Box<LibsqlUrl>, options: Options) -> Result<Self> {
        Ok(Self {
            http: Http::new(url, options.clone()),
            options,
            known: Known::default(),
            name: url.authority(),
            first_look: Once::new(),
            latencies: Latencies::default(),
            memory: Memory::default(),
            writing: tokio::sync::Mutex::default(),
            deciding: Arc::default(),
        })
    }

    async fn session(self: &Arc<Self>, deadline: Deadline) -> Answer<Self::Session> {
        Ok(OverWire::new(Session::new(self, deadline).await?))
    }

    async fn session_alone(self: &Arc<Self>, deadline: Deadline) -> Answer<Self::Session> {
        Ok(OverWire::new(Session::new(self, deadline).await?.alone()))
    }

    async fn find_committed(
        self: &Arc<Self>,
        witness: &Witness,
        deadline: Deadline,
    ) -> Answer<Option<Row>> {
        let found = self.session(deadline).await?.find(witness.table, &witness.id).await?;
        // A write that is not visible yet may still arrive.
        let unknown = || Failure::unknown("a write was not answered, and is not there".to_owned());
        found.map(Some).ok_or_else(unknown)
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
        self.memory.clear();
    }

    fn is_about_schema(database_code: &str) -> bool {
        // `no such column` and `no such table` have no codes of their own.
        database_code == "SQLITE_ERROR"
    }

    fn is_taken_key(database_code: &str) -> bool {
        TAKEN.contains(&database_code)
    }

    /// Ids are text.
    fn knows_numbered_users(&self) -> Option<bool> {
        Some(false)
    }

    async fn has_numbered_users(self: &Arc<Self>) -> Result<bool> {
        Ok(false)
    }

    fn connect_timeout(&self) -> Duration {
        self.options.connect_timeout
    }

    fn answer_timeout(&self) -> Duration {
        self.options.answer_timeout()
    }

    /// A request that begins at the last moment still has the time of a connection for its reply.
    fn deadline(&self, arrived: Instant) -> Deadline {
        let begin_by = arrived + self.options.answer_timeout();
        Deadline { begin_by, answer_by: begin_by + self.options.connect_timeout }
    }

    fn look_deadline(&self, deadline: Deadline) -> Deadline {
        let more = self.options.connect_timeout;
        let answer_by = deadline.after_stop(more).unwrap_or(deadline).answer_by;
        Deadline { begin_by: answer_by, answer_by }
    }

    /// There is only one server.
    fn writable_host_timeout(&self) -> Duration {
        Duration::ZERO
    }

    fn conflict_timeout(&self) -> Duration {
        self.options.busy_timeout
    }

    fn final_error(&self, failure: Failure) -> Error {
        failure.into_error()
    }

    fn close_idle(&self, idle: Duration) {
        self.http.close_idle(idle);
    }

    fn close(&self) {
        self.http.close();
    }

    fn commits(&self) -> &Histogram {
        &self.latencies.commits
    }

    fn report(&self) -> Json {
        let (in_use, idle) = self.http.count();
        json!({
            "connections": {
                "open": in_use + idle,
                "idle": idle,
                "most": self.options.max_connections,
            },
            "roundTrips": durations(&self.latencies.round_trips),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::server::Server;

    #[test]
    fn codes_of_duplicate_keys() {
        let rows = [
            ("SQLITE_CONSTRAINT", true),
            ("SQLITE_CONSTRAINT_UNIQUE", true),
            ("SQLITE_CONSTRAINT_PRIMARYKEY", true),
            ("SQLITE_CONSTRAINT_NOTNULL", false),
            ("SQLITE_CONSTRAINT_TRIGGER", false),
            ("SQLITE_BUSY", false),
        ];
        for (code, expected) in rows {
            assert_eq!(Database::is_taken_key(code), expected, "{code}");
        }
    }
}
