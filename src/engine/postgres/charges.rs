//! Charges and new tasks, several in one transaction: load the facts of all, let the domain plan one
//! after the other, each on what the ones before leave, and apply the plans.

use std::collections::HashMap;
use std::sync::PoisonError;

use super::Engine;
use super::run::is_about_schema;
use crate::domain::charge::{ChargeFacts, ChargePlan, ChargeRequest, NewIds, plan_charge};
use crate::domain::task::{NewTask, NewTaskFacts, plan_new_task};
use crate::domain::value::Fields;
use crate::engine::{Operation, Outcome, Write, now_ms};
use crate::error::{Error, Result};
use crate::storage::Row;
use crate::storage::postgres::{Facts, Failure, Session, Wanted};
use crate::storage::schema::TableName::{self, Credit, MediaTasks};

/// What is to be written for one request.
struct Planned {
    user_id: String,
    charge: Option<ChargePlan>,
    task: Option<Fields>,
    /// The row that the caller gets.
    table: TableName,
    id: String,
    /// The task's charge, which tells our task from another with the same id.
    credit_id: Option<String>,
}

impl Engine {
    /// Runs requests that charge; their outcomes in order.
    pub(super) async fn run_together(&self, writes: &[&Write]) -> Vec<Result<Outcome>> {
        let alone = |write: &Write| {
            let operation = Operation::Write(write.clone());
            async move { self.run(&operation).await }
        };
        if let [write] = writes {
            return vec![alone(write).await];
        }
        match self.attempt_together(writes).await {
            Ok(mut outcomes) => {
                for (outcome, write) in outcomes.iter_mut().zip(writes) {
                    if outcome.as_ref().is_err_and(is_about_schema) {
                        *outcome = alone(write).await;
                    }
                }
                outcomes
            }
            Err(Failure::Refused(error @ (Error::DatabaseUnavailable { .. } | Error::Closed))) => {
                writes.iter().map(|_| Err(error.clone())).collect()
            }
            // A bad one leaves its neighbours alone, and one that must wait does not hold them up.
            Err(_) => futures_util::future::join_all(writes.iter().map(|write| alone(write))).await,
        }
    }

    /// One transaction. An error means that nothing of it is in the database.
    pub(super) async fn attempt_together(
        &self,
        writes: &[&Write],
    ) -> std::result::Result<Vec<Result<Outcome>>, Failure> {
        let now_ms = now_ms();
        let mut session = self.server.session().await?;
        let checked: Vec<Result<()>> = writes.iter().map(|write| check(&session, write)).collect();
        let sound = writes.iter().zip(&checked).filter(|(_, checked)| checked.is_ok());
        let wanted = wanted(sound.map(|(write, _)| *write), writes.len() == 1);
        if wanted.credits.is_empty() {
            return Ok(checked
                .into_iter()
                .map(|checked| checked.map(|()| Outcome::Done))
                .collect());
        }
        let mut facts = session.charge_facts(&wanted, now_ms).await?;

        let mut plan = |(write, checked): (&&Write, Result<()>)| {
            checked?;
            let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner).next(now_ms);
            plan_one(write, &mut facts, ids, now_ms)
        };
        let planned: Vec<Result<Planned>> = writes.iter().zip(checked).map(&mut plan).collect();

