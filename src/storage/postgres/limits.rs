//! What a plan limits: how many tasks of a user are at work, and how many free trials are taken.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Row as DatabaseRow;
use tokio_postgres::types::Type;

use super::Session;
use super::access::Command;
use super::change::Parts;
use super::ids::IdType;
use super::rows::get;
use super::statement::{Statement, texts};
use super::value::Param;
use crate::domain::plan::Plan;
use crate::domain::table::{TableName, TaskKind};
use crate::storage::failure::Answer;
use crate::storage::store::{Facts, Wanted};

/// What is to be counted of some users, each kind of task by itself, and then their free trials. They are
/// sent after the users' locks, so they see what everybody before has written.
pub(super) fn counts(wanted: &Wanted, users: IdType) -> Vec<Statement> {
    let ids = |ids: &BTreeSet<String>| users.many(ids.iter().cloned().collect());
    let of_kind = |(kind, users): (&TaskKind, &BTreeSet<String>)| {
        let sql = include_str!("sql/tasks_at_risk.sql").replace("{tasks}", kind.table());
        let statuses = kind.statuses_at_risk().iter().map(|status| (*status).to_owned());
        Statement::new(sql, [ids(users), texts(statuses.collect())])
    };
    let mut statements: Vec<Statement> = wanted.active_of.iter().map(of_kind).collect();
    if !wanted.trials_of.is_empty() {
        let sql = r#"SELECT id::text, COALESCE(free_trial_used, 0)::bigint FROM "user" WHERE id = ANY ($1)"#;
        statements.push(Statement::new(sql, [ids(&wanted.trials_of)]));
    }
    statements
}

impl Facts {
    /// Takes the replies to [`counts`].
    pub(super) fn add_counts(
        &mut self,
        wanted: &Wanted,
        replies: &[Vec<DatabaseRow>],
    ) -> Answer<()> {
        let mut replies = replies.iter();
        for (kind, rows) in wanted.active_of.keys().zip(replies.by_ref()) {
            for row in rows {
                self.active.insert((*kind, get(row, 0)?), get(row, 1)?);
            }
        }
        for row in replies.flatten() {
            self.free_trials.insert(get(row, 0)?, get(row, 1)?);
        }
        Ok(())
    }
}

impl Session {
    /// By how many users' free trials rise or fall.
    pub(super) fn push_free_trials(
        &self,
        parts: &mut Parts,
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
        let taken = of_users.values().any(|more| *more > 0).then_some(of_users.len());
        let (ids, more) = of_users.into_iter().map(|(id, more)| (id.to_owned(), more)).unzip();
        self.may(TableName::User, &[Command::Update])?;
        let (ids, declared) = self.ids(TableName::User, ids)?;
        let ids = parts.statement.bind(ids, declared);
        let more = parts.statement.bind(Param::Integers(more), Type::INT8_ARRAY);
        let touch = if self.table(TableName::User)?.has_time("updatedAt") {
            let (now, declared) = self.time_in(TableName::User, "updatedAt", now_ms)?;
            format!(", updated_at = {}", parts.statement.bind(now, declared))
        } else {
            String::new()
        };
        let sql = include_str!("sql/free_trials.sql")
            .replace("{users}", &ids)
            .replace("{more}", &more)
            .replace("{touch}", &touch);
        // A user who is gone has nothing to get back.
        parts.push("free_trials", taken, &sql);
        Ok(())
    }
}
