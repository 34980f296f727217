//! Users' spending, by charge or in total, and their expiring credits.

use super::Statement;
use super::cell::{Cell, SelectedRow};
use crate::domain::expiring::{Expiring, ExpiringQuery};
use crate::domain::spending::{Spending, Spent};
use crate::storage::times::TimestampUnit;

/// Selects a user's spending. [`read_spent`] reads it. Columns may hold any type; text and BLOBs, which sort
/// after all numbers, are ignored.
pub fn spent<'a>(user_id: &'a str, spending: &'a Spending, unit: TimestampUnit) -> Statement<'a> {
    let columns = if spending.each { "-credits, created_at" } else { "-SUM(credits), NULL" };
    let text = include_str!("sql/spent.sql").replace("{columns}", columns);
    let scene = spending.scene.as_deref().map_or(Cell::Null, Cell::from);
    let since = unit.exactly_from_ms(spending.since_ms);
    Statement::new(text, [user_id.into(), since.into(), scene])
}

/// Reads a row of [`spent`].
pub fn read_spent(row: &impl SelectedRow, unit: TimestampUnit) -> Spent {
    (row.cell(0).whole().unwrap_or(0), row.cell(1).time_ms(unit))
}

/// Selects users with expiring credits. [`read_expiring`] reads them.
pub fn expiring(query: &ExpiringQuery, now_ms: i64, unit: TimestampUnit) -> Statement<'_> {
    let after = query.after.as_deref().map_or(Cell::Null, Cell::from);
    let times = [now_ms, now_ms.saturating_add(query.within_ms)];
    let [now, until] = times.map(|time_ms| unit.exactly_from_ms(time_ms));
    let values =
        [after, now.into(), until.into(), query.at_least.into(), i64::from(query.limit).into()];
    Statement::new(include_str!("sql/expiring.sql"), values)
}

/// Reads a row of [`expiring`]; `None` if the user's id is not text.
pub fn read_expiring(row: &impl SelectedRow, unit: TimestampUnit) -> Option<Expiring> {
    Some(Expiring {
        user_id: row.cell(0).as_text()?.to_owned(),
        credits: row.cell(1).whole()?,
        grants: row.cell(2).whole()?,
        first_ms: row.cell(3).time_ms(unit)?,
    })
}