        let plans = || planned.iter().filter_map(|planned| planned.as_ref().ok());
        let charges: Vec<&ChargePlan> = plans().filter_map(|plan| plan.charge.as_ref()).collect();
        let tasks: Vec<&Fields> = plans().filter_map(|plan| plan.task.as_ref()).collect();
        if charges.is_empty() && tasks.is_empty() {
            session.roll_back();
            return Ok(planned.into_iter().map(|planned| planned.map(|_| Outcome::Done)).collect());
        }
        match session.write_charges(&charges, &tasks, now_ms).await {
            Ok((charges, tasks)) => Ok(outcomes(planned, charges, tasks)),
            Err(Failure::Unknown(message)) => {
                let settled = planned.into_iter().map(|planned| self.settled(planned, &message));
                Ok(futures_util::future::join_all(settled).await)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn settled(&self, planned: Result<Planned>, message: &str) -> Result<Outcome> {
        let Planned { user_id, table, id, credit_id, .. } = planned?;
        let is_ours = |row: &Row| table == Credit || row.text("creditId") == credit_id.as_deref();
        self.settle(message, &user_id, table, &id, is_ours).await.map_err(Failure::into_error)
    }
}

fn check(session: &Session<'_>, write: &Write) -> Result<()> {
    match write {
        Write::CreateTask(task) => {
            let table = session.table(MediaTasks).map_err(Failure::into_error)?;
            table.check(&task.fields)?;
            table.check_complete(&task.fields)
        }
        Write::Consume(request) => {
            session.table(Credit).map_err(Failure::into_error)?.check(&request.described)
        }
        Write::Grant(_) | Write::UpdateTask(_) => {
            Err(Error::Internal("a request that charges nothing".to_owned()))
        }
    }
}

fn wanted<'w>(writes: impl Iterator<Item = &'w Write>, alone: bool) -> Wanted {
    let mut wanted = Wanted { alone, ..Wanted::default() };
    for write in writes {
        let (user_id, charge) = match write {
            Write::CreateTask(task) => {
                wanted.task_ids.push(task.id.clone());
                wanted.charge_ids.extend(task.credit_id.clone());
                (&task.user_id, task.charge.as_ref())
            }
            Write::Consume(request) => {
                wanted.transaction_nos.extend(request.transaction_no.clone());
                (&request.user_id, Some(request))
            }
            Write::Grant(_) | Write::UpdateTask(_) => continue,
        };
        let credits = charge.map_or(0, |charge| charge.credits.get());
        *wanted.credits.entry(user_id.clone()).or_default() += credits;
    }
    wanted
}

/// Plans a request, and makes the facts what they are after it.
fn plan_one(write: &Write, facts: &mut Facts, ids: NewIds, now_ms: i64) -> Result<Planned> {
    let planned = match write {
        Write::CreateTask(task) => plan_task(task, facts, ids, now_ms)?,
        Write::Consume(request) => plan_consume(request, facts, ids, now_ms)?,
        Write::Grant(_) | Write::UpdateTask(_) => {
            return Err(Error::Internal("a request that charges nothing".to_owned()));
        }
    };
    if let Some(charge) = &planned.charge {
        let grants = facts.grants.entry(charge.user_id.clone()).or_default();
        for draw in &charge.draws {
            let drawn = grants.iter_mut().filter(|grant| grant.id == draw.credit_id);
            drawn.for_each(|grant| grant.remaining = draw.credits_after);
        }
        grants.retain(|grant| grant.remaining > 0);
    }
    Ok(planned)
}

fn plan_task(task: &NewTask, facts: &mut Facts, ids: NewIds, now_ms: i64) -> Result<Planned> {
    let named_charge = task.credit_id.as_ref().and_then(|id| facts.charges.get(id).cloned());
    let task_facts = NewTaskFacts {
        task_exists: facts.task_ids.contains(&task.id),
        named_charge,
        funds: funds(facts, &task.user_id, None),
    };
    let plan = plan_new_task(task, &task_facts, ids, now_ms)?;
    facts.task_ids.insert(task.id.clone());
    let charge_id = plan.charge.as_ref().map(|charge| charge.id.clone());
    Ok(Planned {
        user_id: task.user_id.clone(),
        credit_id: charge_id.or_else(|| task.credit_id.clone()),
        charge: plan.charge,
        task: Some(plan.row),
        table: MediaTasks,
        id: task.id.clone(),
    })
}

fn plan_consume(
    request: &ChargeRequest,
    facts: &mut Facts,
    ids: NewIds,
    now_ms: i64,
) -> Result<Planned> {
    let transaction_no = request.transaction_no.as_deref();
    let charge =
        plan_charge(request, &funds(facts, &request.user_id, transaction_no), ids, now_ms)?;
    facts.transaction_nos.extend(request.transaction_no.clone());
    Ok(Planned {
        user_id: request.user_id.clone(),
        id: charge.id.clone(),
        charge: Some(charge),
        task: None,
        table: Credit,
        credit_id: None,
    })
}

fn funds(facts: &Facts, user_id: &str, transaction_no: Option<&str>) -> ChargeFacts {
    ChargeFacts {
        user_exists: facts.users.contains(user_id),
        transaction_no_taken: transaction_no.is_some_and(|no| facts.transaction_nos.contains(no)),
        grants: facts.grants.get(user_id).cloned().unwrap_or_default(),
    }
}

/// Gives each request its row.
fn outcomes(
    planned: Vec<Result<Planned>>,
    charges: Vec<Row>,
    tasks: Vec<Row>,
) -> Vec<Result<Outcome>> {
    let by_id = |rows: Vec<Row>| -> HashMap<String, Row> {
        rows.into_iter().filter_map(|row| Some((row.text("id")?.to_owned(), row))).collect()
    };
    let (mut charges, mut tasks) = (by_id(charges), by_id(tasks));
    let mut outcome = |planned: Planned| {
        let rows = if planned.table == Credit { &mut charges } else { &mut tasks };
        match rows.remove(&planned.id) {
            Some(row) => Ok(Outcome::Row(Some(row))),
            None => Err(Error::Internal("a written row did not come back".to_owned())),
        }
    };
    planned.into_iter().map(|planned| planned.and_then(&mut outcome)).collect()
}
