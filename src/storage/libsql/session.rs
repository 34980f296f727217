//! One request at a server. Its reads take no lock and are recorded; its writes are sent as one batch with
//! its own BEGIN and COMMIT, which commits only if the reads still hold.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::time::timeout_at;
use tracing::{debug, warn};

use super::batch::{WriteBatch, Written, end, goes_on};
use super::database::{Database, Share};
use super::error::{of_statement, unreadable};
use super::hrana::{Condition, Outcome, Step, pipeline, read};
use super::http::{LATE, LONG_ANSWER};
use crate::error::{Error, Result};
use crate::storage::dialect::sqlite::Statement;
use crate::storage::dialect::sqlite::guard::guard;
use crate::storage::dialect::sqlite::memory::Memory;
use crate::storage::dialect::sqlite::wire::{Change, FutureRows, OwnedRow, Waited, Wire};
use crate::storage::failure::{Answer, Failure, long_answer};
use crate::storage::schema::Schema;
use crate::storage::server::{Deadline, Server as _};

/// A responsive server replies to trivial queries within this time.
const SOON: Duration = Duration::from_secs(5);

/// A request's connection to a server.
pub struct Session {
    server: Arc<Database>,
    schema: Arc<Schema>,
    deadline: Deadline,
    /// Whether other requests of this process must not run between its reads and its writes.
    alone: bool,
    /// Set when it reads what decides a change.
    share: Option<Share>,
    /// Statements that fail unless the reads still hold.
    guards: Vec<Statement<'static>>,
    /// The index of the guard of a cached result, and the query to run again if it fails.
    guess: Option<(usize, Statement<'static>)>,
    /// The result of that query.
    became: Option<Vec<OwnedRow>>,
    /// Whether a batch with a lost reply can no longer be written.
    resolved: bool,
}

impl Session {
    /// A session with the tables as they were read recently.
    pub(super) async fn new(server: &Arc<Database>, deadline: Deadline) -> Answer<Self> {
        Ok(Self {
            server: Arc::clone(server),
            schema: server.tables(deadline.answer_by).await?,
            deadline,
            alone: false,
            share: None,
            guards: Vec::new(),
            guess: None,
            became: None,
            resolved: false,
        })
    }

    pub(super) fn alone(self) -> Self {
        Self { alone: true, ..self }
    }
}

impl Database {
    /// Sends queries in one round trip. Returns the rows of each, from one snapshot.
    pub(super) async fn ask(
        &self,
        statements: &[Statement<'_>],
        doing: &'static str,
        answer_by: Instant,
    ) -> Answer<Vec<Vec<OwnedRow>>> {
        let is_one = statements.len() == 1;
        let mut steps = Vec::with_capacity(statements.len() + 2);
        if !is_one {
            steps.push(Step::command(None, "BEGIN"));
        }
        steps.extend(statements.iter().map(|statement| Step::new(None, statement)));
        if !is_one {
            let open = Condition::not(Condition::IsAutocommit);
            steps.push(Step::command(Some(open), "COMMIT"));
        }
        let body = encode(&steps)?;
        let began = Instant::now();
        let sent = self.http.send(body, doing, answer_by).await;
        // A repeated reply would be as long.
        let answer = sent.map_err(|failure| match failure {
            Failure::Lost(message) if message == LONG_ANSWER => long_answer(doing).into(),
            failure => failure,
        })?;
        self.latencies.round_trips.count_since(began);
        let mut rows = Vec::with_capacity(steps.len());
        for outcome in outcomes(&answer, steps.len(), doing)? {
            match outcome {
                Outcome::Done { rows: found, .. } => rows.push(found),
                Outcome::Failed(error) => return Err(of_statement(&error, doing)),
                Outcome::Skipped => return Err(unreadable()),
            }
        }
        if !is_one {
            rows.pop();
            rows.remove(0);
        }
        Ok(rows)
    }
}

/// The result of a transaction that writes nothing.
pub(super) enum TriedWrite {
    Done,
    Refused(Error),
    Unanswered,
}

/// The message for a server that replies to reads, but not to writes, as sqld was seen to do.
const WEDGED: &str = "the server answers reads, but has not answered this write in the time of statementTimeoutMs: it has \
                      stopped writing, and must be started again if npx media-credits doctor says so, too";

impl Database {
    /// Whether the server replies to reads.
    async fn answers_reads(&self, answer_by: Instant) -> bool {
        let asked = [Statement::new("SELECT 1", [])];
        self.ask(&asked, "looking at the server", self.soon(answer_by)).await.is_ok()
    }

