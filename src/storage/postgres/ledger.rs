//! Facts and writes of the ledger, in PostgreSQL's SQL: one round trip for the facts, one for the plan.
//!
//! Everybody locks in one order: the users by id, the task, the charge, each user's grants in draw
//! order. So two transactions of this package never wait for each other in a circle.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio_postgres::Row as DatabaseRow;
use tokio_postgres::types::Type;

use super::Session;
use super::access::Command;
use super::ids::IdType;
use super::limits::counts;
use super::rows::{get, internal, read_charges, read_grant, read_grants, read_rows, read_time};
use super::statement::{Statement, text_or_null, texts};
use super::value::{Param, time_type};
use crate::domain::charge::{Charge, ChargeFacts};
use crate::domain::grant::{Grant, total_remaining};
use crate::domain::grant::{GrantFacts, NewGrant};
use crate::domain::refund::Refundable;
use crate::domain::table::{TableName, TaskKind};
use crate::domain::task::TaskFacts;
use crate::error::Error;
use crate::storage::Row;
use crate::storage::failure::{Answer, Failure};
use crate::storage::schema::{Schema, Table};
use crate::storage::store::{Facts, FoundTask, LoadFacts, Wanted, WantedTask};

impl Facts {
    fn add_grants(&mut self, rows: &[DatabaseRow], now_ms: i64) -> Answer<()> {
        for row in rows {
            let grant = read_grant(row)?;
            // It may have changed while we waited for its lock.
            if grant.is_spendable(now_ms) && grant.remaining > 0 {
                self.grants.entry(get(row, 6)?).or_default().push(grant);
            }
        }
        Ok(())
    }
}

impl LoadFacts for Session {
    fn schema(&self) -> Result<&Schema, Error> {
        self.found().map(|found| &*found.schema)
    }

    async fn charge_facts(&mut self, wanted: &Wanted, now_ms: i64) -> Answer<Facts> {
        let now = self.time_for("expiresAt", now_ms)?;
        let charges_any = wanted.credits.values().any(|credits| *credits > 0);
        self.may_charge(&self.wanted_kinds(wanted)?, charges_any)?;
        if !wanted.trials_of.is_empty() {
            self.may(TableName::User, &[Command::Update])?;
        }
        let users = IdType::of(self.table(TableName::User)?);
        let user_ids = || users.many(wanted.credits.keys().cloned().collect());
        let needs = (Param::Integers(wanted.credits.values().copied().collect()), Type::INT8_ARRAY);
        let mut statements = vec![Statement::new(self.taking_turns(LOCK_USERS)?, [user_ids()])];
        let kinds = self.wanted_kinds(wanted)?;
        for kind in &kinds {
            let of_kind = wanted.tasks.iter().filter(|(other, _)| other == kind);
            let of_kind = of_kind.map(|(_, id)| id.clone()).collect();
            let ids = [self.ids(TableName::Tasks(*kind), of_kind)?];
            let sql = format!("SELECT id::text FROM {} WHERE id = ANY ($1)", kind.table());
            statements.push(Statement::new(sql, ids));
        }
        let numbers = [texts(wanted.transaction_nos.clone())];
        statements.push(Statement::new(include_str!("sql/taken.sql"), numbers));
        let ids = [self.ids(TableName::Credit, wanted.charge_ids.clone())?];
        statements.push(Statement::new(charges("$1"), ids));
        statements.push(Statement::new(next_grants("$1"), [user_ids(), needs, now]));
        let first_count = statements.len();
        statements.extend(counts(wanted, users));

        let doing = "reading the balance";
        let mut replies = self.begin_all(&statements, wanted.patient, doing).await?;
        let counted = replies.split_off(first_count.min(replies.len()));
        let [users, tasks @ .., numbers, charges, grants] = replies.as_slice() else {
            return Err(internal("the server owes an answer"));
        };
        let mut facts = Facts::default();
        for row in users {
            facts.users.insert(get(row, 0)?);
        }
        for (kind, taken) in kinds.into_iter().zip(tasks) {
            for row in taken {
                facts.tasks.insert((kind, get(row, 0)?));
            }
        }
        for row in numbers {
            facts.transaction_nos.insert(get(row, 0)?);
        }
        for charge in read_charges(charges)? {
            facts.charges.insert(charge.id.clone(), charge);
        }
        facts.add_counts(wanted, &counted)?;
        facts.add_grants(grants, now_ms)?;
        self.complete(&mut facts, &wanted.credits, now_ms).await?;
        Ok(facts)
    }

