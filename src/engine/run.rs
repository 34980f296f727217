//! Changes of the ledger, on every store: loads the facts, lets the domain plan, and writes the plan.
//!
//! All reads come before all writes: a rejected change has written nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use super::auditing::{fixes_of, metadata_of};
use super::charges::{charge_atomic_batch, charge_each};
use super::clock::Clock;
use super::operation::Write;
use super::outcome::Outcome;
use super::renewals::{extend, renew};
use super::revocations::{let_claim, load_claims, restore, revoke};
use super::top_ups;
use crate::domain::charge::Charge;
use crate::domain::grant::{Grant, NewGrant, plan_grant};
use crate::domain::options::RefundPolicy;
use crate::domain::plan::Plan;
use crate::domain::refundable::Refundable;
use crate::domain::repair::{changed_ids, plan_fixes};
use crate::domain::settle::{Settlement, Settling, Target, Tells, plan_settlement};
use crate::domain::spending::Spending;
use crate::domain::table::TableName::Credit;
use crate::domain::table::TaskKind;
use crate::domain::task::{StepCharge, TaskPatch, plan_patch, plan_step_charge};
use crate::error::Error;
use crate::storage::Row;
use crate::storage::failure::{Answer, Failure, Witness};
use crate::storage::store::{Extent, FoundTask, Store, WantedCharge, WantedTask};

/// Makes one change. If the commit is not answered, the failure says which rows prove it.
pub(super) async fn change(
    store: &mut dyn Store,
    write: &Write,
    clock: Clock<'_>,
) -> Answer<Outcome> {
    match write {
        Write::Charge(request) => {
            let none = || Err(Error::Internal("a request without an outcome".to_owned()));
            let outcome = charge_each(store, &[request], clock).await?.pop();
            outcome.unwrap_or_else(none).map_err(Failure::Refused)
        }
        Write::AtomicBatch(requests) => charge_atomic_batch(store, requests, clock).await,
        Write::Grant(grant) => create_grant(store, grant, clock).await,
        Write::UpdateTask(patch) => update_task(store, patch, clock).await,
        Write::StepCharge(step) => charge_step(store, step, clock).await,
        Write::Settle(settlement) => settle(store, settlement, clock).await,
        Write::Renew(call) => renew(store, call, clock).await,
        Write::Extend(call) => extend(store, call, clock).await,
        Write::Revoke(call) => revoke(store, call, clock).await,
        Write::Restore(call) => restore(store, call, clock).await,
        Write::ClaimTopUp(call) => top_ups::claim(store, call, clock).await,
        Write::EndTopUp(number, end) => top_ups::end(store, (number, *end), clock.now_ms).await,
        Write::Repair(user_ids) => repair(store, user_ids, clock.now_ms).await,
    }
}

async fn create_grant(
    store: &mut dyn Store,
    grant: &NewGrant,
    clock: Clock<'_>,
) -> Answer<Outcome> {
    store.schema()?.check_credit(&grant.fields)?;
    let facts = store.grant_facts(grant).await?;

    let planned = plan_grant(grant, facts, clock.stamp());
    let planned = planned.and_then(|plan| {
        let table = store.schema()?.table(Credit)?;
        plan.rows.iter().try_for_each(|row| table.check_complete(&row.fields))?;
        Ok(plan)
    });
    let plan = store.or_roll_back(planned)?;

    let row = write(store, &plan, clock.now_ms).await;
    let row =
        row.map_err(|failure| failure.with_witnesses(|| vec![Some(Witness::of_reply(&plan))]));
    row.map(|row| Outcome::of_grant(row, 0, clock.now_ms))
}

