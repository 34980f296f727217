//! A connection from the pool, and its transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use futures_util::future::{join_all, join3};
use tokio_postgres::Row;
use tracing::{debug, info};

use super::begin::Commands;
use super::database::Database;
use super::driver::query;
use super::found::Found;
use super::options::Options;
use crate::error::{Error, Result};
use crate::storage::dialect::postgres::Statement;
use crate::storage::dialect::postgres::row::get;
use crate::storage::dialect::postgres::schema::own_path;
use crate::storage::dialect::postgres::tables::Tables;
use crate::storage::dialect::postgres::wire::{End, Mode, Pipeline, Wire};
use crate::storage::failure::{Answer, Failure};

/// A connection from the pool. The caller that begins a transaction must end it.
pub struct Session {
    pub(super) server: Arc<Database>,
    /// `None` if it can't be used any more.
    client: Option<Object>,
    found: Option<Found>,
    commands: Arc<Commands>,
    transaction: TransactionState,
}

/// The state of a connection's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransactionState {
    /// None: the connection can return to the pool.
    None,
    /// It is open.
    Open,
    /// A reply is missing.
    Unanswered,
}

impl Wire for Session {
    type Row = Row;

    fn tables(&self) -> Result<&Tables> {
        let found = self.found.as_ref().map(|found| &found.tables);
        found.ok_or_else(|| Error::Internal("a session without tables".to_owned()))
    }

    async fn send(&mut self, pipeline: Pipeline<'_>) -> Answer<Vec<Vec<Row>>> {
        let Pipeline { begin, statements, end, doing } = pipeline;
        let commands = Arc::clone(&self.commands);
        let before = begin.map(|mode| match mode {
            Mode::Read => commands.read.as_str(),
            Mode::Write => &commands.write,
            Mode::WriteShortWait => &commands.write_short_wait,
        });
        let after = end.map(|end| match end {
            End::Commit | End::Release => "COMMIT",
            End::RollBack => "ROLLBACK",
        });
        let began = Instant::now();
        let answer = self.exchange(Exchange { before, statements, after }, doing).await;
        if end != Some(End::Commit) {
            return answer;
        }
        let rows = answer.map_err(|failure| match failure {
            Failure::Lost(message) | Failure::Ended(message) => Failure::unknown(message),
            other => other,
        })?;
        let commit_time = began.elapsed();
        self.server.latencies.commits.count_time(commit_time);
        debug!(statements = statements.len(), commit_us = commit_time.as_micros(), "committed");
        Ok(rows)
    }

    fn undo(&mut self) {
        self.transaction = TransactionState::None;
        let Some(client) = self.client.take() else { return };
        let timeout = self.server.options.connect_timeout;
        tokio::spawn(async move {
            match tokio::time::timeout(timeout, client.batch_execute("ROLLBACK")).await {
                Ok(Ok(())) => drop(client),
                // It must not return to the pool.
                _ => drop(Object::take(client)),
            }
        });
    }

    async fn look_again(&mut self) -> Answer<()> {
        let found = self.discover().await?;
        self.use_tables(found);
        Ok(())
    }
}

impl Session {
    pub(super) fn new(server: Arc<Database>, client: Object) -> Self {
        let commands = Arc::clone(&server.begin.unseen);
        let transaction = TransactionState::None;
        Self { server, client: Some(client), found: None, commands, transaction }
    }

    /// Sets the schema for the following statements.
    pub(super) fn use_tables(&mut self, found: Found) {
        self.commands = Arc::clone(&found.commands);
        self.found = Some(found);
    }

    /// Runs statements in the caller's schemas, in one round trip.
    pub(super) async fn look<const N: usize>(
        &mut self,
        statements: &[Statement; N],
        doing: &'static str,
    ) -> Answer<[Vec<Row>; N]> {
        let server = Arc::clone(&self.server);
        let before = Some(server.begin.look.as_str());
        let exchange = Exchange { before, statements, after: Some("COMMIT") };
        let rows = self.exchange(exchange, doing).await?;
        rows.try_into()
            .map_err(|_| Failure::Lost("the server sent fewer replies than expected".to_owned()))
    }

