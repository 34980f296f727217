//! Each request: load its facts, let the domain plan it, apply the plan. One round trip for the facts,
//! one for the plan; the domain's plans are the same as over SQLite.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::Engine;
use crate::domain::charge::{ChargeRequest, NewIds, plan_charge};
use crate::domain::grant::{NewGrant, plan_grant};
use crate::domain::task::{NewTask, TaskPatch, plan_new_task, plan_patch};
use crate::engine::{Operation, Outcome, Read, Write, now_ms};
use crate::error::{Error, Result};
use crate::storage::Row;
use crate::storage::postgres::{Failure, Session};
use crate::storage::schema::TableName::{self, Credit, MediaTasks};

type Attempt = std::result::Result<Outcome, Failure>;

impl Engine {
    /// Runs a request, again if it met another transaction.
    pub(super) async fn run(&self, operation: &Operation) -> Result<Outcome> {
        let _turn = match user_of(operation) {
            Some(user_id) => Some(self.turns.wait(user_id).await),
            None => None,
        };
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
        let mut lost_one = false;
        for attempt in 1..ATTEMPTS {
            match self.attempt(operation).await {
                Err(Failure::Conflict(_) | Failure::Refused(Error::TransactionNoCollision)) => {
                    tokio::time::sleep(pause_after(attempt)).await;
                }
                // Nothing was committed: that would be `Unknown`.
                Err(Failure::Lost(_)) if !lost_one && began.elapsed() < AT_ONCE => lost_one = true,
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
            Operation::Write(change) => {
                let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner).next(now_ms);
                let mut session = self.server.session().await?;
                match change {
                    Write::CreateTask(task) => {
                        let charge_id = match &task.charge {
                            Some(_) => Some(ids.id.clone()),
                            None => task.credit_id.clone(),
                        };
                        let made = create_task(&mut session, task, ids, now_ms).await;
                        let is_ours = |row: &Row| row.text("creditId") == charge_id.as_deref();
                        self.settle(made, &task.user_id, MediaTasks, &task.id, is_ours).await
                    }
                    Write::Consume(request) => {
                        let id = ids.id.clone();
                        let made = consume(&mut session, request, ids, now_ms).await;
                        self.settle(made, &request.user_id, Credit, &id, |_| true).await
                    }
                    Write::Grant(grant) => {
                        let id = grant.id.clone().unwrap_or_else(|| ids.id.clone());
                        let made = create_grant(&mut session, grant, ids, now_ms).await;
                        self.settle(made, &grant.user_id, Credit, &id, |_| true).await
                    }
                    Write::UpdateTask(patch) => update_task(&mut session, patch, now_ms).await,
                }
            }
        }
    }

    /// If a commit was not answered: looks whether its row is there, which is the answer.
    async fn settle(
        &self,
        outcome: Attempt,
        user_id: &str,
        table: TableName,
        id: &str,
        is_ours: impl Fn(&Row) -> bool,
    ) -> Attempt {
        let Err(Failure::Unknown(message)) = outcome else { return outcome };
        let look = async {
            let mut session = self.server.session().await?;
            session.find_settled(user_id, table, id).await
        };
        match look.await {
            Ok(Some(row)) if is_ours(&row) => Ok(Outcome::Row(Some(row))),
            // It was undone with its connection: nothing was written.
            Ok(_) => Err(Failure::Lost(message)),
            Err(_) => Err(Failure::Unknown(message)),
        }
    }
}

/// The user whose grants a request locks, if it says.
fn user_of(operation: &Operation) -> Option<&str> {
    match operation {
        Operation::Write(Write::CreateTask(task)) => Some(&task.user_id),
        Operation::Write(Write::Consume(request)) => Some(&request.user_id),
        _ => None,
    }
}

fn is_about_schema(error: &Error) -> bool {
    match error {
        Error::UnknownField { .. } | Error::MissingField { .. } | Error::InvalidValue { .. } => {
            true
        }
        // An undefined column or table, and a column whose type has changed.
        Error::Database { database_code, .. } => {
            ["42703", "42P01", "42804", "42883"].contains(&database_code.as_str())
        }
        _ => false,
    }
}

/// Longer each time, and never the same for two that met.
fn pause_after(attempt: u32) -> Duration {
    let longest_ms = 4_u64 << attempt.min(6);
    Duration::from_micros(fastrand::u64(..longest_ms * 1000))
}

async fn create_task(
    session: &mut Session<'_>,
    task: &NewTask,
    ids: NewIds,
    now_ms: i64,
) -> Attempt {
    session.table(MediaTasks)?.check(&task.fields)?;
    session.table(MediaTasks)?.check_complete(&task.fields)?;
    let facts = session.new_task_facts(task, now_ms).await?;

    let plan = undo_if_refused(session, plan_new_task(task, &facts, ids, now_ms))?;

    session.write_new_task(&task.id, &plan, now_ms).await.map(|row| Outcome::Row(Some(row)))
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

async fn consume(
    session: &mut Session<'_>,
    request: &ChargeRequest,
    ids: NewIds,
    now_ms: i64,
) -> Attempt {
    session.table(Credit)?.check(&request.described)?;
    let facts = session.charge_facts(request, now_ms).await?;

    let plan = undo_if_refused(session, plan_charge(request, &facts, ids, now_ms))?;

    session.write_charge(&plan, now_ms).await.map(|row| Outcome::Row(Some(row)))
}

async fn create_grant(
    session: &mut Session<'_>,
    grant: &NewGrant,
    ids: NewIds,
    now_ms: i64,
) -> Attempt {
    session.table(Credit)?.check(&grant.fields)?;
    let facts = session.grant_facts(grant).await?;

    let planned = plan_grant(grant, facts, ids, now_ms).and_then(|(id, row)| {
        session.table(Credit).map_err(Failure::into_error)?.check_complete(&row)?;
        Ok((id, row))
    });
    let (id, row) = undo_if_refused(session, planned)?;

    session.write_grant(&id, &row).await.map(|row| Outcome::Row(Some(row)))
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
