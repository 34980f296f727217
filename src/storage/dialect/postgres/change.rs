//! Statements that change several rows, and fail unless they change exactly the planned ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::groups::groups;
use super::Statement;
use super::tables::Tables;
use super::wire::Form;
use crate::domain::plan::{Plan, RowChange, Verb};
use crate::domain::table::TableName;
use crate::domain::value::Fields;
use crate::storage::failure::Answer;
use crate::storage::schema::Table;

/// The parts of a WITH clause, and how many rows each must change.
pub(super) struct Parts {
    pub(super) statement: Statement,
    expected: Vec<(&'static str, usize)>,
}

/// A change of grants' credits.
struct GrantChange {
    part: &'static str,
    /// The expression for the new remaining credits.
    remaining: &'static str,
    /// The condition that must hold.
    condition: &'static str,
}

/// Draws. A grant is never lowered below zero, whatever the plan says.
const DRAW: GrantChange = GrantChange {
    part: "drawn",
    remaining: "credit.remaining_credits - change.credits",
    condition: "credit.remaining_credits >= change.credits",
};

/// Returns. A grant is never raised above what was granted.
const RETURN: GrantChange = GrantChange {
    part: "given_back",
    remaining: "credit.remaining_credits + change.credits",
    condition: "credit.remaining_credits + change.credits <= credit.credits",
};

impl Parts {
    fn new() -> Self {
        Self { statement: Statement::new("", []), expected: Vec::new() }
    }

    /// Adds a part, which must change this many rows, if that matters.
    pub(super) fn push(&mut self, part: &'static str, rows: Option<usize>, text: &str) {
        let with = if self.statement.text.is_empty() { "WITH" } else { "," };
        self.statement.push(&format!("{with} {part} AS ({text})"));
        self.expected.extend(rows.map(|rows| (part, rows)));
    }

    /// Adds a part that changes each of these grants by a number of credits, if there are any.
    fn push_grants(
        &mut self,
        tables: &Tables,
        change: &GrantChange,
        credits: impl Iterator<Item = (String, i64)>,
        now_ms: i64,
    ) -> Answer<()> {
        // One row for each grant: an UPDATE changes a row only once, even if it is joined several times.
        let mut of_grants: BTreeMap<String, i64> = BTreeMap::new();
        for (id, credits) in credits {
            *of_grants.entry(id).or_default() += credits;
        }
        if of_grants.is_empty() {
            return Ok(());
        }
        let grants = of_grants.len();
        let (ids, credits): (Vec<_>, Vec<_>) = of_grants.into_iter().unzip();
        let time = self.statement.bind(tables.time_for("updatedAt", now_ms)?);
        let GrantChange { part, remaining, condition } = change;
        let update =
            format!("UPDATE credit SET remaining_credits = {remaining}, updated_at = {time}");
        let update = match (&ids[..], &credits[..]) {
            // The server plans this faster than a join.
            ([id], [credits]) => {
                let id = self.statement.bind(tables.id(TableName::Credit, id.as_str())?);
                let credits = self.statement.bind(*credits);
                format!("{update} WHERE credit.id = {id} AND {condition}")
                    .replace("change.credits", &credits)
            }
            _ => {
                let ids = self.statement.bind(tables.ids(TableName::Credit, ids)?);
                let credits = self.statement.bind(credits);
                format!(
                    "{update} FROM unnest({ids}, {credits}) AS change (id, credits) \
                     WHERE credit.id = change.id AND {condition}"
                )
            }
        };
        self.push(part, Some(grants), &format!("{update} RETURNING 1"));
        Ok(())
    }

    /// Completes the statement. Its last part writes these rows and selects them.
    fn finish(mut self, tables: &Tables, form: Form, rows: &[&RowChange]) -> Answer<RowsOfTable> {
        let RowChange { table: name, id, verb, fields } = rows[0];
        let table = Arc::clone(tables.table(*name)?);
        let written = match verb {
            Verb::Insert => {
                let rows: Vec<&Fields> = rows.iter().map(|row| &row.fields).collect();
                self.statement.insert(&table, &rows)?
            }
            Verb::Update => self.statement.update(&table, id, fields)?,
            Verb::UpdateCharge => {
                let update = self.statement.update(&table, id, fields)?;
                format!("{update} AND transaction_type = 'consume' AND status = 'active'")
            }
        };
        let columns = &table.select_list;
        let returned = match form {
            Form::Columns => columns.clone(),
            // The server plans this faster than a row with so many columns.
            Form::Json => format!("row_to_json(ROW({columns})) AS made"),
        };
        self.push("written", Some(rows.len()), &format!("{written} RETURNING {returned}"));
        let expected = self.as_expected();
        // Selects at least one row, since the selected expression is the one that fails.
        self.statement.push(&match form {
            Form::Columns => {
                format!(" SELECT written.*, {expected} FROM (SELECT) AS always LEFT JOIN written ON true")
            }
            Form::Json => format!(
                " SELECT CASE WHEN {expected} = 1 THEN json_agg(made) END::text AS media_credits FROM written"
            ),
        });
        Ok(RowsOfTable { name: *name, table, statement: self.statement })
    }

