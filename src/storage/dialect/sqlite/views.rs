//! Reads for an app's pages.

use std::borrow::Cow;

use super::Statement;
use super::cell::Cell;
use crate::domain::table::{TableName, TaskKind};
use crate::error::Result;
use crate::storage::schema::{Schema, Table};
use crate::storage::times::TimestampUnit;
use crate::storage::{Filter, StuckFilter, Window};

/// The table of media tasks.
pub const MEDIA_TASKS: TableName = TableName::Tasks(TaskKind::Media);

/// A selection of rows of a table.
pub struct Rows<'a> {
    /// The table.
    pub table: TableName,
    condition: Cow<'static, str>,
    values: Vec<Cell<'a>>,
    order: &'static str,
    /// The window; `None` selects all.
    pub window: Option<Window>,
}

impl<'a> Rows<'a> {
    /// Rows that meet a condition, newest first.
    pub(super) fn new(
        table: TableName,
        condition: impl Into<Cow<'static, str>>,
        values: impl Into<Vec<Cell<'a>>>,
    ) -> Self {
        const NEWEST_FIRST: &str = "created_at DESC, id DESC";
        let (condition, values) = (condition.into(), values.into());
        Self { table, condition, values, order: NEWEST_FIRST, window: None }
    }

    /// The row of `credit` with this transaction number.
    pub fn with_transaction_no(transaction_no: &'a str) -> Self {
        Self::new(TableName::Credit, "transaction_no = ?", [transaction_no.into()])
    }

    /// Rows with these ids, in any order.
    pub fn with_ids(table: TableName, ids: &[&str]) -> Self {
        let ids = serde_json::Value::from(ids).to_string();
        let condition = "id IN (SELECT value FROM json_each(?))";
        Self { order: "id", ..Self::new(table, condition, [ids.into()]) }
    }

    /// A user's media tasks, without deleted ones.
    pub fn tasks(schema: &Schema, user_id: &'a str) -> Result<Self> {
        let not_deleted = schema.table(MEDIA_TASKS)?.and_not_deleted();
        Ok(Self::new(MEDIA_TASKS, format!("user_id = ?{not_deleted}"), [user_id.into()]))
    }

    /// A user's media tasks with one of these statuses, without deleted ones.
    pub fn tasks_in(schema: &Schema, user_id: &'a str, statuses: &'a [String]) -> Result<Self> {
        let mut rows = Self::tasks(schema, user_id)?;
        rows.condition = format!("{} AND {}", rows.condition, in_states(statuses.len())).into();
        rows.values.extend(statuses.iter().map(|status| Cell::from(status.as_str())));
        Ok(rows)
    }

    /// The rows of a list.
    pub fn of_list(filter: &'a Filter) -> Self {
        let (mut condition, mut values) = ("TRUE".to_owned(), Vec::new());
        for (column, value) in &filter.equal {
            condition.push_str(&format!(" AND {column} = ?"));
            values.push(value.as_str().into());
        }
        Self::new(filter.table, condition, values)
    }

    /// A user's charges that may belong to a task: the one with this id, and those whose metadata contains
    /// this text.
    pub fn charges_about(user_id: &'a str, charge_id: Option<&'a str>, text: &'a str) -> Self {
        let condition = "user_id = ? AND transaction_type = 'consume' \
                         AND (id = ? OR instr(metadata, ?) > 0)";
        let charge_id = charge_id.map_or(Cell::Null, Cell::from);
        let values = [user_id.into(), charge_id, text.into()];
        Self { order: "created_at, id", ..Self::new(TableName::Credit, condition, values) }
    }

    /// Tasks that no worker has touched for a while.
    pub fn stuck_tasks(filter: &'a StuckFilter, now_ms: i64, unit: TimestampUnit) -> Self {
        // Text and BLOBs sort after all numbers. A task with an unreadable time also counts as stuck.
        let unreadable = "updated_at IS NULL OR updated_at >= ''";
        let states = in_states(filter.statuses.len());
        let condition = format!("{states} AND (updated_at < ? OR {unreadable})");
        let statuses = filter.statuses.iter().map(|status| Cell::from(status.as_str()));
        let before = Cell::from(unit.from_ms(now_ms - filter.older_than_ms));
        let window = Window { limit: i64::from(filter.limit), offset: i64::from(filter.skip) };
        let values: Vec<_> = statuses.chain([before]).collect();
        let rows = Self::new(TableName::Tasks(filter.kind), condition, values);
        Self { order: "updated_at, id", window: Some(window), ..rows }
    }

