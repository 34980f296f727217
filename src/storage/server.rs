//! The engine's interface to a database behind a network.

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::Row;
use super::failure::{Answer, Failure, Witness};
use super::store::Store;
use crate::domain::table::TableName;
use crate::domain::value::Value;
use crate::error::{Error, Result};
use crate::histogram::Histogram;

/// A database server, and the connections of this process to it. Many requests use it side by side.
pub trait Server: Send + Sync + Sized + 'static {
    /// A connection, for one request.
    type Session: Store + 'static;
    /// What tells one database from another.
    type Url: Eq + Hash + Clone + Send + Sync + 'static;
    /// How to use it. Everything in one process that opens one database must say the same.
    type Options: Eq + Clone + Send + Sync + 'static;
    /// Whether what decides on a request is locked until it is written. Else it may have changed by then, which is a
    /// [`Failure::Conflict`].
    const LOCKS: bool = true;
    /// How many batches are on their way at once: few, so that there is something to share; more than one, so that the
    /// server never waits for us.
    const BATCHES: usize = 4;
    /// Its kind, as JavaScript knows it.
    const STORAGE: &'static str;

    /// Prepares connections. None is made yet.
    fn new(url: &Self::Url, options: Self::Options) -> Result<Self>;
    /// A connection, free or new.
    fn session(self: &Arc<Self>) -> impl Future<Output = Answer<Self::Session>> + Send;
    /// The same, after what decides on a request was changed by another one before it was written: no other request of
    /// this process is to come between again. A database that locks what decides has none of that.
    fn session_alone(self: &Arc<Self>) -> impl Future<Output = Answer<Self::Session>> + Send {
        self.session()
    }
    /// Looks for the row of a commit that was not answered, after all who write for its user are done.
    fn find_committed(
        self: &Arc<Self>,
        witness: &Witness,
    ) -> impl Future<Output = Answer<Option<Row>>> + Send;
    /// Makes those of these tables that do not exist yet.
    fn create_tables(&self, tables: &[TableName]) -> impl Future<Output = Answer<()>> + Send;
    /// What was found when the database was opened, each thing with its name in JavaScript.
    fn diagnostics(
        self: &Arc<Self>,
    ) -> impl Future<Output = Answer<Vec<(&'static str, Value)>>> + Send;

    /// Whether the tables have been looked at.
    fn knows_schema(&self) -> bool;
    /// Looks at the tables anew before the next statement: they are not what they were.
    fn forget_schema(&self);
    /// Whether a code of the database says that the tables may not be what they were.
    fn is_about_schema(database_code: &str) -> bool;
    /// Whether a code of the database says that a key that must be unique is taken.
    fn is_taken_key(database_code: &str) -> bool;
    /// Whether the ids of users are numbers, as far as the tables have been looked at lately.
    fn knows_numbered_users(&self) -> Option<bool>;
    /// Whether the ids of users are numbers.
    fn has_numbered_users(self: &Arc<Self>) -> impl Future<Output = Result<bool>> + Send;

    /// How long a call waits for a server that answers.
    fn answer_timeout(&self) -> Duration;
    /// How long a call that was turned away by a server without writes looks for another one.
    fn writable_host_timeout(&self) -> Duration;
    /// How long a request that meets others is tried again at the least. Where nothing is locked each attempt can meet
    /// another one, and the others get on meanwhile.
    fn conflict_timeout(&self) -> Duration {
        Duration::ZERO
    }
    /// What a caller is told at the end of all attempts.
    fn final_error(&self, failure: Failure) -> Error;
    /// Closes free connections that no call has taken for so long.
    fn close_idle(&self, idle: Duration);
    /// Closes all connections that are free, and each other one when it becomes free.
    fn close(&self);

    /// How long commits took.
    fn commits(&self) -> &Histogram;
    /// What else is known of the connections, as JavaScript gets it.
    fn report(&self) -> Json;
}