async fn update_task(
    store: &mut dyn Store,
    patch: &TaskPatch,
    clock: Clock<'_>,
) -> Answer<Outcome> {
    let patch = &*store.schema()?.check_patch(patch)?;
    let (kind, id) = (patch.kind, patch.id.as_str());
    let wanted = WantedTask { kind, id, credit_id: patch.credit_id(), charge: None };
    let Some(found) = store.task_facts(&wanted, clock.now_ms).await? else {
        store.roll_back();
        return Ok(Outcome::Row(None));
    };
    let FoundTask { task, charge, drawn_on, .. } = found;
    let charge = store.charge(patch.charge_to_load(&task), charge).await?;
    let claimed = is_claimed(store, charge.as_ref(), kind, id).await?;
    let mut on_charge = store.or_roll_back(patch.check(&task, charge.as_ref(), claimed))?;
    if let Some(refundable) = on_charge.refundable() {
        load_grants(store, refundable, drawn_on).await?;
        load_origins(store, refundable, patch.policy, clock).await?;
    }
    let claims = load_claims(store, on_charge.refundable().map(|it| &*it), clock.now_ms).await?;

    let (plan, refund) = plan_patch(patch, &task, on_charge, clock.now_ms);
    let made = (plan, refund.clone().unwrap_or_default());
    let (plan, claimed) = let_claim(store, claims, made, clock.now_ms)?;
    let refund = refund.map(|_| claimed);

    let row = write(store, &plan, clock.now_ms).await?;
    Ok(Outcome::Updated(row, refund))
}

async fn charge_step(
    store: &mut dyn Store,
    step: &StepCharge,
    clock: Clock<'_>,
) -> Answer<Outcome> {
    store.schema()?.check_step(step)?;
    let transaction_no = step.transaction_no.as_deref();
    let charge = step.credits.map(|credits| WantedCharge {
        credits: credits.get(),
        transaction_no,
        paying: &step.paying,
    });
    let wanted = WantedTask { kind: step.kind, id: &step.id, credit_id: None, charge };
    let Some(found) = store.task_facts(&wanted, clock.now_ms).await? else {
        store.roll_back();
        return Ok(Outcome::Row(None));
    };
    let mut funds = found.funds;
    let spending = step.spending(clock.now_ms);
    if !spending.is_empty() {
        let (places, spending): (Vec<usize>, Vec<Spending>) = spending.into_iter().unzip();
        let spent = store.spent(&found.task.user_id, &spending).await?;
        funds.spent = places.into_iter().zip(spent).collect();
    }

    let planned = plan_step_charge(step, &found.task, &funds, clock.stamp());
    let plan = store.or_roll_back(planned)?;

    let row = write(store, &plan, clock.now_ms).await;
    // The charge proves the commit, if there is one.
    let charge = || match plan.draws.is_empty() {
        true => Vec::new(),
        false => vec![Witness::of_first_row(&plan)],
    };
    let row = row.map_err(|failure| failure.with_witnesses(charge))?;
    Ok(Outcome::Row(Some(row)))
}

