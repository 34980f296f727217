//! Charges and new tasks, several in one transaction: load the facts of all, let the domain plan one
//! after the other, each on what the ones before leave, and write the plans.

use super::clock::Clock;
use super::operation::Charging;
use super::outcome::Outcome;
use crate::domain::charge::{ChargeFacts, draw_down, plan_charge};
use crate::domain::plan::Plan;
use crate::domain::task::{NewTaskFacts, plan_new_task};
use crate::error::{Error, Result};
use crate::storage::failure::{Answer, Failure, Witness};
use crate::storage::store::{Facts, Store, Wanted};

/// What the ledger's rules say of a request.
type Verdict = Result<Plan>;

/// One transaction, in which each request is accepted or refused for itself; their outcomes in order. A failure
/// means that nothing of it is in the database, or that it is not known.
///
/// Requests that have nothing to do with each other are not `patient`: see [`Wanted::patient`].
pub(super) async fn charge_each<S: Store>(
    store: &mut S,
    requests: &[&Charging],
    clock: Clock<'_>,
) -> Answer<Vec<Result<Outcome>>> {
    let verdicts = judge(store, requests, requests.len() == 1, clock).await?;
    let plans: Vec<&Plan> = verdicts.iter().flatten().collect();
    if plans.is_empty() {
        return Ok(verdicts.into_iter().map(|refused| refused.map(|_| Outcome::Done)).collect());
    }
    let written = store.write(&plans, clock.now_ms).await;
    let witnesses = || verdicts.iter().map(|verdict| witness(verdict.as_ref().ok())).collect();
    let mut written = written.map_err(|failure| failure.with_witnesses(witnesses))?;
    let mut row = |plan: Plan| written.take(&plan).map(|row| Outcome::Row(Some(row)));
    Ok(verdicts.into_iter().map(|verdict| verdict.and_then(&mut row)).collect())
}

/// One transaction, in which all requests are accepted, or none.
pub(super) async fn charge_atomic_batch<S: Store>(
    store: &mut S,
    requests: &[Charging],
    clock: Clock<'_>,
) -> Answer<Outcome> {
    let each: Vec<&Charging> = requests.iter().collect();
    // All of it waits for the same locks: it need not hurry for the sake of others.
    let verdicts = judge(store, &each, true, clock).await?;
    let numbered = verdicts.into_iter().enumerate();
    let plans: Result<Vec<Plan>> =
        numbered.map(|(index, verdict)| verdict.map_err(|error| error.of_item(index))).collect();
    let plans = plans.map_err(|refusal| {
        store.roll_back();
        Failure::Refused(refusal)
    })?;
    let all: Vec<&Plan> = plans.iter().collect();
    let written = store.write(&all, clock.now_ms).await;
    let witnesses = || plans.iter().map(|plan| witness(Some(plan))).collect();
    let mut written = written.map_err(|failure| failure.with_witnesses(witnesses))?;
    let rows: Result<Vec<Outcome>> =
        plans.iter().map(|plan| written.take(plan).map(|row| Outcome::Row(Some(row)))).collect();
    Ok(Outcome::All(rows?))
}

fn witness(plan: Option<&Plan>) -> Option<Witness> {
    plan.map(Witness::of_reply)
}

/// Begins a transaction, and plans each request on what the ones before leave. Without a plan to
/// write the transaction has ended.
async fn judge<S: Store>(
    store: &mut S,
    requests: &[&Charging],
    patient: bool,
    clock: Clock<'_>,
) -> Answer<Vec<Verdict>> {
    let checked: Vec<Result<()>> = requests.iter().map(|request| check(store, request)).collect();
    let sound = requests.iter().zip(&checked).filter(|(_, checked)| checked.is_ok());
    let wanted = wanted(sound.map(|(request, _)| *request), patient);
    if wanted.credits.is_empty() {
        let nothing = || Err(Error::Internal("a sound request wants nothing".to_owned()));
        return Ok(checked.into_iter().map(|checked| checked.and_then(|()| nothing())).collect());
    }
    let mut facts = store.charge_facts(&wanted, clock.now_ms).await?;
    let mut judge = |(request, checked): (&&Charging, Result<()>)| {
        checked?;
        judge_one(request, &mut facts, clock)
    };
    let verdicts: Vec<Verdict> = requests.iter().zip(checked).map(&mut judge).collect();
    if verdicts.iter().all(Result::is_err) {
        store.roll_back();
    }
    Ok(verdicts)
}

fn check(store: &impl Store, request: &Charging) -> Result<()> {
    match request {
        Charging::Task(task) => store.schema()?.check_new_task(task),
        Charging::Consume(request) => {
            store.schema()?.check_charge(&request.described, &request.own)
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
fn judge_one(request: &Charging, facts: &mut Facts, clock: Clock<'_>) -> Verdict {
    let user_id = request.user_id();
    let transaction_no = request.charge().and_then(|charge| charge.transaction_no.as_ref());
    let funds = ChargeFacts {
        user_exists: facts.users.contains(user_id),
        transaction_no_taken: transaction_no.is_some_and(|no| facts.transaction_nos.contains(no)),
        grants: facts.grants.get(user_id).cloned().unwrap_or_default(),
    };
    let plan = match request {
        Charging::Consume(request) => plan_charge(request, &funds, clock.stamp())?,
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
            let plan = plan_new_task(task, &task_facts, clock.stamp())?;
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
