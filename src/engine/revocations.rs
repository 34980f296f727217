//! Revocations of grants whose payment was refunded or charged back: loads the facts and writes the plans.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use super::clock::Clock;
use super::outcome::{Moved, Outcome};
use crate::domain::metadata::regrant_sources;
use crate::domain::plan::Plan;
use crate::domain::refund::Refund;
use crate::domain::refundable::Refundable;
use crate::domain::regrant::granted_anew;
use crate::domain::renewal::EXPIRY;
use crate::domain::revocation::{
    CHARGEBACK, ClaimFacts, Decided, Held, Restoration, Revocation, Target, claim_returns,
    plan_restoration, plan_revocation,
};
use crate::domain::table::TableName::Credit;
use crate::error::Result;
use crate::storage::Row;
use crate::storage::account::{Account, Pick, WantedAccount, Whose, in_draw_order};
use crate::storage::failure::Answer;
use crate::storage::store::Store;

/// The scenes of the ledger's own charges.
const SCENES: [&str; 2] = [CHARGEBACK, EXPIRY];

pub(super) async fn revoke(
    store: &mut dyn Store,
    call: &Revocation,
    clock: Clock<'_>,
) -> Answer<Outcome> {
    needs(store, &call.target)?;
    let wanted = wanted(&call.target, &call.transaction_no, call.recovers);
    let account = of_one_user(store.account(&wanted).await?, &call.target);
    let unmoved = Moved::of(account.rows.first(), 0);
    let facts = claim_facts(store, account, clock.now_ms).await?;
    let decided = plan_revocation(call, facts, &clock.stamp());
    write(store, decided, (unmoved, clock.now_ms)).await
}

pub(super) async fn restore(
    store: &mut dyn Store,
    call: &Restoration,
    clock: Clock<'_>,
) -> Answer<Outcome> {
    let number = call.transaction_no.as_str();
    let account = match &call.target {
        Some(target) => {
            needs(store, target)?;
            let account = store.account(&wanted(target, number, true)).await?;
            let owner = account.keyed.as_ref().and_then(|row| row.id("userId"));
            match owner.map(Cow::into_owned) {
                // The target may name grants of other users, too.
                Some(owner) => of_user(account, &owner),
                None => of_one_user(account, target),
            }
        }
        None => {
            let whose = Whose::With("transaction_no", number);
            let picks = vec![Pick::With("transaction_scene", SCENES.to_vec()), Pick::Unspent];
            let transaction_no = Some(number);
            store.account(&WantedAccount { whose, picks, transaction_no }).await?
        }
    };
    let unmoved = Moved::of(account.rows.first(), 0);
    let facts = claim_facts(store, account, clock.now_ms).await?;
    let decided = plan_restoration(call, facts, &clock.stamp());
    write(store, decided, (unmoved, clock.now_ms)).await
}

/// Rejects a target whose column the table lacks.
fn needs(store: &dyn Store, target: &Target) -> Result<()> {
    match target.column {
        "id" => Ok(()),
        column => store.schema()?.needs(Credit, column),
    }
}

fn wanted<'w>(target: &'w Target, number: &'w str, recovers: bool) -> WantedAccount<'w> {
    let mut picks = vec![
        Pick::With(target.column, vec![&target.text]),
        Pick::With("transaction_scene", SCENES.to_vec()),
    ];
    picks.extend(recovers.then_some(Pick::Unspent));
    let whose = Whose::With(target.column, &target.text);
    WantedAccount { whose, picks, transaction_no: Some(number) }
}

/// The account of the user who has the named grants. An open top-up of another user may have the same order.
fn of_one_user(account: Account, target: &Target) -> Account {
    let named = account.rows.iter().filter_map(Row::as_held).filter(|held| target.is(held));
    let owners: BTreeSet<String> = named.map(|held| held.user_id).collect();
    match (owners.first(), owners.len()) {
        (Some(owner), 1) => of_user(account, owner),
        _ => account,
    }
}

fn of_user(mut account: Account, owner: &str) -> Account {
    account.rows.retain(|row| row.id("userId").as_deref() == Some(owner));
    account.users.retain(|user_id| user_id == owner);
    account
}

/// The facts about claims in an account, with the additional rows that they need. Accounts rarely have
/// claims.
async fn claim_facts(store: &mut dyn Store, account: Account, now_ms: i64) -> Answer<ClaimFacts> {
    let Account { users, rows, keyed } = account;
    let user_id = users.iter().next().cloned().unwrap_or_default();
    let facts = with_rows(store, &user_id, rows, now_ms).await?;
    Ok(ClaimFacts { users, is_key_taken: keyed.is_some(), ..facts })
}

