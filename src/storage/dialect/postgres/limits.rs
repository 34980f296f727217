//! The counts for limits: a user's unfinished tasks, and used free trials.

use std::collections::{BTreeMap, BTreeSet};

use super::super::facts::read_spent;

use super::super::privileges::Command;
use super::Statement;
use super::change::Parts;
use super::row::{SelectedRow, get};
use super::tables::Tables;
use super::value::Value;
use super::wire::{Replies, ReplyOf, Statements};
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
    pub(super) fn new(
        statements: &mut Statements,
        tables: &Tables,
        wanted: &Wanted<'_>,
    ) -> Answer<Self> {
        let users = tables.ids_of(TableName::User)?;
        let ids = |ids: &BTreeSet<&str>| users.many(ids);
        let of_kind = |(kind, users): (&TaskKind, &BTreeSet<&str>)| {
            let text = include_str!("sql/tasks_at_risk.sql").replace("{tasks}", kind.table());
            let statuses = kind.statuses_at_risk().iter().map(|status| (*status).to_owned());
            let statuses = Value::Texts(statuses.collect());
            (*kind, statements.add(Statement::new(text, [ids(users), statuses])))
        };
        let tasks = wanted.active_of.iter().map(of_kind).collect();
        const TRIALS: &str = r#"SELECT id::text, COALESCE(free_trial_used, 0)::bigint FROM "user" WHERE id = ANY ($1)"#;
        let trials = (!wanted.trials_of.is_empty())
            .then(|| statements.add(Statement::new(TRIALS, [ids(&wanted.trials_of)])));
        let mut spent = Vec::new();
        for (spending, users) in &wanted.spending {
            let users = tables.ids(TableName::User, users)?;
            let statement = statements.add(spent_by(tables, users, spending)?);
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

/// Users' spending: a sum for each user, or each charge.
pub(super) fn spent_by(tables: &Tables, users: Value, spending: &Spending) -> Answer<Statement> {
    let Spending { since_ms, scene, each } = spending;
    let (columns, group) = match each {
        true => ("-credits::bigint, created_at", ""),
        false => ("(-sum(credits))::bigint, NULL::timestamptz", "GROUP BY user_id"),
    };
    let values = [users, tables.time_for("createdAt", *since_ms)?];
    let mut statement = Statement::new(String::new(), values);
    let of_scene = match scene {
        // The column may be an enum.
        Some(scene) => format!("AND transaction_scene::text = {}", statement.bind(scene.as_str())),
        None => String::new(),
    };
    statement.push(
        &include_str!("sql/spent.sql")
            .replace("{columns}", columns)
            .replace("{of_scene}", &of_scene)
            .replace("{group}", group),
    );
    Ok(statement)
}

impl Parts {
    /// Adds the changes of users' numbers of used free trials.
    pub(super) fn push_free_trials(
        &mut self,
        tables: &Tables,
        plans: &[&Plan],
        now_ms: i64,
    ) -> Answer<()> {
        let mut of_users: BTreeMap<&str, i64> = BTreeMap::new();
        for plan in plans.iter().filter(|plan| plan.free_trials != 0) {
            *of_users.entry(&plan.user_id).or_default() += plan.free_trials;
        }
        if of_users.is_empty() {
            return Ok(());
        }
        tables.may(TableName::User, &[Command::Update])?;
        let taken = of_users.values().any(|more| *more > 0).then_some(of_users.len());
        let (ids, more): (Vec<_>, Vec<_>) = of_users.into_iter().unzip();
        let ids = self.statement.bind(tables.ids(TableName::User, ids)?);
        let more = self.statement.bind(more);
        let touch = if tables.table(TableName::User)?.has_time("updatedAt") {
            let now = tables.time_in(TableName::User, "updatedAt", now_ms)?;
            format!(", updated_at = {}", self.statement.bind(now))
        } else {
            String::new()
        };
        let text = include_str!("sql/free_trials.sql")
            .replace("{users}", &ids)
            .replace("{more}", &more)
            .replace("{touch}", &touch);
        // For a user that no longer exists, nothing has to be returned.
        self.push("free_trials", taken, &text);
        Ok(())
    }
}
