//! Facts and writes of the ledger, in PostgreSQL's SQL: one round trip for the facts, one for the plan.
//!
//! Everybody locks in one order: the user, the task, the charge, the grants in draw order. So two
//! transactions of this package never wait for each other in a circle.

use std::collections::HashSet;
use std::sync::Arc;

use tokio_postgres::Row as DatabaseRow;
use tokio_postgres::types::Type;

use super::Session;
use super::error::Failure;
use super::statement::{Statement, integer, text, text_or_null};
use super::value::{Param, read, time_type, to_ms};
use crate::domain::charge::{Charge, ChargeFacts, ChargePlan, ChargeRequest, Grant};
use crate::domain::grant::{GrantFacts, NewGrant};
use crate::domain::refund::{RefundPlan, Refundable};
use crate::domain::task::{NewTask, NewTaskFacts, NewTaskPlan, PatchPlan, TaskFacts, TaskPatch};
use crate::domain::value::Fields;
use crate::error::Error;
use crate::storage::Row;
use crate::storage::schema::{Table, TableName, quote};

type Result<T> = std::result::Result<T, Failure>;

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
    /// Begins a transaction with what decides on a new task.
    pub async fn new_task_facts(&mut self, task: &NewTask, now_ms: i64) -> Result<NewTaskFacts> {
        let lock = lock_user(&task.user_id, Some(&task.id), None, None);
        let credits = task.charge.as_ref().map(|charge| charge.credits.get());
        let grants = self.next_grants(&task.user_id, credits.unwrap_or(0), now_ms)?;
        let named = charge_by_id(task.credit_id.as_deref());
        let [user, named, grants] =
            self.begin([lock, named, grants], "reading the balance").await?;
        let grants = self.covering(&task.user_id, credits, grants, now_ms).await?;
        let (user_exists, taken) = taken(&user)?;
        Ok(NewTaskFacts {
            task_exists: taken.task,
            named_charge: first_charge(&named)?,
            funds: ChargeFacts { user_exists, transaction_no_taken: false, grants },
        })
    }

    /// Writes a new task with its charge, and commits.
    pub async fn write_new_task(
        &mut self,
        id: &str,
        plan: &NewTaskPlan,
        now_ms: i64,
    ) -> Result<Row> {
        let parts = match &plan.charge {
            Some(charge) => {
                let mut parts = self.draws(charge, now_ms)?;
                let credit = self.table(TableName::Credit)?;
                let insert = parts.statement.insert(credit, &charge.row)?;
                parts.push("charge", 1, &format!("{insert} RETURNING 1"));
                parts
            }
            None => Parts::default(),
        };
        let change = Change::Insert(&plan.row);
        let written = self.write_row(TableName::MediaTasks, change, parts).await;
        written.map_err(|failure| match failure {
            Failure::Refused(Error::TaskExists { .. }) => {
                Failure::Refused(Error::TaskExists { task_id: id.to_owned() })
            }
            other => other,
        })
    }

    /// Begins a transaction with what decides on a charge.
    pub async fn charge_facts(
        &mut self,
        request: &ChargeRequest,
        now_ms: i64,
    ) -> Result<ChargeFacts> {
        let (user_id, credits) = (&request.user_id, request.credits.get());
        let lock = lock_user(user_id, None, None, request.transaction_no.as_deref());
        let grants = self.next_grants(user_id, credits, now_ms)?;
        let [user, grants] = self.begin([lock, grants], "reading the balance").await?;
        let grants = self.covering(user_id, Some(credits), grants, now_ms).await?;
        let (user_exists, taken) = taken(&user)?;
        Ok(ChargeFacts { user_exists, transaction_no_taken: taken.transaction_no, grants })
    }

    /// Writes a charge without a task, and commits.
    pub async fn write_charge(&mut self, plan: &ChargePlan, now_ms: i64) -> Result<Row> {
        let draws = self.draws(plan, now_ms)?;
        self.write_row(TableName::Credit, Change::Insert(&plan.row), draws).await
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
        let charge = first_charge(&charge)?;
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
        let params = [text(&refundable.user_id), (Param::Texts(ids), Type::TEXT_ARRAY)];
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
        let lock = lock_user(&grant.user_id, None, id, transaction_no);
        let [user] = self.begin([lock], "reading a user").await?;
        let (user_exists, taken) = taken(&user)?;
        Ok(GrantFacts {
            user_exists,
            id_taken: taken.credit,
            transaction_no_taken: taken.transaction_no,
        })
    }

    /// Writes a grant, and commits.
    pub async fn write_grant(&mut self, id: &str, row: &Fields) -> Result<Row> {
        let change = Change::Insert(row);
        let written = self.write_row(TableName::Credit, change, Parts::default()).await;
        written.map_err(|failure| match failure {
            Failure::Refused(Error::CreditExists { field, .. }) => {
                Failure::Refused(Error::CreditExists { field, value: id.to_owned() })
            }
            other => other,
        })
    }

    /// Whether a row is there, after everybody who is writing for this user is done: for a caller whose
    /// own commit was not answered.
    pub async fn find_settled(
        &mut self,
        user_id: &str,
        table: TableName,
        id: &str,
    ) -> Result<Option<Row>> {
        self.begin([lock_user(user_id, None, None, None)], "waiting for a lost commit").await?;
        let found = Arc::clone(self.table(table)?);
        let (columns, table) = (&found.select_list, quote(table.sql()));
        let sql = format!("SELECT {columns} FROM {table} WHERE id = $1");
        let [rows] = self.more([Statement::new(sql, [text(id)])], "reading").await?;
        self.roll_back();
        rows.first().map(|row| read_row(&found, row)).transpose()
    }

    /// Makes a change together with the parts of a WITH, and commits. Each part comes with how many rows
    /// it must change, so that a trigger of the app's own that drops one does no harm. The COMMIT is on
    /// its way already: another number divides by zero, and that undoes everything.
    async fn write_row(
        &mut self,
        table: TableName,
        change: Change<'_>,
        mut parts: Parts,
    ) -> Result<Row> {
        let table = Arc::clone(self.table(table)?);
        let written = match change {
            Change::Insert(row) => parts.statement.insert(&table, row)?,
            Change::Update(id, row) => parts.statement.update(&table, id, row)?,
        };
        parts.push("written", 1, &format!("{written} RETURNING {}", table.select_list));
        let Parts { mut statement, expected } = parts;
        let as_expected: Vec<String> = expected
            .iter()
            .map(|(part, rows)| format!("(SELECT count(*) FROM {part}) = {rows}"))
            .collect();
        statement.push(&format!(
            " SELECT written.*, 1 / ({})::integer FROM (SELECT) AS always LEFT JOIN written ON true",
            as_expected.join(" AND ")
        ));
        let [rows] = self.commit(statement).await?;
        match rows.first() {
            Some(row) => read_row(&table, row),
            None => Err(internal("the written row did not come back")),
        }
    }

    /// A charge's draws.
    fn draws(&self, plan: &ChargePlan, now_ms: i64) -> Result<Parts> {
        let draws = plan.draws.iter();
        let changes = draws.map(|draw| (draw.credit_id.clone(), draw.credits_consumed)).unzip();
        let change = GrantChange {
            part: "drawn",
            remaining: "credit.remaining_credits - change.credits",
            // A grant is never drawn below zero, whatever the plan says.
            condition: "credit.remaining_credits >= change.credits",
        };
        let mut parts = Parts::default();
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
            let changes = plan.returns.iter().cloned().unzip();
            self.push_grant_change(&mut parts, &change, changes, now_ms)?;
        }
        Ok(parts)
    }

    fn push_grant_change(
        &self,
        parts: &mut Parts,
        change: &GrantChange,
        (ids, credits): (Vec<String>, Vec<i64>),
        now_ms: i64,
    ) -> Result<()> {
        let GrantChange { part, remaining, condition } = change;
        let (time, declared) = self.updated_at(now_ms)?;
        let grants = ids.iter().collect::<HashSet<_>>().len();
        let time = parts.statement.bind(time, declared);
        let ids = parts.statement.bind(Param::Texts(ids), Type::TEXT_ARRAY);
        let credits = parts.statement.bind(Param::Integers(credits), Type::INT8_ARRAY);
        let update = format!(
            "UPDATE credit SET remaining_credits = {remaining}, updated_at = {time} \
             FROM (SELECT id, sum(credits)::bigint AS credits \
                   FROM unnest({ids}, {credits}) AS draw (id, credits) GROUP BY id) AS change \
             WHERE credit.id = change.id AND {condition} RETURNING 1"
        );
        parts.push(part, grants, &update);
        Ok(())
    }

    fn updated_at(&self, now_ms: i64) -> Result<(Param, Type)> {
        self.time_for("updatedAt", now_ms)
    }

    fn time_for(&self, key: &str, time_ms: i64) -> Result<(Param, Type)> {
        let column = self.table(TableName::Credit)?.column(key).map_err(Failure::Refused)?;
        Ok((Param::TimeMs(time_ms), time_type(column)))
    }

    fn next_grants(&self, user_id: &str, credits: i64, now_ms: i64) -> Result<Statement> {
        let now = self.time_for("expiresAt", now_ms)?;
        let params = [text(user_id), now, integer(credits)];
        Ok(Statement::new(include_str!("sql/next_grants.sql"), params))
    }

    /// The grants that were locked, if they cover the charge. If not, the app's own models may have
    /// changed some while we waited for the lock, so all are looked at again, under it.
    async fn covering(
        &mut self,
        user_id: &str,
        credits: Option<i64>,
        rows: Vec<DatabaseRow>,
        now_ms: i64,
    ) -> Result<Vec<Grant>> {
        let now = self.time_for("expiresAt", now_ms)?;
        let grants: Vec<Grant> = read_grants(&rows)?
            .into_iter()
            .filter(|grant| grant.is_spendable(now_ms) && grant.remaining > 0)
            .collect();
        let covered: i64 = grants.iter().map(|grant| grant.remaining).sum();
        if covered >= credits.unwrap_or(0) {
            return Ok(grants);
        }
        let params = [text(user_id), now];
        let all = Statement::new(include_str!("sql/spendable_grants.sql"), params);
        let [rows] = self.more([all], "reading the balance").await?;
        read_grants(&rows)
    }

    /// The columns of a table.
    pub fn table(&self, name: TableName) -> Result<&Arc<Table>> {
        self.schema().map(|schema| schema.table(name)).map_err(Failure::Refused)
    }
}