async fn with_rows(
    store: &mut dyn Store,
    user_id: &str,
    mut rows: Vec<Row>,
    now_ms: i64,
) -> Answer<ClaimFacts> {
    let mut claims = Vec::new();
    let mut written_off = Vec::new();
    for row in &rows {
        claims.extend(store.or_roll_back(row.as_claim())?);
        written_off.extend(store.or_roll_back(row.as_write_off())?);
    }
    let known: HashSet<&str> = rows.iter().filter_map(|row| row.text("id")).collect();
    let mut needed: Vec<&str> = claims.iter().flat_map(|claim| claim.needs()).collect();
    needed.retain(|id| !known.contains(id));
    needed.sort_unstable();
    needed.dedup();
    if !needed.is_empty() {
        rows.extend(store.rows_of(user_id, &[Pick::With("id", needed)]).await?);
    }
    add_regrants(store, user_id, &mut rows, now_ms).await?;
    in_draw_order(&mut rows);
    let mut grants: Vec<Held> = rows.iter().filter_map(Row::as_held).collect();
    let anew: Vec<i64> = grants.iter().map(|held| granted_anew(held, &grants)).collect();
    written_off.iter().for_each(|off| off.tell(&mut grants));
    grants.iter_mut().zip(anew).for_each(|(held, anew)| held.move_out(anew));
    Ok(ClaimFacts { grants, claims, ..ClaimFacts::default() })
}

/// Adds the grants that replace ended ones.
async fn add_regrants(
    store: &mut dyn Store,
    user_id: &str,
    rows: &mut Vec<Row>,
    now_ms: i64,
) -> Answer<()> {
    let ends = rows.iter().filter_map(Row::as_held).filter_map(|held| held.grant.expires_at_ms);
    let Some(since_ms) = ends.filter(|end_ms| *end_ms <= now_ms).min() else { return Ok(()) };
    let known: HashSet<String> =
        rows.iter().filter_map(|row| row.text("id")).map(str::to_owned).collect();
    let since = store.rows_of(user_id, &[Pick::GrantsSince(since_ms)]).await?;
    rows.extend(since.into_iter().filter(|row| {
        let is_new = row.text("id").is_some_and(|id| !known.contains(id));
        is_new && !regrant_sources(row.text("metadata")).is_empty()
    }));
    Ok(())
}

async fn write(
    store: &mut dyn Store,
    decided: Result<Decided>,
    (unmoved, now_ms): (Moved, i64),
) -> Answer<Outcome> {
    let checked = decided.and_then(|decided| {
        let table = store.schema()?.table(Credit)?;
        let new = decided.plan.iter().flat_map(Plan::inserted);
        new.map(|row| &row.fields).try_for_each(|fields| {
            table.check(fields)?;
            table.check_complete(fields)
        })?;
        Ok(decided)
    });
    let Decided { plan, standing, moved } = store.or_roll_back(checked)?;
    let replayed = plan.is_none();
    match plan {
        Some(plan) => drop(store.write(&[&plan], now_ms).await?),
        None => store.roll_back(),
    }
    Ok(Outcome::Standing { standing, replayed, moved: Moved { credits: moved, ..unmoved } })
}

/// The claims on grants that a refund returns credits to, if claims have closed some of them, which is rare.
pub(super) async fn load_claims(
    store: &mut dyn Store,
    refundable: Option<&Refundable>,
    now_ms: i64,
) -> Answer<Option<ClaimFacts>> {
    let Some(refundable) = refundable else { return Ok(None) };
    let grants = refundable.grants.iter().filter(|grant| !grant.active);
    let ids: Vec<&str> = grants.map(|grant| grant.id.as_str()).collect();
    if ids.is_empty() {
        return Ok(None);
    }
    let picks = [Pick::With("id", ids), Pick::With("transaction_scene", SCENES.to_vec())];
    let rows = store.rows_of(&refundable.user_id, &picks).await?;
    with_rows(store, &refundable.user_id, rows, now_ms).await.map(Some)
}

/// Lets claims take credits that are returned to their grants.
pub(super) fn let_claim(
    store: &mut dyn Store,
    claims: Option<ClaimFacts>,
    (mut plan, mut refund): (Plan, Refund),
    now_ms: i64,
) -> Answer<(Plan, Refund)> {
    if let Some(facts) = claims {
        store.or_roll_back(claim_returns(facts, (&mut plan, &mut refund), now_ms))?;
    }
    Ok((plan, refund))
}
