//! Each change of the ledger: load its facts, let the domain plan it, apply the plan.

use super::{Ids, Outcome, Write};
use crate::domain::charge::{ChargeFacts, ChargeRequest, NewIds, plan_charge};
use crate::domain::grant::{GrantFacts, NewGrant, plan_grant};
use crate::domain::task::{NewTask, NewTaskFacts, TaskPatch, plan_new_task, plan_patch};
use crate::error::{Error, Result};
use crate::storage::Ledger;
use crate::storage::schema::TableName::{Credit, MediaTasks, User};

/// Makes one change. It looks at everything before it writes anything: a refusal has written nothing.
pub fn write(
    ledger: &mut impl Ledger,
    write: &Write,
    ids: &mut Ids,
    now_ms: i64,
) -> Result<Outcome> {
    match write {
        Write::CreateTask(task) => {
            with_new_ids(ids, now_ms, |ids| create_task(ledger, task, ids, now_ms))
        }
        Write::UpdateTask(patch) => update_task(ledger, patch, now_ms),
        Write::Consume(request) => {
            with_new_ids(ids, now_ms, |ids| consume(ledger, request, ids, now_ms))
        }
        Write::Grant(grant) => {
            with_new_ids(ids, now_ms, |ids| create_grant(ledger, grant, ids, now_ms))
        }
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

fn create_task(
    ledger: &mut impl Ledger,
    task: &NewTask,
    ids: NewIds,
    now_ms: i64,
) -> Result<Outcome> {
    ledger.table(MediaTasks).check(&task.fields)?;
    ledger.table(MediaTasks).check_complete(&task.fields)?;
    let named_charge = match &task.credit_id {
        Some(id) => ledger.charge(id)?,
        None => None,
    };
    let funds = match &task.charge {
        Some(request) => charge_facts(ledger, request, now_ms)?,
        None => ChargeFacts {
            user_exists: ledger.exists(User, "id", &task.user_id)?,
            ..ChargeFacts::default()
        },
    };
    let task_exists = ledger.exists(MediaTasks, "id", &task.id)?;
    let facts = NewTaskFacts { task_exists, named_charge, funds };

    let plan = plan_new_task(task, &facts, ids, now_ms)?;

    if let Some(charge) = &plan.charge {
        ledger.write_charge(charge, now_ms)?;
    }
    ledger.insert(MediaTasks, &plan.row)?;
    ledger.find(MediaTasks, &task.id).map(Outcome::Row)
}

fn update_task(ledger: &mut impl Ledger, patch: &TaskPatch, now_ms: i64) -> Result<Outcome> {
    ledger.table(MediaTasks).check(&patch.fields)?;
    let Some(task) = ledger.task_facts(&patch.id)? else { return Ok(Outcome::Row(None)) };
    let charge = match patch.charge_to_load(&task) {
        Some(id) => ledger.charge(id)?,
        None => None,
    };
    let refundable = patch.check_charge(&task, charge.as_ref())?;
    let grants = match &refundable {
        Some(refundable) => ledger.grants_drawn_on(refundable)?,
        None => Vec::new(),
    };

    let mut plan = plan_patch(patch, refundable.as_ref(), grants, now_ms);

    if let Some(refund) = &plan.refund
        && !ledger.write_refund(refund, now_ms)?
    {
        plan.refunded = Some(Default::default());
    }
    ledger.update(MediaTasks, &patch.id, &plan.row)?;
    match ledger.find(MediaTasks, &patch.id)? {
        Some(row) => Ok(Outcome::Updated(row, plan.refunded)),
        None => Err(Error::Internal("a task vanished while it was updated".to_owned())),
    }
}

fn consume(
    ledger: &mut impl Ledger,
    request: &ChargeRequest,
    ids: NewIds,
    now_ms: i64,
) -> Result<Outcome> {
    ledger.table(Credit).check(&request.described)?;
    let facts = charge_facts(ledger, request, now_ms)?;

    let plan = plan_charge(request, &facts, ids, now_ms)?;

    ledger.write_charge(&plan, now_ms)?;
    ledger.find(Credit, &plan.id).map(Outcome::Row)
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
    ledger: &mut impl Ledger,
    grant: &NewGrant,
    ids: NewIds,
    now_ms: i64,
) -> Result<Outcome> {
    ledger.table(Credit).check(&grant.fields)?;
    let facts = GrantFacts {
        user_exists: ledger.exists(User, "id", &grant.user_id)?,
        id_taken: taken(ledger, "id", grant.id.as_deref())?,
        transaction_no_taken: taken(ledger, "transaction_no", grant.transaction_no.as_deref())?,
    };

    let (id, row) = plan_grant(grant, facts, ids, now_ms)?;

    ledger.table(Credit).check_complete(&row)?;
    ledger.insert(Credit, &row)?;
    ledger.find(Credit, &id).map(Outcome::Row)
}

/// Whether a credit row has the value that the caller chose, if it chose one.
fn taken(ledger: &mut impl Ledger, column: &'static str, value: Option<&str>) -> Result<bool> {
    value.map_or(Ok(false), |value| ledger.exists(Credit, column, value))
}
