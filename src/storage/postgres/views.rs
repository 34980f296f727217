//! What an app's pages read, in PostgreSQL's SQL: one round trip each.

use std::sync::Arc;

use tokio_postgres::types::Type;

use super::Session;
use super::rows::{Whole, get, read_grants, read_rows};
use super::statement::{Statement, integer, text, texts};
use super::value::Param;
use crate::domain::grant::Grant;
use crate::domain::table::{TableName, TaskKind};
use crate::storage::failure::{Answer, Failure};
use crate::storage::schema::quote;
use crate::storage::store::Views;
use crate::storage::{Filter, Page, Row, StuckFilter, Window};

const MEDIA_TASKS: TableName = TableName::Tasks(TaskKind::Media);
// A status may be an enum that lacks some of them, so it is compared as text.
const IN_STATES: &str = " AND status::text = ANY ($2)";
const NEWEST_FIRST: &str = "created_at DESC, id DESC";

impl Views for Session {
    async fn find(&mut self, table: TableName, id: &str) -> Answer<Option<Row>> {
        let table = Arc::clone(self.table(table)?);
        let [rows] = self.read([Statement::find(&table, id)], "reading").await?;
        Ok(read_rows(&table, &rows)?.into_iter().next())
    }

    async fn find_transaction(&mut self, transaction_no: &str) -> Answer<Option<Row>> {
        let params = vec![text(transaction_no)];
        let rows =
            self.rows(TableName::Credit, "transaction_no = $1", params, NEWEST_FIRST, None).await?;
        Ok(rows.into_iter().next())
    }

    async fn active_tasks(&mut self, user_id: &str, statuses: &[String]) -> Answer<Vec<Row>> {
        let condition = self.tasks_of_user(IN_STATES)?;
        let params = vec![self.id(TableName::User, user_id)?, texts(statuses.to_vec())];
        self.rows(MEDIA_TASKS, &condition, params, NEWEST_FIRST, None).await
    }

    async fn has_active_task(&mut self, user_id: &str, statuses: &[String]) -> Answer<bool> {
        let condition = self.tasks_of_user(IN_STATES)?;
        let sql = format!("SELECT EXISTS (SELECT 1 FROM media_tasks WHERE {condition})");
        let user = self.id(TableName::User, user_id)?;
        self.value(Statement::new(sql, [user, texts(statuses.to_vec())])).await
    }

    async fn users(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let ids = self.ids(TableName::User, ids)?;
        self.rows(TableName::User, "id = ANY ($1)", vec![ids], "id", None).await
    }

    async fn task_history(&mut self, user_id: &str, page: Page) -> Answer<(Vec<Row>, i64)> {
        let table = Arc::clone(self.table(MEDIA_TASKS)?);
        let params = vec![self.id(TableName::User, user_id)?];
        let condition = self.tasks_of_user("")?;
        let count = count(MEDIA_TASKS, &condition, params.clone());
        let (columns, window) = (&table.select_list, Some(page.window()));
        let list = list(columns, MEDIA_TASKS, &condition, params, NEWEST_FIRST, window);
        let [list, total] = self.read([list, count], "reading").await?;
        Ok((read_rows(&table, &list)?, first_value(&total)?))
    }

    async fn balance(&mut self, user_id: &str, now_ms: i64) -> Answer<i64> {
        let params = [self.id(TableName::User, user_id)?, self.time_for("expiresAt", now_ms)?];
        let balance = Statement::new(include_str!("sql/balance.sql"), params);
        let [rows] = self.read([balance], "reading").await?;
        if let Some(row) = rows.first() {
            get::<Option<Whole>>(row, 1)?;
        }
        first_value(&rows)
    }

    async fn all_spendable_grants(&mut self, user_id: &str, now_ms: i64) -> Answer<Vec<Grant>> {
        let users = self.ids(TableName::User, vec![user_id.to_owned()])?;
        let params = [users, self.time_for("expiresAt", now_ms)?];
        // A read takes no locks.
        let sql = include_str!("sql/spendable_grants.sql").replace("FOR UPDATE", "");
        let [rows] = self.read([Statement::new(sql, params)], "reading grants").await?;
        read_grants(&rows)
    }

    async fn list(&mut self, filter: &Filter, page: Page) -> Answer<Vec<Row>> {
        let (condition, params) = self.conditions(filter)?;
        self.rows(filter.table, &condition, params, NEWEST_FIRST, Some(page.window())).await
    }

