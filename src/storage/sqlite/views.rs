//! What an app's pages read, in SQLite's SQL.

use std::sync::Arc;

use rusqlite::types::{ToSql, Value};
use rusqlite::{params, params_from_iter};

use super::Database;
use super::error::Doing;
use super::ledger::SPENDABLE_GRANTS;
use crate::domain::charge::Grant;
use crate::domain::table::{TableName, TaskKind};
use crate::error::Result;
use crate::storage::failure::Answer;
use crate::storage::store::Views;
use crate::storage::{Filter, Page, Row, StuckFilter, Window};

const MEDIA_TASKS: TableName = TableName::Tasks(TaskKind::Media);
const NEWEST_FIRST: &str = "created_at DESC, id DESC";

impl Views for Database {
    async fn find(&mut self, table: TableName, id: &str) -> Answer<Option<Row>> {
        Ok(self.find_row(table, id)?)
    }

    async fn find_transaction(&mut self, transaction_no: &str) -> Answer<Option<Row>> {
        let rows = self.rows(
            TableName::Credit,
            "transaction_no = ?",
            &[&transaction_no],
            NEWEST_FIRST,
            None,
        )?;
        Ok(rows.into_iter().next())
    }

    async fn active_tasks(&mut self, user_id: &str, statuses: &[String]) -> Answer<Vec<Row>> {
        let condition = self.tasks_in(statuses)?;
        let parameters = user_and_statuses(&user_id, statuses);
        Ok(self.rows(MEDIA_TASKS, &condition, &parameters, NEWEST_FIRST, None)?)
    }

    async fn has_active_task(&mut self, user_id: &str, statuses: &[String]) -> Answer<bool> {
        let condition = self.tasks_in(statuses)?;
        let sql = format!("SELECT 1 FROM media_tasks WHERE {condition} LIMIT 1");
        let parameters = user_and_statuses(&user_id, statuses);
        Ok(self.first(&sql, params_from_iter(parameters), |_| Ok(()))?.is_some())
    }

    async fn users(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        Ok(self.rows_with_ids(TableName::User, ids)?)
    }

    async fn task_history(&mut self, user_id: &str, page: Page) -> Answer<(Vec<Row>, i64)> {
        let condition = self.tasks_of_user()?;
        let total = self.count_rows(MEDIA_TASKS, &condition, &[&user_id])?;
        let window = Some(page.window());
        let rows = self.rows(MEDIA_TASKS, &condition, &[&user_id], NEWEST_FIRST, window)?;
        Ok((rows, total))
    }

    async fn balance(&mut self, user_id: &str, now_ms: i64) -> Answer<i64> {
        let now = self.schema.timestamp_unit.exactly_from_ms(now_ms);
        let sql = include_str!("sql/balance.sql");
        let sum = self.first(sql, params![user_id, now], |row| row.get(0))?;
        Ok(sum.unwrap_or(0))
    }

    async fn all_spendable_grants(&mut self, user_id: &str, now_ms: i64) -> Answer<Vec<Grant>> {
        let now = self.schema.timestamp_unit.exactly_from_ms(now_ms);
        let load = || {
            let mut statement = self.connection.prepare_cached(SPENDABLE_GRANTS)?;
            let rows = statement.query_map(params![user_id, now], |row| self.read_grant(row))?;
            rows.filter_map(rusqlite::Result::transpose).collect::<rusqlite::Result<_>>()
        };
        Ok(load().doing("reading grants")?)
    }

    async fn list(&mut self, filter: &Filter, page: Page) -> Answer<Vec<Row>> {
        let (condition, parameters) = conditions(filter);
        Ok(self.rows(filter.table, &condition, &parameters, NEWEST_FIRST, Some(page.window()))?)
    }

    async fn count(&mut self, filter: &Filter) -> Answer<i64> {
        let (condition, parameters) = conditions(filter);
        Ok(self.count_rows(filter.table, &condition, &parameters)?)
    }

    async fn charges_about(
        &mut self,
        user_id: &str,
        charge_id: Option<&str>,
        text: &str,
    ) -> Answer<Vec<Row>> {
        let condition = "user_id = ? AND transaction_type = 'consume' \
                         AND (id = ? OR instr(metadata, ?) > 0)";
        let parameters: [&dyn ToSql; 3] = [&user_id, &charge_id, &text];
        Ok(self.rows(TableName::Credit, condition, &parameters, "created_at, id", None)?)
    }

