//! A PostgreSQL server: its pool of connections, and transactions of one or two round trips.
//!
//! Statements are sent together and answered together. Nothing of a session is used: no prepared
//! statement has a name, and every setting ends with its transaction. So it works behind a pooler.

mod access;
mod begin;
mod books;
mod change;
mod config;
mod connect;
mod error;
mod fit;
mod ids;
mod ledger;
mod limits;
mod look;
mod rows;
mod schema;
mod server;
mod statement;
mod tables;
mod tls;
mod value;
mod views;
mod watch;
mod written;

use std::future::Future;
use std::sync::{Arc, Mutex, Once};
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool};
use tokio_postgres::Row;
use tracing::debug;

use self::begin::{Begin, Commands};
use self::error::no_connection;
use self::look::Found;
use self::statement::Statement;
pub use self::watch::Times;
use super::search_path::SearchPath;
use crate::error::Error;
use crate::storage::failure::Failure;

type Result<T, E = Error> = std::result::Result<T, E>;

/// How to use a server. Everybody who uses one database in one process must say the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Options {
    /// The most connections of this process.
    pub max_connections: usize,
    /// How long to wait for a connection, free or new.
    pub connect_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
    /// How long to wait for a lock that somebody else holds.
    pub busy_timeout: Duration,
    /// The schema with the app's tables, if it is not the one that the server finds by itself.
    pub schema: Option<SearchPath>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 10,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            busy_timeout: Duration::from_secs(5),
            schema: None,
        }
    }
}

/// A database on a server, with its schema as found.
pub struct Server {
    pool: Pool,
    options: Options,
    begin: Begin,
    schema: Mutex<Option<Found>>,
    /// For the log, once it has let us in: what is wrong in a URL may be a part of its password.
    name: String,
    first_look: Once,
    times: Times,
    /// Whether the URL names another server for a write that one did not take.
    others_may_write: bool,
}

impl Server {
    async fn client(&self) -> Result<Object, Failure> {
        let asked = Instant::now();
        let client = self.pool.get().await.map_err(|error| no_connection(&error))?;
        self.times.connections.count_since(asked);
        Ok(client)
    }
}

/// A connection on loan from the pool. What begins a transaction must end it.
pub struct Session {
    server: Arc<Server>,
    client: Option<Object>,
    found: Option<Found>,
    commands: Arc<Commands>,
    /// Whether a transaction is open, or the server owes an answer.
    unfinished: bool,
}

impl Session {
    fn new(server: Arc<Server>, client: Object) -> Self {
        let commands = Arc::clone(&server.begin.unseen);
        Self { server, client: Some(client), found: None, commands, unfinished: false }
    }

    fn found(&self) -> Result<&Found> {
        self.found.as_ref().ok_or_else(|| Error::Internal("a session without schema".to_owned()))
    }

    fn client(&self) -> Result<&Object, Failure> {
        self.client.as_ref().ok_or_else(|| Failure::Lost("the connection is closed".to_owned()))
    }

    /// One round trip: what is where the caller says that the tables are.
    async fn look<const N: usize>(
        &mut self,
        statements: [Statement; N],
        doing: &'static str,
    ) -> Reply<N> {
        let server = Arc::clone(&self.server);
        let look = Some(server.begin.look.as_str());
        exactly(self.send(look, &statements, Some("COMMIT"), doing).await?)
    }

    /// One round trip: a transaction that reads.
    async fn read<const N: usize>(
        &mut self,
        statements: [Statement; N],
        doing: &'static str,
    ) -> Reply<N> {
        let commands = Arc::clone(&self.commands);
        exactly(self.send(Some(&commands.read), &statements, Some("COMMIT"), doing).await?)
    }

    /// One round trip: begins a transaction and reads. Then follow [`Self::commit`] or
    /// [`Self::undo`].
    async fn begin<const N: usize>(
        &mut self,
        statements: [Statement; N],
        doing: &'static str,
    ) -> Reply<N> {
        exactly(self.begin_all(&statements, true, doing).await?)
    }

    /// As [`Self::begin`], with as many statements as there are; unless `patient`, it waits for locks
    /// for a moment only.
    async fn begin_all(
        &mut self,
        statements: &[Statement],
        patient: bool,
        doing: &'static str,
    ) -> Result<Vec<Vec<Row>>, Failure> {
        let commands = Arc::clone(&self.commands);
        let begin = if patient { &commands.write } else { &commands.write_impatient };
        self.send(Some(begin), statements, None, doing).await
    }

