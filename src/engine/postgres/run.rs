//! Each request: load its facts, let the domain plan it, apply the plan. One round trip for the facts,
//! one for the plan; the domain's plans are the same as over SQLite.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::Engine;
use crate::domain::charge::NewIds;
use crate::domain::grant::{NewGrant, plan_grant};
use crate::domain::task::{TaskPatch, plan_patch};
use crate::engine::{Operation, Outcome, Read, Write, now_ms};
use crate::error::{Error, Result};
use crate::storage::Row;
use crate::storage::postgres::{Failure, Session};
use crate::storage::schema::TableName::{self, Credit, MediaTasks};

type Attempt = std::result::Result<Outcome, Failure>;

impl Engine {
    /// Runs a request, again if it met another transaction.
    pub(super) async fn run(&self, operation: &Operation) -> Result<Outcome> {
        let knew_schema = self.server.knows_schema();
        let outcome = self.with_retries(operation).await;
        // The app's owner may have run `drizzle-kit push` since.
        if knew_schema && outcome.as_ref().is_err_and(is_about_schema) {
            self.server.forget_schema();
            return self.with_retries(operation).await;
        }
        outcome
    }

    async fn with_retries(&self, operation: &Operation) -> Result<Outcome> {
        const ATTEMPTS: u32 = 10;
        /// A connection that breaks at once was dead in the pool: the server restarted meanwhile.
        const AT_ONCE: Duration = Duration::from_secs(1);
        let began = Instant::now();
        let (mut lost_one, mut met_one) = (false, false);
        for attempt in 1..ATTEMPTS {
            match self.attempt(operation).await {
                Err(Failure::Conflict(_) | Failure::Refused(Error::TransactionNoCollision)) => {
                    tokio::time::sleep(pause_after(attempt)).await;
                }
                // Nothing was committed: that would be `Unknown`.
                Err(Failure::Lost(_)) if !lost_one && began.elapsed() < AT_ONCE => lost_one = true,
                // Somebody has just taken a name that the guards saw free: let them look again.
                Err(Failure::Refused(error)) if !met_one && is_taken(&error) => met_one = true,
                outcome => return outcome.map_err(Failure::into_error),
            }
        }
        self.attempt(operation).await.map_err(Failure::into_error)
    }

    async fn attempt(&self, operation: &Operation) -> Attempt {
        let now_ms = now_ms();
        match operation {
            Operation::CreateTables => self.server.create_tables().await.map(|()| Outcome::Done),
            Operation::Diagnose => self.server.diagnostics().await.map(Outcome::Diagnostics),
            Operation::Read(question) => {
                let mut session = self.server.session().await?;
                read(&mut session, question, now_ms).await
            }
            Operation::Write(change) => self.attempt_write(change, now_ms).await,
        }
    }

    async fn attempt_write(&self, write: &Write, now_ms: i64) -> Attempt {
        match write {
            Write::CreateTask(_) | Write::Consume(_) => {
                let outcome = self.attempt_together(&[write]).await?.pop();
                let none = || Err(Error::Internal("a request without an outcome".to_owned()));
                outcome.unwrap_or_else(none).map_err(Failure::Refused)
            }
            Write::Grant(grant) => {
                let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner).next(now_ms);
                let id = grant.id.clone().unwrap_or_else(|| ids.id.clone());
                let mut session = self.server.session().await?;
                match create_grant(&mut session, grant, ids, now_ms).await {
                    Err(Failure::Unknown(message)) => {
                        let settled = self.settle(&message, &grant.user_id, Credit, &id, |_| true);
                        settled.await.map_err(|failure| failure.into_error().into())
                    }
                    outcome => outcome,
                }
            }
            Write::UpdateTask(patch) => {
                let mut session = self.server.session().await?;
                update_task(&mut session, patch, now_ms).await
            }
        }
    }

    /// After a commit that was not answered: looks whether its row is there, which is the answer.
    pub(super) async fn settle(
        &self,
        message: &str,
        user_id: &str,
        table: TableName,
        id: &str,
        is_ours: impl Fn(&Row) -> bool,
    ) -> Attempt {
        let look = async {
            let mut session = self.server.session().await?;
            session.find_settled(user_id, table, id).await
        };
        match look.await {
            Ok(Some(row)) if is_ours(&row) => Ok(Outcome::Row(Some(row))),
            // It was undone with its connection: nothing was written.
            Ok(_) => Err(Failure::Lost(message.to_owned())),
            Err(_) => Err(Failure::Unknown(message.to_owned())),
        }
    }
}

