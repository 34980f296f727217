//! Whole accounts, page by page, each page from one snapshot.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::entries::enter;
use super::super::row::get;
use super::grants::is_of_user;
use super::ledger::Ledger;
use super::row::read_rows;
use super::tables::Tables;
use super::views::{Rows, read};
use super::wire::{End, Mode, Pipeline, Wire, exactly};
use super::{Statement, quote};
use crate::domain::audit::Owners;
use crate::domain::books::RowId;
use crate::domain::table::TableName;
use crate::storage::Row;
use crate::storage::books::{BooksPage, UserRange};
use crate::storage::failure::Answer;
use crate::storage::schema::Kind;
use crate::storage::store::ReadBooks;

/// The users of a page.
enum Users {
    One(String),
    These(Vec<String>),
    /// Users after the first of these, up to the second.
    Between(Option<String>, Option<String>),
}

impl Users {
    /// A condition on `user_id` of this table. It also includes users whose ids the collation treats as
    /// equal.
    fn condition(&self, tables: &Tables, table: TableName) -> Answer<String> {
        let ids = tables.ids(table, "user_id")?;
        Ok(match self {
            Self::One(user_id) => is_of_user(tables, table, user_id)?,
            Self::These(user_ids) => format!("user_id IN {}", ids.many(user_ids)),
            Self::Between(after, last) => {
                let after = after.iter().map(|id| format!("user_id > {}", ids.one(Some(id))));
                let last = last.iter().map(|id| format!("user_id <= {}", ids.one(Some(id))));
                let all = ["TRUE".to_owned()].into_iter().chain(after).chain(last);
                all.collect::<Vec<_>>().join(" AND ")
            }
        })
    }
}

#[async_trait]
impl<W: Wire> ReadBooks for Ledger<W> {
    async fn books(&mut self, range: &UserRange) -> Answer<BooksPage> {
        let (users, next) = match range {
            UserRange::User(user_id) => (Users::One(user_id.clone()), None),
            UserRange::Next { after, users } => {
                let last = last_user(&mut self.0, after.as_deref(), *users).await?;
                (Users::Between(after.clone(), last.clone()), last)
            }
        };
        let page = page(&mut self.0, &users, Some(Mode::Read)).await?;
        Ok(BooksPage { next, ..page })
    }

    async fn books_to_change(&mut self, user_ids: &[String]) -> Answer<BooksPage> {
        let tables = self.0.tables()?;
        let users = Users::These(user_ids.to_vec());
        // Locked, because a repair overwrites the rows and the app's own code may change them meanwhile.
        let condition = users.condition(tables, TableName::Credit)?;
        let statements = &[
            tables.lock_users(user_ids)?,
            format!("SELECT 1 FROM credit WHERE {condition} FOR UPDATE"),
        ];
        let (begin, doing) = (Some(Mode::Write), "locking the books");
        self.0.send(Pipeline { begin, statements, end: None, doing }).await?;
        page(&mut self.0, &users, None).await
    }

    async fn owners(&mut self, rows: &[RowId]) -> Answer<Owners> {
        let (mut asked, mut statements) = (Vec::new(), Vec::new());
        let tables = self.0.tables()?;
        for table in with_users(tables) {
            let of_table = rows.iter().filter(|(other, _)| *other == table);
            let ids = tables.ids(table, "id")?.many(of_table.map(|(_, id)| id));
            let (name, user_id) =
                (quote(table.sql()), tables.ids(table, "user_id")?.text("user_id"));
            statements.push(format!("SELECT id, {user_id} FROM {name} WHERE id IN {ids}"));
            asked.push(table);
        }
        let (end, doing) = (Some(End::RollBack), "reading the owners of rows");
        let pipeline = Pipeline { begin: None, statements: &statements, end, doing };
        let replies = self.0.send(pipeline).await?;
        let mut owners = Owners::new();
        for (table, rows) in asked.into_iter().zip(&replies) {
            for row in rows {
                owners.insert((table, get(row, 0)?), get(row, 1)?);
            }
        }
        Ok(owners)
    }