    /// One round trip more, inside the transaction.
    async fn more<const N: usize>(
        &mut self,
        statements: [Statement; N],
        doing: &'static str,
    ) -> Reply<N> {
        exactly(self.send(None, &statements, None, doing).await?)
    }

    /// One round trip: reads, and ends the transaction, in which nothing was written, by this command.
    async fn end<const N: usize>(
        &mut self,
        statements: [Statement; N],
        command: &'static str,
        doing: &'static str,
    ) -> Reply<N> {
        exactly(self.send(None, &statements, Some(command), doing).await?)
    }

    /// One round trip: writes and commits. A statement that fails undoes all.
    async fn commit(&mut self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, Failure> {
        let began = Instant::now();
        let written =
            self.send(None, statements, Some("COMMIT"), "writing").await.map_err(|failure| {
                match failure {
                    Failure::Lost(message) | Failure::Ended(message) => Failure::unknown(message),
                    other => other,
                }
            })?;
        let commit_time = began.elapsed();
        self.server.times.commits.count_time(commit_time);
        debug!(statements = statements.len(), commit_us = commit_time.as_micros(), "committed");
        Ok(written)
    }

    /// Undoes the transaction, without waiting for the server to say so.
    fn undo(&mut self) {
        self.unfinished = false;
        let Some(client) = self.client.take() else { return };
        let timeout = self.server.options.connect_timeout;
        tokio::spawn(async move {
            match tokio::time::timeout(timeout, client.batch_execute("ROLLBACK")).await {
                Ok(Ok(())) => drop(client),
                // The pool must not lend it again.
                _ => drop(Object::take(client)),
            }
        });
    }

    /// Sends everything at once and waits for all answers, for a bounded time.
    async fn send(
        &mut self,
        before: Option<&str>,
        statements: &[Statement],
        after: Option<&str>,
        doing: &'static str,
    ) -> Result<Vec<Vec<Row>>, Failure> {
        self.unfinished = true;
        let client = self.client()?;
        let run = |command: Option<String>| async move {
            match command {
                Some(command) => client.batch_execute(&command).await,
                None => Ok(()),
            }
        };
        let sent = Instant::now();
        // Polled in this order for the first time, and the first poll sends.
        let all = futures_util::future::join3(
            run(before.map(str::to_owned)),
            futures_util::future::join_all(
                statements.iter().map(|statement| statement.query(client)),
            ),
            run(after.map(str::to_owned)),
        );
        let answers = in_time(&self.server.options, all).await;
        let (began, rows, ended) = match answers {
            Ok(answers) => {
                self.server.times.round_trips.count_since(sent);
                answers
            }
            Err(late) => {
                self.discard();
                return Err(late);
            }
        };
        let failed = |error: &tokio_postgres::Error| Failure::of(error, doing);
        let rows: Result<Vec<_>, _> = rows.into_iter().collect();
        let answered = match (&began, rows, &ended) {
            (Err(error), _, _) => {
                let refusal = self.server.begin.refusal(error).map(Failure::Refused);
                Err(refusal.unwrap_or_else(|| failed(error)))
            }
            (Ok(()), Err(error), _) => Err(failed(&error)),
            (Ok(()), Ok(_), Err(error)) => Err(failed(error)),
            (Ok(()), Ok(rows), Ok(())) => Ok(rows),
        };
        self.unfinished = after.is_none();
        match &answered {
            // COMMIT after a failure has rolled back already.
            Err(failure) if failure.is_answered() => {
                if after.is_none() {
                    self.undo();
                }
            }
            Err(_) => self.discard(),
            Ok(_) => {}
        }
        answered
    }

    fn discard(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}

/// The server's own timeouts come first, unless it does not answer at all.
async fn in_time<T>(options: &Options, answers: impl Future<Output = T>) -> Result<T, Failure> {
    const GRACE: Duration = Duration::from_secs(2);
    let patience = options.statement_timeout.max(options.busy_timeout) + GRACE;
    tokio::time::timeout(patience, answers).await.map_err(|_| {
        Failure::Lost("the server did not answer in time; see statementTimeoutMs".to_owned())
    })
}

/// What is dropped in the middle of a transaction, or of an answer, must not be lent again.
impl Drop for Session {
    fn drop(&mut self) {
        if self.unfinished {
            self.discard();
        }
    }
}

fn exactly<const N: usize>(rows: Vec<Vec<Row>>) -> Reply<N> {
    <[Vec<Row>; N]>::try_from(rows)
        .map_err(|_| Failure::Lost("the server owes an answer".to_owned()))
}

/// Rows of each statement.
type Reply<const N: usize> = Result<[Vec<Row>; N], Failure>;
