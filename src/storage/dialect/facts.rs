//! Converts rows into the facts of a request.

use std::collections::BTreeMap;

use super::row::{SelectedRow, get, read_grant, read_time, read_whole_grant};
use crate::domain::grant::Grant;
use crate::domain::spending::Spent;
use crate::domain::task::TaskFacts;
use crate::error::Error;
use crate::storage::failure::Answer;
use crate::storage::store::{Choices, Extent, Facts, WantedTask, cover};

/// Reads a task: its user, status and charge, its last change, and whether it uses a free trial.
pub(super) fn read_task(row: &impl SelectedRow, wanted: &WantedTask<'_>) -> Answer<TaskFacts> {
    Ok(TaskFacts {
        user_id: get(row, 0)?,
        status: get(row, 1)?,
        credit_id: get(row, 2)?,
        updated_at_ms: read_time(row, 3)?.ok_or_else(|| Error::ValueUnreadable {
            table: wanted.kind.table(),
            field: "updatedAt",
            id: wanted.id.to_owned(),
            found: "NULL".to_owned(),
            expected: "a time",
        }),
        free_trial: get(row, 4)?,
    })
}

/// Adds the spendable grants in rows that each end with the grant's user.
pub(super) fn add_grants(facts: &mut Facts, rows: &[impl SelectedRow], now_ms: i64) -> Answer<()> {
    add(facts, rows, (read_grant, now_ms))
}

/// The same for rows with provenance.
pub(super) fn add_whole_grants(
    facts: &mut Facts,
    rows: &[impl SelectedRow],
    now_ms: i64,
) -> Answer<()> {
    add(facts, rows, (read_whole_grant, now_ms))
}

/// The same for rows of either kind.
pub(super) fn add_spendable(
    facts: &mut Facts,
    rows: &[impl SelectedRow],
    (extent, now_ms): (Extent, i64),
) -> Answer<()> {
    match extent {
        Extent::Plain => add_grants(facts, rows, now_ms),
        Extent::WithProvenance => add_whole_grants(facts, rows, now_ms),
    }
}

fn add<R: SelectedRow>(
    facts: &mut Facts,
    rows: &[R],
    (read, now_ms): (fn(&R) -> Answer<Grant>, i64),
) -> Answer<()> {
    for row in rows {
        let grant = read(row)?;
        // It may have changed while the statement waited for its lock.
        if grant.is_spendable(now_ms) && grant.remaining > 0 {
            facts.grants.entry(get(row, 6)?).or_default().push(grant);
        }
    }
    Ok(())
}

/// Reads users' spending: the user, the credits, and the charge's time unless they are a sum.
pub(super) fn read_spent(rows: &[impl SelectedRow]) -> Answer<BTreeMap<String, Vec<Spent>>> {
    let mut spent: BTreeMap<String, Vec<Spent>> = BTreeMap::new();
    for row in rows {
        let one = (get::<Option<i64>>(row, 1)?.unwrap_or_default(), read_time(row, 2)?);
        spent.entry(get(row, 0)?).or_default().push(one);
    }
    Ok(spent)
}

/// The users whose grants do not cover what is requested. Their grants are removed from the facts.
pub(super) fn take_short<'w>(
    facts: &mut Facts,
    wanted: &BTreeMap<&'w str, i64>,
    choices: &Choices<'_>,
) -> Vec<&'w str> {
    let grants = |user_id: &str| facts.grants.get(user_id).map_or(&[][..], Vec::as_slice);
    let short = wanted
        .iter()
        .filter(|(user_id, credits)| !cover(grants(user_id), **credits, choices.get(*user_id)));
    let short: Vec<&str> = short.map(|(user_id, _)| *user_id).collect();
    for &user_id in &short {
        facts.grants.remove(user_id);
    }
    short
}