    /// Holds that have ended.
    pub fn ended_holds(window: Window, now_ms: i64, unit: TimestampUnit) -> Self {
        // Text and BLOBs sort after all numbers.
        let condition = format!("{HELD} AND expires_at <= ? AND expires_at < ''");
        let now = unit.exactly_from_ms(now_ms);
        let ended = Self::new(TableName::Credit, condition, [now.into()]);
        Self { order: "expires_at, id", window: Some(window), ..ended }
    }

    /// Limits the selection to a window.
    pub fn within(self, window: Window) -> Self {
        Self { window: Some(window), ..self }
    }

    /// Selects the `key` of each row, in order. Sorting whole rows, which may hold megabytes, would copy them
    /// repeatedly; so their keys are sorted, and the rows of a page are read by key.
    pub fn keys(mut self, key: &str) -> Statement<'a> {
        // SQLite treats a negative limit as no limit.
        let Window { limit, offset } = self.window.unwrap_or(Window { limit: -1, offset: 0 });
        self.values.extend([limit.into(), offset.into()]);
        let (table, condition, order) = (self.table.sql(), self.condition, self.order);
        let text = format!(
            r#"SELECT {key} FROM "{table}" WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"#
        );
        Statement::new(text, self.values)
    }

    /// Counts the rows.
    pub fn count(self) -> Statement<'a> {
        let (table, condition) = (self.table.sql(), self.condition);
        let text = format!(r#"SELECT COUNT(*) FROM "{table}" WHERE {condition}"#);
        Statement::new(text, self.values)
    }

    /// Selects a row if there is one.
    pub fn any(self) -> Statement<'a> {
        let (table, condition) = (self.table.sql(), self.condition);
        let text = format!(r#"SELECT 1 FROM "{table}" WHERE {condition} LIMIT 1"#);
        Statement::new(text, self.values)
    }
}

/// The SQL that selects a row by the key from [`Rows::keys`].
pub fn by_key(table: &Table, key: &str) -> String {
    format!(r#"SELECT {} FROM "{}" WHERE {key} = ?"#, table.select_list, table.name)
}

/// Selects a user's balance.
pub fn balance(user_id: &str, now_ms: i64, unit: TimestampUnit) -> Statement<'_> {
    let now = unit.exactly_from_ms(now_ms);
    Statement::new(include_str!("sql/balance.sql"), [user_id.into(), now.into()])
}

/// Selects the credits in a user's holds.
pub fn held(user_id: &str) -> Statement<'_> {
    let text =
        format!("SELECT COALESCE(-SUM(credits), 0) FROM credit WHERE user_id = ?1 AND {HELD}");
    Statement::new(text, [user_id.into()])
}

/// The condition that a charge is a hold. `remaining_credits = 0` holds for every charge, and lets the app's
/// index find the rows with an expiry.
const HELD: &str = "status = 'active' AND transaction_type = 'consume' AND remaining_credits = 0 \
                    AND expires_at IS NOT NULL AND instr(metadata, '\"held\"') > 0";

/// The condition that a task has one of this many statuses.
pub(super) fn in_states(states: usize) -> String {
    format!("status IN ({})", vec!["?"; states].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_a_list() {
        let filter = |equal: &[(&'static str, &str)]| Filter {
            table: TableName::Credit,
            equal: equal.iter().map(|(column, value)| (*column, (*value).to_owned())).collect(),
        };
        let all = filter(&[]);
        let grants = filter(&[("user_id", "u'"), ("transaction_type", "grant")]);
        let page = Window { limit: 20, offset: 40 };
        let rows: [(Statement<'_>, &str, &[Cell<'_>]); 4] = [
            (
                Rows::of_list(&grants).within(page).keys("rowid"),
                "SELECT rowid FROM \"credit\" WHERE TRUE AND user_id = ? AND transaction_type = ? \
                 ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?",
                &["u'".into(), "grant".into(), 20.into(), 40.into()],
            ),
            (
                Rows::of_list(&all).keys("id"),
                "SELECT id FROM \"credit\" WHERE TRUE ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?",
                &[Cell::Integer(-1), 0.into()],
            ),
            (
                Rows::of_list(&grants).within(page).count(),
                "SELECT COUNT(*) FROM \"credit\" WHERE TRUE AND user_id = ? AND transaction_type = ?",
                &["u'".into(), "grant".into()],
            ),
            (
                Rows::with_ids(TableName::User, &["a\"", "b"]).any(),
                "SELECT 1 FROM \"user\" WHERE id IN (SELECT value FROM json_each(?)) LIMIT 1",
                &["[\"a\\\"\",\"b\"]".into()],
            ),
        ];
        for (statement, text, values) in rows {
            assert_eq!((statement.text.as_ref(), statement.values.as_slice()), (text, values));
        }
    }
}