    /// Reads the schema for all following sessions.
    async fn discover(&mut self) -> Answer<Found> {
        let [columns, access] = Tables::look();
        let statements = [columns, access, own_path()];
        let [columns, access, own_path] = self.look(&statements, "reading the schema").await?;
        let tables = Tables::read(&columns, &access)?;
        let own_path: Option<&str> = own_path.first().map_or(Ok(None), |row| get(row, 0))?;
        let commands = self.server.begin.seen(own_path, tables.answers_early());
        let found = Found { tables, commands };
        self.server.known.found(found.clone());
        let Database { first_look, name, .. } = &*self.server;
        first_look.call_once(|| info!(database = ?name, "connected and found the tables"));
        Ok(found)
    }

    /// Sends a pipeline and waits for all replies, with a timeout.
    async fn exchange(
        &mut self,
        exchange: Exchange<'_>,
        doing: &'static str,
    ) -> Answer<Vec<Vec<Row>>> {
        self.transaction = TransactionState::Unanswered;
        let Some(client) = &self.client else {
            return Err(Failure::Lost("the connection is closed".to_owned()));
        };
        let sent = Instant::now();
        let answer = match in_time(&self.server.options, exchange.send(client)).await {
            Ok(answers) => {
                self.server.latencies.round_trips.count_since(sent);
                answers.rows(&self.server, doing)
            }
            Err(late) => Err(late),
        };
        match &answer {
            Ok(_) if exchange.after.is_none() => self.transaction = TransactionState::Open,
            // Without a following COMMIT or ROLLBACK, the failed transaction is still open.
            Err(failure) if failure.is_answered() && exchange.after.is_none() => self.undo(),
            Err(failure) if !failure.is_answered() => self.discard(),
            _ => self.transaction = TransactionState::None,
        }
        answer
    }

    fn discard(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}

/// A connection that is dropped during a transaction or before a reply must not return to the pool.
impl Drop for Session {
    fn drop(&mut self) {
        if self.transaction != TransactionState::None {
            self.discard();
        }
    }
}

/// Statements, with the commands before and after them.
struct Exchange<'s> {
    before: Option<&'s str>,
    statements: &'s [Statement],
    after: Option<&'s str>,
}

/// The replies.
struct Answers {
    before: Result<(), tokio_postgres::Error>,
    rows: Vec<Result<Vec<Row>, tokio_postgres::Error>>,
    after: Result<(), tokio_postgres::Error>,
}

impl Exchange<'_> {
    async fn send(&self, client: &Object) -> Answers {
        let statements = self.statements.iter().map(|statement| query(client, statement));
        // Each future sends at its first poll, and they are polled in this order.
        let answers =
            join3(run(client, self.before), join_all(statements), run(client, self.after));
        let (before, rows, after) = answers.await;
        Answers { before, rows, after }
    }
}

async fn run(client: &Object, command: Option<&str>) -> Result<(), tokio_postgres::Error> {
    match command {
        Some(command) => client.batch_execute(command).await,
        None => Ok(()),
    }
}

impl Answers {
    /// The rows of each statement, or the first failure, of which later ones are consequences.
    fn rows(self, server: &Database, doing: &'static str) -> Answer<Vec<Vec<Row>>> {
        let failed = |error| Failure::of(&error, doing);
        self.before.map_err(|error| match server.begin.refusal(&error) {
            Some(refusal) => Failure::Refused(refusal),
            None => failed(error),
        })?;
        let rows = self.rows.into_iter().collect::<Result<_, _>>().map_err(failed)?;
        self.after.map_err(failed)?;
        Ok(rows)
    }
}

/// Waits for a reply, a little longer than the server's own timeouts.
pub(super) async fn in_time<T>(options: &Options, answers: impl Future<Output = T>) -> Answer<T> {
    const GRACE: Duration = Duration::from_secs(2);
    let timeout = options.answer_timeout() + GRACE;
    tokio::time::timeout(timeout, answers).await.map_err(|_| {
        Failure::Lost("the server did not answer in time; see statementTimeoutMs".to_owned())
    })
}
