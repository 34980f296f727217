//! Charges and new tasks, several in one transaction: load the facts of all, let the domain plan one
//! after the other, each on what the ones before leave, and apply the plans.

use tracing::warn;

use super::Engine;
use super::run::{charges_of, is_about_schema};
use crate::domain::charge::{ChargeFacts, NewIds, draw_down, plan_charge};
use crate::domain::plan::Plan;
use crate::domain::table::TableName::{Credit, Tasks};
use crate::domain::task::{NewTaskFacts, plan_new_task};
use crate::domain::value::Value;
use crate::engine::replays;
use crate::engine::{Charging, Operation, Outcome, Write, now_ms};
use crate::error::{Error, Result};
use crate::storage::Row;
use crate::storage::postgres::{Facts, Failure, Session, Wanted};

impl Engine {
    /// Runs requests that charge; their outcomes in order.
    pub(super) async fn run_each(&self, requests: &[&Charging]) -> Vec<Result<Outcome>> {
        let alone = |request: &Charging| {
            let operation = Operation::Write(Write::Charge(request.clone()));
            async move { self.run(&operation).await }
        };
        if let [request] = requests {
            return vec![alone(request).await];
        }
        match self.attempt_each(requests).await {
            Ok(mut outcomes) => {
                for (outcome, request) in outcomes.iter_mut().zip(requests) {
                    let again = |error| is_about_schema(error) || request.met_its_key(error);
                    if outcome.as_ref().is_err_and(again) {
                        *outcome = alone(request).await;
                    }
                }
                outcomes
            }
            Err(Failure::Refused(error @ (Error::DatabaseUnavailable { .. } | Error::Closed))) => {
                requests.iter().map(|_| Err(error.clone())).collect()
            }
            // A bad one leaves its neighbours alone, and one that must wait does not hold them up.
            Err(_) => {
                warn!(
                    requests = requests.len(),
                    "one of a batch failed: each gets its own transaction"
                );
                self.retries.one_by_one.add();
                futures_util::future::join_all(requests.iter().map(|request| alone(request))).await
            }
        }
    }

    /// One transaction, in which each request is accepted or refused for itself. An error means that
    /// nothing of it is in the database.
    pub(super) async fn attempt_each(
        &self,
        requests: &[&Charging],
    ) -> Result<Vec<Result<Outcome>>, Failure> {
        let now_ms = now_ms();
        let mut session = self.server.session().await?;
        let planned = self.plan(&mut session, requests, requests.len() == 1, now_ms).await?;
        let plans: Vec<&Plan> =
            planned.iter().filter_map(|planned| planned.as_ref().ok()).collect();
        if plans.is_empty() {
            return Ok(planned.into_iter().map(|refused| refused.map(|_| Outcome::Done)).collect());
        }
        match session.write(&plans, now_ms).await {
            Ok(mut written) => {
                let mut row = |plan: Plan| written_row(written.take(&plan.reply));
                Ok(planned.into_iter().map(|planned| planned.and_then(&mut row)).collect())
            }
            Err(Failure::Unknown(message)) => {
                let settled = planned.into_iter().map(|planned| self.settled(planned, &message));
                Ok(futures_util::future::join_all(settled).await)
            }
            Err(failure) => Err(failure),
        }
    }

    /// One transaction, in which all requests are accepted, or none.
    pub(super) async fn attempt_all(&self, requests: &[Charging]) -> Result<Outcome, Failure> {
        let now_ms = now_ms();
        let mut session = self.server.session().await?;
        let each: Vec<&Charging> = requests.iter().collect();
        // All of it waits for the same locks: it need not hurry for the sake of others.
        let planned = self.plan(&mut session, &each, true, now_ms).await?;
        let mut plans = Vec::with_capacity(planned.len());
        for (index, planned) in planned.into_iter().enumerate() {
            match planned {
                Ok(plan) => plans.push(plan),
                Err(refusal) => {
                    session.roll_back();
                    if index == 0 && requests[index].met_its_key(&refusal) {
                        drop(session);
                        return self.replay_all(requests).await;
                    }
                    return Err(Failure::Refused(refusal.of_item(index)));
                }
            }
        }
        let all: Vec<&Plan> = plans.iter().collect();
        match session.write(&all, now_ms).await {
            Ok(mut written) => {
                let rows = plans.iter().map(|plan| written_row(written.take(&plan.reply)));
                let rows: Result<Vec<Outcome>> = rows.collect();
                rows.map(Outcome::All).map_err(Failure::Refused)
            }
            Err(Failure::Unknown(message)) => {
                let settled = plans.into_iter().map(|plan| self.settled(Ok(plan), &message));
                let settled = futures_util::future::join_all(settled).await;
                let rows: Result<Vec<Outcome>> = settled.into_iter().collect();
                rows.map(Outcome::All).map_err(Failure::Refused)
            }
            Err(failure) => Err(failure),
        }
    }

