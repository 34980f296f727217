//! The counts for limits: a user's unfinished tasks, and used free trials.

use std::collections::BTreeMap;

use super::super::facts::read_spent;
use super::super::row::{SelectedRow, get};
use super::tables::Tables;
use super::wire::{Replies, ReplyOf, Statements, Wire};
use super::{COUNT, Statement, literal, quote};
use crate::domain::plan::Plan;
use crate::domain::spending::Spending;
use crate::domain::table::{TableName, TaskKind};
use crate::storage::failure::Answer;
use crate::storage::store::{Facts, Wanted};

/// The counts for some users: their unfinished tasks, by kind, and their free trials. They are read after the
/// users' locks are taken, so they include all earlier transactions.
pub(super) struct Counts {
    tasks: Vec<(TaskKind, ReplyOf)>,
    trials: Option<ReplyOf>,
    spent: Vec<(Spending, ReplyOf)>,
}

impl Counts {
    pub(super) fn new<W: Wire>(
        statements: &mut Statements,
        tables: &Tables,
        wanted: &Wanted<'_>,
    ) -> Answer<Self> {
        let mut tasks = Vec::new();
        for (kind, users) in &wanted.active_of {
            let owners = tables.ids(TableName::Tasks(*kind), "user_id")?;
            let (user_id, list) = (owners.text("user_id"), owners.many(users));
            let (table, statuses) = (quote(kind.table()), literal::texts(kind.statuses_at_risk()));
            // Counted separately for users whose ids a collation treats as equal.
            let text = format!(
                "SELECT MIN({user_id}), {COUNT} FROM {table} WHERE user_id IN {list} \
                 AND status IN {statuses} GROUP BY {}{}",
                owners.bytes("user_id"),
                W::NOW
            );
            tasks.push((*kind, statements.add(text)));
        }
        let mut trials = None;
        if !wanted.trials_of.is_empty() {
            let ids = tables.ids(TableName::User, "id")?;
            let (id, list) = (ids.text("id"), ids.many(&wanted.trials_of));
            let used = "COALESCE(free_trial_used, 0)";
            let text = format!("SELECT {id}, {used} FROM `user` WHERE id IN {list}{}", W::NOW);
            trials = Some(statements.add(text));
        }
        let mut spent = Vec::new();
        for (spending, users) in &wanted.spending {
            let owners = tables.ids(TableName::Credit, "user_id")?.many(users);
            let are_theirs = format!("user_id IN {owners}");
            let statement = statements.add(spent_by::<W>(tables, &are_theirs, spending)?);
            spent.push((spending.clone(), statement));
        }
        Ok(Self { tasks, trials, spent })
    }

    pub(super) fn read(
        &self,
        facts: &mut Facts,
        replies: &Replies<impl SelectedRow>,
    ) -> Answer<()> {
        for (kind, place) in &self.tasks {
            let of_kind = facts.active.entry(*kind).or_default();
            for row in &replies[*place] {
                of_kind.insert(get(row, 0)?, get(row, 1)?);
            }
        }
        for row in self.trials.iter().flat_map(|place| &replies[*place]) {
            facts.free_trials.insert(get(row, 0)?, get(row, 1)?);
        }
        for (spending, place) in &self.spent {
            facts.spent.insert(spending.clone(), read_spent(&replies[*place])?);
        }
        Ok(())
    }
}

/// Users' spending: a sum for each user, or each charge. Write-offs and withdrawals, which the ledger marks
/// in their metadata, are not spending.
pub(super) fn spent_by<W: Wire>(
    tables: &Tables,
    are_theirs: &str,
    spending: &Spending,
) -> Answer<Statement> {
    let owners = tables.ids(TableName::Credit, "user_id")?;
    let user_id = owners.text("user_id");
    let (columns, group) = match spending.each {
        true => (format!("{user_id}, CAST(-credits AS SIGNED), created_at"), String::new()),
        // Summed separately for users whose ids a collation treats as equal.
        false => (
            format!("MIN({user_id}), CAST(-SUM(credits) AS SIGNED), NULL"),
            format!(" GROUP BY {}", owners.bytes("user_id")),
        ),
    };
    let since = literal::time_from(tables.of_credit("createdAt")?, spending.since_ms);
    let of_scene = match &spending.scene {
        Some(scene) => {
            format!(
                " AND {}",
                tables.ids(TableName::Credit, "transaction_scene")?.is("transaction_scene", scene)
            )
        }
        None => String::new(),
    };
    // Metadata that is not JSON belongs to the app.
    let metadata = "CONVERT(metadata USING utf8mb4)";
    let is_own = ["revocation", "expiry"].map(|name| {
        format!("COALESCE(JSON_TYPE(JSON_EXTRACT({metadata}, '$.{name}')) = 'OBJECT', FALSE)")
    });
    let is_own =
        format!("CASE WHEN JSON_VALID({metadata}) THEN {} ELSE FALSE END", is_own.join(" OR "));
    Ok(format!(
        "SELECT {columns} FROM credit WHERE {are_theirs} AND transaction_type = 'consume' AND status = 'active' \
         AND created_at >= {since} AND NOT (COALESCE(transaction_scene, '') IN ('chargeback', 'expiry') \
         AND {is_own}){of_scene}{group}{}",
        W::NOW
    ))
}

/// A statement that changes users' numbers of used free trials, and how many rows it must change, if that
/// matters.
pub(super) fn free_trials(
    tables: &Tables,
    plans: &[&Plan],
    now_ms: i64,
) -> Answer<Option<(Statement, Option<usize>)>> {
    let mut of_users: BTreeMap<&str, i64> = BTreeMap::new();
    for plan in plans.iter().filter(|plan| plan.free_trials != 0) {
        *of_users.entry(&plan.user_id).or_default() += plan.free_trials;
    }
    if of_users.is_empty() {
        return Ok(None);
    }
    // For a user that no longer exists, nothing has to be returned.
    let taken = of_users.values().any(|more| *more > 0).then_some(of_users.len());
    let ids = tables.ids(TableName::User, "id")?;
    let cases =
        of_users.iter().map(|(id, more)| format!(" WHEN {} THEN {more}", ids.one(Some(id))));
    let (cases, list) = (cases.collect::<String>(), ids.many(of_users.keys()));
    let user = tables.table(TableName::User)?;
    let touch = match user.column("updatedAt") {
        Ok(column) if user.has_time("updatedAt") => {
            format!(", updated_at = {}", literal::time(column, now_ms))
        }
        _ => String::new(),
    };
    let table = tables.in_order(TableName::User);
    // Never below zero: an app with its own counting may not have counted this trial.
    Ok(Some((
        format!(
            "UPDATE {table} SET free_trial_used = GREATEST(CAST(COALESCE(free_trial_used, 0) AS SIGNED) \
             + CASE id{cases} END, 0){touch} WHERE id IN {list}"
        ),
        taken,
    )))
}
