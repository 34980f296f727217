//! Top-ups: loads the facts of a claim or of its end, and writes the plans.

use std::collections::{HashSet, VecDeque};

use super::clock::Clock;
use super::outcome::Outcome;
use crate::domain::grant::total_spendable;
use crate::domain::plan::Plan;
use crate::domain::revocation::Held;
use crate::domain::table::TableName::Credit;
use crate::domain::top_up::{Decision, Facts, PENDING, State, TopUp, plan_end};
use crate::error::{Error, Result};
use crate::storage::account::{Pick, WantedAccount, Whose};
use crate::storage::failure::{Answer, Witness};
use crate::storage::store::{Store, Views};
use crate::storage::{Filter, Page, Row};

pub(super) async fn claim(
    store: &mut dyn Store,
    call: &TopUp,
    clock: Clock<'_>,
) -> Answer<Outcome> {
    store.schema()?.check_credit(&call.fields)?;
    let picks = vec![
        Pick::Unspent,
        Pick::With("status", vec![PENDING]),
        Pick::GrantsSince(call.since_ms(clock.now_ms)),
    ];
    let (whose, transaction_no) = (Whose::User(&call.user_id), Some(call.transaction_no.as_str()));
    let found = store.account(&WantedAccount { whose, picks, transaction_no }).await?;
    let held: Vec<Held> = found.rows.iter().filter_map(Row::as_held).collect();
    let facts = Facts {
        user_exists: found.users.contains(&call.user_id),
        balance: total_spendable(held.iter().map(|held| &held.grant), clock.now_ms),
        keyed: found.keyed.as_ref().map(Row::as_top_up),
        claims: found.rows.iter().map(Row::as_top_up).collect(),
    };
    let decided = call.decide(&facts, clock.stamp());
    let decided = decided.and_then(|decided| match decided {
        Decision::Claimed(plan) => checked(store, plan).map(Decision::Claimed),
        other => Ok(other),
    });
    match store.or_roll_back(decided)? {
        Decision::Claimed(plan) => {
            let written = store.write(&[&plan], clock.now_ms).await;
            let witness = || vec![Some(Witness::of_reply(&plan))];
            let mut written = written.map_err(|failure| failure.with_witnesses(witness))?;
            Ok(Outcome::claimed(written.take(&plan)?))
        }
        Decision::Replayed => {
            store.roll_back();
            Ok(Outcome::TopUp { row: found.keyed, replayed: true, declined: None })
        }
        Decision::Declined(declined) => {
            store.roll_back();
            Ok(Outcome::TopUp { row: None, replayed: false, declined: Some(declined) })
        }
    }
}

fn checked(store: &dyn Store, plan: Plan) -> Result<Plan> {
    let table = store.schema()?.table(Credit)?;
    plan.rows.iter().try_for_each(|row| table.check_complete(&row.fields))?;
    Ok(plan)
}

pub(super) async fn end(
    store: &mut dyn Store,
    (transaction_no, end): (&str, State),
    now_ms: i64,
) -> Answer<Outcome> {
    let has_deleted_at = store.schema()?.table(Credit)?.has("deleted_at");
    let picks = vec![Pick::With("transaction_no", vec![transaction_no])];
    let whose = Whose::With("transaction_no", transaction_no);
    let wanted = WantedAccount { whose, picks, transaction_no: Some(transaction_no) };
    let found = store.account(&wanted).await?;
    let claim = found.keyed.as_ref().map(Row::as_top_up);
    let planned = plan_end(claim.as_ref(), (transaction_no, end), (now_ms, has_deleted_at));
    match (store.or_roll_back(planned)?, found.keyed) {
        (Some(plan), _) => {
            let row = store.write(&[&plan], now_ms).await?.take(&plan)?;
            Ok(Outcome::of_grant(row, 0, now_ms))
        }
        (None, Some(row)) => {
            store.roll_back();
            Ok(Outcome::Replayed(row))
        }
        (None, None) => {
            Err(Error::Internal("a top-up that does not exist has ended".to_owned()).into())
        }
    }
}

/// Open claims made before a time, oldest first.
pub(super) async fn open(views: &mut dyn Views, before_ms: i64, limit: usize) -> Answer<Outcome> {
    /// The rows come newest first, so all are read, in pages of this size.
    const AT_ONCE: i64 = 10_000;
    let equal = [("status", PENDING), ("transaction_type", "grant")];
    let equal = equal.map(|(column, value)| (column, value.to_owned())).to_vec();
    let filter = Filter { table: Credit, equal };
    let is_wanted = |row: &Row| row.as_top_up().is_open_since(before_ms);
    let mut oldest: VecDeque<Row> = VecDeque::new();
    for page in 1.. {
        let rows = views.list(&filter, Page::whole(page, AT_ONCE)).await?;
        let is_last = i64::try_from(rows.len()).is_ok_and(|count| count < AT_ONCE);
        // Rows that are added meanwhile move others to the next page.
        let known: HashSet<String> = oldest.iter().filter_map(id_of).collect();
        let new = rows.into_iter().filter(is_wanted);
        oldest.extend(new.filter(|row| id_of(row).is_none_or(|id| !known.contains(&id))));
        oldest.drain(..oldest.len().saturating_sub(limit));
        if is_last {
            break;
        }
    }
    Ok(Outcome::Rows(oldest.into_iter().rev().collect()))
}

fn id_of(row: &Row) -> Option<String> {
    row.text("id").map(str::to_owned)
}
