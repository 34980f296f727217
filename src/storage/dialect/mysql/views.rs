//! Reads for an app's pages, in one round trip each.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::row::{self, FromCell, get, read_expiring, read_spendable};
use super::grants::{Which, is_of_user, spendable};
use super::ledger::Ledger;
use super::row::read_rows;
use super::tables::Tables;
use super::wire::{End, Mode, Pipeline, Wire, exactly};
use super::{COUNT, Statement, literal, quote};
use crate::domain::expiring::{Expiring, ExpiringQuery};
use crate::domain::grant::Grant;
use crate::domain::table::{TableName, TaskKind};
use crate::storage::failure::{Answer, Failure};
use crate::storage::store::{Extent, Views};
use crate::storage::{Filter, Page, Row, StuckFilter, Window};

const MEDIA_TASKS: TableName = TableName::Tasks(TaskKind::Media);

#[async_trait]
impl<W: Wire> Views for Ledger<W> {
    async fn find(&mut self, table: TableName, id: &str) -> Answer<Option<Row>> {
        let tables = self.0.tables()?;
        let (found, find) = (Arc::clone(tables.table(table)?), tables.find(table, id)?);
        let [rows] = read(&mut self.0, &[find], "reading").await?;
        Ok(read_rows(&found, &rows).into_iter().next())
    }

    async fn find_transaction(&mut self, transaction_no: &str) -> Answer<Option<Row>> {
        let is_it = self.0.tables()?.ids(TableName::Credit, "transaction_no")?;
        let is_it = is_it.is("transaction_no", transaction_no);
        Ok(rows(&mut self.0, Rows::new(TableName::Credit, is_it)).await?.into_iter().next())
    }

    async fn active_tasks(&mut self, user_id: &str, statuses: &[String]) -> Answer<Vec<Row>> {
        let tasks = Rows::tasks_in(self.0.tables()?, user_id, statuses)?;
        rows(&mut self.0, tasks).await
    }

    async fn has_active_task(&mut self, user_id: &str, statuses: &[String]) -> Answer<bool> {
        let any = Rows::tasks_in(self.0.tables()?, user_id, statuses)?.any();
        value(&mut self.0, any).await
    }

    async fn users(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        let users = Rows::with_ids(self.0.tables()?, TableName::User, ids)?;
        let mut users = rows(&mut self.0, users).await?;
        users.retain(|user| ids.iter().any(|id| user.id("id").is_some_and(|found| found == *id)));
        Ok(users)
    }

    async fn task_history(&mut self, user_id: &str, page: Page) -> Answer<(Vec<Row>, i64)> {
        let tables = self.0.tables()?;
        let table = Arc::clone(tables.table(MEDIA_TASKS)?);
        let tasks = || Rows::tasks(tables, user_id);
        let window = page.window();
        let offset = window.offset;
        let statements = [tasks()?.within(window).list(tables)?, tasks()?.count()];
        let [mut list, mut total] = read(&mut self.0, &statements, "reading").await?;
        // As in `window_of`.
        if list.is_empty() && first_value::<i64>(&total)? > offset {
            [list, total] = read(&mut self.0, &statements, "reading").await?;
        }
        Ok((read_rows(&table, &list), first_value(&total)?))
    }

    async fn balance(&mut self, user_id: &str, now_ms: i64) -> Answer<i64> {
        let tables = self.0.tables()?;
        let is_users = is_of_user(tables, TableName::Credit, user_id)?;
        let now = tables.time_for("expiresAt", now_ms)?;
        let balance = format!(
            "SELECT CAST(COALESCE(SUM(remaining_credits), 0) AS SIGNED) FROM credit WHERE {is_users} \
             AND status = 'active' AND transaction_type = 'grant' AND remaining_credits > 0 \
             AND (expires_at IS NULL OR expires_at > {now})"
        );
        value(&mut self.0, balance).await
    }