    /// An expression that divides by zero if a part changed another number of rows than planned; a trigger of
    /// the app may suppress one. The COMMIT is sent with it, and the error rolls everything back.
    fn as_expected(&self) -> String {
        let expected = self.expected.iter();
        let counts: Vec<String> = expected
            .map(|(part, rows)| format!("(SELECT count(*) FROM {part}) = {rows}"))
            .collect();
        format!("1 / ({})::integer", counts.join(" AND "))
    }
}

/// The code of a division by zero: see [`Parts::as_expected`].
pub(super) const NOT_AS_EXPECTED: &str = "22012";

/// A statement that writes rows of a table.
pub(super) struct RowsOfTable {
    pub(super) name: TableName,
    pub(super) table: Arc<Table>,
    pub(super) statement: Statement,
}

/// The statements that write plans, in one round trip: one statement for new rows with the same columns, one
/// for each changed row. The first one also does everything else.
pub(super) fn write_plans(
    tables: &Tables,
    form: Form,
    plans: &[&Plan],
    now_ms: i64,
) -> Answer<Vec<RowsOfTable>> {
    let groups = groups(plans.iter().flat_map(|plan| &plan.rows));
    let Some((first, rest)) = groups.split_first() else { return Ok(Vec::new()) };
    let mut parts = Parts::new();
    let draws = plans.iter().flat_map(|plan| &plan.draws);
    let draws = draws.map(|draw| (draw.credit_id.clone(), draw.credits_consumed));
    parts.push_grants(tables, &DRAW, draws, now_ms)?;
    let returns = plans.iter().flat_map(|plan| &plan.returns).cloned();
    parts.push_grants(tables, &RETURN, returns, now_ms)?;
    parts.push_free_trials(tables, plans, now_ms)?;
    let mut statements = vec![parts.finish(tables, form, first)?];
    for group in rest {
        statements.push(Parts::new().finish(tables, form, group)?);
    }
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::super::testing::tables_with;
    use super::super::value::Value;
    use super::*;
    use crate::domain::value::Value as Given;

    fn credit(id: &str, verb: Verb, keys: &[&str]) -> RowChange {
        let field = |key: &&str| ((*key).to_owned(), Given::Text("x".to_owned()));
        let fields = keys.iter().map(field).collect();
        RowChange { table: TableName::Credit, id: id.to_owned(), verb, fields }
    }

    #[test]
    fn plans_of_one_transaction_are_written_together() {
        let mut plan = Plan::new("u", TableName::Credit, "a");
        plan.rows = vec![
            credit("a", Verb::Insert, &["id", "metadata"]),
            credit("b", Verb::UpdateCharge, &["metadata"]),
            credit("c", Verb::Insert, &["id", "metadata"]),
        ];
        plan.returns = vec![("g".to_owned(), 2), ("h".to_owned(), 5), ("g".to_owned(), 1)];
        let tables = tables_with("jsonb");
        let written = write_plans(&tables, Form::Columns, &[&plan], 7).unwrap();
        let columns = &tables.table(TableName::Credit).unwrap().select_list;
        let expected = [
            format!(
                "WITH given_back AS (UPDATE credit SET remaining_credits = credit.remaining_credits + \
                 change.credits, updated_at = $1 FROM unnest($2, $3) AS change (id, credits) WHERE \
                 credit.id = change.id AND credit.remaining_credits + change.credits <= credit.credits \
                 RETURNING 1), written AS (INSERT INTO \"credit\" (\"id\", \"metadata\") VALUES ($4, $5), \
                 ($6, $7) RETURNING {columns}) SELECT written.*, 1 / ((SELECT count(*) FROM given_back) = 2 \
                 AND (SELECT count(*) FROM written) = 2)::integer FROM (SELECT) AS always LEFT JOIN written \
                 ON true"
            ),
            format!(
                "WITH written AS (UPDATE \"credit\" SET \"metadata\" = $1 WHERE id = $2 AND \
                 transaction_type = 'consume' AND status = 'active' RETURNING {columns}) SELECT written.*, \
                 1 / ((SELECT count(*) FROM written) = 1)::integer FROM (SELECT) AS always LEFT JOIN written \
                 ON true"
            ),
        ];
        let texts: Vec<&str> = written.iter().map(|rows| rows.statement.text.as_ref()).collect();
        assert_eq!(texts, expected);
        let texts = |texts: &[&str]| {
            Value::from(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        let x = || Value::from("x");
        let returned =
            [Value::Time(Some(7)), texts(&["g", "h"]), vec![3, 5].into(), x(), x(), x(), x()];
        assert_eq!(written[0].statement.values, returned);
        assert_eq!(written[1].statement.values, [x(), "b".into()]);
    }

    #[test]
    fn rows_come_back_as_json_if_the_plan_held() {
        let mut plan = Plan::new("u", TableName::Credit, "b");
        plan.rows = vec![credit("b", Verb::Update, &["metadata"])];
        let written = write_plans(&tables_with("jsonb"), Form::Json, &[&plan], 7).unwrap();
        let reply = " SELECT CASE WHEN 1 / ((SELECT count(*) FROM written) = 1)::integer = 1 THEN \
                     json_agg(made) END::text AS media_credits FROM written";
        assert!(written[0].statement.text.ends_with(reply), "{}", written[0].statement.text);
    }
}
