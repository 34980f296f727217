//! Each change of the ledger: load its facts, let the domain plan it, apply the plan.

use super::books::{fixes_of, metadata_of};
use super::replays::{self, charges_of};
use super::{Charging, Ids, Outcome, Write};
use crate::domain::charge::{Charge, ChargeFacts, ChargeRequest, Grant, NewIds, plan_charge};
use crate::domain::grant::{GrantFacts, NewGrant, plan_grant};
use crate::domain::plan::Plan;
use crate::domain::refund::Refundable;
use crate::domain::repair::{changed_ids, plan_fixes};
use crate::domain::settle::{Settlement, Target, plan_settlement};
use crate::domain::table::TableName::{Credit, Tasks, User};
use crate::domain::table::TaskKind;
use crate::domain::task::{
    NewTask, NewTaskFacts, Step, TaskPatch, plan_new_task, plan_patch, plan_step,
};
use crate::error::{Error, Result};
use crate::storage::books::Shelf;
use crate::storage::{Ledger, Row, Views};

/// Makes one change. It looks at everything before it writes anything: a refusal has written nothing,
/// but for requests that go together.
pub fn write(
    ledger: &mut (impl Ledger + Views),
    write: &Write,
    ids: &mut Ids,
    now_ms: i64,
) -> Result<Outcome> {
    match write {
        Write::Charge(request) => match charge(ledger, request, ids, now_ms) {
            Err(refusal) if request.met_its_key(&refusal) => replay(ledger, request),
            outcome => outcome,
        },
        Write::Together(requests) => charge_all(ledger, requests, ids, now_ms),
        Write::Grant(grant) => {
            let made = with_new_ids(ids, now_ms, |ids| create_grant(ledger, grant, ids, now_ms));
            match made {
                Err(refusal) if grant.replay && replays::met_its_key(&refusal) => {
                    replays::grant(grant, find_transaction(ledger, &grant.transaction_no)?)
                }
                outcome => outcome,
            }
        }
        Write::UpdateTask(patch) => {
            with_new_ids(ids, now_ms, |ids| update_task(ledger, patch, ids, now_ms))
        }
        Write::Step(step) => {
            with_new_ids(ids, now_ms, |ids| charge_step(ledger, step, ids, now_ms))
        }
        Write::Settle(settlement) => {
            with_new_ids(ids, now_ms, |ids| settle(ledger, settlement, ids, now_ms))
        }
        Write::Repair(user_ids) => repair(ledger, user_ids, now_ms),
    }
}

/// Tries again with other ids when another process has made the same transaction number. The row
/// that carries the number is the first that is written, so nothing needs undoing.
fn with_new_ids(
    ids: &mut Ids,
    now_ms: i64,
    mut attempt: impl FnMut(NewIds) -> Result<Outcome>,
) -> Result<Outcome> {
    const ATTEMPTS: usize = 3;
    for _ in 1..ATTEMPTS {
        match attempt(ids.next(now_ms)) {
            Err(Error::TransactionNoCollision) => {}
            outcome => return outcome,
        }
    }
    attempt(ids.next(now_ms))
}

fn charge(
    ledger: &mut (impl Ledger + Views),
    request: &Charging,
    ids: &mut Ids,
    now_ms: i64,
) -> Result<Outcome> {
    with_new_ids(ids, now_ms, |ids| match request {
        Charging::Task(task) => create_task(ledger, task, ids, now_ms),
        Charging::Consume(request) => consume(ledger, request, ids, now_ms),
    })
}

/// All of them or none: after a refusal the transaction must be undone. If the first one was made
/// before, they all were.
fn charge_all(
    ledger: &mut (impl Ledger + Views),
    requests: &[Charging],
    ids: &mut Ids,
    now_ms: i64,
) -> Result<Outcome> {
    let mut outcomes = Vec::with_capacity(requests.len());
    let mut replays = false;
    for (index, request) in requests.iter().enumerate() {
        let outcome = if replays {
            replay(ledger, request)
        } else {
            match charge(ledger, request, ids, now_ms) {
                Err(refusal) if index == 0 && request.met_its_key(&refusal) => {
                    replays = true;
                    replay(ledger, request)
                }
                outcome => outcome,
            }
        };
        outcomes.push(outcome.map_err(|error| error.of_item(index))?);
    }
    Ok(Outcome::All(outcomes))
}