    async fn find_all(&mut self, table: TableName, ids: &[&str]) -> Answer<Vec<Row>> {
        with_ids(&mut self.0, table, ids, Some(End::RollBack)).await
    }

    async fn rows_to_change(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        with_ids(&mut self.0, TableName::Credit, ids, None).await
    }
}

/// The tables with rows of users.
fn with_users(tables: &Tables) -> impl Iterator<Item = TableName> {
    [TableName::Credit].into_iter().chain(tables.kinds().map(TableName::Tasks))
}

async fn page<W: Wire>(wire: &mut W, users: &Users, begin: Option<Mode>) -> Answer<BooksPage> {
    // Inside a transaction, a repair depends on the rows, so they are locked.
    let now = if begin.is_none() { W::NOW } else { "" };
    let tables = wire.tables()?;
    let asked: Vec<TableName> = with_users(tables).collect();
    let statements = asked.iter().map(|table| Ok(rows_of(tables, *table, users)? + now));
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

/// The last user of this page, if more may follow.
async fn last_user(wire: &mut impl Wire, after: Option<&str>, most: u32) -> Answer<Option<String>> {
    let tables = wire.tables()?;
    let users = tables.ids(TableName::User, "id")?;
    // For each table, the last user that may be on this page.
    let mut each = Vec::new();
    for table in with_users(tables) {
        let ids = tables.ids(table, "user_id")?;
        let (name, before) = (quote(table.sql()), most.saturating_sub(1));
        let beyond = Users::Between(after.map(str::to_owned), None).condition(tables, table)?;
        let last = format!(
            "(SELECT DISTINCT user_id FROM {name} WHERE {beyond} ORDER BY user_id LIMIT 1 OFFSET {before})"
        );
        each.push(format!("SELECT {} AS last", users.from(&ids, &last)));
    }
    let last = users.text("MIN(last)");
    let last = format!("SELECT {last} FROM ({}) AS lasts", each.join(" UNION ALL "));
    let [rows] = read(wire, &[last], "reading users").await?;
    rows.first().map_or(Ok(None), |row| get(row, 0))
}

/// Selects the rows for [`enter`].
fn rows_of(tables: &Tables, table: TableName, users: &Users) -> Answer<Statement> {
    let found = tables.table(table)?;
    let user_id = tables.ids(table, "user_id")?.text("user_id");
    let columns = match table {
        TableName::Tasks(_) => {
            let credit_id = found.column_or("credit_id", "NULL");
            format!("id, COALESCE({user_id}, ''), status, {credit_id}")
        }
        _ => format!(
            "id, COALESCE({user_id}, ''), transaction_type, credits, remaining_credits, status, {}",
            tables.details()?
        ),
    };
    let time = |key| match found.column(key) {
        Ok(column) if column.kind == Kind::Timestamp => quote(&column.name),
        _ => "NULL".to_owned(),
    };
    let times = ["createdAt", "updatedAt", "deletedAt", "expiresAt"].map(time).join(", ");
    let (name, condition) = (quote(found.name), users.condition(tables, table)?);
    Ok(format!("SELECT {columns}, {times} FROM {name} WHERE {condition}"))
}

/// The rows with these ids, in any order, inside the transaction.
async fn with_ids<W: Wire>(
    wire: &mut W,
    table: TableName,
    ids: &[&str],
    end: Option<End>,
) -> Answer<Vec<Row>> {
    let tables = wire.tables()?;
    let found = Arc::clone(tables.table(table)?);
    let now = if end.is_none() { W::NOW } else { "" };
    let statements = &[Rows::with_ids(tables, table, ids)?.list(tables)? + now];
    let pipeline = Pipeline { begin: None, statements, end, doing: "reading" };
    let [rows] = exactly(wire, pipeline).await?;
    Ok(read_rows(&found, &rows))
}
