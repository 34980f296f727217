//! Facts and writes of the ledger, in PostgreSQL's SQL: one round trip for the facts, one for the plan.
//!
//! Everybody locks in one order: the users by id, the task, the charge, each user's grants in draw
//! order. So two transactions of this package never wait for each other in a circle.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::Row as DatabaseRow;
use tokio_postgres::types::Type;

use super::Session;
use super::change::{Change, GrantChange, Parts, inserts};
use super::error::Failure;
use super::rows::{get, internal, read_charges, read_grant, read_grants, read_row};
use super::statement::{Statement, text, text_or_null, texts};
use super::value::{Param, time_type};
use crate::domain::charge::{Charge, ChargePlan, Grant};
use crate::domain::grant::{GrantFacts, NewGrant};
use crate::domain::refund::{RefundPlan, Refundable};
use crate::domain::task::{PatchPlan, TaskFacts, TaskPatch};
use crate::domain::value::Fields;
use crate::storage::Row;
use crate::storage::schema::{Table, TableName, quote};

type Result<T> = std::result::Result<T, Failure>;

/// What some charges and new tasks are about.
#[derive(Default)]
pub struct Wanted {
    /// How many credits each user is to be charged.
    pub credits: BTreeMap<String, i64>,
    /// The ids of new tasks.
    pub task_ids: Vec<String>,
    /// The transaction numbers that callers chose.
    pub transaction_nos: Vec<String>,
    /// Charges that new tasks name.
    pub charge_ids: Vec<String>,
    /// Whether this is one request, which may wait for locks as long as the options say. Several wait a
    /// moment: one whose user somebody else has locked must not hold up the others.
    pub alone: bool,
}

/// What decides on them, all of it locked.
#[derive(Default)]
pub struct Facts {
    /// The users who are there.
    pub users: HashSet<String>,
    /// The ids of tasks that are taken.
    pub task_ids: HashSet<String>,
    /// The transaction numbers that are taken.
    pub transaction_nos: HashSet<String>,
    /// The charges that tasks name.
    pub charges: HashMap<String, Charge>,
    /// Spendable grants of each user in draw order: all of them, or as many as cover what is wanted.
    pub grants: HashMap<String, Vec<Grant>>,
}