/// What an earlier call with the same key wrote.
fn replay(ledger: &mut impl Views, request: &Charging) -> Result<Outcome> {
    match request {
        Charging::Task(task) => {
            let found = ledger.find(Tasks(task.kind), &task.id)?;
            let charges = match &found {
                Some(row) => charges_of(ledger, task.kind, row)?,
                None => Vec::new(),
            };
            replays::task(task, found, &charges)
        }
        Charging::Consume(request) => {
            replays::charge(request, find_transaction(ledger, &request.transaction_no)?)
        }
    }
}

fn find_transaction(views: &mut impl Views, number: &Option<String>) -> Result<Option<Row>> {
    views.find_transaction(number.as_deref().unwrap_or_default())
}

/// Writes a plan. The row that the caller gets.
fn apply(ledger: &mut (impl Ledger + Views), plan: &Plan, now_ms: i64) -> Result<Row> {
    ledger.apply(plan, now_ms)?;
    let (table, id) = &plan.reply;
    ledger
        .find(*table, id)?
        .ok_or_else(|| Error::Internal("a row vanished while it was written".to_owned()))
}

/// A new grant has the app's own columns of the row that it is made of.
fn fill_copy(ledger: &mut (impl Ledger + Views), plan: &mut Plan) -> Result<()> {
    let Some((_, source)) = &plan.copies else { return Ok(()) };
    if ledger.schema().table(Credit)?.has_own() {
        let source = ledger.find(Credit, source)?;
        plan.copy(&source.map(|row| row.own_columns()).unwrap_or_default());
    }
    Ok(())
}

fn create_task(
    ledger: &mut (impl Ledger + Views),
    task: &NewTask,
    ids: NewIds,
    now_ms: i64,
) -> Result<Outcome> {
    ledger.schema().check_new_task(task)?;
    let named_charge = charge_with_id(ledger, task.credit_id.as_deref())?;
    let funds = match &task.charge {
        Some(request) => charge_facts(ledger, request, now_ms)?,
        None => ChargeFacts {
            user_exists: ledger.exists(User, "id", &task.user_id)?,
            ..ChargeFacts::default()
        },
    };
    let facts = NewTaskFacts {
        task_exists: ledger.exists(Tasks(task.kind), "id", &task.id)?,
        named_charge,
        active: match task.max_active {
            Some(_) => ledger.tasks_at_risk(task.kind, &task.user_id)?,
            None => 0,
        },
        free_trials_used: match task.free_trial_limit {
            Some(_) => ledger.free_trials_used(&task.user_id)?,
            None => 0,
        },
        funds,
    };

    let plan = plan_new_task(task, &facts, ids, now_ms)?;

    apply(ledger, &plan, now_ms).map(|row| Outcome::Row(Some(row)))
}

fn consume(
    ledger: &mut (impl Ledger + Views),
    request: &ChargeRequest,
    ids: NewIds,
    now_ms: i64,
) -> Result<Outcome> {
    ledger.schema().check_charge(&request.described, &request.own)?;
    let facts = charge_facts(ledger, request, now_ms)?;

    let plan = plan_charge(request, &facts, ids, now_ms)?;

    apply(ledger, &plan, now_ms).map(|row| Outcome::Row(Some(row)))
}

fn charge_facts(
    ledger: &mut impl Ledger,
    request: &ChargeRequest,
    now_ms: i64,
) -> Result<ChargeFacts> {
    Ok(ChargeFacts {
        user_exists: ledger.exists(User, "id", &request.user_id)?,
        transaction_no_taken: taken(ledger, "transaction_no", request.transaction_no.as_deref())?,
        grants: ledger.spendable_grants(&request.user_id, request.credits, now_ms)?,
    })
}

fn create_grant(
    ledger: &mut (impl Ledger + Views),
    grant: &NewGrant,
    ids: NewIds,
    now_ms: i64,
) -> Result<Outcome> {
    ledger.schema().check_credit(&grant.fields)?;
    let facts = GrantFacts {
        user_exists: ledger.exists(User, "id", &grant.user_id)?,
        id_taken: taken(ledger, "id", grant.id.as_deref())?,
        transaction_no_taken: taken(ledger, "transaction_no", grant.transaction_no.as_deref())?,
    };

    let plan = plan_grant(grant, facts, ids, now_ms)?;

    for row in &plan.rows {
        ledger.schema().table(Credit)?.check_complete(&row.fields)?;
    }
    apply(ledger, &plan, now_ms).map(|row| Outcome::Row(Some(row)))
}

/// Whether a credit row has the value that the caller chose, if it chose one.
fn taken(ledger: &mut impl Ledger, column: &'static str, value: Option<&str>) -> Result<bool> {
    value.map_or(Ok(false), |value| ledger.exists(Credit, column, value))
}

