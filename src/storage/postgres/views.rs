//! What an app's pages read, in PostgreSQL's SQL: one round trip each.

use std::sync::Arc;

use tokio_postgres::types::Type;

use super::Session;
use super::error::Failure;
use super::rows::{get, read_row};
use super::statement::{Statement, integer, text};
use super::value::{Param, time_type};
use crate::domain::task::ACTIVE_STATUSES;
use crate::storage::schema::{TableName, quote};
use crate::storage::{CreditFilter, Page, Row};

type Result<T> = std::result::Result<T, Failure>;

// A status may be an enum that lacks some of them, so it is compared as text.
const ACTIVE_TASKS: &str = "user_id = $1 AND status::text = ANY ($2) AND deleted_at IS NULL";
const TASKS: &str = "user_id = $1 AND deleted_at IS NULL";

impl Session<'_> {
    /// The row with this id.
    pub async fn find(&mut self, table: TableName, id: &str) -> Result<Option<Row>> {
        let found = Arc::clone(self.table(table)?);
        let (columns, table) = (&found.select_list, quote(table.sql()));
        let sql = format!("SELECT {columns} FROM {table} WHERE id = $1");
        let [rows] = self.read([Statement::new(sql, [text(id)])], "reading").await?;
        rows.first().map(|row| read_row(&found, row)).transpose()
    }

    /// The user's tasks that are still being worked on, newest first.
    pub async fn active_tasks(&mut self, user_id: &str) -> Result<Vec<Row>> {
        self.rows(TableName::MediaTasks, ACTIVE_TASKS, user_and_statuses(user_id), None).await
    }

    /// Whether there is such a task.
    pub async fn has_active_task(&mut self, user_id: &str) -> Result<bool> {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM media_tasks WHERE {ACTIVE_TASKS})");
        self.value(Statement::new(sql, user_and_statuses(user_id))).await
    }

    /// A page of the user's tasks, newest first, without deleted ones, and how many all pages have.
    pub async fn task_history(&mut self, user_id: &str, page: Page) -> Result<(Vec<Row>, i64)> {
        let table = Arc::clone(self.table(TableName::MediaTasks)?);
        let params = vec![text(user_id)];
        let count = count(TableName::MediaTasks, TASKS, params.clone());
        let list = list(&table.select_list, TableName::MediaTasks, TASKS, params, Some(page));
        let [list, total] = self.read([list, count], "reading").await?;
        let rows = list.iter().map(|row| read_row(&table, row)).collect::<Result<_>>()?;
        Ok((rows, first_value(&total)?))
    }

    /// What the user can spend now.
    pub async fn balance(&mut self, user_id: &str, now_ms: i64) -> Result<i64> {
        let expires_at =
            self.table(TableName::Credit)?.column("expiresAt").map_err(Failure::Refused)?;
        let params = [text(user_id), (Param::TimeMs(now_ms), time_type(expires_at))];
        self.value(Statement::new(include_str!("sql/balance.sql"), params)).await
    }

    /// A page of credit rows, newest first.
    pub async fn credits(&mut self, filter: &CreditFilter, page: Page) -> Result<Vec<Row>> {
        let (condition, params) = conditions(filter);
        self.rows(TableName::Credit, &condition, params, Some(page)).await
    }

    /// How many credit rows all pages have.
    pub async fn credit_count(&mut self, filter: &CreditFilter) -> Result<i64> {
        let (condition, params) = conditions(filter);
        self.value(count(TableName::Credit, &condition, params)).await
    }

    async fn rows(
        &mut self,
        table: TableName,
        condition: &str,
        params: Vec<(Param, Type)>,
        page: Option<Page>,
    ) -> Result<Vec<Row>> {
        let found = Arc::clone(self.table(table)?);
        let list = list(&found.select_list, table, condition, params, page);
        let [rows] = self.read([list], "reading").await?;
        rows.iter().map(|row| read_row(&found, row)).collect()
    }

    async fn value<T: for<'r> tokio_postgres::types::FromSql<'r>>(
        &mut self,
        statement: Statement,
    ) -> Result<T> {
        let [rows] = self.read([statement], "reading").await?;
        first_value(&rows)
    }
}

fn first_value<T: for<'r> tokio_postgres::types::FromSql<'r>>(
    rows: &[tokio_postgres::Row],
) -> Result<T> {
    match rows.first() {
        Some(row) => get(row, 0),
        None => Err(Failure::Lost("the server sent no value".to_owned())),
    }
}

/// Rows that meet a condition, newest first; all of them, or a page.
fn list(
    columns: &str,
    table: TableName,
    condition: &str,
    params: Vec<(Param, Type)>,
    page: Option<Page>,
) -> Statement {
    let table = quote(table.sql());
    let sql = format!(
        "SELECT {columns} FROM {table} WHERE {condition} ORDER BY created_at DESC, id DESC"
    );
    let mut statement = Statement::new(sql, params);
    if let Some(page) = page {
        let (limit, declared) = integer(i64::from(page.limit));
        let limit = statement.bind(limit, declared);
        let (offset, declared) = integer(page.offset());
        let offset = statement.bind(offset, declared);
        statement.push(&format!(" LIMIT {limit} OFFSET {offset}"));
    }
    statement
}

fn count(table: TableName, condition: &str, params: Vec<(Param, Type)>) -> Statement {
    let table = quote(table.sql());
    Statement::new(format!("SELECT count(*) FROM {table} WHERE {condition}"), params)
}

fn user_and_statuses(user_id: &str) -> Vec<(Param, Type)> {
    let statuses = ACTIVE_STATUSES.iter().map(|status| (*status).to_owned()).collect();
    vec![text(user_id), (Param::Texts(statuses), Type::TEXT_ARRAY)]
}

fn conditions(filter: &CreditFilter) -> (String, Vec<(Param, Type)>) {
    let parts = [
        ("user_id", &filter.user_id),
        ("status::text", &filter.status),
        ("transaction_type::text", &filter.transaction_type),
    ];
    let mut condition = "TRUE".to_owned();
    let mut params = Vec::new();
    for (column, value) in parts {
        if let Some(value) = value {
            params.push(text(value));
            condition.push_str(&format!(" AND {column} = ${}", params.len()));
        }
    }
    (condition, params)
}
