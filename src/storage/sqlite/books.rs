//! Whole books, in SQLite's SQL: page by page, a page's rows with one statement a table.

use std::sync::Arc;

use rusqlite::params_from_iter;
use rusqlite::types::ValueRef;

use super::Database;
use super::error::Doing;
use super::ledger::{bytes, lossy, text};
use super::value::{found, time_ms, whole};
use crate::domain::audit::Owners;
use crate::domain::books::{RowId, TaskEntry, Times};
use crate::domain::table::{TableName, TaskKind};
use crate::error::Result;
use crate::storage::Row;
use crate::storage::books::{BooksPage, CreditEntry, Odd, Shelf};
use crate::storage::failure::Answer;
use crate::storage::store::ReadBooks;

/// The users of a page: a condition on `user_id` with its parameters.
struct Range {
    condition: String,
    parameters: Vec<String>,
}

impl ReadBooks for Database {
    async fn books(&mut self, shelf: &Shelf) -> Answer<BooksPage> {
        Ok(self.read_books(shelf)?)
    }

    async fn owners(&mut self, rows: &[RowId]) -> Answer<Owners> {
        Ok(self.read_owners(rows)?)
    }

    async fn find_all(&mut self, table: TableName, ids: &[&str]) -> Answer<Vec<Row>> {
        Ok(self.rows_with_ids(table, ids)?)
    }

    /// The transaction is the writer's, and has the lock.
    async fn books_to_change(&mut self, user_ids: &[String]) -> Answer<BooksPage> {
        let mut all = BooksPage::default();
        for user_id in user_ids {
            let page = self.read_books(&Shelf::User(user_id.clone()))?;
            all.credit_rows += page.credit_rows;
            all.books.extend(page.books);
        }
        Ok(all)
    }

    async fn rows_to_change(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        Ok(self.rows_with_ids(TableName::Credit, ids)?)
    }
}

impl Database {
    /// Some users' books, and where the next page begins.
    fn read_books(&mut self, shelf: &Shelf) -> Result<BooksPage> {
        let (range, next) = self.range(shelf)?;
        let mut page = BooksPage { next, ..BooksPage::default() };
        self.each(TableName::Credit, CREDIT, &range, |row, times, odd| {
            page.enter_credit(credit_entry(row, times, odd)?);
            Ok(())
        })?;
        for kind in [TaskKind::Media, TaskKind::Ai] {
            let Ok(table) = self.schema.table(TableName::Tasks(kind)) else { continue };
            let columns = format!("id, user_id, status, {}", table.column_or("credit_id", "NULL"));
            self.each(TableName::Tasks(kind), &columns, &range, |row, times, mut odd| {
                let at = |at: usize| row.get_ref(at);
                note_text(&mut odd, "id", at(0)?);
                note_text(&mut odd, "status", at(2)?);
                if at(3)? != ValueRef::Null {
                    note_text(&mut odd, "creditId", at(3)?);
                }
                let id = text(at(0)?).into_owned();
                let credit_id = bytes(at(3)?).map(|bytes| lossy(bytes).into_owned());
                let entry = TaskEntry::new(kind, id, &text(at(2)?), credit_id, times);
                page.enter_task(&text(at(1)?), entry, odd);
                Ok(())
            })?;
        }
        Ok(page)
    }

    /// Whose these rows are, those that are there.
    fn read_owners(&mut self, rows: &[RowId]) -> Result<Owners> {
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
        // What is no text is no user's id. SQLite sorts numbers before texts, and BLOBs after them.
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

    /// Calls `enter` for each row of these users, with its times, and with those columns of times that hold none.
    fn each(
        &self,
        table: TableName,
        columns: &str,
        range: &Range,
        mut enter: impl FnMut(&rusqlite::Row<'_>, Times, Vec<Odd>) -> rusqlite::Result<()>,
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
                let mut odd = Vec::new();
                let mut time = |at: usize, field, must_be: bool| -> rusqlite::Result<Option<i64>> {
                    let stored = row.get_ref(first_time + at)?;
                    let time = time_ms(stored, self.schema.timestamp_unit);
                    if time.is_none() && (must_be || stored != ValueRef::Null) {
                        odd.push((field, found(stored)));
                    }
                    Ok(time)
                };
                let times = Times {
                    created_at_ms: time(0, "createdAt", true)?,
                    updated_at_ms: time(1, "updatedAt", true)?,
                    deleted_at_ms: time(2, "deletedAt", false)?,
                    expires_at_ms: time(3, "expiresAt", false)?,
                };
                enter(row, times, odd)?;
            }
            Ok(())
        };
        read().doing("reading the books")
    }
}

const MEDIA_TASKS: TableName = TableName::Tasks(TaskKind::Media);
const AI_TASKS: TableName = TableName::Tasks(TaskKind::Ai);

const CREDIT: &str = "id, user_id, transaction_type, credits, remaining_credits, status, \
                      consumed_detail, metadata, transaction_no";

fn credit_entry<'r>(
    row: &'r rusqlite::Row<'_>,
    times: Times,
    mut odd: Vec<Odd>,
) -> rusqlite::Result<CreditEntry<'r>> {
    let at = |at: usize| row.get_ref(at);
    let transaction_type = text(at(2)?);
    let (credits, remaining) = (whole(at(3)?), whole(at(4)?));
    note_text(&mut odd, "id", at(0)?);
    note_text(&mut odd, "transactionType", at(2)?);
    note_text(&mut odd, "status", at(5)?);
    note_text(&mut odd, "transactionNo", at(8)?);
    if credits.is_none() {
        odd.push(("credits", found(at(3)?)));
    }
    if remaining.is_none() && transaction_type == "grant" {
        odd.push(("remainingCredits", found(at(4)?)));
    }
    // A grant without an id that is text can't be drawn on.
    let is_named = at(0)?.as_str().is_ok();
    Ok(CreditEntry {
        id: text(at(0)?),
        user_id: text(at(1)?),
        transaction_type,
        credits: credits.filter(|_| is_named),
        remaining,
        active: text(at(5)?) == "active",
        consumed_detail: bytes(at(6)?),
        metadata: bytes(at(7)?).map(lossy),
        times,
        unreadable: odd,
    })
}

/// Notes a column that should be text and is none.
fn note_text(odd: &mut Vec<Odd>, field: &'static str, stored: ValueRef<'_>) {
    if stored.as_str().is_err() {
        odd.push((field, found(stored)));
    }
}

fn first_text(row: &rusqlite::Row<'_>) -> rusqlite::Result<String> {
    Ok(text(row.get_ref(0)?).into_owned())
}