fn update_task(
    ledger: &mut (impl Ledger + Views),
    patch: &TaskPatch,
    ids: NewIds,
    now_ms: i64,
) -> Result<Outcome> {
    let patch = &*ledger.schema().check_patch(patch)?;
    let Some(task) = ledger.task_facts(patch.kind, &patch.id)? else {
        return Ok(Outcome::Row(None));
    };
    let charge = charge_with_id(ledger, patch.charge_to_load(&task))?;
    let claimed = is_claimed(ledger, charge.as_ref(), patch.kind, &patch.id)?;
    let on_charge = patch.check(&task, charge.as_ref(), claimed)?;
    let grants = grants_drawn_on(ledger, on_charge.refundable())?;

    let (mut plan, refund) = plan_patch(patch, &task, &on_charge, grants, ids, now_ms);

    fill_copy(ledger, &mut plan)?;
    apply(ledger, &plan, now_ms).map(|row| Outcome::Updated(row, refund))
}

fn charge_step(
    ledger: &mut (impl Ledger + Views),
    step: &Step,
    ids: NewIds,
    now_ms: i64,
) -> Result<Outcome> {
    ledger.schema().check_step(step)?;
    let Some(task) = ledger.task_facts(step.kind, &step.id)? else {
        return Ok(Outcome::Row(None));
    };
    let funds = match step.check(&task)? {
        Some(request) => charge_facts(ledger, &request, now_ms)?,
        None => ChargeFacts::default(),
    };

    let plan = plan_step(step, &task, &funds, ids, now_ms)?;

    apply(ledger, &plan, now_ms).map(|row| Outcome::Row(Some(row)))
}

fn settle(
    ledger: &mut (impl Ledger + Views),
    settlement: &Settlement,
    ids: NewIds,
    now_ms: i64,
) -> Result<Outcome> {
    let task = match &settlement.target {
        Target::Charge(_) => None,
        Target::Task(kind, id) => {
            ledger.schema().check_settlement_of(*kind)?;
            match ledger.task_facts(*kind, id)? {
                None => return Ok(Outcome::Row(None)),
                task => task,
            }
        }
    };
    let charge_id = settlement.charge_id(task.as_ref())?;
    let charge = ledger.charge(charge_id)?;
    let claimed = match &settlement.target {
        Target::Charge(_) => false,
        Target::Task(kind, id) => is_claimed(ledger, charge.as_ref(), *kind, id)?,
    };
    let (charge, settling) = settlement.check(task.as_ref(), charge, claimed)?;
    let refundable = settling.as_ref().map(|settling| &settling.refundable);
    let grants = grants_drawn_on(ledger, refundable)?;

    let (mut plan, refund) = plan_settlement(settlement, &charge, settling, grants, ids, now_ms);

    fill_copy(ledger, &mut plan)?;
    apply(ledger, &plan, now_ms).map(|row| Outcome::Updated(row, Some(refund)))
}

/// Whether a charge was made for another task than this, which is there.
fn is_claimed(
    ledger: &mut impl Ledger,
    charge: Option<&Charge>,
    kind: TaskKind,
    id: &str,
) -> Result<bool> {
    match charge.and_then(|charge| charge.claiming_task(kind, id)) {
        Some((kind, id)) if ledger.schema().table(Tasks(kind)).is_ok() => {
            ledger.exists(Tasks(kind), "id", &id)
        }
        _ => Ok(false),
    }
}

fn charge_with_id(ledger: &mut impl Ledger, id: Option<&str>) -> Result<Option<Charge>> {
    id.map_or(Ok(None), |id| ledger.charge(id))
}

/// All of it or nothing: after an error the transaction must be undone.
fn repair(ledger: &mut (impl Ledger + Views), user_ids: &[String], now_ms: i64) -> Result<Outcome> {
    let mut all = Vec::new();
    for user_id in user_ids {
        let fixes = fixes_of(&ledger.books(&Shelf::User(user_id.clone()))?, now_ms);
        let rows = ledger.find_all(Credit, &changed_ids(&fixes))?;

        let plan = plan_fixes(&fixes, &metadata_of(&rows), now_ms);

        ledger.apply(&plan, now_ms)?;
        all.extend(fixes);
    }
    Ok(Outcome::Fixes(all))
}

fn grants_drawn_on(
    ledger: &mut impl Ledger,
    refundable: Option<&Refundable>,
) -> Result<Vec<Grant>> {
    refundable.map_or(Ok(Vec::new()), |refundable| ledger.grants_drawn_on(refundable))
}
