//! Whole accounts: page by page, with one statement per table and page.

use std::borrow::Cow;

use super::Statement;
use super::cell::{Cell, SelectedRow};
use super::views::MEDIA_TASKS;
use crate::domain::books::{TaskEntry, Times};
use crate::domain::table::{TableName, TaskKind};
use crate::error::Result;
use crate::storage::books::{BooksPage, CreditEntry, Odd};
use crate::storage::schema::Schema;
use crate::storage::times::TimestampUnit;

/// The tables with rows of users, in the order in which a page reads them.
pub const TABLES: [TableName; 3] = [TableName::Credit, MEDIA_TASKS, TableName::Tasks(TaskKind::Ai)];

/// The users of a page: a condition on `user_id` with its values.
pub struct Users {
    from: &'static str,
    to: &'static str,
    values: Vec<String>,
}

impl Users {
    /// One user.
    pub fn one(user_id: &str) -> Self {
        Self { from: "user_id = ?", to: "TRUE", values: vec![user_id.to_owned()] }
    }

    /// All users after this one; all users if `None`.
    pub fn after(after: Option<&str>) -> Self {
        // User ids are text. SQLite sorts numbers before texts, and BLOBs after them.
        let from = if after.is_some() { "user_id > ?" } else { "user_id >= ''" };
        let values = after.map(str::to_owned).into_iter().collect();
        Self { from, to: "user_id < x''", values }
    }

    /// Limits the users to those up to this one.
    pub fn up_to(mut self, last: String) -> Self {
        self.values.push(last);
        Self { to: "user_id <= ?", ..self }
    }

    /// The last of the next `users` users with rows in a table, as text. [`read_user`] reads it.
    pub fn last_of(&self, table: TableName, users: u32) -> Statement<'_> {
        let text = format!(
            "SELECT DISTINCT user_id FROM {} WHERE {} AND {} ORDER BY user_id LIMIT 1 OFFSET {}",
            table.sql(),
            self.from,
            self.to,
            users.saturating_sub(1)
        );
        Statement::new(text, self.values())
    }

    fn values(&self) -> Vec<Cell<'_>> {
        self.values.iter().map(|value| value.as_str().into()).collect()
    }
}

/// Reads a row of [`Users::last_of`] or [`owner`].
pub fn read_user(row: &impl SelectedRow) -> String {
    row.cell(0).into_text().unwrap_or_default().into_owned()
}

/// Selects the user of a row. [`read_user`] reads it.
pub fn owner(table: TableName, id: &str) -> Statement<'_> {
    let text = format!(r#"SELECT user_id FROM "{}" WHERE id = ?1"#, table.sql());
    Statement::new(text, [id.into()])
}

/// Selects these users' rows in a table. [`enter`] reads them.
pub fn rows_of<'a>(schema: &Schema, table: TableName, users: &'a Users) -> Result<Statement<'a>> {
    let found = schema.table(table)?;
    let columns = match table {
        TableName::Tasks(_) => found.column_or("credit_id", "NULL"),
        _ => {
            "transaction_type, credits, remaining_credits, consumed_detail, metadata, transaction_no"
        }
    };
    let times = ["createdAt", "updatedAt", "deletedAt", "expiresAt"]
        .map(|key| found.column(key).map_or("NULL", |column| column.name.as_str()))
        .join(", ");
    let (name, Users { from, to, .. }) = (found.name, users);
    let text = format!(
        r#"SELECT {times}, id, user_id, status, {columns} FROM "{name}" WHERE {from} AND {to}"#
    );
    Ok(Statement::new(text, users.values()))
}

/// Adds a row of [`rows_of`] to the page.
pub fn enter(page: &mut BooksPage, table: TableName, row: &impl SelectedRow, unit: TimestampUnit) {
    let mut found = CheckedRow { row, odd: Vec::new() };
    let times = Times {
        created_at_ms: found.time_ms(0, "createdAt", unit),
        updated_at_ms: found.time_ms(1, "updatedAt", unit),
        deleted_at_ms: found.time_ms(2, "deletedAt", unit),
        expires_at_ms: found.time_ms(3, "expiresAt", unit),
    };
    let TableName::Tasks(kind) = table else { return page.enter_credit(found.credit(times)) };
    let id = found.text(4, "id").into_owned();
    let status = found.text(6, "status");
    let is_charged = row.cell(7) != Cell::Null;
    let credit_id = is_charged.then(|| found.text(7, "creditId").into_owned());
    let entry = TaskEntry::new((kind, id), &status, credit_id, times);
    page.enter_task(&any_text(row, 5), entry, found.odd);
}

/// A row, and its columns with values of the wrong type.
struct CheckedRow<'r, R> {
    row: &'r R,
    odd: Vec<Odd>,
}

impl<'r, R: SelectedRow> CheckedRow<'r, R> {
    fn note(&mut self, at: usize, field: &'static str) {
        self.odd.push((field, self.row.cell(at).describe()));
    }

    /// Reads a column that should hold text.
    fn text(&mut self, at: usize, field: &'static str) -> Cow<'r, str> {
        let cell = self.row.cell(at);
        // Fast path: whole ledgers are read, and nearly all texts are valid.
        if let Cell::Text(Cow::Borrowed(bytes)) = cell
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return Cow::Borrowed(text);
        }
        if cell.as_text().is_none() {
            self.note(at, field);
        }
        cell.into_text().unwrap_or_default()
    }

    /// Reads a time. A time that every row has must exist.
    fn time_ms(&mut self, at: usize, field: &'static str, unit: TimestampUnit) -> Option<i64> {
        let stored = self.row.cell(at);
        let time = stored.time_ms(unit);
        let must_be = ["createdAt", "updatedAt"].contains(&field);
        if time.is_none() && (must_be || stored != Cell::Null) {
            self.note(at, field);
        }
        time
    }

    fn credit(mut self, times: Times) -> CreditEntry<'r> {
        let row = self.row;
        let (credits, remaining) = (row.cell(8).whole(), row.cell(9).whole());
        let id = self.text(4, "id");
        // A grant whose id is not text can't be drawn on.
        let is_named = self.odd.iter().all(|(field, _)| *field != "id");
        let transaction_type = self.text(7, "transactionType");
        let status = self.text(6, "status");
        self.text(12, "transactionNo");
        if credits.is_none() {
            self.note(8, "credits");
        }
        if remaining.is_none() && transaction_type == "grant" {
            self.note(9, "remainingCredits");
        }
        CreditEntry {
            id,
            user_id: any_text(row, 5),
            transaction_type,
            credits: credits.filter(|_| is_named),
            remaining,
            status,
            consumed_detail: row.cell(10).into_bytes(),
            metadata: row.cell(11).into_text(),
            times,
            unreadable: self.odd,
        }
    }
}

/// Any value of a text column, as text.
fn any_text<R: SelectedRow>(row: &R, at: usize) -> Cow<'_, str> {
    row.cell(at).into_text().unwrap_or_default()
}
