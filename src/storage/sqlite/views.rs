//! What an app's pages read, in SQLite's SQL.

use std::sync::Arc;

use rusqlite::types::ToSql;
use rusqlite::{params, params_from_iter};

use super::Database;
use super::error::Doing;
use crate::domain::task::ACTIVE_STATUSES;
use crate::error::Result;
use crate::storage::schema::TableName;
use crate::storage::{CreditFilter, Page, Row, Views};

const ACTIVE_TASKS: &str = "user_id = ? AND status IN (?, ?, ?, ?) AND deleted_at IS NULL";
const TASKS: &str = "user_id = ? AND deleted_at IS NULL";

impl Views for Database {
    fn find(&mut self, table: TableName, id: &str) -> Result<Option<Row>> {
        self.find_row(table, id)
    }

    fn active_tasks(&mut self, user_id: &str) -> Result<Vec<Row>> {
        self.rows(TableName::MediaTasks, ACTIVE_TASKS, &user_and_statuses(&user_id), None)
    }

    fn has_active_task(&mut self, user_id: &str) -> Result<bool> {
        let sql = format!("SELECT 1 FROM media_tasks WHERE {ACTIVE_TASKS} LIMIT 1");
        let parameters = user_and_statuses(&user_id);
        self.first(&sql, params_from_iter(parameters), |_| Ok(())).map(|row| row.is_some())
    }

    fn task_history(&mut self, user_id: &str, page: Page) -> Result<Vec<Row>> {
        self.rows(TableName::MediaTasks, TASKS, &[&user_id], Some(page))
    }

    fn task_count(&mut self, user_id: &str) -> Result<i64> {
        self.count(TableName::MediaTasks, TASKS, &[&user_id])
    }

    fn balance(&mut self, user_id: &str, now_ms: i64) -> Result<i64> {
        let now = self.schema.timestamp_unit.from_ms(now_ms);
        let sql = include_str!("sql/balance.sql");
        let sum = self.first(sql, params![user_id, now], |row| row.get(0))?;
        Ok(sum.unwrap_or(0))
    }

    fn credits(&mut self, filter: &CreditFilter, page: Page) -> Result<Vec<Row>> {
        let (condition, parameters) = conditions(filter);
        self.rows(TableName::Credit, &condition, &parameters, Some(page))
    }

    fn credit_count(&mut self, filter: &CreditFilter) -> Result<i64> {
        let (condition, parameters) = conditions(filter);
        self.count(TableName::Credit, &condition, &parameters)
    }
}

impl Database {
    /// Rows that meet a condition, newest first; all of them, or a page.
    fn rows(
        &self,
        table: TableName,
        condition: &str,
        parameters: &[&dyn ToSql],
        page: Option<Page>,
    ) -> Result<Vec<Row>> {
        let table = Arc::clone(self.schema.table(table));
        // SQLite reads a negative limit as none.
        let (limit, offset) = page.map_or((-1, 0), |page| (i64::from(page.limit), page.offset()));
        let parameters = [parameters, &[&limit, &offset]].concat();
        let sql = format!(
            r#"SELECT {} FROM "{}" WHERE {condition}
               ORDER BY created_at DESC, id DESC LIMIT ? OFFSET ?"#,
            table.select_list, table.name,
        );
        let load = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows =
                statement.query_map(parameters.as_slice(), |row| self.read_row(&table, row))?;
            rows.collect::<rusqlite::Result<_>>()
        };
        load().doing("reading")
    }

    fn count(&self, table: TableName, condition: &str, parameters: &[&dyn ToSql]) -> Result<i64> {
        let sql = format!(r#"SELECT COUNT(*) FROM "{}" WHERE {condition}"#, table.sql());
        Ok(self.first(&sql, parameters, |row| row.get(0))?.unwrap_or(0))
    }
}

fn user_and_statuses<'a>(user_id: &'a &str) -> Vec<&'a dyn ToSql> {
    let statuses = ACTIVE_STATUSES.iter().map(|status| status as &dyn ToSql);
    std::iter::once(user_id as &dyn ToSql).chain(statuses).collect()
}

fn conditions(filter: &CreditFilter) -> (String, Vec<&dyn ToSql>) {
    let parts = [
        ("user_id = ?", &filter.user_id),
        ("status = ?", &filter.status),
        ("transaction_type = ?", &filter.transaction_type),
    ];
    let mut condition = "TRUE".to_owned();
    let mut parameters: Vec<&dyn ToSql> = Vec::new();
    for (part, value) in &parts {
        if let Some(value) = value {
            condition.push_str(" AND ");
            condition.push_str(part);
            parameters.push(value);
        }
    }
    (condition, parameters)
}
