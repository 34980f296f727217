//! Charges and new tasks, several in one transaction: loads the facts of all, plans one request after the
//! other, each on the result of the earlier ones, and writes the plans.

use super::clock::Clock;
use super::operation::Charging;
use super::outcome::Outcome;
use crate::domain::charge::{ChargeFacts, draw_down, plan_charge};
use crate::domain::plan::Plan;
use crate::domain::spending::{Spending, Spent};
use crate::domain::task::{NewTask, NewTaskFacts, plan_new_task};
use crate::error::{Error, Result};
use crate::storage::failure::{Answer, Witness};
use crate::storage::store::{Facts, Store, Wanted};

/// The decision of the ledger's rules about a request.
type Verdict = Result<Plan>;

/// Runs one transaction in which each request is accepted or rejected by itself, and returns the outcomes in
/// order. After a failure, nothing was written, or it is unknown whether it was.
///
/// Unrelated requests wait only briefly for a lock: see [`Wanted::full_timeout`].
pub async fn charge_each(
    store: &mut dyn Store,
    requests: &[&Charging],
    clock: Clock<'_>,
) -> Answer<Vec<Result<Outcome>>> {
    let verdicts = judge(store, requests, requests.len() == 1, clock).await?;
    write_accepted(store, verdicts, clock.now_ms).await
}

/// Runs one transaction in which all requests are accepted, or none.
pub(super) async fn charge_atomic_batch(
    store: &mut dyn Store,
    requests: &[Charging],
    clock: Clock<'_>,
) -> Answer<Outcome> {
    let each: Vec<&Charging> = requests.iter().collect();
    // All requests wait for the same locks, so the full timeout applies.
    let verdicts = judge(store, &each, true, clock).await?;
    let numbered = verdicts.into_iter().enumerate();
    let accepted: Result<Vec<Verdict>> =
        numbered.map(|(at, verdict)| verdict.map(Ok).map_err(|error| error.of_item(at))).collect();
    let accepted = store.or_roll_back(accepted)?;
    let rows: Result<Vec<Outcome>> =
        write_accepted(store, accepted, clock.now_ms).await?.into_iter().collect();
    Ok(Outcome::All(rows?))
}

/// Writes the accepted plans. Returns the outcomes of all requests, in order.
async fn write_accepted(
    store: &mut dyn Store,
    verdicts: Vec<Verdict>,
    now_ms: i64,
) -> Answer<Vec<Result<Outcome>>> {
    let plans: Vec<&Plan> = verdicts.iter().flatten().collect();
    if plans.is_empty() {
        return Ok(verdicts.into_iter().map(|refused| refused.map(|_| Outcome::Done)).collect());
    }
    let written = store.write(&plans, now_ms).await;
    let witness = |verdict: &Verdict| verdict.as_ref().ok().map(Witness::of_reply);
    let witnesses = || verdicts.iter().map(witness).collect();
    let mut written = written.map_err(|failure| failure.with_witnesses(witnesses))?;
    let mut row = |plan: Plan| written.take(&plan).map(|row| Outcome::Row(Some(row)));
    Ok(verdicts.into_iter().map(|verdict| verdict.and_then(&mut row)).collect())
}

/// Begins a transaction and plans each request on the result of the earlier ones. If no plan has to be
/// written, the transaction ends.
async fn judge(
    store: &mut dyn Store,
    requests: &[&Charging],
    full_timeout: bool,
    clock: Clock<'_>,
) -> Answer<Vec<Verdict>> {
    let checked: Vec<Result<()>> = requests.iter().map(|request| check(store, request)).collect();
    let sound = requests.iter().zip(&checked).filter(|(_, checked)| checked.is_ok());
    let sound = sound.map(|(request, _)| *request);
    let wanted = wanted(sound, full_timeout, clock.now_ms);
    if wanted.credits.is_empty() {
        let nothing = || Err(Error::Internal("a sound request wants nothing".to_owned()));
        return Ok(checked.into_iter().map(|checked| checked.and_then(|()| nothing())).collect());
    }
    let mut facts = store.charge_facts(&wanted, clock.now_ms).await?;
    let last = requests.len() - 1;
    let mut judge = |(at, (request, checked)): (usize, (&&Charging, Result<()>))| {
        checked?;
        let plan = judge_one(request, &mut facts, clock)?;
        if at < last {
            advance(&mut facts, request, &plan, clock.now_ms);
        }
        Ok(plan)
    };
    let verdicts: Vec<Verdict> = requests.iter().zip(checked).enumerate().map(&mut judge).collect();
    if verdicts.iter().all(Result::is_err) {
        store.roll_back();
    }
    Ok(verdicts)
}

fn check(store: &dyn Store, request: &Charging) -> Result<()> {
    match request {
        Charging::Task(task) => store.schema()?.check_new_task(task),
        Charging::Consume(request) => {
            store.schema()?.check_charge(&request.described, &request.own)
        }
    }
}