    async fn task_facts(
        &mut self,
        wanted: &WantedTask<'_>,
        now_ms: i64,
    ) -> Answer<Option<FoundTask>> {
        self.may(TableName::Tasks(wanted.kind), &[Command::Update])?;
        self.may_charge(&[], wanted.charge.is_some())?;
        self.table(TableName::Tasks(wanted.kind))?;
        let now = self.time_for("expiresAt", now_ms)?;
        let table = wanted.kind.table();
        let schema = self.schema()?;
        let tasks = schema.table(TableName::Tasks(wanted.kind))?;
        let charge_ids = IdType::of(schema.table(TableName::Credit)?);
        let credit_id = tasks.column_or("credit_id", charge_ids.null());
        let task_id = IdType::of(tasks).one(wanted.id);
        let free_trial = match schema.has_free_trials(wanted.kind) {
            true => "is_free_trial IS TRUE",
            false => "NULL::boolean",
        };
        let task_facts = include_str!("sql/task_facts.sql")
            .replace("{tasks}", table)
            .replace("{credit_id}", credit_id)
            .replace("{free_trial}", free_trial);
        let charge = format!("COALESCE($2, (SELECT {credit_id} FROM {table} WHERE id = $1))");
        let named = wanted.credit_id.map_or_else(
            || (Param::Null, charge_ids.one("").1),
            |credit_id| charge_ids.one(credit_id),
        );
        let of_charge = || [task_id.clone(), named.clone()];
        let mut statements = vec![
            Statement::new(self.taking_turns(&lock_owner(table))?, [task_id.clone()]),
            Statement::new(task_facts, [task_id.clone()]),
            Statement::new(charges(&format!("ARRAY[{charge}]")), of_charge()),
            Statement::new(grants_of(&charge), of_charge()),
        ];
        if let Some((credits, transaction_no)) = wanted.charge {
            let numbers = [texts(transaction_no.map(str::to_owned).into_iter().collect())];
            statements.push(Statement::new(include_str!("sql/taken.sql"), numbers));
            let user = format!("ARRAY(SELECT user_id FROM {table} WHERE id = $1)");
            let needs = (Param::Integers(vec![credits]), Type::INT8_ARRAY);
            let params = [task_id.clone(), needs, now];
            statements.push(Statement::new(next_grants(&user), params));
        }
        let replies = self.begin_all(&statements, true, "reading a task").await?;
        let [_, task, charge, drawn_on, funds @ ..] = replies.as_slice() else {
            return Err(internal("the server owes an answer"));
        };
        let Some(row) = task.first() else { return Ok(None) };
        let task = TaskFacts {
            user_id: get(row, 0)?,
            status: get(row, 1)?,
            credit_id: get(row, 2)?,
            updated_at_ms: read_time(row, 3)?.ok_or_else(|| Error::ValueUnreadable {
                table,
                field: "updatedAt",
                id: wanted.id.to_owned(),
                found: "NULL".to_owned(),
                expected: "a time",
            }),
            free_trial: get(row, 4)?,
        };
        let charge = read_charges(charge)?.into_iter().next();
        let drawn_on = read_grants(drawn_on)?;
        let funds = match (wanted.charge, funds) {
            (Some((credits, _)), [taken, grants]) => {
                let mut facts = Facts::default();
                facts.add_grants(grants, now_ms)?;
                let needs = BTreeMap::from([(task.user_id.clone(), credits)]);
                self.complete(&mut facts, &needs, now_ms).await?;
                ChargeFacts {
                    user_exists: true,
                    transaction_no_taken: !taken.is_empty(),
                    grants: facts.grants.remove(&task.user_id).unwrap_or_default(),
                }
            }
            _ => ChargeFacts::default(),
        };
        Ok(Some(FoundTask { task, charge, drawn_on, funds }))
    }

