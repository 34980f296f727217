//! Facts and writes of the ledger, in SQLite's SQL. The engine holds the write lock meanwhile.

use std::borrow::Cow;
use std::sync::Arc;

use rusqlite::types::{ToSql, ValueRef};
use rusqlite::{OptionalExtension, Params, params};

use super::Database;
use super::error::Doing;
use super::purses::Purse;
use super::statements::Verb;
use super::value::{Bound, Cells, read, time_ms, whole};
use super::views::{in_states, user_and_statuses};
use crate::domain::charge::{Charge, ChargeFacts, EXPIRY_UNREADABLE_MS, Grant};
use crate::domain::grant::{GrantFacts, NewGrant};
use crate::domain::plan::{self, Plan, RowChange};
use crate::domain::refund::Refundable;
use crate::domain::table::TableName::{self, Credit, Tasks, User};
use crate::domain::table::TaskKind;
use crate::domain::task::TaskFacts;
use crate::domain::value::Fields;
use crate::error::{Error, Result};
use crate::storage::Row;
use crate::storage::failure::Answer;
use crate::storage::schema::{Schema, Table};
use crate::storage::store::{Facts, FoundTask, LoadFacts, Wanted, WantedTask, WritePlans, Written};

/// In draw order.
pub(super) const SPENDABLE_GRANTS: &str = include_str!("sql/spendable_grants.sql");

impl LoadFacts for Database {
    fn schema(&self) -> Result<&Schema> {
        Ok(&self.schema)
    }

    async fn charge_facts(&mut self, wanted: &Wanted, now_ms: i64) -> Answer<Facts> {
        let mut facts = Facts::default();
        for (user_id, credits) in &wanted.credits {
            if !self.exists(User, "id", user_id)? {
                continue;
            }
            facts.users.insert(user_id.clone());
            if *credits > 0 {
                let grants = self.spendable_grants(user_id, *credits, now_ms)?;
                facts.grants.insert(user_id.clone(), grants);
            }
        }
        for (kind, id) in &wanted.tasks {
            if self.exists(Tasks(*kind), "id", id)? {
                facts.tasks.insert((*kind, id.clone()));
            }
        }
        for number in &wanted.transaction_nos {
            if self.exists(Credit, "transaction_no", number)? {
                facts.transaction_nos.insert(number.clone());
            }
        }
        for id in &wanted.charge_ids {
            facts.charges.extend(self.read_charge(id)?.map(|charge| (id.clone(), charge)));
        }
        for (kind, users) in &wanted.active_of {
            for user_id in users {
                let active = self.tasks_at_risk(*kind, user_id)?;
                facts.active.insert((*kind, user_id.clone()), active);
            }
        }
        for user_id in &wanted.trials_of {
            facts.free_trials.insert(user_id.clone(), self.free_trials_used(user_id)?);
        }
        Ok(facts)
    }

    async fn task_facts(
        &mut self,
        wanted: &WantedTask<'_>,
        now_ms: i64,
    ) -> Answer<Option<FoundTask>> {
        let Some(task) = self.read_task(wanted.kind, wanted.id)? else { return Ok(None) };
        let funds = match wanted.charge {
            Some((credits, transaction_no)) => ChargeFacts {
                user_exists: self.exists(User, "id", &task.user_id)?,
                transaction_no_taken: self.is_taken("transaction_no", transaction_no)?,
                grants: self.spendable_grants(&task.user_id, credits, now_ms)?,
            },
            None => ChargeFacts::default(),
        };
        Ok(Some(FoundTask { task, charge: None, drawn_on: Vec::new(), funds }))
    }

    async fn refund_facts(&mut self, charge_id: &str) -> Answer<(Option<Charge>, Vec<Grant>)> {
        Ok((self.read_charge(charge_id)?, Vec::new()))
    }

    async fn grant_facts(&mut self, grant: &NewGrant) -> Answer<GrantFacts> {
        Ok(GrantFacts {
            user_exists: self.exists(User, "id", &grant.user_id)?,
            id_taken: self.is_taken("id", grant.id.as_deref())?,
            transaction_no_taken: self
                .is_taken("transaction_no", grant.transaction_no.as_deref())?,
        })
    }

    async fn charge(&mut self, id: Option<&str>, _: Option<Charge>) -> Answer<Option<Charge>> {
        Ok(id.map_or(Ok(None), |id| self.read_charge(id))?)
    }