fn wanted<'w>(
    requests: impl Iterator<Item = &'w Charging>,
    full_timeout: bool,
    now_ms: i64,
) -> Wanted<'w> {
    let mut wanted = Wanted { full_timeout, ..Wanted::default() };
    for request in requests {
        if let Charging::Task(task) = request {
            wanted.tasks.push((task.kind, &task.id));
            wanted.charge_ids.extend(task.credit_id.as_deref());
            if task.max_active.is_some() {
                wanted.active_of.entry(task.kind).or_default().insert(&task.user_id);
            }
            if task.free_trial_limit.is_some() {
                wanted.trials_of.insert(&task.user_id);
            }
        }
        let charge = request.charge();
        wanted.transaction_nos.extend(request.transaction_no());
        wanted.refused |= charge.is_some_and(|charge| charge.is_late(now_ms));
        let credits = charge.map_or(0, |charge| charge.credits.get());
        for (_, spending) in charge.iter().flat_map(|charge| charge.spending(now_ms)) {
            wanted.spending.entry(spending).or_default().insert(request.user_id());
        }
        let chosen = charge.map(|charge| &charge.paying).filter(|paying| !paying.is_plain());
        if let Some(paying) = chosen {
            wanted.choices.entry(request.user_id()).or_default().push(paying);
        }
        *wanted.credits.entry(request.user_id()).or_default() += credits;
    }
    wanted
}

/// Plans a request. Grants are borrowed instead of copied, because a user may have many.
fn judge_one(request: &Charging, facts: &mut Facts, clock: Clock<'_>) -> Verdict {
    let (user_id, transaction_no) = (request.user_id(), request.transaction_no());
    let funds = ChargeFacts {
        user_exists: facts.users.contains(user_id),
        transaction_no_taken: transaction_no.is_some_and(|no| facts.transaction_nos.contains(no)),
        grants: facts.grants.get_mut(user_id).map(std::mem::take).unwrap_or_default(),
        spent: spent_before(request, facts, clock.now_ms),
    };
    let (verdict, funds) = match request {
        Charging::Consume(request) => (plan_charge(request, &funds, clock.stamp()), funds),
        Charging::Task(task) => {
            let facts = task_facts(task, facts, funds);
            (plan_new_task(task, &facts, clock.stamp()), facts.funds)
        }
    };
    if let Some(grants) = facts.grants.get_mut(user_id) {
        *grants = funds.grants;
    }
    verdict
}

/// The facts that decide a new task.
fn task_facts(task: &NewTask, facts: &Facts, funds: ChargeFacts) -> NewTaskFacts {
    let named = task.credit_id.as_ref();
    let active = facts.active.get(&task.kind).and_then(|of_users| of_users.get(&task.user_id));
    let trials = facts.free_trials.get(&task.user_id);
    NewTaskFacts {
        task_exists: facts.tasks.get(&task.kind).is_some_and(|ids| ids.contains(&task.id)),
        named_charge: named.and_then(|id| facts.charges.get(id).cloned()),
        active: active.copied().unwrap_or_default(),
        free_trials_used: trials.copied().unwrap_or_default(),
        funds,
    }
}

/// What was spent before, for each limit that applies to a request.
fn spent_before(request: &Charging, facts: &Facts, now_ms: i64) -> Vec<(usize, Vec<Spent>)> {
    let limited = request.charge().filter(|_| !facts.spent.is_empty());
    let of_user = |(at, spending): (usize, Spending)| {
        let of_users = facts.spent.get(&spending);
        let spent = of_users.and_then(|of_users| of_users.get(request.user_id()));
        (at, spent.cloned().unwrap_or_default())
    };
    limited.iter().flat_map(|charge| charge.spending(now_ms)).map(of_user).collect()
}

/// Updates the facts after a request with this plan.
fn advance(facts: &mut Facts, request: &Charging, plan: &Plan, now_ms: i64) {
    let user_id = request.user_id();
    if let Charging::Task(task) = request {
        facts.tasks.entry(task.kind).or_default().insert(task.id.clone());
        let active = facts.active.entry(task.kind).or_default();
        *active.entry(user_id.to_owned()).or_default() += i64::from(task.is_at_risk());
        *facts.free_trials.entry(user_id.to_owned()).or_default() += plan.free_trials;
    }
    if let Some(charge) = request.charge() {
        for (spending, of_users) in &mut facts.spent {
            if spending.scene.is_none() || spending.scene.as_deref() == charge.scene() {
                let spent = of_users.entry(user_id.to_owned()).or_default();
                spent.push((charge.credits.get(), Some(now_ms)));
            }
        }
    }
    facts.transaction_nos.extend(request.transaction_no().map(str::to_owned));
    if let Some(grants) = facts.grants.get_mut(user_id) {
        draw_down(grants, &plan.draws);
    }
}
