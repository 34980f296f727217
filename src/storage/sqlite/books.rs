//! Whole accounts in an SQLite file.

use async_trait::async_trait;

use super::database::Database;
use super::driver;
use super::error::Doing;
use crate::domain::audit::Owners;
use crate::domain::books::RowId;
use crate::domain::table::TableName;
use crate::error::Result;
use crate::storage::Row;
use crate::storage::books::{BooksPage, UserRange};
use crate::storage::dialect::sqlite::books::{TABLES, Users, enter, owner, read_user, rows_of};
use crate::storage::dialect::sqlite::views::Rows;
use crate::storage::failure::Answer;
use crate::storage::store::ReadBooks;

#[async_trait]
impl ReadBooks for Database {
    async fn books(&mut self, range: &UserRange) -> Answer<BooksPage> {
        Ok(self.read_books(range)?)
    }

    async fn owners(&mut self, rows: &[RowId]) -> Answer<Owners> {
        let mut owners = Owners::new();
        for (table, id) in rows {
            if self.schema.table(*table).is_ok()
                && let Some(owner) = self.first(&owner(*table, id), |row| read_user(row))?
            {
                owners.insert((*table, id.clone()), owner);
            }
        }
        Ok(owners)
    }

    async fn find_all(&mut self, table: TableName, ids: &[&str]) -> Answer<Vec<Row>> {
        Ok(self.rows(Rows::with_ids(table, ids))?)
    }

    /// The transaction belongs to the writer, which holds the lock.
    async fn books_to_change(&mut self, user_ids: &[String]) -> Answer<BooksPage> {
        let mut all = BooksPage::default();
        for user_id in user_ids {
            let page = self.read_books(&UserRange::User(user_id.clone()))?;
            all.credit_rows += page.credit_rows;
            all.books.extend(page.books);
        }
        Ok(all)
    }

    async fn rows_to_change(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        Ok(self.rows(Rows::with_ids(TableName::Credit, ids))?)
    }
}

impl Database {
    /// The last of the next `users` users after this one; `None` if fewer than that are left.
    pub fn last_user(&self, after: &str, users: u32) -> Result<Option<String>> {
        self.next_users(Some(after), users).map(|(_, last)| last)
    }

    /// Some users' accounts, and where the next page begins.
    fn read_books(&self, range: &UserRange) -> Result<BooksPage> {
        let (users, next) = match range {
            UserRange::User(user_id) => (Users::one(user_id), None),
            UserRange::Next { after, users } => self.next_users(after.as_deref(), *users)?,
        };
        let mut page = BooksPage { next, ..BooksPage::default() };
        let unit = self.schema.timestamp_unit;
        for table in TABLES {
            // `credit` always exists.
            let Ok(rows) = rows_of(&self.schema, table, &users) else { continue };
            let enter = |row: &rusqlite::Row<'_>| {
                enter(&mut page, table, row, unit);
                false
            };
            driver::until(&self.connection, &rows, enter).doing("reading the books")?;
        }
        Ok(page)
    }

    /// The users of this page, and the last of them if more may follow.
    fn next_users(&self, after: Option<&str>, most: u32) -> Result<(Users, Option<String>)> {
        let users = Users::after(after);
        // For each table, the last user that may be on this page.
        let mut last: Option<String> = None;
        for table in TABLES.into_iter().filter(|table| self.schema.table(*table).is_ok()) {
            let found = self.first(&users.last_of(table, most), |row| read_user(row))?;
            last = [last, found].into_iter().flatten().min();
        }
        // Invalid UTF-8 may sort differently after it was read and replaced.
        let last = last.filter(|last| after.is_none_or(|after| last.as_str() > after));
        Ok(match &last {
            Some(user_id) => (users.up_to(user_id.clone()), last),
            None => (users, None),
        })
    }
}
