//! Whole accounts, page by page, each page from one snapshot.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::entries::enter;
use super::Statement;
use super::grants::LOCK_USERS;
use super::row::{get, read_rows};
use super::tables::Tables;
use super::value::Value;
use super::views::{Rows, read};
use super::wire::{End, Mode, Pipeline, Wire, exactly};
use crate::domain::audit::Owners;
use crate::domain::books::RowId;
use crate::domain::table::TableName;
use crate::storage::Row;
use crate::storage::books::{BooksPage, UserRange};
use crate::storage::failure::Answer;
use crate::storage::schema::{Kind, quote};
use crate::storage::store::ReadBooks;

const CREDIT: &str = "id::text, COALESCE(user_id::text, ''), transaction_type::text, credits, \
                      remaining_credits, status::text, consumed_detail::text, metadata::text";

/// The users of a page: a condition on `user_id`, and its values.
struct Users {
    condition: &'static str,
    values: Vec<Value>,
}

#[async_trait]
impl<W: Wire> ReadBooks for W {
    async fn books(&mut self, range: &UserRange) -> Answer<BooksPage> {
        let (users, next) = match range {
            UserRange::User(user_id) => {
                let values = vec![self.tables()?.id(TableName::User, user_id.as_str())?];
                (Users { condition: "user_id = $1", values }, None)
            }
            UserRange::Next { after, users } => next_users(self, after.as_deref(), *users).await?,
        };
        let page = page(self, &users, Some(Mode::Read)).await?;
        Ok(BooksPage { next, ..page })
    }

    async fn books_to_change(&mut self, user_ids: &[String]) -> Answer<BooksPage> {
        let tables = self.tables()?;
        let values = vec![tables.ids(TableName::User, user_ids)?];
        tables.may_charge(&[], false)?;
        // Locked in the order in which charges lock them, including those of the app's own models.
        let lock_credits = "SELECT 1 FROM credit WHERE user_id = ANY ($1) \
                            ORDER BY user_id, expires_at NULLS LAST, created_at, id FOR UPDATE";
        let statements = &[
            Statement::new(tables.taking_turns(LOCK_USERS), values.clone()),
            Statement::new(lock_credits, values.clone()),
        ];
        let (begin, doing) = (Some(Mode::Write), "locking the books");
        self.send(Pipeline { begin, statements, end: None, doing }).await?;
        page(self, &Users { condition: "user_id = ANY ($1)", values }, None).await
    }

    async fn owners(&mut self, rows: &[RowId]) -> Answer<Owners> {
        let (mut asked, mut statements) = (Vec::new(), Vec::new());
        let tables = self.tables()?;
        for table in with_users(tables) {
            let of_table = rows.iter().filter(|(other, _)| *other == table);
            let ids = tables.ids(table, of_table.map(|(_, id)| id))?;
            let name = quote(table.sql());
            let text = format!("SELECT id::text, user_id::text FROM {name} WHERE id = ANY ($1)");
            statements.push(Statement::new(text, [ids]));
            asked.push(table);
        }
        let (end, doing) = (Some(End::RollBack), "reading the owners of rows");
        let pipeline = Pipeline { begin: None, statements: &statements, end, doing };
        let replies = self.send(pipeline).await?;
        let mut owners = Owners::new();
        for (table, rows) in asked.into_iter().zip(&replies) {
            for row in rows {
                owners.insert((table, get(row, 0)?), get(row, 1)?);
            }
        }
        Ok(owners)
    }

    async fn find_all(&mut self, table: TableName, ids: &[&str]) -> Answer<Vec<Row>> {
        with_ids(self, table, ids, Some(End::RollBack)).await
    }

    async fn rows_to_change(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        with_ids(self, TableName::Credit, ids, None).await
    }
}

/// The tables with rows of users.
fn with_users(tables: &Tables) -> impl Iterator<Item = TableName> {
    [TableName::Credit].into_iter().chain(tables.kinds().map(TableName::Tasks))
}

async fn page(wire: &mut impl Wire, users: &Users, begin: Option<Mode>) -> Answer<BooksPage> {
    let tables = wire.tables()?;
    let asked: Vec<TableName> = with_users(tables).collect();
    let statements = asked.iter().map(|table| rows_of(tables, *table, users));
    let statements = &statements.collect::<Answer<Vec<_>>>()?;
    let pipeline = Pipeline { begin, statements, end: None, doing: "reading the books" };
    let replies = wire.send(pipeline).await?;
    let mut page = BooksPage::default();
    for (table, rows) in asked.into_iter().zip(&replies) {
        for row in rows {
            enter(&mut page, table, row)?;
        }
    }
    Ok(page)
}

/// The users of this page, and the last of them if more may follow.
async fn next_users(
    wire: &mut impl Wire,
    after: Option<&str>,
    most: u32,
) -> Answer<(Users, Option<String>)> {
    let tables = wire.tables()?;
    let user_ids = tables.ids_of(TableName::User)?;
    let beyond = if after.is_some() { "user_id > $1" } else { "TRUE" };
    let mut values: Vec<Value> = after.map(|after| user_ids.one(Some(after))).into_iter().collect();
    // For each table, the last user that may be on this page.
    let of_table = |table: TableName| {
        let (table, before) = (quote(table.sql()), most.saturating_sub(1));
        format!(
            "(SELECT DISTINCT user_id FROM {table} WHERE {beyond}
              ORDER BY user_id LIMIT 1 OFFSET {before})"
        )
    };
    let last = with_users(tables).map(of_table).collect::<Vec<_>>().join(", ");
    let last = Statement::new(format!("SELECT LEAST({last})::text"), values.clone());
    let [rows] = read(wire, &[last], "reading users").await?;
    let last: Option<String> = rows.first().map_or(Ok(None), |row| get(row, 0))?;
    let condition = match (after, &last) {
        (None, None) => "TRUE",
        (Some(_), None) => "user_id > $1",
        (None, Some(_)) => "user_id <= $1",
        (Some(_), Some(_)) => "user_id > $1 AND user_id <= $2",
    };
    values.extend(last.iter().map(|last| user_ids.one(Some(last))));
    Ok((Users { condition, values }, last))
}

fn rows_of(tables: &Tables, table: TableName, users: &Users) -> Answer<Statement> {
    let found = tables.table(table)?;
    let columns = match table {
        TableName::Tasks(_) => {
            let credit_id = found.column_or("credit_id", "NULL");
            &format!("id::text, COALESCE(user_id::text, ''), status::text, {credit_id}::text")
        }
        _ => CREDIT,
    };
    let time = |key| match found.column(key) {
        Ok(column) if column.kind == Kind::Timestamp => quote(&column.name),
        _ => "NULL::timestamp".to_owned(),
    };
    let times = ["createdAt", "updatedAt", "deletedAt", "expiresAt"].map(time).join(", ");
    let (name, condition) = (quote(found.name), users.condition);
    let text = format!("SELECT {columns}, {times} FROM {name} WHERE {condition}");
    Ok(Statement::new(text, users.values.clone()))
}

/// The rows with these ids, in any order, inside the transaction.
async fn with_ids(
    wire: &mut impl Wire,
    table: TableName,
    ids: &[&str],
    end: Option<End>,
) -> Answer<Vec<Row>> {
    let tables = wire.tables()?;
    let found = Arc::clone(tables.table(table)?);
    let statements = &[Rows::with_ids(tables, table, ids)?.list(tables)?];
    let pipeline = Pipeline { begin: None, statements, end, doing: "reading" };
    let [rows] = exactly(wire, pipeline).await?;
    read_rows(&found, &rows)
}
