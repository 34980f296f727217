//! A request on a server: retried after a conflict, and resolved after an unanswered commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::engine::Engine;
use super::retry::{Attempts, Reason, is_about_schema, pause_after};
use crate::engine::clock::Clock;
use crate::engine::clock::now_ms;
use crate::engine::operation::{Operation, Read, Write};
use crate::engine::outcome::Outcome;
use crate::engine::reads;
use crate::engine::replays::{is_duplicate_key, replay};
use crate::engine::run::change;
use crate::error::{Error, Result};
use crate::storage::Row;
use crate::storage::failure::{Answer, Failure, Witness};
use crate::storage::server::{Deadline, Server};
use crate::storage::store::Views;

/// Makes one change in its own transaction, in a single attempt. A repeated call returns the row of the first
/// one.
pub async fn write<S: Server>(server: &Arc<S>, write: &Write, clock: Clock<'_>) -> Answer<Outcome> {
    let deadline = server.deadline(Instant::now());
    let mut session = server.session(deadline).await?;
    let made = change(&mut session, write, clock).await;
    drop(session);
    or_replay(made, server, write, deadline).await
}

async fn or_replay<S: Server>(
    made: Answer<Outcome>,
    server: &Arc<S>,
    write: &Write,
    deadline: Deadline,
) -> Answer<Outcome> {
    match made {
        Err(Failure::Refused(refusal)) if is_duplicate_key(write, &refusal) => {
            replay(&mut server.session(deadline).await?, write).await
        }
        made => made,
    }
}

/// Runs one read, in a single attempt.
pub async fn read<S: Server>(server: &Arc<S>, read: &Read, now_ms: i64) -> Answer<Outcome> {
    let deadline = server.deadline(Instant::now());
    reads::read(&mut server.session(deadline).await?, read, now_ms).await
}

impl<S: Server> Engine<S> {
    /// Runs a request, and retries it after conflicts.
    pub(super) async fn run(&self, operation: &Operation, deadline: Deadline) -> Result<Outcome> {
        let knew_schema = self.server.knows_schema();
        let outcome = self.with_retries(operation, deadline).await;
        // The tables may have changed since, for instance by `drizzle-kit push`.
        let is_outdated = knew_schema && outcome.as_ref().is_err_and(is_about_schema::<S>);
        if is_outdated && !deadline.is_late() {
            debug!("a call does not fit the tables: reading the schema again");
            self.retries.schema_changes.add();
            self.server.forget_schema();
            return self.with_retries(operation, deadline).await;
        }
        outcome
    }

    async fn with_retries(&self, operation: &Operation, deadline: Deadline) -> Result<Outcome> {
        let mut attempts = Attempts::new(self.server.as_ref(), deadline);
        loop {
            let failure = match self.attempt(operation, attempts.have_met(), deadline).await {
                Ok(outcome) => return Ok(outcome),
                Err(failure) => failure,
            };
            let Some(reason) = attempts.again_after(&failure) else {
                return Err(self.server.final_error(failure));
            };
            self.prepare_for(reason);
            tokio::time::sleep(reason.pause()).await;
        }
    }

    /// Logs and prepares the next attempt.
    pub(super) fn prepare_for(&self, reason: Reason) {
        match reason {
            Reason::Conflict { attempt } => {
                // Without locks, cached facts of a user may be outdated.
                match attempt == 1 && !S::LOCKS {
                    true => {
                        debug!(attempt, "cached grants of a user are outdated: trying again")
                    }
                    false => warn!(attempt, "conflict with another transaction: trying again"),
                }
                self.retries.conflicts.add();
            }
            Reason::LostConnection => {
                warn!("a connection of the pool was closed: trying another one");
                self.retries.lost_connections.add();
                // The pool's other connections are as old, or lead to the same server.
                self.server.close_idle(Duration::ZERO);
            }
            Reason::ReadOnly { attempt } => {
                warn!(attempt, "the server accepts no writes: trying the next one");
                self.retries.lost_connections.add();
                self.server.close_idle(Duration::ZERO);
            }
            Reason::TakenKey => {}
        }
    }