    async fn grants_drawn_on(
        &mut self,
        refundable: &Refundable,
        _: Vec<Grant>,
    ) -> Answer<Vec<Grant>> {
        let mut grants = Vec::with_capacity(refundable.draws.len());
        for draw in &refundable.draws {
            let ids = [&draw.credit_id, &refundable.user_id];
            let sql = include_str!("sql/grant_of_user.sql");
            grants.extend(self.first(sql, ids, |row| self.read_grant(row))?.flatten());
        }
        Ok(grants)
    }

    async fn has_task(&mut self, kind: TaskKind, id: &str) -> Answer<bool> {
        let is_there = self.schema.table(Tasks(kind)).is_ok();
        Ok(is_there && self.exists(Tasks(kind), "id", id)?)
    }
}

impl WritePlans for Database {
    async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Answer<Written> {
        let mut written = Written::default();
        for plan in plans {
            self.apply(plan, now_ms)?;
        }
        for plan in plans {
            let (table, id) = &plan.reply;
            if let Some(row) = self.find_row(*table, id)? {
                written.insert(*table, id.clone(), row);
            }
        }
        Ok(written)
    }

    /// The writer ends it.
    fn roll_back(&mut self) {}
}

impl Database {
    /// Whether a row with this value in a column that is unique is there.
    fn exists(&mut self, table: TableName, column: &'static str, value: &str) -> Result<bool> {
        let is_user = table == User && column == "id";
        if is_user && self.purses.knows_user(value) {
            return Ok(true);
        }
        let sql = format!(r#"SELECT 1 FROM "{}" WHERE "{column}" = ?1"#, table.sql());
        let exists = self.first(&sql, [value], |_| Ok(()))?.is_some();
        if is_user && exists && !self.schema.has_triggers {
            self.purses.remember_user(value);
        }
        Ok(exists)
    }

    /// Whether a row of `credit` has the value that the caller chose, if it chose one.
    fn is_taken(&mut self, column: &'static str, value: Option<&str>) -> Result<bool> {
        value.map_or(Ok(false), |value| self.exists(Credit, column, value))
    }

    /// How many tasks of this kind the user has whose credits are at risk.
    fn tasks_at_risk(&self, kind: TaskKind, user_id: &str) -> Result<i64> {
        let statuses = kind.statuses_at_risk();
        let condition = format!("user_id = ? AND {}", in_states(statuses.len()));
        self.count_rows(Tasks(kind), &condition, &user_and_statuses(&user_id, statuses))
    }

    fn free_trials_used(&self, user_id: &str) -> Result<i64> {
        let sql = r#"SELECT COALESCE(free_trial_used, 0) FROM "user" WHERE id = ?1"#;
        let unit = self.schema.timestamp_unit;
        self.first(sql, [user_id], |row| {
            Ok(Cells { row, table: "user", id: user_id, unit }.whole(0, "freeTrialUsed"))
        })?
        .unwrap_or(Ok(0))
    }

    fn read_task(&self, kind: TaskKind, id: &str) -> Result<Option<TaskFacts>> {
        let table = self.schema.table(Tasks(kind))?;
        let unit = self.schema.timestamp_unit;
        let credit_id = table.column_or("credit_id", "NULL");
        let free_trial = match self.schema.has_free_trials(kind) {
            true => "is_free_trial IS TRUE",
            false => "NULL",
        };
        let table = table.name;
        let sql = format!(
            "SELECT user_id, status, {credit_id}, updated_at, {free_trial} FROM {table} WHERE id = ?1"
        );
        let read = |cells: Cells<'_>| {
            Ok(TaskFacts {
                user_id: cells.text(0, "userId")?,
                status: cells.text(1, "status")?,
                credit_id: cells.text_or_null(2, "creditId")?,
                // Only a guard needs it: a task whose time can't be read must be able to fail.
                updated_at_ms: cells.time_ms(3, "updatedAt"),
                free_trial: whole(cells.get(4)).map(|is_true| is_true != 0),
            })
        };
        self.first(&sql, [id], |row| Ok(read(Cells { row, table, id, unit })))?.transpose()
    }

