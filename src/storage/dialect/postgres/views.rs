//! Reads for an app's pages, in one round trip each.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;

use super::super::row::{read_expiring, read_spendable};
use super::Statement;
use super::grants::{Which, spendable_grants};
use super::row::{self, FromCell, get, read_rows};
use super::tables::Tables;
use super::value::Value;
use super::wire::{End, Mode, Pipeline, Wire, exactly};
use crate::domain::expiring::{Expiring, ExpiringQuery};
use crate::domain::grant::Grant;
use crate::domain::table::{TableName, TaskKind};
use crate::storage::failure::{Answer, Failure};
use crate::storage::schema::quote;
use crate::storage::store::{Extent, Views};
use crate::storage::{Filter, Page, Row, StuckFilter, Window};

const MEDIA_TASKS: TableName = TableName::Tasks(TaskKind::Media);

#[async_trait]
impl<W: Wire> Views for W {
    async fn find(&mut self, table: TableName, id: &str) -> Answer<Option<Row>> {
        let table = Arc::clone(self.tables()?.table(table)?);
        let [rows] = read(self, &[Statement::find(&table, id)], "reading").await?;
        Ok(read_rows(&table, &rows)?.into_iter().next())
    }

    async fn find_transaction(&mut self, transaction_no: &str) -> Answer<Option<Row>> {
        let credits = Rows::new(TableName::Credit, "transaction_no = $1", [transaction_no.into()]);
        Ok(rows(self, credits).await?.into_iter().next())
    }

    async fn active_tasks(&mut self, user_id: &str, statuses: &[String]) -> Answer<Vec<Row>> {
        let tasks = Rows::tasks_in(self.tables()?, user_id, statuses)?;
        rows(self, tasks).await
    }

    async fn has_active_task(&mut self, user_id: &str, statuses: &[String]) -> Answer<bool> {
        let tasks = Rows::tasks_in(self.tables()?, user_id, statuses)?;
        value(self, tasks.any()).await
    }

    async fn users(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        let users = Rows::with_ids(self.tables()?, TableName::User, ids)?;
        rows(self, users).await
    }

    async fn task_history(&mut self, user_id: &str, page: Page) -> Answer<(Vec<Row>, i64)> {
        let tables = self.tables()?;
        let table = Arc::clone(tables.table(MEDIA_TASKS)?);
        let tasks = || Rows::tasks(tables, user_id);
        let statements = [tasks()?.within(page.window()).list(tables)?, tasks()?.count()];
        let [list, total] = read(self, &statements, "reading").await?;
        Ok((read_rows(&table, &list)?, first_value(&total)?))
    }

    async fn balance(&mut self, user_id: &str, now_ms: i64) -> Answer<i64> {
        let tables = self.tables()?;
        let user = tables.id(TableName::User, user_id)?;
        let values = [user, tables.time_for("expiresAt", now_ms)?];
        let balance = Statement::new(include_str!("sql/balance.sql"), values);
        let [rows] = read(self, &[balance], "reading").await?;
        if let Some(row) = rows.first() {
            get::<Option<i64>>(row, 1)?;
        }
        first_value(&rows)
    }