    async fn all_spendable_grants(
        &mut self,
        user_id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<Vec<Grant>> {
        let tables = self.0.tables()?;
        let is_users = is_of_user(tables, TableName::Credit, user_id)?;
        let grants = spendable(tables, &is_users, (now_ms, Which::All(extent)))?;
        let [rows] = read(&mut self.0, &[grants], "reading grants").await?;
        read_spendable(&rows, extent)
    }

    async fn spendable_and_held(
        &mut self,
        user_id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<(Vec<Grant>, i64)> {
        let tables = self.0.tables()?;
        let is_users = is_of_user(tables, TableName::Credit, user_id)?;
        let grants = spendable(tables, &is_users, (now_ms, Which::All(extent)))?;
        let held = format!(
            "SELECT CAST(COALESCE(-SUM(credits), 0) AS SIGNED) FROM credit WHERE {is_users} AND {}",
            is_held()
        );
        let [grants, held] = read(&mut self.0, &[grants, held], "reading grants").await?;
        Ok((read_spendable(&grants, extent)?, first_value(&held)?))
    }

    async fn ended_holds(&mut self, window: Window, now_ms: i64) -> Answer<Vec<Row>> {
        let now = self.0.tables()?.time_for("expiresAt", now_ms)?;
        let ended = Rows::new(TableName::Credit, format!("{} AND expires_at <= {now}", is_held()));
        rows(&mut self.0, Rows { order: ENDED_FIRST, ..ended }.within(window)).await
    }

    async fn list(&mut self, filter: &Filter, page: Page) -> Answer<Vec<Row>> {
        let list = Rows::of_list(self.0.tables()?, filter)?;
        rows(&mut self.0, list.within(page.window())).await
    }

    async fn count(&mut self, filter: &Filter) -> Answer<i64> {
        let count = Rows::of_list(self.0.tables()?, filter)?.count();
        value(&mut self.0, count).await
    }

    async fn charges_about(
        &mut self,
        user_id: &str,
        charge_id: Option<&str>,
        about: &str,
    ) -> Answer<Vec<Row>> {
        let tables = self.0.tables()?;
        let is_users = is_of_user(tables, TableName::Credit, user_id)?;
        let is_it = match charge_id {
            Some(id) => tables.ids(TableName::Credit, "id")?.is("id", id),
            None => "FALSE".to_owned(),
        };
        let about = has_in_metadata(about);
        let condition =
            format!("{is_users} AND transaction_type = 'consume' AND ({is_it} OR {about})");
        let charges = Rows { order: OLDEST_FIRST, ..Rows::new(TableName::Credit, condition) };
        rows(&mut self.0, charges).await
    }

    async fn expiring(&mut self, query: &ExpiringQuery, now_ms: i64) -> Answer<Vec<Expiring>> {
        let tables = self.0.tables()?;
        let owners = tables.ids(TableName::Credit, "user_id")?;
        // Compared by bytes, so that no collation treats two users as one.
        let (user_id, bytes) = (owners.text("user_id"), owners.bytes("user_id"));
        let after = match query.after.as_deref() {
            Some(after) => format!("{bytes} > {}", owners.bytes(&owners.one(Some(after)))),
            None => "user_id IS NOT NULL".to_owned(),
        };
        let [now, until] = [now_ms, now_ms.saturating_add(query.within_ms)]
            .map(|time_ms| tables.time_for("expiresAt", time_ms));
        let (now, until, ExpiringQuery { at_least, limit, .. }) = (now?, until?, query);
        let asked = format!(
            "SELECT MIN({user_id}), CAST(SUM(remaining_credits) AS SIGNED), {COUNT}, MIN(expires_at) FROM credit \
             WHERE {after} AND status = 'active' AND transaction_type = 'grant' AND remaining_credits > 0 \
             AND expires_at > {now} AND expires_at <= {until} GROUP BY {bytes} \
             HAVING SUM(remaining_credits) >= {at_least} ORDER BY {bytes} LIMIT {limit}"
        );
        read_expiring(&window_of(&mut self.0, asked, "reading grants").await?)
    }

    async fn stuck_tasks(&mut self, filter: &StuckFilter, now_ms: i64) -> Answer<Vec<Row>> {
        let table = TableName::Tasks(filter.kind);
        let updated_at = self.0.tables()?.table(table)?.column("updatedAt")?;
        let before = literal::time_from(updated_at, now_ms - filter.older_than_ms);
        let statuses = literal::texts(&filter.statuses);
        // A task without a time also counts as stuck.
        let condition =
            format!("status IN {statuses} AND (updated_at < {before} OR updated_at IS NULL)");
        let window = Window { limit: i64::from(filter.limit), offset: i64::from(filter.skip) };
        let stuck = Rows { order: UNTOUCHED_FIRST, ..Rows::new(table, condition) };
        rows(&mut self.0, stuck.within(window)).await
    }
}

/// The condition that a charge is a hold.
fn is_held() -> String {
    format!(
        "status = 'active' AND transaction_type = 'consume' AND remaining_credits = 0 \
         AND expires_at IS NOT NULL AND {}",
        has_in_metadata("\"held\"")
    )
}

/// The condition that the metadata contains this text.
fn has_in_metadata(text: &str) -> String {
    let text = literal::bytes(text.as_bytes());
    format!("INSTR(CAST(CONVERT(metadata USING utf8mb4) AS BINARY), {text}) > 0")
}

/// Sorts by a time, then by id, because several rows may have the same second.
type Order = (&'static str, &'static str);

const NEWEST_FIRST: Order = ("created_at", " DESC");
const OLDEST_FIRST: Order = ("created_at", "");
const ENDED_FIRST: Order = ("expires_at", "");
/// NULL comes last, as on the other databases.
const UNTOUCHED_FIRST: Order = ("updated_at IS NULL, updated_at", "");

/// A selection of rows of a table.
pub(super) struct Rows {
    table: TableName,
    condition: String,
    order: Order,
    window: Option<Window>,
}

impl Rows {
    /// Rows that meet a condition, newest first.
    fn new(table: TableName, condition: String) -> Self {
        Self { table, condition, order: NEWEST_FIRST, window: None }
    }

    /// Rows with these ids, or with ids that their collation treats as equal, in any order.
    pub(super) fn with_ids(tables: &Tables, table: TableName, ids: &[&str]) -> Answer<Self> {
        Ok(Self::new(table, format!("id IN {}", tables.ids(table, "id")?.many(ids))))
    }

    /// A user's media tasks, without deleted ones.
    fn tasks(tables: &Tables, user_id: &str) -> Answer<Self> {
        let not_deleted = tables.table(MEDIA_TASKS)?.and_not_deleted();
        let is_users = is_of_user(tables, MEDIA_TASKS, user_id)?;
        Ok(Self::new(MEDIA_TASKS, format!("{is_users}{not_deleted}")))
    }

    /// A user's media tasks with one of these statuses, without deleted ones.
    fn tasks_in(tables: &Tables, user_id: &str, statuses: &[String]) -> Answer<Self> {
        let mut tasks = Self::tasks(tables, user_id)?;
        tasks.condition.push_str(&format!(" AND status IN {}", literal::texts(statuses)));
        Ok(tasks)
    }

    /// The rows of a list.
    fn of_list(tables: &Tables, filter: &Filter) -> Answer<Self> {
        tables.table(filter.table)?;
        let mut condition = "TRUE".to_owned();
        for (column, value) in &filter.equal {
            let is_it = tables.ids(filter.table, column)?.is(column, value);
            condition.push_str(&format!(" AND {is_it}"));
        }
        Ok(Self::new(filter.table, condition))
    }

    /// Limits the selection to a window.
    fn within(self, window: Window) -> Self {
        Self { window: Some(window), ..self }
    }

    /// Selects all of them, in order.
    pub(super) fn list(self, tables: &Tables) -> Answer<Statement> {
        let columns = &tables.table(self.table)?.select_list;
        let (table, condition, (time, down)) =
            (quote(self.table.sql()), self.condition, self.order);
        let id = tables.ids(self.table, "id")?.bytes("id");
        // A table of users may have no creation time.
        let time = match tables.table(self.table)?.has(time.rsplit(' ').next().unwrap_or_default())
        {
            true => format!("{time}{down}, "),
            false => String::new(),
        };
        let window = self.window.map_or_else(String::new, |window| {
            format!(" LIMIT {} OFFSET {}", window.limit, window.offset)
        });
        Ok(format!(
            "SELECT {columns} FROM {table} WHERE {condition} ORDER BY {time}{id}{down}{window}"
        ))
    }

    /// Counts the rows.
    fn count(self) -> Statement {
        format!("SELECT {COUNT} FROM {} WHERE {}", quote(self.table.sql()), self.condition)
    }

    /// Checks whether there are any rows.
    fn any(self) -> Statement {
        let (table, condition) = (quote(self.table.sql()), self.condition);
        format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {condition})")
    }
}

async fn rows(wire: &mut impl Wire, rows: Rows) -> Answer<Vec<Row>> {
    let found = Arc::clone(wire.tables()?.table(rows.table)?);
    let is_window = rows.window.is_some();
    let list = rows.list(wire.tables()?)?;
    let rows = match is_window {
        true => window_of(wire, list, "reading").await?,
        false => {
            let [rows] = read(wire, &[list], "reading").await?;
            rows
        }
    };
    Ok(read_rows(&found, &rows))
}

/// Rows in an order and up to a limit. If there are none, they are read again: MariaDB 10.11 answers such a SELECT with no
/// rows and no error if it interrupts it.
async fn window_of<W: Wire>(
    wire: &mut W,
    statement: Statement,
    doing: &'static str,
) -> Answer<Vec<W::Row>> {
    let statements = &[statement];
    let [rows] = read(wire, statements, doing).await?;
    if !rows.is_empty() {
        return Ok(rows);
    }
    let [rows] = read(wire, statements, doing).await?;
    Ok(rows)
}

async fn value<T: for<'r> FromCell<'r>>(wire: &mut impl Wire, statement: Statement) -> Answer<T> {
    let [rows] = read(wire, &[statement], "reading").await?;
    first_value(&rows)
}

/// Runs statements in one round trip, in a read transaction. A single statement needs none: it sees one
/// snapshot anyway.
pub(super) async fn read<const N: usize, W: Wire>(
    wire: &mut W,
    statements: &[Statement; N],
    doing: &'static str,
) -> Answer<[Vec<W::Row>; N]> {
    let (begin, end) = match N {
        1 => (None, Some(End::Release)),
        _ => (Some(Mode::Read), Some(End::Release)),
    };
    exactly(wire, Pipeline { begin, statements, end, doing }).await
}

fn first_value<'r, T: FromCell<'r>>(rows: &'r [impl row::SelectedRow]) -> Answer<T> {
    match rows.first() {
        Some(row) => get(row, 0),
        None => Err(Failure::Lost("the server sent no value".to_owned())),
    }
}