    async fn attempt(
        &self,
        operation: &Operation,
        alone: bool,
        deadline: Deadline,
    ) -> Answer<Outcome> {
        match operation {
            Operation::CreateTables(tables) => {
                self.server.create_tables(tables).await.map(|()| Outcome::Done)
            }
            Operation::Diagnose => self.server.diagnostics().await.map(Outcome::Diagnostics),
            Operation::Stats => Ok(Outcome::Stats(self.report())),
            Operation::Read(question) => {
                let now_ms = now_ms();
                reads::read(&mut self.server.session(deadline).await?, question, now_ms).await
            }
            Operation::Write(change) => self.attempt_write(change, alone, deadline).await,
        }
    }

    async fn attempt_write(
        &self,
        write: &Write,
        alone: bool,
        deadline: Deadline,
    ) -> Answer<Outcome> {
        let clock = Clock { now_ms: now_ms(), ids: &self.ids };
        let mut session = self.session(alone, deadline).await?;
        let made = change(&mut session, write, clock).await;
        drop(session);
        match or_replay(made, &self.server, write, deadline).await {
            Err(Failure::Unknown { message, witnesses }) if !witnesses.is_empty() => {
                let witnesses = witnesses.iter().map(Option::as_ref);
                let rows = witnesses.map(|witness| self.resolve(&message, witness, deadline));
                let rows = futures_util::future::try_join_all(rows).await;
                // An unwritten request is an answer here, not a reason to retry.
                let rows = rows.map_err(Failure::into_error)?;
                let mut outcomes = rows.into_iter().map(|row| match write {
                    Write::Grant(_) => Outcome::of_grant(row, 0, clock.now_ms),
                    Write::ClaimTopUp(_) => Outcome::claimed(row),
                    _ => Outcome::Row(Some(row)),
                });
                Ok(match write {
                    Write::AtomicBatch(_) => Outcome::All(outcomes.collect()),
                    _ => outcomes.next().unwrap_or(Outcome::Done),
                })
            }
            made => made,
        }
    }

    /// A connection for a change; `alone` after a conflict.
    pub(super) async fn session(&self, alone: bool, deadline: Deadline) -> Answer<S::Session> {
        match alone {
            true => self.server.session_alone(deadline).await,
            false => self.server.session(deadline).await,
        }
    }

    /// After an unanswered commit, looks for its row and returns it. While no server responds, it retries for
    /// as long as a connection may take, but not after the deadline where the storage has one for replies.
    pub(super) async fn resolve(
        &self,
        message: &str,
        witness: Option<&Witness>,
        deadline: Deadline,
    ) -> Answer<Row> {
        // A rejection may depend on a plan that was rolled back with it, so it counts as not written.
        let Some(witness) = witness else { return Err(Failure::Lost(message.to_owned())) };
        let deadline = self.server.look_deadline(deadline);
        for attempt in 1.. {
            let reply = match self.server.find_committed(witness, deadline).await {
                Ok(Some(row)) if witness.is(&row) => self.reply_of(witness, row, deadline).await,
                // The transaction was rolled back when the connection was lost: nothing was written.
                Ok(_) => return Err(Failure::Lost(message.to_owned())),
                Err(failure) => Err(failure),
            };
            match reply {
                Ok(row) => return Ok(row),
                Err(failure) if can_pass(&failure) && !deadline.is_late() => {
                    self.server.close_idle(Duration::ZERO);
                    tokio::time::sleep(pause_after(attempt)).await;
                }
                Err(_) => break,
            }
        }
        Err(Failure::unknown(message.to_owned()))
    }

    async fn reply_of(&self, witness: &Witness, row: Row, deadline: Deadline) -> Answer<Row> {
        let (table, id) = &witness.reply;
        if (witness.table, &witness.id) == (*table, id) {
            return Ok(row);
        }
        let found = self.server.session(deadline).await?.find(*table, id).await?;
        Ok(found.ok_or_else(|| Error::Internal("a written row is gone".to_owned()))?)
    }
}

/// Whether another connection, now or soon, may return the answer.
fn can_pass(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(error) => {
            matches!(error, Error::DatabaseUnavailable { retryable: true, .. })
        }
        Failure::Conflict(_) | Failure::ReadOnly(_) | Failure::Lost(_) | Failure::Ended(_) => true,
        Failure::Unknown { .. } => false,
    }
}