/// A column or table that is not there, a type or a limit that has changed, a column that wants a value.
const ABOUT_SCHEMA: [&str; 7] = ["42703", "42P01", "42804", "42883", "23502", "22001", "22003"];

/// Whether the tables may not be what they were when they were looked at.
pub(super) fn is_about_schema(error: &Error) -> bool {
    match error {
        Error::UnknownField { .. } | Error::MissingField { .. } | Error::InvalidValue { .. } => {
            true
        }
        Error::Database { database_code, .. } => ABOUT_SCHEMA.contains(&database_code.as_str()),
        _ => false,
    }
}

fn is_taken(error: &Error) -> bool {
    matches!(error, Error::Database { database_code, .. } if database_code == "23505")
}

/// Longer each time, and never the same for two that met.
fn pause_after(attempt: u32) -> Duration {
    let longest_ms = 4_u64 << attempt.min(6);
    Duration::from_micros(fastrand::u64(..longest_ms * 1000))
}

async fn update_task(session: &mut Session<'_>, patch: &TaskPatch, now_ms: i64) -> Attempt {
    session.table(MediaTasks)?.check(&patch.fields)?;
    let Some(facts) = session.patch_facts(patch).await? else {
        session.roll_back();
        return Ok(Outcome::Row(None));
    };
    let charge = patch.charge_to_load(&facts.task).and(facts.charge.as_ref());
    let refundable = undo_if_refused(session, patch.check_charge(&facts.task, charge))?;
    let grants = match &refundable {
        Some(refundable) => session.grants_drawn_on(refundable, facts.grants).await?,
        None => Vec::new(),
    };

    let plan = plan_patch(patch, refundable.as_ref(), grants, now_ms);

    let row = session.write_patch(patch, &plan, now_ms).await?;
    Ok(Outcome::Updated(row, plan.refunded))
}

async fn create_grant(
    session: &mut Session<'_>,
    grant: &NewGrant,
    ids: NewIds,
    now_ms: i64,
) -> Attempt {
    session.table(Credit)?.check(&grant.fields)?;
    let facts = session.grant_facts(grant).await?;

    let planned = plan_grant(grant, facts, ids, now_ms).and_then(|(_, row)| {
        session.table(Credit).map_err(Failure::into_error)?.check_complete(&row)?;
        Ok(row)
    });
    let row = undo_if_refused(session, planned)?;

    session.write_grant(&row).await.map(|row| Outcome::Row(Some(row)))
}

/// A refusal has written nothing, but the transaction has begun.
fn undo_if_refused<T>(
    session: &mut Session<'_>,
    planned: Result<T>,
) -> std::result::Result<T, Failure> {
    planned.map_err(|error| {
        session.roll_back();
        Failure::Refused(error)
    })
}

async fn read(session: &mut Session<'_>, question: &Read, now_ms: i64) -> Attempt {
    match question {
        Read::Find(table, id) => session.find(*table, id).await.map(Outcome::Row),
        Read::HasActiveTask(user_id) => session.has_active_task(user_id).await.map(Outcome::Bool),
        Read::ActiveTasks(user_id) => session.active_tasks(user_id).await.map(Outcome::Rows),
        Read::TaskHistory(user_id, page) => {
            let (rows, total) = session.task_history(user_id, *page).await?;
            Ok(Outcome::Page(rows, total, *page))
        }
        Read::Balance(user_id) => session.balance(user_id, now_ms).await.map(Outcome::Number),
        Read::Credits(filter, page) => session.credits(filter, *page).await.map(Outcome::Rows),
        Read::CreditCount(filter) => session.credit_count(filter).await.map(Outcome::Number),
    }
}
