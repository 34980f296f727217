//! Reads for an app's pages, in an SQLite file.

use std::sync::Arc;

use async_trait::async_trait;

use super::database::Database;
use super::driver;
use super::error::Doing;
use crate::domain::expiring::{Expiring, ExpiringQuery};
use crate::domain::grant::Grant;
use crate::domain::table::TableName;
use crate::error::Result;
use crate::storage::dialect::sqlite::cell::SelectedRow as _;
use crate::storage::dialect::sqlite::rows::read_row;
use crate::storage::dialect::sqlite::views::{Rows, balance, by_key, held};
use crate::storage::dialect::sqlite::{facts, spent};
use crate::storage::failure::Answer;
use crate::storage::store::{Extent, Views};
use crate::storage::{Filter, Page, Row, StuckFilter, Window};

#[async_trait]
impl Views for Database {
    async fn find(&mut self, table: TableName, id: &str) -> Answer<Option<Row>> {
        Ok(self.find_row(table, id)?)
    }

    async fn find_transaction(&mut self, transaction_no: &str) -> Answer<Option<Row>> {
        Ok(self.rows(Rows::with_transaction_no(transaction_no))?.into_iter().next())
    }

    async fn active_tasks(&mut self, user_id: &str, statuses: &[String]) -> Answer<Vec<Row>> {
        Ok(self.rows(Rows::tasks_in(&self.schema, user_id, statuses)?)?)
    }

    async fn has_active_task(&mut self, user_id: &str, statuses: &[String]) -> Answer<bool> {
        let task = Rows::tasks_in(&self.schema, user_id, statuses)?.any();
        Ok(self.first(&task, |_| ())?.is_some())
    }

    async fn users(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        Ok(self.rows(Rows::with_ids(TableName::User, ids))?)
    }

    async fn task_history(&mut self, user_id: &str, page: Page) -> Answer<(Vec<Row>, i64)> {
        let tasks = || Rows::tasks(&self.schema, user_id);
        let total = self.count_of(&tasks()?.count())?;
        Ok((self.rows(tasks()?.within(page.window()))?, total))
    }

    async fn balance(&mut self, user_id: &str, now_ms: i64) -> Answer<i64> {
        Ok(self.count_of(&balance(user_id, now_ms, self.schema.timestamp_unit))?)
    }

    async fn all_spendable_grants(
        &mut self,
        user_id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<Vec<Grant>> {
        if extent == Extent::WithProvenance {
            return Ok(self.read_whole_grants(user_id, now_ms)?);
        }
        let unit = self.schema.timestamp_unit;
        let grants = facts::spendable_grants(user_id, now_ms, unit);
        let read = |row: &rusqlite::Row<'_>| facts::read_grant(row, unit);
        let grants = driver::all(&self.connection, &grants, read).doing("reading grants")?;
        Ok(grants.into_iter().flatten().collect())
    }

    async fn spendable_and_held(
        &mut self,
        user_id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<(Vec<Grant>, i64)> {
        let held = self.count_of(&held(user_id))?;
        Ok((self.all_spendable_grants(user_id, extent, now_ms).await?, held))
    }

    async fn ended_holds(&mut self, window: Window, now_ms: i64) -> Answer<Vec<Row>> {
        Ok(self.rows(Rows::ended_holds(window, now_ms, self.schema.timestamp_unit))?)
    }

    async fn list(&mut self, filter: &Filter, page: Page) -> Answer<Vec<Row>> {
        Ok(self.rows(Rows::of_list(filter).within(page.window()))?)
    }

    async fn count(&mut self, filter: &Filter) -> Answer<i64> {
        self.schema.table(filter.table)?;
        Ok(self.count_of(&Rows::of_list(filter).count())?)
    }

    async fn charges_about(
        &mut self,
        user_id: &str,
        charge_id: Option<&str>,
        text: &str,
    ) -> Answer<Vec<Row>> {
        Ok(self.rows(Rows::charges_about(user_id, charge_id, text))?)
    }

    async fn expiring(&mut self, query: &ExpiringQuery, now_ms: i64) -> Answer<Vec<Expiring>> {
        let unit = self.schema.timestamp_unit;
        let asked = spent::expiring(query, now_ms, unit);
        let read = |row: &rusqlite::Row<'_>| spent::read_expiring(row, unit);
        let found = driver::all(&self.connection, &asked, read).doing("reading grants")?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn stuck_tasks(&mut self, filter: &StuckFilter, now_ms: i64) -> Answer<Vec<Row>> {
        Ok(self.rows(Rows::stuck_tasks(filter, now_ms, self.schema.timestamp_unit))?)
    }
}

impl Database {
    /// These rows, in order.
    pub(super) fn rows(&self, rows: Rows<'_>) -> Result<Vec<Row>> {
        let table = Arc::clone(self.schema.table(rows.table)?);
        let (key, unit) = (self.key_of(table.name), self.schema.timestamp_unit);
        let load = || {
            let keys = rows.keys(key);
            let keys = driver::all(&self.connection, &keys, |row| row.cell(0).into_owned())?;
            let mut statement = self.connection.prepare_cached(&by_key(&table, key))?;
            let read = |key| statement.query_row([key], |row| Ok(read_row(row, &table, unit)));
            keys.into_iter().map(read).collect::<rusqlite::Result<_>>()
        };
        load().doing("reading")
    }

    /// The key of a table's rows. A view, or a table WITHOUT ROWID, has only ids. It is read each time,
    /// because a cached statement would not notice that the table was created again.
    fn key_of(&self, table: &str) -> &'static str {
        match self.connection.prepare(&format!(r#"SELECT rowid FROM "{table}""#)) {
            Ok(_) => "rowid",
            Err(_) => "id",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn holds_are_found_by_the_apps_index() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../dialect/sqlite/sql/create_credit.sql")).unwrap();
        let explained = format!("EXPLAIN QUERY PLAN {}", held("u").text);
        let plan: String =
            connection.query_row(&explained, ["u"], |row| row.get("detail")).unwrap();
        assert!(plan.contains("remaining_credits=? AND expires_at>?"), "{plan}");
    }
}