    /// What an earlier call wrote, whose first key is the first one's here.
    async fn replay_all(&self, requests: &[Charging]) -> Result<Outcome, Failure> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for (index, request) in requests.iter().enumerate() {
            match self.replay(request).await {
                Err(Failure::Refused(refusal)) => {
                    return Err(Failure::Refused(refusal.of_item(index)));
                }
                outcome => outcomes.push(outcome?),
            }
        }
        Ok(Outcome::All(outcomes))
    }

    /// What an earlier call with the same key wrote.
    pub(super) async fn replay(&self, request: &Charging) -> Result<Outcome, Failure> {
        let mut session = self.server.session().await?;
        match request {
            Charging::Task(task) => {
                let found = session.find(Tasks(task.kind), &task.id).await?;
                let charges = match &found {
                    Some(row) => charges_of(&mut session, task.kind, row).await?,
                    None => Vec::new(),
                };
                Ok(replays::task(task, found, &charges)?)
            }
            Charging::Consume(request) => {
                let number = request.transaction_no.as_deref().unwrap_or_default();
                let found = session.find_transaction(number).await?;
                Ok(replays::charge(request, found)?)
            }
        }
    }

    /// Begins a transaction, and plans each request on what the ones before leave. Without a plan to
    /// write the transaction has ended.
    async fn plan(
        &self,
        session: &mut Session<'_>,
        requests: &[&Charging],
        patient: bool,
        now_ms: i64,
    ) -> Result<Vec<Result<Plan>>, Failure> {
        let checked: Vec<Result<()>> =
            requests.iter().map(|request| check(session, request)).collect();
        let sound = requests.iter().zip(&checked).filter(|(_, checked)| checked.is_ok());
        let wanted = wanted(sound.map(|(request, _)| *request), patient);
        if wanted.credits.is_empty() {
            let nothing = || Err(Error::Internal("a sound request wants nothing".to_owned()));
            return Ok(checked
                .into_iter()
                .map(|checked| checked.and_then(|()| nothing()))
                .collect());
        }
        let mut facts = session.charge_facts(&wanted, now_ms).await?;
        let mut plan = |(request, checked): (&&Charging, Result<()>)| {
            checked?;
            plan_one(request, &mut facts, self.new_ids(now_ms), now_ms)
        };
        let planned: Vec<Result<Plan>> = requests.iter().zip(checked).map(&mut plan).collect();
        if planned.iter().all(Result::is_err) {
            session.roll_back();
        }
        Ok(planned)
    }

    /// After a commit that was not answered. A refusal may have been owed to a plan that was undone with
    /// it, so it is none.
    async fn settled(&self, planned: Result<Plan>, message: &str) -> Result<Outcome> {
        let Ok(Plan { user_id, reply: (table, id), rows, .. }) = planned else {
            return Err(Failure::Lost(message.to_owned()).into_error());
        };
        // The task's charge tells our task from another one with the same id.
        let credit_id = rows.last().and_then(|row| row.fields.get("creditId"));
        let credit_id = credit_id.and_then(Value::as_text);
        let is_ours = |row: &Row| table == Credit || row.text("creditId") == credit_id;
        self.settle(message, &user_id, table, &id, is_ours).await.map_err(Failure::into_error)
    }
}

fn written_row(row: Option<Row>) -> Result<Outcome> {
    let missing = || Error::Internal("a written row did not come back".to_owned());
    row.map(|row| Outcome::Row(Some(row))).ok_or_else(missing)
}

fn check(session: &Session<'_>, request: &Charging) -> Result<()> {
    match request {
        Charging::Task(task) => session.schema()?.check_new_task(task),
        Charging::Consume(request) => {
            session.schema()?.check_charge(&request.described, &request.own)
        }
    }
}

fn wanted<'w>(requests: impl Iterator<Item = &'w Charging>, patient: bool) -> Wanted {
    let mut wanted = Wanted { patient, ..Wanted::default() };
    for request in requests {
        if let Charging::Task(task) = request {
            wanted.tasks.push((task.kind, task.id.clone()));
            wanted.charge_ids.extend(task.credit_id.clone());
            if task.max_active.is_some() {
                wanted.active_of.entry(task.kind).or_default().insert(task.user_id.clone());
            }
            if task.free_trial_limit.is_some() {
                wanted.trials_of.insert(task.user_id.clone());
            }
        }
        let charge = request.charge();
        wanted.transaction_nos.extend(charge.and_then(|charge| charge.transaction_no.clone()));
        let credits = charge.map_or(0, |charge| charge.credits.get());
        *wanted.credits.entry(request.user_id().to_owned()).or_default() += credits;
    }
    wanted
}

/// Plans a request, and makes the facts what they are after it.
fn plan_one(request: &Charging, facts: &mut Facts, ids: NewIds, now_ms: i64) -> Result<Plan> {
    let user_id = request.user_id();
    let transaction_no = request.charge().and_then(|charge| charge.transaction_no.as_ref());
    let funds = ChargeFacts {
        user_exists: facts.users.contains(user_id),
        transaction_no_taken: transaction_no.is_some_and(|no| facts.transaction_nos.contains(no)),
        grants: facts.grants.get(user_id).cloned().unwrap_or_default(),
    };
    let plan = match request {
        Charging::Consume(request) => plan_charge(request, &funds, ids, now_ms)?,
        Charging::Task(task) => {
            let named = task.credit_id.as_ref();
            let key = (task.kind, task.id.clone());
            let counted = (task.kind, task.user_id.clone());
            let task_facts = NewTaskFacts {
                task_exists: facts.tasks.contains(&key),
                named_charge: named.and_then(|id| facts.charges.get(id).cloned()),
                active: facts.active.get(&counted).copied().unwrap_or_default(),
                free_trials_used: facts.free_trials.get(user_id).copied().unwrap_or_default(),
                funds,
            };
            let plan = plan_new_task(task, &task_facts, ids, now_ms)?;
            facts.tasks.insert(key);
            *facts.active.entry(counted).or_default() += i64::from(task.is_at_risk());
            *facts.free_trials.entry(user_id.to_owned()).or_default() += plan.free_trials;
            plan
        }
    };
    facts.transaction_nos.extend(transaction_no.cloned());
    if let Some(grants) = facts.grants.get_mut(user_id) {
        draw_down(grants, &plan.draws);
    }
    Ok(plan)
}