    async fn refund_facts(&mut self, id: &str) -> Answer<(Option<Charge>, Vec<Grant>)> {
        self.may_charge(&[], false)?;
        let id = || self.id(TableName::Credit, id);
        let statements = [
            Statement::new(self.taking_turns(&lock_owner("credit"))?, [id()?]),
            Statement::new(charges("ARRAY[$1]"), [id()?]),
            Statement::new(grants_of("$1"), [id()?]),
        ];
        let [_, charge, grants] = self.begin(statements, "reading a charge").await?;
        Ok((read_charges(&charge)?.into_iter().next(), read_grants(&grants)?))
    }

    async fn grant_facts(&mut self, grant: &NewGrant) -> Answer<GrantFacts> {
        self.may(TableName::User, &[Command::Select])?;
        self.may(TableName::Credit, &[Command::Select, Command::Insert])?;
        let (id, transaction_no) = (grant.id.as_deref(), grant.transaction_no.as_deref());
        let lock = self.lock_user(&grant.user_id, id, transaction_no)?;
        let [user] = self.begin([lock], "reading a user").await?;
        Ok(match user.first() {
            None => GrantFacts::default(),
            Some(row) => GrantFacts {
                user_exists: true,
                id_taken: get(row, 0)?,
                transaction_no_taken: get(row, 1)?,
            },
        })
    }

    async fn charge(&mut self, id: Option<&str>, found: Option<Charge>) -> Answer<Option<Charge>> {
        Ok(id.and(found))
    }

    async fn grants_drawn_on(
        &mut self,
        refundable: &Refundable,
        found: Vec<Grant>,
    ) -> Answer<Vec<Grant>> {
        // Nearly always all of them came with the facts.
        let known: HashSet<&str> = found.iter().map(|grant| grant.id.as_str()).collect();
        if refundable.draws.iter().all(|draw| known.contains(draw.credit_id.as_str())) {
            return Ok(found);
        }
        let ids = refundable.draws.iter().map(|draw| draw.credit_id.clone()).collect();
        let user = self.id(TableName::User, &refundable.user_id)?;
        let params = [user, self.ids(TableName::Credit, ids)?];
        let statement = Statement::new(include_str!("sql/grants_by_id.sql"), params);
        let [rows] = self.more([statement], "reading grants").await?;
        read_grants(&rows)
    }

    async fn has_task(&mut self, kind: TaskKind, id: &str) -> Answer<bool> {
        if LoadFacts::schema(self)?.table(TableName::Tasks(kind)).is_err() {
            return Ok(false);
        }
        let sql = format!("SELECT 1 FROM {} WHERE id = $1", kind.table());
        let task = Statement::new(sql, [self.id(TableName::Tasks(kind), id)?]);
        let [rows] = self.more([task], "reading a task").await?;
        Ok(!rows.is_empty())
    }
}

impl Session {
    /// The kinds of the new tasks, each once. Their tables are there.
    fn wanted_kinds(&self, wanted: &Wanted) -> Answer<Vec<TaskKind>> {
        let mut kinds = Vec::new();
        for (kind, _) in &wanted.tasks {
            if !kinds.contains(kind) {
                self.table(TableName::Tasks(*kind))?;
                kinds.push(*kind);
            }
        }
        Ok(kinds)
    }

