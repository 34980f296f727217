//! Whole books, in PostgreSQL's SQL: page by page, a page's rows from one snapshot.

use std::sync::Arc;

use tokio_postgres::Row as DatabaseRow;
use tokio_postgres::types::Type;

use super::Session;
use super::ids::IdType;
use super::ledger::LOCK_USERS;
use super::rows::{Whole, get, read_rows, read_time};
use super::statement::Statement;
use super::value::Param;
use crate::domain::audit::Owners;
use crate::domain::books::{RowId, TaskEntry, Times};
use crate::domain::table::{TableName, TaskKind};
use crate::storage::Row;
use crate::storage::books::{BooksPage, CreditEntry, Odd, Shelf};
use crate::storage::failure::{Answer, Failure};
use crate::storage::schema::{Kind, Table, quote};
use crate::storage::store::{LoadFacts, ReadBooks};

const CREDIT: &str = "id::text, COALESCE(user_id::text, ''), transaction_type::text, credits, \
                      remaining_credits, status::text, consumed_detail::text, metadata::text";
const TASK_KINDS: [TaskKind; 2] = [TaskKind::Media, TaskKind::Ai];

/// The users of a page: a condition on `user_id`, and its parameters.
struct Range {
    condition: &'static str,
    params: Vec<(Param, Type)>,
}

impl ReadBooks for Session {
    async fn books(&mut self, shelf: &Shelf) -> Answer<BooksPage> {
        let (range, next) = self.range(shelf).await?;
        let commands = Arc::clone(&self.commands);
        let page = self.page(&range, Some(&commands.read)).await?;
        Ok(BooksPage { next, ..page })
    }

    async fn books_to_change(&mut self, user_ids: &[String]) -> Answer<BooksPage> {
        let users = [self.ids(TableName::User, user_ids.to_vec())?];
        self.may_charge(&[], false)?;
        let lock_users = Statement::new(self.taking_turns(LOCK_USERS)?, users.clone());
        // In the order in which charges take them, those of the app's own models too.
        let lock_credits = "SELECT 1 FROM credit WHERE user_id = ANY ($1) \
                            ORDER BY user_id, expires_at NULLS LAST, created_at, id FOR UPDATE";
        let lock_credits = Statement::new(lock_credits, users.clone());
        let [_, _] = self.begin([lock_users, lock_credits], "locking the books").await?;
        self.page(&Range { condition: "user_id = ANY ($1)", params: users.to_vec() }, None).await
    }

    async fn owners(&mut self, rows: &[RowId]) -> Answer<Owners> {
        let mut tables = vec![TableName::Credit];
        tables.extend(self.kinds().into_iter().map(TableName::Tasks));
        let statements: Vec<Statement> = tables
            .iter()
            .map(|table| {
                let of_table = rows.iter().filter(|(other, _)| other == table);
                let ids = self.ids(*table, of_table.map(|(_, id)| id.clone()).collect())?;
                let table = quote(table.sql());
                let sql =
                    format!("SELECT id::text, user_id::text FROM {table} WHERE id = ANY ($1)");
                Ok(Statement::new(sql, [ids]))
            })
            .collect::<Answer<_>>()?;
        let doing = "reading the owners of rows";
        let replies = self.send(None, &statements, Some("ROLLBACK"), doing).await?;
        let mut owners = Owners::new();
        for (table, rows) in tables.into_iter().zip(&replies) {
            for row in rows {
                owners.insert((table, get(row, 0)?), get(row, 1)?);
            }
        }
        Ok(owners)
    }

    async fn find_all(&mut self, table: TableName, ids: &[&str]) -> Answer<Vec<Row>> {
        let found = Arc::clone(self.table(table)?);
        let [rows] = self.end([with_ids(&found, ids)], "ROLLBACK", "reading").await?;
        read_rows(&found, &rows)
    }

    async fn rows_to_change(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        let found = Arc::clone(self.table(TableName::Credit)?);
        let [rows] = self.more([with_ids(&found, ids)], "reading").await?;
        read_rows(&found, &rows)
    }
}

impl Session {
    async fn page(&mut self, range: &Range, begin: Option<&str>) -> Answer<BooksPage> {
        let kinds = self.kinds();
        let mut statements = vec![self.rows_of(TableName::Credit, CREDIT, range)?];
        for kind in &kinds {
            let table = TableName::Tasks(*kind);
            let credit_id = self.table(table)?.column_or("credit_id", "NULL");
            let columns =
                format!("id::text, COALESCE(user_id::text, ''), status::text, {credit_id}::text");
            statements.push(self.rows_of(table, &columns, range)?);
        }
        let replies = self.send(begin, &statements, None, "reading the books").await?;

        let mut page = BooksPage::default();
        let mut replies = replies.iter();
        for row in replies.next().into_iter().flatten() {
            page.enter_credit(credit_entry(row)?);
        }
        for (kind, rows) in kinds.into_iter().zip(replies) {
            for row in rows {
                let status = get::<Option<&str>>(row, 2)?.unwrap_or_default();
                let entry =
                    TaskEntry::new(kind, get(row, 0)?, status, get(row, 3)?, times(row, 4)?);
                let mut odd = Vec::new();
                note_null(&mut odd, "status", get::<Option<&str>>(row, 2)?.is_none());
                note_times(&mut odd, &entry.times);
                page.enter_task(get(row, 1)?, entry, odd);
            }
        }
        Ok(page)
    }

