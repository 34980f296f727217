//! Statements that change several things at once, each of which must be what the plan says.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::error::Failure;
use super::statement::{Statement, texts};
use super::value::Param;
use crate::domain::value::Fields;
use crate::storage::schema::Table;

/// A change of a row: its fields, and for an update its id.
pub(super) enum Change<'a> {
    Insert(&'a Fields),
    Update(&'a str, &'a Fields),
}

/// What grants become.
pub(super) struct GrantChange {
    pub(super) part: &'static str,
    pub(super) remaining: &'static str,
    pub(super) condition: &'static str,
}

/// Parts of a WITH, and how many rows each must change.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) statement: Statement,
    expected: Vec<(&'static str, usize)>,
}

impl Parts {
    /// A part that must change this many rows.
    pub(super) fn push(&mut self, part: &'static str, rows: usize, sql: &str) {
        let with = if self.expected.is_empty() { "WITH" } else { "," };
        self.statement.push(&format!("{with} {part} AS ({sql})"));
        self.expected.push((part, rows));
    }

    /// A part that changes each of these grants by a number of credits.
    pub(super) fn push_grant_change(
        &mut self,
        change: &GrantChange,
        of_grants: BTreeMap<String, i64>,
        (now, time_type): (Param, Type),
    ) {
        let GrantChange { part, remaining, condition } = change;
        let grants = of_grants.len();
        let (ids, credits) = of_grants.into_iter().unzip();
        let time = self.statement.bind(now, time_type);
        let (ids, declared) = texts(ids);
        let ids = self.statement.bind(ids, declared);
        let credits = self.statement.bind(Param::Integers(credits), Type::INT8_ARRAY);
        let update = format!(
            "UPDATE credit SET remaining_credits = {remaining}, updated_at = {time} \
             FROM unnest({ids}, {credits}) AS change (id, credits) \
             WHERE credit.id = change.id AND {condition} RETURNING 1"
        );
        self.push(part, grants, &update);
    }

    /// The whole statement, with the rows that its last part writes. The COMMIT is on its way with it, so
    /// a part that changed another number of rows (a trigger of the app's own may drop one) divides by
    /// zero: that undoes everything.
    pub(super) fn finish(mut self, written: &str, rows: usize, table: &Table) -> Statement {
        self.push("written", rows, &format!("{written} RETURNING {}", table.select_list));
        let as_expected: Vec<String> = self
            .expected
            .iter()
            .map(|(part, rows)| format!("(SELECT count(*) FROM {part}) = {rows}"))
            .collect();
        self.statement.push(&format!(
            " SELECT written.*, 1 / ({})::integer FROM (SELECT) AS always LEFT JOIN written ON true",
            as_expected.join(" AND ")
        ));
        self.statement
    }
}

/// Statements that insert rows, one for each choice of columns; the first with `parts`.
pub(super) fn inserts(
    table: &Table,
    rows: &[&Fields],
    parts: Parts,
) -> Result<Vec<Statement>, Failure> {
    let mut groups: Vec<(Vec<&str>, Vec<&Fields>)> = Vec::new();
    for row in rows {
        let keys: Vec<&str> = row.iter().map(|(key, _)| key).collect();
        match groups.iter_mut().find(|(same, _)| *same == keys) {
            Some((_, group)) => group.push(row),
            None => groups.push((keys, vec![row])),
        }
    }
    let mut parts = Some(parts);
    let insert = |(_, group): &(Vec<&str>, Vec<&Fields>)| {
        let mut parts = parts.take().unwrap_or_default();
        let written = parts.statement.insert(table, group)?;
        Ok(parts.finish(&written, group.len(), table))
    };
    groups.iter().map(insert).collect()
}