    fn soon(&self, answer_by: Instant) -> Instant {
        answer_by.min(Instant::now() + SOON.min(self.options.answer_timeout()))
    }

    /// Runs a transaction that changes nothing, to find out whether the server accepts writes.
    pub(super) async fn try_write(&self, deadline: Deadline) -> Answer<TriedWrite> {
        const DOING: &str = "looking at the server";
        // A read-only token may still take the lock.
        const WRITE: &str = "UPDATE credit SET status = status WHERE 0";
        let mut steps = vec![Step::command(None, "BEGIN IMMEDIATE")];
        steps.push(Step::command(Some(goes_on(&steps)), WRITE));
        let open = Condition::not(Condition::IsAutocommit);
        steps.push(Step::command(Some(open), "ROLLBACK"));
        let _turn = self.turn(deadline).await?;
        let sent = self.http.send(encode(&steps)?, DOING, deadline.answer_by);
        let answer = timeout_at(self.soon(deadline.answer_by).into(), sent).await;
        let outcomes = match answer {
            Err(_) => return Ok(TriedWrite::Unanswered),
            Ok(answer) => answer.and_then(|answer| outcomes(&answer, steps.len(), DOING)),
        };
        let failed = outcomes.map(|outcomes| {
            outcomes.into_iter().find_map(|outcome| match outcome {
                Outcome::Failed(error) => Some(of_statement(&error, DOING)),
                Outcome::Done { .. } | Outcome::Skipped => None,
            })
        });
        Ok(match failed {
            Ok(None) => TriedWrite::Done,
            Err(Failure::Lost(message)) if message == LATE => TriedWrite::Unanswered,
            Ok(Some(failure)) | Err(failure) => TriedWrite::Refused(failure.into_error()),
        })
    }
}

impl Database {
    /// Runs one transaction that changes the schema.
    pub(super) async fn run_all(
        &self,
        statements: &[Statement<'_>],
        doing: &'static str,
    ) -> Answer<()> {
        let mut steps = vec![Step::command(None, "BEGIN IMMEDIATE")];
        for statement in statements {
            steps.push(Step::new(Some(goes_on(&steps)), statement));
        }
        end(&mut steps);
        let deadline = self.deadline(Instant::now());
        let _turn = self.turn(deadline).await?;
        let answer = self.http.send(encode(&steps)?, doing, deadline.answer_by).await?;
        for outcome in outcomes(&answer, steps.len(), doing)? {
            if let Outcome::Failed(error) = outcome {
                return Err(of_statement(&error, doing));
            }
        }
        Ok(())
    }
}

fn encode(steps: &[Step<'_>]) -> Result<Bytes> {
    let body = pipeline(steps).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(body.into())
}

fn outcomes(answer: &[u8], steps: usize, doing: &'static str) -> Answer<Vec<Outcome>> {
    let outcomes = read(answer, steps).ok_or_else(unreadable)?;
    outcomes.map_err(|error| of_statement(&error, doing))
}

impl Wire for Session {
    fn schema(&self) -> Result<&Schema> {
        Ok(&self.schema)
    }

    fn ask<'a>(
        &'a mut self,
        statements: &'a [Statement<'a>],
        doing: &'static str,
    ) -> FutureRows<'a> {
        Box::pin(async move { self.server.ask(statements, doing, self.deadline.answer_by).await })
    }