/// A change of a row: its fields, and for an update its id.
enum Change<'a> {
    Insert(&'a Fields),
    Update(&'a str, &'a Fields),
}

/// Parts of a WITH, and how many rows each must change.
#[derive(Default)]
struct Parts {
    statement: Statement,
    expected: Vec<(&'static str, usize)>,
}

impl Parts {
    fn push(&mut self, part: &'static str, rows: usize, sql: &str) {
        let with = if self.expected.is_empty() { "WITH" } else { "," };
        self.statement.push(&format!("{with} {part} AS ({sql})"));
        self.expected.push((part, rows));
    }
}

/// What grants become.
struct GrantChange {
    part: &'static str,
    remaining: &'static str,
    condition: &'static str,
}

/// Which of the names that a caller chose are taken.
struct Taken {
    task: bool,
    credit: bool,
    transaction_no: bool,
}

fn lock_user(
    user_id: &str,
    task_id: Option<&str>,
    credit_id: Option<&str>,
    transaction_no: Option<&str>,
) -> Statement {
    let params = [
        text(user_id),
        text_or_null(task_id),
        text_or_null(credit_id),
        text_or_null(transaction_no),
    ];
    Statement::new(include_str!("sql/lock_user.sql"), params)
}

/// Whether the user is there, and what is taken.
fn taken(rows: &[DatabaseRow]) -> Result<(bool, Taken)> {
    let Some(row) = rows.first() else {
        return Ok((false, Taken { task: false, credit: false, transaction_no: false }));
    };
    let taken = Taken { task: get(row, 0)?, credit: get(row, 1)?, transaction_no: get(row, 2)? };
    Ok((true, taken))
}

fn charge_by_id(id: Option<&str>) -> Statement {
    Statement::new(include_str!("sql/charge.sql"), [text_or_null(id)])
}

fn first_charge(rows: &[DatabaseRow]) -> Result<Option<Charge>> {
    let Some(row) = rows.first() else { return Ok(None) };
    let consumed_detail: Option<String> = get(row, 3)?;
    Ok(Some(Charge {
        id: get(row, 0)?,
        user_id: get(row, 1)?,
        active: get(row, 2)?,
        consumed_detail: consumed_detail.map(String::into_bytes),
    }))
}

/// Reads rows of the statements that list grants.
fn read_grants(rows: &[DatabaseRow]) -> Result<Vec<Grant>> {
    rows.iter()
        .map(|row| {
            Ok(Grant {
                id: get(row, 0)?,
                transaction_no: get(row, 1)?,
                credits: get(row, 2)?,
                remaining: get(row, 3)?,
                expires_at_ms: get::<Option<Micros>>(row, 4)?.map(|Micros(micros)| to_ms(micros)),
                active: get(row, 5)?,
            })
        })
        .collect()
}

/// A time of either type, as sent.
struct Micros(i64);

impl<'a> tokio_postgres::types::FromSql<'a> for Micros {
    fn from_sql(
        _: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(i64::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(declared: &Type) -> bool {
        [Type::TIMESTAMP, Type::TIMESTAMPTZ].contains(declared)
    }
}

pub(super) fn read_row(table: &Arc<Table>, row: &DatabaseRow) -> Result<Row> {
    let values = table.columns.iter().enumerate().map(|(at, column)| read(row, at, column));
    let values =
        values.collect::<std::result::Result<_, _>>().map_err(|error| unreadable(&error))?;
    Ok(Row { table: Arc::clone(table), values })
}

pub(super) fn get<'r, T: tokio_postgres::types::FromSql<'r>>(
    row: &'r DatabaseRow,
    at: usize,
) -> Result<T> {
    row.try_get(at).map_err(|error| unreadable(&error))
}

fn unreadable(error: &tokio_postgres::Error) -> Failure {
    internal(&format!("reading a row: {error}"))
}

fn internal(message: &str) -> Failure {
    Failure::Refused(Error::Internal(message.to_owned()))
}