    fn read_charge(&self, id: &str) -> Result<Option<Charge>> {
        let sql = "SELECT user_id, status, credits, consumed_detail, metadata FROM credit
                   WHERE id = ?1 AND transaction_type = 'consume'";
        let unit = self.schema.timestamp_unit;
        let read = |cells: Cells<'_>, consumed_detail, metadata: Option<Cow<'_, [u8]>>| {
            Ok(Charge {
                id: id.to_owned(),
                user_id: cells.text(0, "userId")?,
                active: cells.text(1, "status")? == "active",
                credits: cells.whole(2, "credits")?.saturating_neg(),
                consumed_detail,
                metadata: metadata.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            })
        };
        self.first(sql, [id], |row| {
            let consumed_detail = bytes(row.get_ref(3)?).map(Cow::into_owned);
            let metadata = bytes(row.get_ref(4)?);
            Ok(read(Cells { row, table: "credit", id, unit }, consumed_detail, metadata))
        })?
        .transpose()
    }

    /// In draw order: all that can be spent, or as many as cover `credits`.
    fn spendable_grants(&mut self, user_id: &str, credits: i64, now_ms: i64) -> Result<Vec<Grant>> {
        if let Some(grants) = self.purses.covering(user_id, credits, now_ms) {
            return Ok(grants);
        }
        let purse = self.read_purse(user_id, credits, now_ms)?;
        let covering = purse.covering(credits, now_ms).unwrap_or_default();
        if !self.schema.has_triggers {
            self.purses.remember(user_id, purse);
        }
        Ok(covering)
    }

    /// Writes a plan. Each statement must change what the plan says, or it fails.
    pub fn apply(&mut self, plan: &Plan, now_ms: i64) -> Result<()> {
        if plan.gives() {
            self.purses.forget(&plan.user_id);
        }
        for row in &plan.rows {
            self.write_row(row)?;
        }
        let updated_at = self.schema.timestamp_unit.from_ms(now_ms);
        for draw in &plan.draws {
            let sql = include_str!("sql/draw.sql");
            let drawn = params![draw.credit_id, draw.credits_consumed, updated_at];
            one_row(self.execute(sql, drawn)?, "a draw")?;
        }
        for (grant_id, credits) in &plan.returns {
            let sql = include_str!("sql/give_back.sql");
            one_row(self.execute(sql, params![grant_id, credits, updated_at])?, "a refund")?;
        }
        if plan.free_trials != 0 {
            self.count_free_trials(&plan.user_id, plan.free_trials, updated_at)?;
        }
        self.purses.drawn(&plan.user_id, &plan.draws);
        Ok(())
    }

    /// The user's next grants: enough to cover a charge, and some more for the next charges.
    fn read_purse(&self, user_id: &str, credits: i64, now_ms: i64) -> Result<Purse> {
        let now = self.schema.timestamp_unit.exactly_from_ms(now_ms);
        let load = || {
            let mut statement = self.connection.prepare_cached(SPENDABLE_GRANTS)?;
            let mut rows = statement.query(params![user_id, now])?;
            let mut purse = Purse { grants: Vec::new(), complete: false, read_at_ms: now_ms };
            let mut covered: i64 = 0;
            while covered < credits || purse.grants.len() < Purse::ENOUGH {
                let Some(row) = rows.next()? else {
                    purse.complete = true;
                    break;
                };
                let Some(grant) = self.read_grant(row)? else { continue };
                covered = covered.saturating_add(grant.remaining);
                purse.grants.push(grant);
            }
            Ok(purse)
        };
        load().doing("reading grants")
    }

    /// Raises or lowers the number of free trials that a user has used.
    fn count_free_trials(&self, user_id: &str, more: i64, updated_at: i64) -> Result<()> {
        let touch = match self.schema.table(User)?.has("updated_at") {
            true => ", updated_at = ?3",
            false => "",
        };
        let sql = include_str!("sql/free_trials.sql").replace("{touch}", touch);
        let changed = match touch {
            "" => self.execute(&sql, params![user_id, more])?,
            _ => self.execute(&sql, params![user_id, more, updated_at])?,
        };
        // A user who is gone has nothing to get back.
        if more < 0 { Ok(()) } else { one_row(changed, "a free trial") }
    }

    fn write_row(&mut self, row: &RowChange) -> Result<()> {
        let RowChange { table, id, verb, fields } = row;
        let (verb, id, what) = match verb {
            plan::Verb::Insert => (Verb::Insert, None, "an insert"),
            plan::Verb::Update => (Verb::Update, Some(id.as_str()), "an update"),
            plan::Verb::UpdateCharge => (Verb::UpdateCharge, Some(id.as_str()), "a refund"),
        };
        one_row(self.execute_with(verb, *table, fields, id)?, what)
    }