async fn settle(
    store: &mut dyn Store,
    settlement: &Settlement,
    clock: Clock<'_>,
) -> Answer<Outcome> {
    let (task, charge, drawn_on, claimed) = match &settlement.target {
        Target::Charge(id) => {
            let (charge, drawn_on) = store.refund_facts(id).await?;
            (None, charge, drawn_on, false)
        }
        Target::Task(kind, id) => {
            store.schema()?.check_settlement_of(*kind)?;
            let wanted = WantedTask { kind: *kind, id, credit_id: None, charge: None };
            let Some(found) = store.task_facts(&wanted, clock.now_ms).await? else {
                store.roll_back();
                return Ok(Outcome::Row(None));
            };
            let FoundTask { task, charge, drawn_on, .. } = found;
            let charge = store.charge(task.credit_id.as_deref(), charge).await?;
            let claimed = is_claimed(store, charge.as_ref(), *kind, id).await?;
            (Some(task), charge, drawn_on, claimed)
        }
    };
    let checked = settlement.check(task.as_ref(), charge, claimed);
    let (charge, mut settling) = store.or_roll_back(checked)?;
    let tells = settlement.tells();
    if tells == Tells::Release && settling.is_none() {
        store.roll_back();
        return Ok(Outcome::Row(None));
    }
    if let Some(Settling { refundable, missing, funds, .. }) = &mut settling {
        load_grants(store, refundable, drawn_on).await?;
        load_origins(store, refundable, settlement.policy, clock).await?;
        if *missing > 0 {
            let wanted = (*missing, Extent::of(&settlement.paying));
            *funds = store.grants_to_draw(&charge.user_id, wanted, clock.now_ms).await?;
        }
    }

    let claims =
        load_claims(store, settling.as_ref().map(|it| &it.refundable), clock.now_ms).await?;

    let planned = plan_settlement(settlement, &charge, settling, clock.now_ms);
    let (plan, mut difference) = store.or_roll_back(planned)?;
    let made = (plan, difference.refund);
    let (plan, refund) = let_claim(store, claims, made, clock.now_ms)?;
    difference.refund = refund;

    let row = write(store, &plan, clock.now_ms).await?;
    Ok(match tells {
        Tells::Difference => Outcome::Settled(row, difference),
        Tells::Refund | Tells::Release => Outcome::Updated(row, Some(difference.refund)),
        Tells::Charge => Outcome::Row(Some(row)),
    })
}

async fn repair(store: &mut dyn Store, user_ids: &[String], now_ms: i64) -> Answer<Outcome> {
    let page = store.books_to_change(user_ids).await?;
    let fixes = fixes_of(&page, now_ms);
    if fixes.is_empty() {
        store.roll_back();
        return Ok(Outcome::Fixes(fixes));
    }
    let rows = store.rows_to_change(&changed_ids(&fixes)).await?;
    let metadata = metadata_of(&rows);

    let plans: Vec<Plan> = fixes
        .chunk_by(|one, next| one.user_id == next.user_id)
        .map(|fixes| plan_fixes(fixes, &metadata, now_ms))
        .collect();

    store.write(&plans.iter().collect::<Vec<_>>(), now_ms).await?;
    Ok(Outcome::Fixes(fixes))
}

/// Writes a plan and returns the row for the caller.
async fn write(store: &mut dyn Store, plan: &Plan, now_ms: i64) -> Answer<Row> {
    Ok(store.write(&[plan], now_ms).await?.take(plan)?)
}

/// Whether a charge was made for another, existing task. This is rare.
async fn is_claimed(
    store: &mut dyn Store,
    charge: Option<&Charge>,
    kind: TaskKind,
    id: &str,
) -> Answer<bool> {
    match charge.and_then(|charge| charge.claiming_task(kind, id)) {
        Some((kind, id)) => store.has_task(kind, &id).await,
        None => Ok(false),
    }
}

/// Loads the grants that the refunded draws came from. `found` was loaded with the facts.
async fn load_grants(
    store: &mut dyn Store,
    refundable: &mut Refundable,
    found: Vec<Grant>,
) -> Answer<()> {
    refundable.grants = store.grants_drawn_on(refundable, found).await?;
    Ok(())
}

/// Loads the rows that new grants are modelled on. Refunds rarely need any.
async fn load_origins(
    store: &mut dyn Store,
    refundable: &mut Refundable,
    policy: RefundPolicy,
    clock: Clock<'_>,
) -> Answer<()> {
    let ids = refundable.to_regrant(policy, clock.now_ms);
    if ids.is_empty() {
        return Ok(());
    }
    let rows = store.rows_to_change(&ids).await?;
    let rows: HashMap<Option<Cow<'_, str>>, &Row> =
        rows.iter().map(|row| (row.id("id"), row)).collect();
    let origin = |id: &&str| {
        let row = rows.get(&Some(Cow::Borrowed(*id)))?;
        Some(((*id).to_owned(), row.as_origin(clock.stamp().ids)))
    };
    refundable.origins = ids.iter().filter_map(origin).collect();
    Ok(())
}
