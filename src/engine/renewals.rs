//! Renewals and new expiries of grants: loads their facts, and writes their plans.

use super::clock::Clock;
use super::outcome::Outcome;
use super::replays::credit_facts;
use crate::domain::renewal::{Extension, Renewal, RenewalFacts, plan_extension, plan_renewal};
use crate::domain::revocation::Held;
use crate::domain::table::TableName::Credit;
use crate::error::Error;
use crate::storage::Row;
use crate::storage::account::{Account, Pick, WantedAccount, Whose};
use crate::storage::failure::Answer;
use crate::storage::store::Store;

pub(super) async fn renew(
    store: &mut dyn Store,
    call: &Renewal,
    clock: Clock<'_>,
) -> Answer<Outcome> {
    store.schema()?.needs(Credit, "subscription_no")?;
    store.schema()?.check_credit(&call.grant.fields)?;
    // All subscriptions: another one may have replaced this one, or the reverse.
    let mut picks = vec![Pick::Subscribed];
    picks.extend(call.grant.id.as_deref().map(|id| Pick::With("id", vec![id])));
    let (whose, transaction_no) =
        (Whose::User(&call.grant.user_id), call.grant.transaction_no.as_deref());
    let account = store.account(&WantedAccount { whose, picks, transaction_no }).await?;
    let Account { users, rows, keyed } = account;
    let own_id = call.grant.id.as_deref();
    let facts = RenewalFacts {
        users,
        grants: rows.iter().filter_map(Row::as_held).collect(),
        keyed: keyed.as_ref().map(credit_facts),
        is_id_taken: own_id.is_some() && rows.iter().any(|row| row.text("id") == own_id),
    };
    let planned = plan_renewal(call, &facts, (clock.stamp(), clock.stamp()));
    let planned = planned.and_then(|planned| {
        let table = store.schema()?.table(Credit)?;
        if let Some((plan, _)) = &planned {
            plan.inserted().try_for_each(|row| {
                table.check(&row.fields)?;
                table.check_complete(&row.fields)
            })?;
        }
        Ok(planned)
    });
    let Some((plan, carried)) = store.or_roll_back(planned)? else {
        store.roll_back();
        let gone = || Error::Internal("a row that was read is gone".to_owned());
        return Ok(Outcome::Replayed(keyed.ok_or_else(gone)?));
    };
    let row = store.write(&[&plan], clock.now_ms).await?.take(&plan)?;
    Ok(Outcome::Renewed(row, carried))
}

pub(super) async fn extend(
    store: &mut dyn Store,
    call: &Extension,
    clock: Clock<'_>,
) -> Answer<Outcome> {
    let expires_at_ms = call.expires_at_ms;
    // As the column stores it, so that the same call again is recognized.
    let expires_at_ms = expires_at_ms
        .map(|time_ms| store.schema()?.stored_time(Credit, "expiresAt", time_ms))
        .transpose()?;
    let call = &Extension { expires_at_ms, ..call.clone() };
    let id = call.credit_id.as_str();
    let (whose, picks) = (Whose::With("id", id), vec![Pick::With("id", vec![id])]);
    let found = store.account(&WantedAccount { whose, picks, transaction_no: None }).await?;
    let row = found.rows.into_iter().next();
    let held = row.as_ref().and_then(Row::as_held);
    // Grants are rarely extended after their end.
    let end_ms = held.as_ref().and_then(|held| held.grant.expires_at_ms);
    let others = match (&held, end_ms.filter(|end_ms| *end_ms <= clock.now_ms)) {
        (Some(held), Some(end_ms)) => {
            store.rows_of(&held.user_id, &[Pick::GrantsSince(end_ms)]).await?
        }
        _ => Vec::new(),
    };
    let others: Vec<Held> = others.iter().filter_map(Row::as_held).collect();
    let planned = plan_extension(call, held.as_ref(), &others, &clock.stamp());
    let plan = store.or_roll_back(planned)?;
    if plan.rows.is_empty() {
        store.roll_back();
        return Ok(Outcome::Row(row));
    }
    let row = store.write(&[&plan], clock.now_ms).await?.take(&plan)?;
    let before = held.map_or(0, |held| held.grant.spendable(clock.now_ms));
    Ok(Outcome::of_grant(row, before, clock.now_ms))
}
