//! Whole books, in SQLite's SQL: page by page, a page's rows with one statement a table.

use std::borrow::Cow;
use std::sync::Arc;

use rusqlite::params_from_iter;
use rusqlite::types::ValueRef;

use super::Database;
use super::error::Doing;
use super::ledger::bytes;
use crate::domain::audit::Owners;
use crate::domain::books::{RowId, TaskEntry, Times};
use crate::domain::table::{TableName, TaskKind};
use crate::error::Result;
use crate::storage::books::{BooksPage, CreditEntry, Shelf};

/// The users of a page: a condition on `user_id` with its parameters.
struct Range {
    condition: String,
    parameters: Vec<String>,
}

impl Database {
    /// Some users' books, and where the next page begins.
    pub(super) fn read_books(&mut self, shelf: &Shelf) -> Result<BooksPage> {
        let (range, next) = self.range(shelf)?;
        let mut page = BooksPage { next, ..BooksPage::default() };
        self.each(TableName::Credit, CREDIT, &range, |row, times| {
            page.enter_credit(credit_entry(row, times)?);
            Ok(())
        })?;
        for kind in [TaskKind::Media, TaskKind::Ai] {
            let Ok(table) = self.schema.table(TableName::Tasks(kind)) else { continue };
            let columns = format!("id, user_id, status, {}", table.column_or("credit_id", "NULL"));
            self.each(TableName::Tasks(kind), &columns, &range, |row, times| {
                let id = text(row.get_ref(0)?).into_owned();
                let credit_id = bytes(row.get_ref(3)?).map(|bytes| lossy(bytes).into_owned());
                let status = text(row.get_ref(2)?);
                let entry = TaskEntry::new(kind, id, &status, credit_id, times);
                page.enter_task(&text(row.get_ref(1)?), entry);
                Ok(())
            })?;
        }
        Ok(page)
    }

    /// Whose these rows are, those that are there.
    pub(super) fn read_owners(&mut self, rows: &[RowId]) -> Result<Owners> {
        let mut owners = Owners::new();
        for (table, id) in rows {
            if self.schema.table(*table).is_err() {
                continue;
            }
            let sql = format!(r#"SELECT user_id FROM "{}" WHERE id = ?1"#, table.sql());
            if let Some(owner) = self.first(&sql, [id], first_text)? {
                owners.insert((*table, id.clone()), owner);
            }
        }
        Ok(owners)
    }

    /// The users of this page; the last of them, if more may follow.
    fn range(&self, shelf: &Shelf) -> Result<(Range, Option<String>)> {
        let (after, users) = match shelf {
            Shelf::User(user_id) => {
                let range = Range {
                    condition: "user_id = ?".to_owned(),
                    parameters: vec![user_id.clone()],
                };
                return Ok((range, None));
            }
            Shelf::Next { after, users } => (after, users),
        };
        // What is no text is nobody's id. SQLite sorts numbers before texts, and BLOBs after them.
        let beyond = if after.is_some() { "user_id > ?" } else { "user_id >= ''" };
        let text_alone = format!("{beyond} AND user_id < x''");
        let mut parameters: Vec<String> = after.iter().cloned().collect();
        // Of each table, the last user who may be on this page.
        let mut last: Option<String> = None;
        for table in [TableName::Credit, MEDIA_TASKS, AI_TASKS] {
            if self.schema.table(table).is_err() {
                continue;
            }
            let sql = format!(
                "SELECT DISTINCT user_id FROM {} WHERE {text_alone} ORDER BY user_id LIMIT 1 OFFSET {}",
                table.sql(),
                users.saturating_sub(1)
            );
            let found = self.first(&sql, params_from_iter(&parameters), first_text)?;
            last = [last, found].into_iter().flatten().min();
        }
        // Text that is not UTF-8 may not be beyond itself when it is read and asked for again.
        let last = last.filter(|last| after.as_ref().is_none_or(|after| last > after));
        let condition = match &last {
            None => text_alone,
            Some(_) => format!("{beyond} AND user_id <= ?"),
        };
        parameters.extend(last.clone());
        Ok((Range { condition, parameters }, last))
    }

    /// Calls `enter` for each row of these users, with its times.
    fn each(
        &self,
        table: TableName,
        columns: &str,
        range: &Range,
        mut enter: impl FnMut(&rusqlite::Row<'_>, Times) -> rusqlite::Result<()>,
    ) -> Result<()> {
        let table = Arc::clone(self.schema.table(table)?);
        let times = ["createdAt", "updatedAt", "deletedAt", "expiresAt"]
            .map(|key| table.column(key).map_or("NULL", |column| column.name.as_str()))
            .join(", ");
        let sql =
            format!(r#"SELECT {columns}, {times} FROM "{}" WHERE {}"#, table.name, range.condition);
        let mut read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let first_time = statement.column_count() - 4;
            let mut rows = statement.query(params_from_iter(&range.parameters))?;
            while let Some(row) = rows.next()? {
                let time = |at: usize| row.get_ref(first_time + at).map(|stored| self.time(stored));
                let times = Times {
                    created_at_ms: time(0)?,
                    updated_at_ms: time(1)?,
                    deleted_at_ms: time(2)?,
                    expires_at_ms: time(3)?,
                };
                enter(row, times)?;
            }
            Ok(())
        };
        read().doing("reading the books")
    }

    fn time(&self, stored: ValueRef<'_>) -> Option<i64> {
        integer(stored).map(|stored| self.schema.timestamp_unit.to_ms(stored))
    }
}

const MEDIA_TASKS: TableName = TableName::Tasks(TaskKind::Media);
const AI_TASKS: TableName = TableName::Tasks(TaskKind::Ai);

const CREDIT: &str = "id, user_id, transaction_type, credits, remaining_credits, status, \
                      consumed_detail, metadata";

fn credit_entry<'r>(row: &'r rusqlite::Row<'_>, times: Times) -> rusqlite::Result<CreditEntry<'r>> {
    Ok(CreditEntry {
        id: text(row.get_ref(0)?),
        user_id: text(row.get_ref(1)?),
        transaction_type: text(row.get_ref(2)?),
        credits: integer(row.get_ref(3)?).unwrap_or_default(),
        remaining: integer(row.get_ref(4)?).unwrap_or_default(),
        active: text(row.get_ref(5)?) == "active",
        consumed_detail: bytes(row.get_ref(6)?),
        metadata: bytes(row.get_ref(7)?).map(lossy),
        times,
    })
}

fn first_text(row: &rusqlite::Row<'_>) -> rusqlite::Result<String> {
    Ok(text(row.get_ref(0)?).into_owned())
}

fn text(stored: ValueRef<'_>) -> Cow<'_, str> {
    bytes(stored).map(lossy).unwrap_or_default()
}

fn lossy(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        // Nearly every text is right, and this is the fastest way to know.
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(bytes),
        },
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

fn integer(stored: ValueRef<'_>) -> Option<i64> {
    match stored {
        ValueRef::Integer(number) => Some(number),
        // Lossy on purpose: a time or a number of credits with a fraction is rounded to be told of.
        ValueRef::Real(number) => Some(number as i64),
        _ => None,
    }
}