    async fn stuck_tasks(&mut self, filter: &StuckFilter, now_ms: i64) -> Answer<Vec<Row>> {
        let before = self.schema.timestamp_unit.from_ms(now_ms - filter.older_than_ms);
        // Text and bytes are above all numbers. A task whose time can't be read counts as stuck too.
        let unreadable = "updated_at IS NULL OR updated_at >= ''";
        let states = in_states(filter.statuses.len());
        let condition = format!("{states} AND (updated_at < ? OR {unreadable})");
        let statuses = filter.statuses.iter().map(|status| status as &dyn ToSql);
        let parameters: Vec<&dyn ToSql> = statuses.chain([&before as &dyn ToSql]).collect();
        let window = Window { limit: i64::from(filter.limit), offset: i64::from(filter.skip) };
        let table = TableName::Tasks(filter.kind);
        Ok(self.rows(table, &condition, &parameters, "updated_at, id", Some(window))?)
    }
}

impl Database {
    fn tasks_of_user(&self) -> Result<String> {
        let not_deleted = self.schema.table(MEDIA_TASKS)?.and_not_deleted();
        Ok(format!("user_id = ?{not_deleted}"))
    }

    fn tasks_in(&self, statuses: &[String]) -> Result<String> {
        let not_deleted = self.schema.table(MEDIA_TASKS)?.and_not_deleted();
        Ok(format!("user_id = ? AND {}{not_deleted}", in_states(statuses.len())))
    }

    /// Rows that meet a condition, in this order; all of them, or some. Their keys are sorted first, and only
    /// the rows of the page are read: a row may hold megabytes, and sorting would copy it again and again.
    fn rows(
        &self,
        table: TableName,
        condition: &str,
        parameters: &[&dyn ToSql],
        order: &str,
        window: Option<Window>,
    ) -> Result<Vec<Row>> {
        let table = Arc::clone(self.schema.table(table)?);
        // SQLite reads a negative limit as none.
        let Window { limit, offset } = window.unwrap_or(Window { limit: -1, offset: 0 });
        let parameters = [parameters, &[&limit, &offset]].concat();
        let (name, key) = (table.name, self.key_of(table.name));
        let keys = format!(
            r#"SELECT {key} FROM "{name}" WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"#
        );
        let row = format!(r#"SELECT {} FROM "{name}" WHERE {key} = ?"#, table.select_list);
        let load = || {
            let mut statement = self.connection.prepare_cached(&keys)?;
            let keys = statement.query_map(parameters.as_slice(), |row| row.get::<_, Value>(0))?;
            let keys: Vec<Value> = keys.collect::<rusqlite::Result<_>>()?;
            let mut statement = self.connection.prepare_cached(&row)?;
            let read = |key| statement.query_row([key], |row| self.read_row(&table, row));
            keys.into_iter().map(read).collect::<rusqlite::Result<_>>()
        };
        load().doing("reading")
    }

    /// The rows with these ids, in any order, with one statement.
    pub(super) fn rows_with_ids(&self, table: TableName, ids: &[&str]) -> Result<Vec<Row>> {
        let ids = serde_json::Value::from(ids).to_string();
        self.rows(table, "id IN (SELECT value FROM json_each(?))", &[&ids], "id", None)
    }

    /// What finds a row of this table. A view, or a table WITHOUT ROWID, has ids alone. A statement that is kept
    /// would not notice that the table was made anew.
    fn key_of(&self, table: &str) -> &'static str {
        match self.connection.prepare(&format!(r#"SELECT rowid FROM "{table}""#)) {
            Ok(_) => "rowid",
            Err(_) => "id",
        }
    }

    pub(super) fn count_rows(
        &self,
        table: TableName,
        condition: &str,
        parameters: &[&dyn ToSql],
    ) -> Result<i64> {
        self.schema.table(table)?;
        let sql = format!(r#"SELECT COUNT(*) FROM "{}" WHERE {condition}"#, table.sql());
        Ok(self.first(&sql, parameters, |row| row.get(0))?.unwrap_or(0))
    }
}

pub(super) fn in_states(states: usize) -> String {
    format!("status IN ({})", vec!["?"; states].join(", "))
}

pub(super) fn user_and_statuses<'a>(
    user_id: &'a &str,
    statuses: &'a [impl ToSql],
) -> Vec<&'a dyn ToSql> {
    let statuses = statuses.iter().map(|status| status as &dyn ToSql);
    std::iter::once(user_id as &dyn ToSql).chain(statuses).collect()
}

fn conditions(filter: &Filter) -> (String, Vec<&dyn ToSql>) {
    let mut condition = "TRUE".to_owned();
    let mut parameters: Vec<&dyn ToSql> = Vec::new();
    for (column, value) in &filter.equal {
        condition.push_str(&format!(" AND {column} = ?"));
        parameters.push(value);
    }
    (condition, parameters)
}
