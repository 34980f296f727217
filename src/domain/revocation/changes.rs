//! The writes of a revocation: the differences between the rows before and after.

use serde_json::Value as Json;

use super::balance::Claims;
use super::claims::{Claim, Held, State};
use crate::domain::detail::{Draw, WrittenDraw, write_detail};
use crate::domain::metadata::{self, Settled};
use crate::domain::plan::{Plan, Verb};
use crate::domain::settle::Items;
use crate::domain::table::TableName::Credit;
use crate::domain::value::{Fields, Value, iso8601};
use crate::error::Result;

/// Adds the changes of existing grants and claims to a plan. `now` already includes the credits that the plan
/// returns to these grants.
pub(super) fn plan_changes(plan: &mut Plan, was: &Claims, now: &Claims, now_ms: i64) -> Result<()> {
    plan.aside = true;
    plan.returns.retain(|(id, _)| was.grants.iter().all(|held| held.grant.id != *id));
    // Claims first: a statement that changes the credits of grants may be joined to the first row's, and
    // changes no row twice.
    for (was, claim) in was.claims.iter().zip(&now.claims) {
        if was.stands && !claim.stands {
            let mut fields = Fields::default();
            fields.set("status", Value::Text("deleted".to_owned()));
            fields.set("updatedAt", Value::TimeMs(now_ms));
            plan.push(Credit, Verb::UpdateCharge, &claim.id, fields);
        } else if was.draws != claim.draws {
            let fields = redrawn(was, claim, now)?;
            plan.push(Credit, Verb::UpdateCharge, &claim.id, with_time(fields, now_ms));
        }
    }
    for (was, now) in was.grants.iter().zip(&now.grants) {
        plan_credits(plan, was, now);
        plan_state(plan, was, now, now_ms);
    }
    Ok(())
}

fn with_time(mut fields: Fields, now_ms: i64) -> Fields {
    fields.set("updatedAt", Value::TimeMs(now_ms));
    fields
}

fn plan_credits(plan: &mut Plan, was: &Held, now: &Held) {
    let (before, after) = (was.grant.remaining, now.grant.remaining);
    let change = after.saturating_sub(before);
    match change {
        0 => {}
        1.. => plan.returns.push((was.grant.id.clone(), change)),
        _ => plan.draws.push(item(was, -change, (before, after))),
    }
}

fn plan_state(plan: &mut Plan, was: &Held, now: &Held, now_ms: i64) {
    let (status, deleted_at, mark) = match (&was.state, &now.state) {
        (State::Open, State::Closed(before)) => {
            ("deleted", Value::TimeMs(now_ms), Json::from(before.as_str()))
        }
        (State::Closed(before), State::Open) => (before.as_str(), Value::Null, Json::Null),
        _ => return,
    };
    let mut fields = Fields::default();
    fields.set("status", Value::Text(status.to_owned()));
    if was.has_deleted_at {
        fields.set("deletedAt", deleted_at);
    }
    let metadata = metadata::with_status_before(was.metadata.as_deref(), &mark);
    fields.set("metadata", Value::Json(metadata));
    plan.push(Credit, Verb::Update, &was.grant.id, with_time(fields, now_ms));
}

/// A draw, in the format of `consumed_detail`.
fn item(held: &Held, consumed: i64, (before, after): (i64, i64)) -> Draw {
    Draw {
        credit_id: held.grant.id.clone(),
        transaction_no: held.grant.transaction_no.clone(),
        expires_at: held.grant.expires_at_ms.and_then(iso8601),
        credits_to_consume: consumed,
        credits_consumed: consumed,
        // As the grant's row has it.
        credits_before: before.saturating_add(held.moved),
        credits_after: after.saturating_add(held.moved),
        batch_size: 1000,
        batch_no: 1,
    }
}

/// The sum of these draws.
pub(super) fn total(draws: &[WrittenDraw]) -> i64 {
    draws.iter().fold(0, |sum, draw| sum.saturating_add(draw.credits_consumed))
}

/// A claim's new draws, in the format of `consumed_detail`.
fn new_items(draws: &[WrittenDraw], claims: &Claims) -> Vec<Draw> {
    let item = |draw: &WrittenDraw| {
        let held = claims.grants.iter().find(|held| held.grant.id == draw.credit_id)?;
        let after = held.grant.remaining;
        let before = after.saturating_add(draw.credits_consumed);
        Some(item(held, draw.credits_consumed, (before, after)))
    };
    draws.iter().filter_map(item).collect()
}

/// The `consumed_detail` of a new claim's row.
pub(super) fn detail_of(claim: &Claim, claims: &Claims) -> Result<String> {
    let mut items = new_items(&claim.draws, claims);
    let mut to_consume = total(&claim.draws);
    for (batch_no, item) in (1..).zip(&mut items) {
        (item.batch_no, item.credits_to_consume) = (batch_no, to_consume);
        to_consume -= item.credits_consumed;
    }
    write_detail(&items)
}

/// The changes of the row of a claim whose draws have changed.
fn redrawn(was: &Claim, claim: &Claim, claims: &Claims) -> Result<Fields> {
    let detail = was.detail.as_deref().map(str::as_bytes);
    let (kept, new) = claim.draws.split_at(was.draws.len().min(claim.draws.len()));
    let detail = Items::read(&claim.id, detail)?.rewritten(kept, &new_items(new, claims));
    let credits = total(&claim.draws);
    let metadata = was.metadata.as_deref();
    let charged = metadata::charged_at_first(metadata).unwrap_or_else(|| total(&was.draws));
    let metadata = metadata::with_settled(metadata, Settled { charged, credits, uncollected: 0 });
    Ok([
        ("credits", Value::Integer(-credits)),
        ("consumedDetail", Value::Json(detail)),
        ("metadata", Value::Json(metadata)),
    ]
    .into_iter()
    .collect())
}