impl Facts {
    fn add_grants(&mut self, rows: &[DatabaseRow], now_ms: i64) -> Result<()> {
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

/// What decides on a patch, all of it locked.
pub struct PatchFacts {
    /// The task.
    pub task: TaskFacts,
    /// The charge that the patch names, or else the task's own.
    pub charge: Option<Charge>,
    /// Grants that the charge drew on.
    pub grants: Vec<Grant>,
}

impl Session<'_> {
    /// Begins a transaction with what decides on these charges and tasks.
    pub async fn charge_facts(&mut self, wanted: &Wanted, now_ms: i64) -> Result<Facts> {
        let now = self.time_for("expiresAt", now_ms)?;
        let user_ids = || texts(wanted.credits.keys().cloned().collect());
        let needs = (Param::Integers(wanted.credits.values().copied().collect()), Type::INT8_ARRAY);
        let names = [texts(wanted.task_ids.clone()), texts(wanted.transaction_nos.clone())];
        let mut statements = vec![
            Statement::new(include_str!("sql/lock_users.sql"), [user_ids()]),
            Statement::new(include_str!("sql/taken.sql"), names),
        ];
        if !wanted.charge_ids.is_empty() {
            let ids = [texts(wanted.charge_ids.clone())];
            statements.push(Statement::new(include_str!("sql/charges.sql"), ids));
        }
        let next_grants = include_str!("sql/next_grants.sql");
        statements.push(Statement::new(next_grants, [user_ids(), needs, now]));

        let doing = "reading the balance";
        let replies = self.begin_all(&statements, wanted.alone, doing).await?;
        let [users, taken, charges @ .., grants] = replies.as_slice() else {
            return Err(internal("the server owes an answer"));
        };
        let mut facts = Facts::default();
        for row in users {
            facts.users.insert(get(row, 0)?);
        }
        for row in taken {
            let of_a_task: bool = get(row, 0)?;
            let names = if of_a_task { &mut facts.task_ids } else { &mut facts.transaction_nos };
            names.insert(get(row, 1)?);
        }
        for charge in read_charges(charges.first().map_or(&[], Vec::as_slice))? {
            facts.charges.insert(charge.id.clone(), charge);
        }
        facts.add_grants(grants, now_ms)?;
        self.complete(&mut facts, wanted, now_ms).await?;
        Ok(facts)
    }

    /// For users whose grants don't cover what is wanted: the app's own models may have changed some
    /// while we waited for the lock, so all are looked at again, under it.
    async fn complete(&mut self, facts: &mut Facts, wanted: &Wanted, now_ms: i64) -> Result<()> {
        let covered = |user_id: &str| -> i64 {
            facts.grants.get(user_id).into_iter().flatten().map(|grant| grant.remaining).sum()
        };
        let short: Vec<String> = wanted
            .credits
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
        let params = [texts(short), self.time_for("expiresAt", now_ms)?];
        let all = Statement::new(include_str!("sql/spendable_grants.sql"), params);
        let [grants] = self.more([all], "reading the balance").await?;
        facts.add_grants(&grants, now_ms)
    }

    /// Writes charges and tasks, and commits. Returns the rows of both.
    pub async fn write_charges(
        &mut self,
        charges: &[&ChargePlan],
        tasks: &[&Fields],
        now_ms: i64,
    ) -> Result<(Vec<Row>, Vec<Row>)> {
        let credit = Arc::clone(self.table(TableName::Credit)?);
        let media_tasks = Arc::clone(self.table(TableName::MediaTasks)?);
        let rows: Vec<&Fields> = charges.iter().map(|charge| &charge.row).collect();
        let mut statements = inserts(&credit, &rows, self.draws(charges, now_ms)?)?;
        let of_charges = statements.len();
        statements.extend(inserts(&media_tasks, tasks, Parts::default())?);
        let replies = self.commit(&statements).await?;
        let read = |table: &Arc<Table>, replies: &[Vec<DatabaseRow>]| -> Result<Vec<Row>> {
            replies.iter().flatten().map(|row| read_row(table, row)).collect()
        };
        let (charges, tasks) = replies.split_at(of_charges.min(replies.len()));
        Ok((read(&credit, charges)?, read(&media_tasks, tasks)?))
    }

    /// Begins a transaction with what decides on a patch. `None`: there is no such task.
    pub async fn patch_facts(&mut self, patch: &TaskPatch) -> Result<Option<PatchFacts>> {
        let of_patch = || [text(&patch.id), text_or_null(patch.credit_id())];
        let statements = [
            Statement::new(include_str!("sql/lock_task_user.sql"), [text(&patch.id)]),
            Statement::new(include_str!("sql/task_facts.sql"), [text(&patch.id)]),
            Statement::new(include_str!("sql/charge_of_task.sql"), of_patch()),
            Statement::new(include_str!("sql/grants_of_charge.sql"), of_patch()),
        ];
        let [_, task, charge, grants] = self.begin(statements, "reading a task").await?;
        let Some(task) = task.first() else { return Ok(None) };
        let task =
            TaskFacts { user_id: get(task, 0)?, status: get(task, 1)?, credit_id: get(task, 2)? };
        let charge = read_charges(&charge)?.into_iter().next();
        Ok(Some(PatchFacts { task, charge, grants: read_grants(&grants)? }))
    }

    /// The grants that a charge drew on, those that its user still has. `found` are those that
    /// [`Self::patch_facts`] found: nearly always all.
    pub async fn grants_drawn_on(
        &mut self,
        refundable: &Refundable,
        found: Vec<Grant>,
    ) -> Result<Vec<Grant>> {
        let is_known = |id: &str| found.iter().any(|grant| grant.id == id);
        if refundable.draws.iter().all(|draw| is_known(&draw.credit_id)) {
            return Ok(found);
        }
        let ids = refundable.draws.iter().map(|draw| draw.credit_id.clone()).collect();
        let params = [text(&refundable.user_id), texts(ids)];
        let statement = Statement::new(include_str!("sql/grants_by_id.sql"), params);
        let [rows] = self.more([statement], "reading grants").await?;
        read_grants(&rows)
    }

    /// Writes a patch with its refund, and commits.
    pub async fn write_patch(
        &mut self,
        patch: &TaskPatch,
        plan: &PatchPlan,
        now_ms: i64,
    ) -> Result<Row> {
        let refund = match &plan.refund {
            Some(refund) => self.refund(refund, now_ms)?,
            None => Parts::default(),
        };
        self.write_row(TableName::MediaTasks, Change::Update(&patch.id, &plan.row), refund).await
    }

    /// Begins a transaction with what decides on a grant.
    pub async fn grant_facts(&mut self, grant: &NewGrant) -> Result<GrantFacts> {
        let (id, transaction_no) = (grant.id.as_deref(), grant.transaction_no.as_deref());
        let lock = lock_user(&grant.user_id, id, transaction_no);
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

    /// Writes a grant, and commits.
    pub async fn write_grant(&mut self, row: &Fields) -> Result<Row> {
        self.write_row(TableName::Credit, Change::Insert(row), Parts::default()).await
    }

    /// Whether a row is there, after everybody who is writing for this user is done: for a caller whose
    /// own commit was not answered.
    pub async fn find_settled(
        &mut self,
        user_id: &str,
        table: TableName,
        id: &str,
    ) -> Result<Option<Row>> {
        self.begin([lock_user(user_id, None, None)], "waiting for a lost commit").await?;
        let found = Arc::clone(self.table(table)?);
        let (columns, table) = (&found.select_list, quote(table.sql()));
        let sql = format!("SELECT {columns} FROM {table} WHERE id = $1");
        let [rows] = self.more([Statement::new(sql, [text(id)])], "reading").await?;
        self.roll_back();
        rows.first().map(|row| read_row(&found, row)).transpose()
    }

    /// Changes a row together with the parts of a WITH, and commits.
    async fn write_row(
        &mut self,
        table: TableName,
        change: Change<'_>,
        mut parts: Parts,
    ) -> Result<Row> {
        let table = Arc::clone(self.table(table)?);
        let written = match change {
            Change::Insert(row) => parts.statement.insert(&table, &[row])?,
            Change::Update(id, row) => parts.statement.update(&table, id, row)?,
        };
        let replies = self.commit(&[parts.finish(&written, 1, &table)]).await?;
        match replies.iter().flatten().next() {
            Some(row) => read_row(&table, row),
            None => Err(internal("the written row did not come back")),
        }
    }

    /// What charges take from their grants.
    fn draws(&self, plans: &[&ChargePlan], now_ms: i64) -> Result<Parts> {
        let draws = plans.iter().flat_map(|plan| &plan.draws);
        let change = GrantChange {
            part: "drawn",
            remaining: "credit.remaining_credits - change.credits",
            // A grant is never drawn below zero, whatever the plan says.
            condition: "credit.remaining_credits >= change.credits",
        };
        let mut parts = Parts::default();
        let changes = draws.map(|draw| (draw.credit_id.clone(), draw.credits_consumed));
        self.push_grant_change(&mut parts, &change, changes, now_ms)?;
        Ok(parts)
    }

    /// The flip of a charge, and what goes back.
    fn refund(&self, plan: &RefundPlan, now_ms: i64) -> Result<Parts> {
        let mut parts = Parts::default();
        let (time, declared) = self.updated_at(now_ms)?;
        let id = parts.statement.bind(Param::Text(plan.charge_id.clone()), Type::TEXT);
        let time = parts.statement.bind(time, declared);
        let flip = format!(
            "UPDATE credit SET status = 'deleted', updated_at = {time} \
             WHERE id = {id} AND transaction_type = 'consume' AND status = 'active' RETURNING 1"
        );
        parts.push("flipped", 1, &flip);
        if !plan.returns.is_empty() {
            let change = GrantChange {
                part: "given_back",
                remaining: "credit.remaining_credits + change.credits",
                // A grant is never raised above what was granted.
                condition: "credit.remaining_credits + change.credits <= credit.credits",
            };
            self.push_grant_change(&mut parts, &change, plan.returns.iter().cloned(), now_ms)?;
        }
        Ok(parts)
    }

    fn push_grant_change(
        &self,
        parts: &mut Parts,
        change: &GrantChange,
        changes: impl Iterator<Item = (String, i64)>,
        now_ms: i64,
    ) -> Result<()> {
        // One row a grant: an UPDATE takes a row once, however often it is named.
        let mut of_grants: BTreeMap<String, i64> = BTreeMap::new();
        for (id, credits) in changes {
            *of_grants.entry(id).or_default() += credits;
        }
        let (time, declared) = self.updated_at(now_ms)?;
        parts.push_grant_change(change, of_grants, (time, declared));
        Ok(())
    }

    fn updated_at(&self, now_ms: i64) -> Result<(Param, Type)> {
        self.time_for("updatedAt", now_ms)
    }

    fn time_for(&self, key: &str, time_ms: i64) -> Result<(Param, Type)> {
        let column = self.table(TableName::Credit)?.column(key).map_err(Failure::Refused)?;
        Ok((Param::TimeMs(time_ms), time_type(column)))
    }

    /// The columns of a table.
    pub fn table(&self, name: TableName) -> Result<&Arc<Table>> {
        self.schema().map(|schema| schema.table(name)).map_err(Failure::Refused)
    }
}

fn lock_user(user_id: &str, credit_id: Option<&str>, transaction_no: Option<&str>) -> Statement {
    let params = [text(user_id), text_or_null(credit_id), text_or_null(transaction_no)];
    Statement::new(include_str!("sql/lock_user.sql"), params)
}
