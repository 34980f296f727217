//! Statements that change several rows, and fail unless they change exactly the planned ones.

use std::collections::BTreeMap;

use super::super::groups::groups;
use super::limits::free_trials;
use super::tables::Tables;
use super::{Statement, literal, quote};
use crate::domain::plan::{Plan, RowChange, Verb};
use crate::domain::table::TableName;
use crate::domain::value::Fields;
use crate::storage::failure::Answer;
use crate::storage::schema::Table;

/// The maximum number of grants or rows in one statement, which compares each with all.
const MOST: usize = 128;

/// A statement that fails if the one before it changed another number of rows. The COMMIT is sent with it,
/// and is not executed then. It uses arithmetic only: if `KILL QUERY` stops a subquery, MariaDB returns NULL
/// for it and goes on.
pub(super) fn assert_rows(rows: usize) -> Statement {
    format!("SELECT EXP(1000 * (ROW_COUNT() <> {rows}))")
}

/// The statements that write plans.
pub(super) fn write_plans(tables: &Tables, plans: &[&Plan], now_ms: i64) -> Answer<Vec<Statement>> {
    let mut statements = Vec::new();
    let mut add = |statement: Statement, rows: Option<usize>| {
        statements.push(statement);
        statements.extend(rows.map(assert_rows));
    };
    for (statement, rows) in changes_of_grants(tables, plans, now_ms)? {
        add(statement, Some(rows));
    }
    if let Some((statement, rows)) = free_trials(tables, plans, now_ms)? {
        add(statement, rows);
    }
    for group in groups(plans.iter().flat_map(|plan| &plan.rows)) {
        let table = tables.table(group[0].table)?;
        for row in &group {
            table.check_planned(&row.fields)?;
        }
        match group[0].verb {
            Verb::Insert => {
                for rows in group.chunks(MOST) {
                    add(insert(table, rows)?, None);
                }
            }
            Verb::Update => add(update(tables, table, group[0])?, Some(1)),
            Verb::UpdateCharge => {
                let active = "transaction_type = 'consume' AND status = 'active'";
                let update = update(tables, table, group[0])?;
                add(format!("{update} AND {active}"), Some(1));
            }
        }
    }
    Ok(statements)
}

/// A change of a grant.
struct GrantChange {
    credits: i64,
    /// Its remaining credits before, if they must be unchanged.
    before: Option<i64>,
}

/// The draws of charges and the returns of refunds.
fn changes_of_grants(
    tables: &Tables,
    plans: &[&Plan],
    now_ms: i64,
) -> Answer<Vec<(Statement, usize)>> {
    // Each grant is changed once, however many charges draw on it.
    let (mut draws, mut returns) = (BTreeMap::new(), BTreeMap::new());
    for draw in plans.iter().flat_map(|plan| &plan.draws) {
        let before = Some(draw.credits_before);
        let change =
            draws.entry(draw.credit_id.as_str()).or_insert(GrantChange { credits: 0, before });
        change.credits -= draw.credits_consumed;
    }
    for (id, credits) in plans.iter().flat_map(|plan| &plan.returns) {
        let change = GrantChange { credits: 0, before: None };
        returns.entry(id.as_str()).or_insert(change).credits += credits;
    }
    let mut statements = Vec::new();
    for changes in [draws, returns] {
        let changes: Vec<(&str, GrantChange)> = changes.into_iter().collect();
        for changes in changes.chunks(MOST) {
            statements.push((change_grants(tables, changes, now_ms)?, changes.len()));
        }
    }
    Ok(statements)
}

/// A draw requires that the grant is as it was read, and never lowers it below zero; a return never raises it
/// above what was granted.
fn change_grants(
    tables: &Tables,
    changes: &[(&str, GrantChange)],
    now_ms: i64,
) -> Answer<Statement> {
    let ids = tables.ids(TableName::Credit, "id")?;
    let of_each = |value: &dyn Fn(&GrantChange) -> i64| match changes {
        [(_, change)] => value(change).to_string(),
        changes => {
            let case = |(id, change): &(&str, GrantChange)| {
                format!(" WHEN {} THEN {}", ids.one(Some(id)), value(change))
            };
            format!("CASE id{} END", changes.iter().map(case).collect::<String>())
        }
    };
    let credits = of_each(&|change| change.credits);
    let are_drawn = changes.iter().all(|(_, change)| change.before.is_some());
    let condition = match are_drawn {
        true => format!(
            "remaining_credits = {} AND remaining_credits + {credits} >= 0",
            of_each(&|change| change.before.unwrap_or(0))
        ),
        false => format!("remaining_credits + {credits} <= credits"),
    };
    let is_one = match changes {
        [(id, _)] => format!("id = {}", ids.one(Some(id))),
        changes => format!("id IN {}", ids.many(changes.iter().map(|(id, _)| id))),
    };
    let (table, now) = (tables.in_order(TableName::Credit), tables.time_for("updatedAt", now_ms)?);
    let mut set = vec![
        format!("remaining_credits = remaining_credits + {credits}"),
        format!("updated_at = {now}"),
    ];
    set.append(&mut tables.untouched(TableName::Credit, &["updated_at"]));
    let set = set.join(", ");
    Ok(format!(
        "UPDATE {table} SET {set} \
         WHERE {is_one} AND transaction_type = 'grant' AND {condition}"
    ))
}

/// Inserts rows with the same columns, at least one.
fn insert(table: &Table, rows: &[&RowChange]) -> Answer<Statement> {
    let (mut names, mut values) = (String::new(), Vec::new());
    for row in rows {
        let (columns, of_row): (Vec<_>, Vec<_>) = written(table, &row.fields)?.into_iter().unzip();
        names = columns.join(", ");
        values.push(format!("({})", of_row.join(", ")));
    }
    Ok(format!("INSERT INTO {} ({names}) VALUES {}", quote(table.name), values.join(", ")))
}

fn update(tables: &Tables, table: &Table, row: &RowChange) -> Answer<Statement> {
    let changes = written(table, &row.fields)?;
    let names = changes.iter().map(|(name, _)| name.trim_matches('`'));
    let untouched = tables.untouched(row.table, &names.collect::<Vec<_>>());
    let changes = changes.into_iter().map(|(name, value)| format!("{name} = {value}"));
    let changes: Vec<String> = changes.chain(untouched).collect();
    let id = tables.ids(row.table, "id")?.one(Some(&row.id));
    Ok(format!("UPDATE {} SET {} WHERE id = {id}", quote(table.name), changes.join(", ")))
}

/// The column name and value of each field.
fn written(table: &Table, row: &Fields) -> Answer<Vec<(String, String)>> {
    let mut written = Vec::new();
    for (key, value) in table.sayable(row).iter() {
        let column = table.column(key)?;
        written.push((quote(&column.name), literal::value(value, column)));
    }
    Ok(written)
}
