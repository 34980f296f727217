//! A share of a database's engine, whichever database it is.

use std::sync::Arc;

use super::operation::Operation;
use super::outcome::{Outcome, Reply};
#[cfg(feature = "postgres")]
use super::postgres;
#[cfg(feature = "sqlite")]
use super::sqlite;
use super::stats::{Calls, Function};
use crate::error::{Error, Result};
use crate::storage::location::Location;

/// How an engine works. All connections of one process to one database must say the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// What concerns an SQLite file.
    #[cfg(feature = "sqlite")]
    pub sqlite: sqlite::Settings,
    /// What concerns a PostgreSQL server.
    #[cfg(feature = "postgres")]
    pub postgres: postgres::Settings,
}

/// A share of the engine of one database. The last one to be closed ends the engine.
pub enum Connection {
    /// Of an SQLite file.
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::Connection),
    /// Of a PostgreSQL database.
    #[cfg(feature = "postgres")]
    Postgres(postgres::Connection),
}

impl Connection {
    /// Joins the engine of this database, or starts it. Nothing is opened yet.
    pub fn open(location: &Location, settings: &Settings) -> Result<Self> {
        match location {
            #[cfg(feature = "sqlite")]
            Location::Sqlite(place) => {
                sqlite::Connection::open(place, settings.sqlite).map(Self::Sqlite)
            }
            #[cfg(feature = "postgres")]
            Location::Postgres(url) => {
                postgres::open(url, settings.postgres.clone()).map(Self::Postgres)
            }
            #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
            _ => Err(Error::UnsupportedDatabase {
                scheme: "such".to_owned(),
                advice: "this build of the library was made without them",
            }),
        }
    }

    /// A reply to a call that is counted, if it is one of a function.
    pub fn reply_to(
        &self,
        function: Option<Function>,
        send: impl FnOnce(Result<Outcome>) + Send + 'static,
    ) -> Reply {
        let Some(function) = function else { return Reply::new(send) };
        let calls = Arc::clone(self.calls());
        Reply::new(move |outcome| {
            calls.count(function, &outcome);
            send(outcome);
        })
    }

    fn calls(&self) -> &Arc<Calls> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => connection.calls(),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.calls(),
        }
    }

    /// Sends a request. The reply comes from another thread, but for statistics, which wait for nothing.
    pub fn submit(&self, operation: Operation, reply: Reply) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => connection.submit(operation, reply),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.submit(operation, reply),
        }
    }

    /// Sends a request that names a user by a number, which is refused with this where ids are text: on
    /// SQLite they are.
    pub fn submit_by_number(&self, operation: Operation, refusal: Error, reply: Reply) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => {
                drop(operation);
                reply.send(Err(refusal));
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.submit_by_number(operation, refusal, reply),
        }
    }

    /// Gives the share back. `done` is called, from another thread, when everything that was sent
    /// before is answered and, if this was the last share, the database is released.
    pub fn close(self, done: impl FnOnce() + Send + 'static) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => connection.close(done),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.close(done),
        }
    }
}
