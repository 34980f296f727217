//! What rows say to those who decide.

use std::collections::BTreeMap;

use super::row::{SelectedRow, get, read_grant, read_time};
use crate::domain::grant::total_remaining;
use crate::domain::task::TaskFacts;
use crate::error::Error;
use crate::storage::failure::Answer;
use crate::storage::store::{Facts, WantedTask};

/// A task: its user, status and charge, when it was changed, and whether it is a free trial.
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

/// Grants, each with its user behind it, that can be spent.
pub(super) fn add_grants(facts: &mut Facts, rows: &[impl SelectedRow], now_ms: i64) -> Answer<()> {
    for row in rows {
        let grant = read_grant(row)?;
        // It may have changed while we waited for its lock.
        if grant.is_spendable(now_ms) && grant.remaining > 0 {
            facts.grants.entry(get(row, 6)?).or_default().push(grant);
        }
    }
    Ok(())
}

/// The users whose grants don't cover what is wanted; these grants are taken out.
pub(super) fn take_short<'w>(facts: &mut Facts, wanted: &BTreeMap<&'w str, i64>) -> Vec<&'w str> {
    let covered = |user_id: &str| total_remaining(facts.grants.get(user_id).into_iter().flatten());
    let short = wanted.iter().filter(|(user_id, credits)| covered(user_id) < **credits);
    let short: Vec<&str> = short.map(|(user_id, _)| *user_id).collect();
    for &user_id in &short {
        facts.grants.remove(user_id);
    }
    short
}