    async fn count(&mut self, filter: &Filter) -> Answer<i64> {
        self.table(filter.table)?;
        let (condition, params) = self.conditions(filter)?;
        self.value(count(filter.table, &condition, params)).await
    }

    async fn charges_about(
        &mut self,
        user_id: &str,
        charge_id: Option<&str>,
        about: &str,
    ) -> Answer<Vec<Row>> {
        let condition = "user_id = $1 AND transaction_type = 'consume' \
                         AND (id = $2 OR position($3 in metadata::text) > 0)";
        let mut charge = self.id(TableName::Credit, charge_id.unwrap_or_default())?;
        if charge_id.is_none() {
            charge.0 = Param::Null;
        }
        let params = vec![self.id(TableName::User, user_id)?, charge, text(about)];
        self.rows(TableName::Credit, condition, params, "created_at, id", None).await
    }

    async fn stuck_tasks(&mut self, filter: &StuckFilter, now_ms: i64) -> Answer<Vec<Row>> {
        let table = TableName::Tasks(filter.kind);
        let before = self.time_in(table, "updatedAt", now_ms - filter.older_than_ms)?;
        let params = vec![texts(filter.statuses.clone()), before];
        // A task without a time counts as stuck too.
        let condition = "status::text = ANY ($1) AND (updated_at < $2 OR updated_at IS NULL)";
        let window = Window { limit: i64::from(filter.limit), offset: i64::from(filter.skip) };
        self.rows(table, condition, params, "updated_at, id", Some(window)).await
    }
}

impl Session {
    /// Which rows of `media_tasks` are the user's, without deleted ones.
    fn tasks_of_user(&self, and: &str) -> Answer<String> {
        let not_deleted = self.table(MEDIA_TASKS)?.and_not_deleted();
        Ok(format!("user_id = $1{and}{not_deleted}"))
    }

    fn conditions(&self, filter: &Filter) -> Answer<(String, Vec<(Param, Type)>)> {
        let mut condition = "TRUE".to_owned();
        let mut params = Vec::new();
        for (column, value) in &filter.equal {
            // An index is on the user alone; anything else may be an enum.
            let (param, cast) = match *column {
                "user_id" => (self.id(TableName::User, value)?, ""),
                _ => (text(value), "::text"),
            };
            params.push(param);
            condition.push_str(&format!(" AND {column}{cast} = ${}", params.len()));
        }
        Ok((condition, params))
    }

    async fn rows(
        &mut self,
        table: TableName,
        condition: &str,
        params: Vec<(Param, Type)>,
        order: &str,
        window: Option<Window>,
    ) -> Answer<Vec<Row>> {
        let found = Arc::clone(self.table(table)?);
        let list = list(&found.select_list, table, condition, params, order, window);
        let [rows] = self.read([list], "reading").await?;
        read_rows(&found, &rows)
    }

    async fn value<T: for<'r> tokio_postgres::types::FromSql<'r>>(
        &mut self,
        statement: Statement,
    ) -> Answer<T> {
        let [rows] = self.read([statement], "reading").await?;
        first_value(&rows)
    }
}

fn first_value<T: for<'r> tokio_postgres::types::FromSql<'r>>(
    rows: &[tokio_postgres::Row],
) -> Answer<T> {
    match rows.first() {
        Some(row) => get(row, 0),
        None => Err(Failure::Lost("the server sent no value".to_owned())),
    }
}

/// Rows that meet a condition, in this order; all of them, or some.
fn list(
    columns: &str,
    table: TableName,
    condition: &str,
    params: Vec<(Param, Type)>,
    order: &str,
    window: Option<Window>,
) -> Statement {
    let table = quote(table.sql());
    let sql = format!("SELECT {columns} FROM {table} WHERE {condition} ORDER BY {order}");
    let mut statement = Statement::new(sql, params);
    if let Some(window) = window {
        let (limit, declared) = integer(window.limit);
        let limit = statement.bind(limit, declared);
        let (offset, declared) = integer(window.offset);
        let offset = statement.bind(offset, declared);
        statement.push(&format!(" LIMIT {limit} OFFSET {offset}"));
    }
    statement
}

fn count(table: TableName, condition: &str, params: Vec<(Param, Type)>) -> Statement {
    let table = quote(table.sql());
    Statement::new(format!("SELECT count(*) FROM {table} WHERE {condition}"), params)
}