    async fn all_spendable_grants(
        &mut self,
        user_id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<Vec<Grant>> {
        let tables = self.tables()?;
        let users = tables.ids(TableName::User, [user_id])?;
        let mut grants = spendable_grants(users, tables, now_ms, Which::All(extent))?;
        // Reads take no locks.
        grants.text = grants.text.replace("FOR UPDATE", "").into();
        let [rows] = read(self, &[grants], "reading grants").await?;
        read_spendable(&rows, extent)
    }

    async fn spendable_and_held(
        &mut self,
        user_id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<(Vec<Grant>, i64)> {
        let tables = self.tables()?;
        let users = tables.ids(TableName::User, [user_id])?;
        let mut grants = spendable_grants(users, tables, now_ms, Which::All(extent))?;
        grants.text = grants.text.replace("FOR UPDATE", "").into();
        let text = format!(
            "SELECT COALESCE(-SUM(credits), 0)::bigint FROM credit WHERE user_id = $1 AND {HELD}"
        );
        let held = Statement::new(text, [tables.id(TableName::User, user_id)?]);
        let [grants, held] = read(self, &[grants, held], "reading grants").await?;
        Ok((read_spendable(&grants, extent)?, first_value(&held)?))
    }

    async fn ended_holds(&mut self, window: Window, now_ms: i64) -> Answer<Vec<Row>> {
        let now = self.tables()?.time_for("expiresAt", now_ms)?;
        let condition = format!("{HELD} AND expires_at <= $1");
        let ended = Rows::new(TableName::Credit, condition, [now]);
        rows(self, Rows { order: "expires_at, id", ..ended }.within(window)).await
    }

    async fn list(&mut self, filter: &Filter, page: Page) -> Answer<Vec<Row>> {
        let list = Rows::of_list(self.tables()?, filter)?;
        rows(self, list.within(page.window())).await
    }

    async fn count(&mut self, filter: &Filter) -> Answer<i64> {
        let tables = self.tables()?;
        tables.table(filter.table)?;
        let list = Rows::of_list(tables, filter)?;
        value(self, list.count()).await
    }

    async fn charges_about(
        &mut self,
        user_id: &str,
        charge_id: Option<&str>,
        about: &str,
    ) -> Answer<Vec<Row>> {
        let condition = "user_id = $1 AND transaction_type = 'consume' \
                         AND (id = $2 OR position($3 in metadata::text) > 0)";
        let tables = self.tables()?;
        let user = tables.id(TableName::User, user_id)?;
        let values = [user, tables.id(TableName::Credit, charge_id)?, about.into()];
        let charges = Rows::new(TableName::Credit, condition, values);
        rows(self, Rows { order: "created_at, id", ..charges }).await
    }

    async fn expiring(&mut self, query: &ExpiringQuery, now_ms: i64) -> Answer<Vec<Expiring>> {
        let tables = self.tables()?;
        let time = |time_ms: i64| tables.time_for("expiresAt", time_ms);
        let until = time(now_ms.saturating_add(query.within_ms))?;
        let values = [time(now_ms)?, until, query.at_least.into(), i64::from(query.limit).into()];
        let mut asked = Statement::new(String::new(), values);
        let behind = match query.after.as_deref() {
            Some(after) => format!("user_id > {}", asked.bind(tables.id(TableName::User, after)?)),
            None => "user_id IS NOT NULL".to_owned(),
        };
        asked.push(&include_str!("sql/expiring.sql").replace("{behind}", &behind));
        let [rows] = read(self, &[asked], "reading grants").await?;
        read_expiring(&rows)
    }

    async fn stuck_tasks(&mut self, filter: &StuckFilter, now_ms: i64) -> Answer<Vec<Row>> {
        let table = TableName::Tasks(filter.kind);
        let before = now_ms - filter.older_than_ms;
        let before = self.tables()?.time_in(table, "updatedAt", before)?;
        // A task without a time also counts as stuck.
        let condition = "status::text = ANY ($1) AND (updated_at < $2 OR updated_at IS NULL)";
        let stuck = Rows::new(table, condition, [filter.statuses.clone().into(), before]);
        let window = Window { limit: i64::from(filter.limit), offset: i64::from(filter.skip) };
        rows(self, Rows { order: "updated_at, id", ..stuck }.within(window)).await
    }
}

/// The condition that a charge is a hold. `remaining_credits = 0` holds for every charge, and lets the app's
/// index find the rows with an expiry.
const HELD: &str = "status = 'active' AND transaction_type = 'consume' AND remaining_credits = 0 \
                    AND expires_at IS NOT NULL AND position('\"held\"' in metadata::text) > 0";

/// A selection of rows of a table.
pub(super) struct Rows {
    table: TableName,
    condition: Cow<'static, str>,
    values: Vec<Value>,
    order: &'static str,
    window: Option<Window>,
}

impl Rows {
    /// Rows that meet a condition, newest first.
    fn new(
        table: TableName,
        condition: impl Into<Cow<'static, str>>,
        values: impl Into<Vec<Value>>,
    ) -> Self {
        const NEWEST_FIRST: &str = "created_at DESC, id DESC";
        let (condition, values) = (condition.into(), values.into());
        Self { table, condition, values, order: NEWEST_FIRST, window: None }
    }

    /// Rows with these ids, in any order.
    pub(super) fn with_ids(tables: &Tables, table: TableName, ids: &[&str]) -> Answer<Self> {
        let ids = tables.ids(table, ids)?;
        Ok(Self { order: "id", ..Self::new(table, "id = ANY ($1)", [ids]) })
    }

    /// A user's media tasks, without deleted ones.
    fn tasks(tables: &Tables, user_id: &str) -> Answer<Self> {
        let condition = format!("user_id = $1{}", tables.table(MEDIA_TASKS)?.and_not_deleted());
        Ok(Self::new(MEDIA_TASKS, condition, [tables.id(TableName::User, user_id)?]))
    }

    /// A user's media tasks with one of these statuses, without deleted ones.
    fn tasks_in(tables: &Tables, user_id: &str, statuses: &[String]) -> Answer<Self> {
        let mut tasks = Self::tasks(tables, user_id)?;
        // The status may be an enum that lacks some of these values, so it is compared as text.
        tasks.condition.to_mut().push_str(" AND status::text = ANY ($2)");
        tasks.values.push(statuses.to_vec().into());
        Ok(tasks)
    }

    /// The rows of a list.
    fn of_list(tables: &Tables, filter: &Filter) -> Answer<Self> {
        let (mut condition, mut values) = ("TRUE".to_owned(), Vec::new());
        for (column, value) in &filter.equal {
            // Only the user has an index; other columns may be enums, so they are compared as text.
            let (value, cast) = match *column {
                "user_id" => (tables.id(TableName::User, value.as_str())?, ""),
                _ => (value.as_str().into(), "::text"),
            };
            values.push(value);
            condition.push_str(&format!(" AND {column}{cast} = ${}", values.len()));
        }
        Ok(Self::new(filter.table, condition, values))
    }

    /// Limits the selection to a window.
    fn within(self, window: Window) -> Self {
        Self { window: Some(window), ..self }
    }

    /// Selects all of them, in order.
    pub(super) fn list(self, tables: &Tables) -> Answer<Statement> {
        let columns = &tables.table(self.table)?.select_list;
        let (table, condition, order) = (quote(self.table.sql()), self.condition, self.order);
        let text = format!("SELECT {columns} FROM {table} WHERE {condition} ORDER BY {order}");
        let mut statement = Statement::new(text, self.values);
        if let Some(window) = self.window {
            let (limit, offset) = (statement.bind(window.limit), statement.bind(window.offset));
            statement.push(&format!(" LIMIT {limit} OFFSET {offset}"));
        }
        Ok(statement)
    }

    /// Counts the rows.
    fn count(self) -> Statement {
        let (table, condition) = (quote(self.table.sql()), self.condition);
        Statement::new(format!("SELECT count(*) FROM {table} WHERE {condition}"), self.values)
    }

    /// Checks whether there are any rows.
    fn any(self) -> Statement {
        let (table, condition) = (quote(self.table.sql()), self.condition);
        let text = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {condition})");
        Statement::new(text, self.values)
    }
}

async fn rows(wire: &mut impl Wire, rows: Rows) -> Answer<Vec<Row>> {
    let found = Arc::clone(wire.tables()?.table(rows.table)?);
    let list = rows.list(wire.tables()?)?;
    let [rows] = read(wire, &[list], "reading").await?;
    read_rows(&found, &rows)
}

async fn value<T: for<'r> FromCell<'r>>(wire: &mut impl Wire, statement: Statement) -> Answer<T> {
    let [rows] = read(wire, &[statement], "reading").await?;
    first_value(&rows)
}

/// Runs statements in one round trip, in a read transaction.
pub(super) async fn read<const N: usize, W: Wire>(
    wire: &mut W,
    statements: &[Statement; N],
    doing: &'static str,
) -> Answer<[Vec<W::Row>; N]> {
    let (begin, end) = (Some(Mode::Read), Some(End::Release));
    exactly(wire, Pipeline { begin, statements, end, doing }).await
}

fn first_value<'r, T: FromCell<'r>>(rows: &'r [impl row::SelectedRow]) -> Answer<T> {
    match rows.first() {
        Some(row) => get(row, 0),
        None => Err(Failure::Lost("the server sent no value".to_owned())),
    }
}
