//! Statements that change several things at once, each of which must be what the plan says.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio_postgres::types::Type;

use super::ids::IdType;
use super::rows::internal;
use super::statement::Statement;
use super::value::Param;
use crate::domain::plan::{RowChange, Verb};
use crate::domain::table::TableName;
use crate::domain::value::Fields;
use crate::storage::failure::Failure;
use crate::storage::schema::Table;

/// Parts of a WITH, and how many rows each must change.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) statement: Statement,
    begun: bool,
    expected: Vec<(&'static str, usize)>,
}

impl Parts {
    /// A part that must change this many rows, if that matters.
    pub(super) fn push(&mut self, part: &'static str, rows: Option<usize>, sql: &str) {
        let with = if std::mem::replace(&mut self.begun, true) { "," } else { "WITH" };
        self.statement.push(&format!("{with} {part} AS ({sql})"));
        self.expected.extend(rows.map(|rows| (part, rows)));
    }

    /// A part that changes each of these grants by a number of credits; none, if there are none.
    pub(super) fn push_grant_change(
        &mut self,
        part: &'static str,
        remaining: &str,
        condition: &str,
        changes: impl Iterator<Item = (String, i64)>,
        id_type: IdType,
        (now, time_type): (Param, Type),
    ) {
        // One row a grant: an UPDATE takes a row once, however often it is named.
        let mut of_grants: BTreeMap<String, i64> = BTreeMap::new();
        for (id, credits) in changes {
            *of_grants.entry(id).or_default() += credits;
        }
        if of_grants.is_empty() {
            return;
        }
        let grants = of_grants.len();
        let (ids, credits) = of_grants.into_iter().unzip();
        let time = self.statement.bind(now, time_type);
        let (ids, declared) = id_type.many(ids);
        let ids = self.statement.bind(ids, declared);
        let credits = self.statement.bind(Param::Integers(credits), Type::INT8_ARRAY);
        let update = format!(
            "UPDATE credit SET remaining_credits = {remaining}, updated_at = {time} \
             FROM unnest({ids}, {credits}) AS change (id, credits) \
             WHERE credit.id = change.id AND {condition} RETURNING 1"
        );
        self.push(part, Some(grants), &update);
    }

    /// The whole statement, with the rows that its last part writes. The COMMIT is on its way with it, so
    /// a part that changed another number of rows (a trigger of the app's own may drop one) divides by
    /// zero: that undoes everything.
    pub(super) fn finish(mut self, written: &str, rows: usize, table: &Table) -> Statement {
        self.push("written", Some(rows), &format!("{written} RETURNING {}", table.select_list));
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

/// A statement that writes rows of a table.
pub(super) struct RowsOfTable {
    pub(super) name: TableName,
    pub(super) table: Arc<Table>,
    pub(super) statement: Statement,
}

/// Statements that write rows, each with its table: one for new rows of the same columns, one for each
/// row that changes; the first with `parts`.
pub(super) fn write_rows<'r>(
    rows: impl Iterator<Item = &'r RowChange>,
    parts: Parts,
    table: impl Fn(TableName) -> Result<Arc<Table>, Failure>,
) -> Result<Vec<RowsOfTable>, Failure> {
    let mut groups: Vec<Vec<&RowChange>> = Vec::new();
    // Where new rows of a table with the same columns are.
    let mut places: HashMap<(TableName, Vec<&str>), usize> = HashMap::new();
    for row in rows {
        let last = groups.len();
        let place = match row.verb {
            Verb::Insert => {
                let keys = row.fields.iter().map(|(key, _)| key).collect();
                *places.entry((row.table, keys)).or_insert(last)
            }
            Verb::Update | Verb::UpdateCharge => last,
        };
        match groups.get_mut(place) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    let mut parts = Some(parts);
    let statement = |group: &Vec<&RowChange>| {
        let mut parts = parts.take().unwrap_or_default();
        let Some(RowChange { table: name, id, verb, fields }) = group.first() else {
            return Err(internal("a statement without rows"));
        };
        let table = table(*name)?;
        let written = match verb {
            Verb::Insert => {
                let rows: Vec<&Fields> = group.iter().map(|row| &row.fields).collect();
                parts.statement.insert(&table, &rows)?
            }
            Verb::Update => parts.statement.update(&table, id, fields)?,
            Verb::UpdateCharge => {
                let update = parts.statement.update(&table, id, fields)?;
                format!("{update} AND transaction_type = 'consume' AND status = 'active'")
            }
        };
        let statement = parts.finish(&written, group.len(), &table);
        Ok(RowsOfTable { name: *name, table, statement })
    };
    groups.iter().map(statement).collect()
}