    /// The users of this page; the last of them, if more may follow.
    async fn range(&mut self, shelf: &Shelf) -> Answer<(Range, Option<String>)> {
        let (after, users) = match shelf {
            Shelf::User(user_id) => {
                let params = vec![self.id(TableName::User, user_id)?];
                return Ok((Range { condition: "user_id = $1", params }, None));
            }
            Shelf::Next { after, users } => (after, users),
        };
        let beyond = if after.is_some() { "user_id > $1" } else { "TRUE" };
        let user_ids = IdType::of(self.table(TableName::User)?);
        let mut params: Vec<_> = after.iter().map(|after| user_ids.one(after)).collect();
        // Of each table, the last user who may be on this page.
        let of_table = |table: TableName| {
            let (table, before) = (quote(table.sql()), users.saturating_sub(1));
            format!(
                "(SELECT DISTINCT user_id FROM {table} WHERE {beyond}
                  ORDER BY user_id LIMIT 1 OFFSET {before})"
            )
        };
        let mut last = vec![of_table(TableName::Credit)];
        last.extend(self.kinds().into_iter().map(|kind| of_table(TableName::Tasks(kind))));
        let sql = format!("SELECT LEAST({})::text", last.join(", "));
        let [rows] = self.read([Statement::new(sql, params.clone())], "reading users").await?;
        let last: Option<String> = match rows.first() {
            Some(row) => get(row, 0)?,
            None => None,
        };
        let condition = match (after, &last) {
            (None, None) => "TRUE",
            (Some(_), None) => "user_id > $1",
            (None, Some(_)) => "user_id <= $1",
            (Some(_), Some(_)) => "user_id > $1 AND user_id <= $2",
        };
        params.extend(last.iter().map(|last| user_ids.one(last)));
        Ok((Range { condition, params }, last))
    }

    fn rows_of(&self, table: TableName, columns: &str, range: &Range) -> Answer<Statement> {
        let table = self.table(table)?;
        let time = |key| match table.column(key) {
            Ok(column) if column.kind == Kind::Timestamp => quote(&column.name),
            _ => "NULL::timestamp".to_owned(),
        };
        let times = ["createdAt", "updatedAt", "deletedAt", "expiresAt"].map(time).join(", ");
        let (name, condition) = (quote(table.name), range.condition);
        let sql = format!("SELECT {columns}, {times} FROM {name} WHERE {condition}");
        Ok(Statement::new(sql, range.params.clone()))
    }

    /// The kinds of task that the app has.
    fn kinds(&self) -> Vec<TaskKind> {
        let is_there = |kind: &TaskKind| {
            self.schema().is_ok_and(|schema| schema.table(TableName::Tasks(*kind)).is_ok())
        };
        TASK_KINDS.into_iter().filter(is_there).collect()
    }
}

fn with_ids(table: &Table, ids: &[&str]) -> Statement {
    let ids = IdType::of(table).many(ids.iter().map(|id| (*id).to_owned()).collect());
    let (columns, name) = (&table.select_list, quote(table.name));
    Statement::new(format!("SELECT {columns} FROM {name} WHERE id = ANY ($1)"), [ids])
}

fn credit_entry(row: &DatabaseRow) -> Answer<CreditEntry<'_>> {
    let text = |at: usize| get::<Option<&str>>(row, at);
    let (transaction_type, status) = (text(2)?, text(5)?);
    let whole = |at| Ok::<_, Failure>(get::<Option<Whole>>(row, at)?.map(|Whole(number)| number));
    let (credits, remaining) = (whole(3)?, whole(4)?);
    let times = times(row, 8)?;
    let mut odd = Vec::new();
    note_null(&mut odd, "transactionType", transaction_type.is_none());
    note_null(&mut odd, "status", status.is_none());
    note_null(&mut odd, "credits", credits.is_none());
    let is_grant = transaction_type == Some("grant");
    note_null(&mut odd, "remainingCredits", is_grant && remaining.is_none());
    note_times(&mut odd, &times);
    Ok(CreditEntry {
        id: get::<&str>(row, 0)?.into(),
        user_id: get::<&str>(row, 1)?.into(),
        transaction_type: transaction_type.unwrap_or_default().into(),
        credits,
        remaining,
        active: status == Some("active"),
        consumed_detail: text(6)?.map(|detail| detail.as_bytes().into()),
        metadata: text(7)?.map(Into::into),
        times,
        unreadable: odd,
    })
}

/// Notes a column that may be NULL in this database, and is, where the ledger needs a value.
fn note_null(odd: &mut Vec<Odd>, field: &'static str, is_null: bool) {
    if is_null {
        odd.push((field, "NULL".to_owned()));
    }
}

fn note_times(odd: &mut Vec<Odd>, times: &Times) {
    note_null(odd, "createdAt", times.created_at_ms.is_none());
    note_null(odd, "updatedAt", times.updated_at_ms.is_none());
}

fn times(row: &DatabaseRow, first: usize) -> Answer<Times> {
    Ok(Times {
        created_at_ms: read_time(row, first)?,
        updated_at_ms: read_time(row, first + 1)?,
        deleted_at_ms: read_time(row, first + 2)?,
        expires_at_ms: read_time(row, first + 3)?,
    })
}