    /// For users whose grants don't cover what is wanted: the app's own models may have changed some
    /// while we waited for the lock, so all are looked at again, under it.
    async fn complete(
        &mut self,
        facts: &mut Facts,
        wanted: &BTreeMap<String, i64>,
        now_ms: i64,
    ) -> Answer<()> {
        let covered =
            |user_id: &str| total_remaining(facts.grants.get(user_id).into_iter().flatten());
        let short: Vec<String> = wanted
            .iter()
            .filter(|(user_id, credits)| covered(user_id) < **credits)
            .map(|(user_id, _)| user_id.clone())
            .collect();
        if short.is_empty() {
            return Ok(());
        }
        for user_id in &short {
            facts.grants.remove(user_id);
        }
        let params = [self.ids(TableName::User, short)?, self.time_for("expiresAt", now_ms)?];
        let all = Statement::new(include_str!("sql/spendable_grants.sql"), params);
        let [grants] = self.more([all], "reading the balance").await?;
        facts.add_grants(&grants, now_ms)
    }

    /// The row with this id, inside the transaction, which then ends.
    pub(super) async fn find_here(&mut self, table: TableName, id: &str) -> Answer<Option<Row>> {
        let table = Arc::clone(self.table(table)?);
        let [rows] = self.end([Statement::find(&table, id)], "ROLLBACK", "reading").await?;
        Ok(read_rows(&table, &rows)?.into_iter().next())
    }

    /// A time as a column of `credit` takes it.
    pub(super) fn time_for(&self, key: &str, time_ms: i64) -> Answer<(Param, Type)> {
        self.time_in(TableName::Credit, key, time_ms)
    }

    /// A time as a column takes it.
    pub(super) fn time_in(
        &self,
        table: TableName,
        key: &str,
        time_ms: i64,
    ) -> Answer<(Param, Type)> {
        let column = self.table(table)?.column(key).map_err(Failure::Refused)?;
        Ok((Param::TimeMs(time_ms), time_type(column)))
    }

    /// Locks a user, and says whether the names of a new row of `credit` are taken.
    pub(super) fn lock_user(
        &self,
        user_id: &str,
        credit_id: Option<&str>,
        transaction_no: Option<&str>,
    ) -> Answer<Statement> {
        let user = self.id(TableName::User, user_id)?;
        let credit_ids = IdType::of(self.table(TableName::Credit)?);
        let (id, declared) = credit_ids.one(credit_id.unwrap_or_default());
        let id = if credit_id.is_some() { id } else { Param::Null };
        let params = [user, (id, declared), text_or_null(transaction_no)];
        Ok(Statement::new(self.taking_turns(include_str!("sql/lock_user.sql"))?, params))
    }

    /// A statement that locks users, as the role may.
    pub(super) fn taking_turns(&self, lock: &str) -> Answer<String> {
        Ok(self.found()?.access.taking_turns(lock))
    }

    /// The columns of a table.
    pub fn table(&self, name: TableName) -> Answer<&Arc<Table>> {
        self.may(name, &[Command::Select])?;
        self.schema().and_then(|schema| schema.table(name)).map_err(Failure::Refused)
    }
}

pub(super) const LOCK_USERS: &str = include_str!("sql/lock_users.sql");

/// The lock of the user whose row of this table has the id in $1.
fn lock_owner(table: &str) -> String {
    include_str!("sql/lock_owner.sql").replace("{table}", table)
}

/// The charges with the ids in `charges`, an SQL array.
fn charges(charges: &str) -> String {
    include_str!("sql/charges.sql").replace("{charges}", charges)
}

/// The grants that a charge drew on; `charge` is its id in SQL.
fn grants_of(charge: &str) -> String {
    include_str!("sql/grants_of_charge.sql").replace("{charge}", charge)
}

/// The next grants of each user in `users`, an SQL array.
fn next_grants(users: &str) -> String {
    include_str!("sql/next_grants.sql").replace("{users}", users)
}