    fn before_deciding(&mut self) -> Waited<'_> {
        Box::pin(async move {
            if self.share.is_none() {
                self.share = Some(self.server.share(self.alone, self.deadline).await?);
            }
            Ok(())
        })
    }

    fn rely_on(&mut self, asked: &Statement<'_>, answer: &[OwnedRow]) {
        self.guards.push(guard(asked, answer));
    }

    fn rely_on_guess(&mut self, asked: &Statement<'_>, answer: &[OwnedRow]) {
        self.guess = Some((self.guards.len(), asked.to_owned()));
        self.rely_on(asked, answer);
    }

    fn became(&mut self) -> Option<Vec<OwnedRow>> {
        self.became.take()
    }

    /// Triggers may change grants unseen.
    fn memory(&self) -> Option<&Memory> {
        (!self.schema.has_triggers).then_some(&self.server.memory)
    }

    fn change<'a>(
        &'a mut self,
        changes: &'a [Change<'a>],
        then: &'a [Statement<'a>],
    ) -> FutureRows<'a> {
        Box::pin(async move {
            let batch = WriteBatch::new((&self.guards, self.guess.as_ref()), changes, then);
            let body = encode(&batch.steps)?;
            let server = Arc::clone(&self.server);
            let _turn = server.turn(self.deadline).await?;
            let mut began = Instant::now();
            let mut lost: Option<(Instant, String)> = None;
            loop {
                let answer_by = self.deadline.answer_by;
                let answer = self.server.http.send(body.clone(), "writing", answer_by).await;
                let read =
                    answer.and_then(|answer| outcomes(&answer, batch.steps.len(), "writing"));
                let failure = match read.map(|outcomes| batch.read(outcomes)) {
                    Ok(Written::All(rows)) => {
                        let commit_time = began.elapsed();
                        server.latencies.commits.count_time(commit_time);
                        debug!(
                            steps = batch.steps.len(),
                            commit_us = commit_time.as_micros(),
                            "committed"
                        );
                        return Ok(rows);
                    }
                    Ok(Written::Stale { became }) => {
                        // The earlier attempt was written, or can no longer be.
                        self.resolved = true;
                        self.became = became;
                        Failure::Conflict("what was read has changed since".to_owned())
                    }
                    Ok(Written::Nothing(failure)) | Err(failure) => failure,
                };
                if let Some(deadline) = self.deadline.after_stop(server.options.connect_timeout) {
                    (self.deadline, began) = (deadline, Instant::now());
                }
                let (since, message) = match (failure, lost.take()) {
                    (Failure::Lost(message) | Failure::Ended(message), None) => {
                        warn!("a write was not answered: sending it again");
                        (Instant::now(), message)
                    }
                    (failure, None) => return Err(failure),
                    // A statement other than the guards may have failed because of the first attempt's own
                    // writes.
                    (Failure::Refused(error), Some((_, message)))
                        if !matches!(error, Error::DatabaseUnavailable { .. }) =>
                    {
                        return Err(Failure::unknown(message));
                    }
                    (_, Some((_, message))) if self.resolved => {
                        return Err(Failure::unknown(message));
                    }
                    (_, Some(lost)) => lost,
                };
                let answer_by = self.deadline.answer_by;
                let is_over = Instant::now() >= answer_by;
                if is_over || began.elapsed() >= server.options.answer_timeout() {
                    let reads = server.answers_reads(answer_by).await;
                    return Err(Failure::unknown(if reads { WEDGED.to_owned() } else { message }));
                }
                if since.elapsed() >= server.options.connect_timeout {
                    return Err(Failure::unknown(message));
                }
                lost = Some((since, message));
                tokio::time::sleep(Duration::from_millis(fastrand::u64(5..50))).await;
            }
        })
    }

    fn is_resolved(&self) -> bool {
        self.resolved
    }

    /// No lock is held.
    fn undo(&mut self) {}
}