    pub(super) fn find_row(&mut self, table: TableName, id: &str) -> Result<Option<Row>> {
        let table = self.schema.table(table)?;
        let statement = self.statements.get(Verb::Find, table, &Fields::default())?;
        self.first(&statement.sql, [id], |row| self.read_row(table, row))
    }

    pub(super) fn read_row(
        &self,
        table: &Arc<Table>,
        row: &rusqlite::Row<'_>,
    ) -> rusqlite::Result<Row> {
        let unit = self.schema.timestamp_unit;
        let values = table.columns.iter().enumerate();
        let values = values.map(|(at, column)| Ok(read(row.get_ref(at)?, column, unit)));
        Ok(Row { values: values.collect::<rusqlite::Result<_>>()?, table: Arc::clone(table) })
    }

    /// Reads a row of `spendable_grants.sql` or `grant_of_user.sql`; `None` if it does not say how many credits it
    /// has. One whose expiry can't be read is over: what can be spent is what is certain.
    pub(super) fn read_grant(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Grant>> {
        let (id, expires_at) = (row.get_ref(0)?, row.get_ref(4)?);
        let amounts = (whole(row.get_ref(2)?), whole(row.get_ref(3)?));
        let (Ok(id), (credits, Some(remaining))) = (id.as_str(), amounts) else { return Ok(None) };
        let is_known = expires_at != ValueRef::Null;
        let expires_at_ms = time_ms(expires_at, self.schema.timestamp_unit);
        Ok(Some(Grant {
            id: id.to_owned(),
            transaction_no: text(row.get_ref(1)?).into_owned(),
            // Where it can't be read what was granted, nothing more goes back.
            credits: credits.unwrap_or(remaining),
            remaining,
            expires_at_ms: is_known.then(|| expires_at_ms.unwrap_or(EXPIRY_UNREADABLE_MS)),
            active: text(row.get_ref(5)?) == "active",
        }))
    }

    pub(super) fn first<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(parameters, read).optional())
            .doing("reading")
    }

    fn execute(&self, sql: &str, parameters: impl Params) -> Result<usize> {
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(parameters))
            .doing("writing")
    }

    /// Runs a statement with a parameter for each field of the row, and then perhaps an id.
    fn execute_with(
        &mut self,
        verb: Verb,
        table: TableName,
        row: &Fields,
        id: Option<&str>,
    ) -> Result<usize> {
        let table = self.schema.table(table)?;
        let row = table.sayable(row);
        let statement = self.statements.get(verb, table, &row)?;
        let unit = self.schema.timestamp_unit;
        let values = row.iter().zip(&statement.kinds);
        let bound: Vec<Bound> =
            values.map(|((_, value), &kind)| Bound::new(value, kind, unit)).collect();
        let id = id.as_ref().map(|id| id as &dyn ToSql);
        let parameters = bound.iter().map(|value| value as &dyn ToSql).chain(id);
        self.connection
            .prepare_cached(&statement.sql)
            .and_then(|mut statement| statement.execute(rusqlite::params_from_iter(parameters)))
            .doing("writing")
    }
}

/// A statement that changes another number of rows than the plan says must not be committed. What was
/// loaded in this transaction can't have changed since, so a trigger of the app's own is behind it.
fn one_row(changes: usize, what: &str) -> Result<()> {
    if changes == 1 {
        return Ok(());
    }
    Err(Error::Database {
        doing: "writing",
        database_code: "SQLITE_DONE".to_owned(),
        message: format!(
            "{what} changed {changes} rows instead of 1; look for a trigger that stops it"
        ),
        retryable: false,
    })
}

/// A column that should be text, as text, whatever it is.
pub(super) fn text(stored: ValueRef<'_>) -> Cow<'_, str> {
    bytes(stored).map(lossy).unwrap_or_default()
}

pub(super) fn lossy(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        // Nearly every text is right, and this is the fastest way to know.
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(bytes),
        },
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// A column that should be text, whatever it is.
pub(super) fn bytes(stored: ValueRef<'_>) -> Option<Cow<'_, [u8]>> {
    match stored {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(Cow::Owned(number.to_string().into_bytes())),
        ValueRef::Real(number) => Some(Cow::Owned(number.to_string().into_bytes())),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(Cow::Borrowed(bytes)),
    }
}
