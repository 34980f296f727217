//! The engine's interface to a database server.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::Row;
use super::failure::{Answer, Failure, Witness};
use super::store::Store;
use crate::domain::table::TableName;
use crate::domain::value::Value;
use crate::error::{Error, Result};
use crate::histogram::Histogram;

/// The deadline of a request, which is set when it arrives in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// After this moment the request is neither started nor retried.
    pub begin_by: Instant,
    /// After this moment it no longer waits for replies, if the storage can abandon them: on libSQL. On PostgreSQL and
    /// MySQL an attempt that has begun goes on, and each of its waits has its own timeout.
    pub answer_by: Instant,
}

impl Deadline {
    /// Whether the request may no longer be started or retried.
    pub fn is_late(self) -> bool {
        Instant::now() >= self.begin_by
    }

    /// The deadline of a process that was stopped until long after its own, such as a frozen function: it has not
    /// had its time, and gets `more` to learn what became of its write. `None` if it was not stopped.
    pub fn after_stop(self, more: Duration) -> Option<Self> {
        const STOPPED: Duration = Duration::from_secs(1);
        let now = Instant::now();
        (now > self.answer_by + STOPPED).then(|| Self { begin_by: now, answer_by: now + more })
    }
}

/// A database server, with this process's connections to it. Requests use it concurrently.
pub trait Server: Send + Sync + Sized + 'static {
    /// A connection, for one request.
    type Session: Store + 'static;
    /// Identifies a database.
    type Url: Eq + Hash + Clone + Send + Sync + 'static;
    /// Options of a connection. All connections of a process to one database must use the same.
    type Options: Eq + Clone + Send + Sync + 'static;
    /// Whether the facts that decide a request are locked until it is written. Otherwise a change of them in
    /// between is a [`Failure::Conflict`].
    const LOCKS: bool = true;
    /// The number of concurrent batches: few, so that requests share transactions; more than one, so that the
    /// server never waits for this process.
    const BATCHES: usize = 4;
    /// The storage's JavaScript name.
    const STORAGE: &'static str;

    /// Prepares connections, without connecting.
    fn new(url: &Self::Url, options: Self::Options) -> Result<Self>;
    /// A connection, idle or new, for a request with this deadline.
    fn session(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> impl Future<Output = Answer<Self::Session>> + Send;
    /// A connection for a request after a conflict: no other request of this process may run between its
    /// reads and its writes. A database that locks the facts has no such conflicts.
    fn session_alone(
        self: &Arc<Self>,
        deadline: Deadline,
    ) -> impl Future<Output = Answer<Self::Session>> + Send {
        self.session(deadline)
    }
    /// Looks for the row of an unanswered commit, after all other writes for its user have ended.
    fn find_committed(
        self: &Arc<Self>,
        witness: &Witness,
        deadline: Deadline,
    ) -> impl Future<Output = Answer<Option<Row>>> + Send;
    /// Creates those of these tables that do not exist.
    fn create_tables(&self, tables: &[TableName]) -> impl Future<Output = Answer<()>> + Send;
    /// Reads diagnostics about the database, with JavaScript names.
    fn diagnostics(
        self: &Arc<Self>,
    ) -> impl Future<Output = Answer<Vec<(&'static str, Value)>>> + Send;

    /// Whether the schema has been read.
    fn knows_schema(&self) -> bool;
    /// Makes the next request read the schema again.
    fn forget_schema(&self);
    /// Whether the database's code suggests that the tables have changed.
    fn is_about_schema(database_code: &str) -> bool;
    /// Whether the database's code means a duplicate key.
    fn is_taken_key(database_code: &str) -> bool;
    /// Whether the ids of users are numbers; `None` if the schema was not read recently.
    fn knows_numbered_users(&self) -> Option<bool>;
    /// Whether the ids of users are numbers.
    fn has_numbered_users(self: &Arc<Self>) -> impl Future<Output = Result<bool>> + Send;

    /// How long a call waits for a server to accept its connection.
    fn connect_timeout(&self) -> Duration;
    /// How long a call waits for one reply, including the locks that it needs.
    fn answer_timeout(&self) -> Duration;
    /// The deadline of a request that arrived at this moment.
    fn deadline(&self, arrived: Instant) -> Deadline {
        let last = arrived + self.answer_timeout() + self.connect_timeout();
        Deadline { begin_by: last, answer_by: last }
    }
    /// The deadline of the search for an unanswered commit, of a request with this deadline.
    fn look_deadline(&self, _: Deadline) -> Deadline {
        let last = Instant::now() + self.connect_timeout();
        Deadline { begin_by: last, answer_by: last }
    }
    /// How long a call looks for a writable server after a read-only one rejected it.
    fn writable_host_timeout(&self) -> Duration;
    /// For at least this long, a request is retried after conflicts. Without locks each attempt may conflict
    /// again, while other requests succeed.
    fn conflict_timeout(&self) -> Duration {
        Duration::ZERO
    }
    /// The caller's error after all attempts.
    fn final_error(&self, failure: Failure) -> Error;
    /// Closes connections that were idle for this long.
    fn close_idle(&self, idle: Duration);
    /// Closes all idle connections, and each other one when it becomes idle.
    fn close(&self);

    /// The durations of commits.
    fn commits(&self) -> &Histogram;
    /// Other connection statistics, with JavaScript names.
    fn report(&self) -> Json;
}
