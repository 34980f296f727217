//! Each request: load its facts, let the domain plan it, apply the plan. One round trip for the facts,
//! one for the plan; the domain's plans are the same as over SQLite.

use std::time::{Duration, Instant};

use tracing::debug;

use super::Engine;
use super::again::{Attempts, pause_after};
use crate::domain::grant::{NewGrant, plan_grant};
use crate::domain::plan::Plan;
use crate::domain::quote::quote;
use crate::domain::repair::{changed_ids, plan_fixes};
use crate::domain::settle::{Settlement, Target, plan_settlement};
use crate::domain::statement::credit_ids;
use crate::domain::table::TableName::{self, Credit, Tasks};
use crate::domain::table::TaskKind;
use crate::domain::task::{Step, TaskPatch, plan_patch, plan_step};
use crate::engine::books::{
    audited, audits, fixes_of, metadata_of, named_elsewhere, write_statement,
};
use crate::engine::replays::{self, About};
use crate::engine::{Charging, Operation, Outcome, Read, Write, now_ms};
use crate::error::{Error, Result};
use crate::storage::Row;
use crate::storage::books::{Shelf, owners_of};
use crate::storage::postgres::{Failure, Session, WantedTask};

type Attempt = Result<Outcome, Failure>;

impl Engine {
    /// Runs a request, again if it met another transaction.
    pub(super) async fn run(&self, operation: &Operation) -> Result<Outcome> {
        let knew_schema = self.server.knows_schema();
        let outcome = self.with_retries(operation).await;
        // The app's owner may have run `drizzle-kit push` since.
        if knew_schema && outcome.as_ref().is_err_and(is_about_schema) {
            debug!("a call does not fit the tables: looking at them again");
            self.retries.schema_changes.add();
            self.server.forget_schema();
            return self.with_retries(operation).await;
        }
        outcome
    }

    async fn with_retries(&self, operation: &Operation) -> Result<Outcome> {
        let mut attempts = Attempts::new();
        loop {
            let failure = match self.attempt(operation).await {
                Ok(outcome) => return Ok(outcome),
                Err(failure) => failure,
            };
            match attempts.pause(&failure, self) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(self.server.final_error(failure)),
            }
        }
    }

    async fn attempt(&self, operation: &Operation) -> Attempt {
        let now_ms = now_ms();
        match operation {
            Operation::CreateTables(tables) => {
                self.server.create_tables(tables).await.map(|()| Outcome::Done)
            }
            Operation::Diagnose => self.server.diagnostics().await.map(Outcome::Diagnostics),
            Operation::Stats => Ok(Outcome::Stats(self.report())),
            Operation::Read(question) => {
                let mut session = self.server.session().await?;
                read(&mut session, question, now_ms).await
            }
            Operation::Write(change) => self.attempt_write(change, now_ms).await,
        }
    }

    async fn attempt_write(&self, write: &Write, now_ms: i64) -> Attempt {
        match write {
            Write::Charge(request) => self.charge(request).await,
            Write::Together(requests) => self.attempt_all(requests).await,
            Write::Grant(grant) => self.create_grant(grant, now_ms).await,
            Write::UpdateTask(patch) => self.update_task(patch, now_ms).await,
            Write::Step(step) => self.charge_step(step, now_ms).await,
            Write::Settle(settlement) => self.settle_charge(settlement, now_ms).await,
            Write::Repair(user_ids) => self.repair(user_ids, now_ms).await,
        }
    }

    async fn repair(&self, user_ids: &[String], now_ms: i64) -> Attempt {
        let mut session = self.server.session().await?;
        let page = session.books_to_change(user_ids).await?;
        let fixes = fixes_of(&page, now_ms);
        if fixes.is_empty() {
            session.roll_back();
            return Ok(Outcome::Fixes(fixes));
        }
        let rows = session.rows_to_change(&changed_ids(&fixes)).await?;
        let metadata = metadata_of(&rows);

        let plans: Vec<Plan> = fixes
            .chunk_by(|one, next| one.user_id == next.user_id)
            .map(|fixes| plan_fixes(fixes, &metadata, now_ms))
            .collect();

        session.write(&plans.iter().collect::<Vec<_>>(), now_ms).await?;
        Ok(Outcome::Fixes(fixes))
    }

    async fn charge(&self, request: &Charging) -> Attempt {
        let none = || Err(Error::Internal("a request without an outcome".to_owned()));
        let outcome = self.attempt_each(&[request]).await?.pop().unwrap_or_else(none);
        match outcome {
            Err(refusal) if request.met_its_key(&refusal) => self.replay(request).await,
            outcome => outcome.map_err(Failure::Refused),
        }
    }

    async fn create_grant(&self, grant: &NewGrant, now_ms: i64) -> Attempt {
        let mut session = self.server.session().await?;
        session.schema()?.check_credit(&grant.fields)?;
        let facts = session.grant_facts(grant).await?;

        let planned = plan_grant(grant, facts, self.new_ids(now_ms), now_ms).and_then(|plan| {
            let table = session.table(Credit).map_err(Failure::into_error)?;
            plan.rows.iter().try_for_each(|row| table.check_complete(&row.fields))?;
            Ok(plan)
        });
        let plan = match planned {
            Err(refusal) if grant.replay && replays::met_its_key(&refusal) => {
                session.roll_back();
                let number = grant.transaction_no.as_deref().unwrap_or_default();
                let found = self.server.session().await?.find_transaction(number).await?;
                return Ok(replays::grant(grant, found)?);
            }
            planned => undo_if_refused(&mut session, planned)?,
        };

        match self.write(&mut session, &plan, now_ms).await {
            Err(Failure::Unknown(message)) => {
                drop(session);
                let (table, id) = &plan.reply;
                let settled = self.settle(&message, &grant.user_id, *table, id, |_| true).await;
                settled.map_err(|failure| failure.into_error().into())
            }
            row => row.map(|row| Outcome::Row(Some(row))),
        }
    }

    async fn update_task(&self, patch: &TaskPatch, now_ms: i64) -> Attempt {
        let mut session = self.server.session().await?;
        let patch = &*session.schema()?.check_patch(patch)?;
        let wanted = WantedTask {
            kind: patch.kind,
            id: &patch.id,
            credit_id: patch.credit_id(),
            charge: None,
        };
        let Some(facts) = session.task_facts(&wanted, now_ms).await? else {
            session.roll_back();
            return Ok(Outcome::Row(None));
        };
        let task = &facts.task;
        let charge = patch.charge_to_load(task).and(facts.charge.as_ref());
        let claimed = session.is_claimed(charge, patch.kind, &patch.id).await?;
        let on_charge = undo_if_refused(&mut session, patch.check(task, charge, claimed))?;
        let grants = session.grants_drawn_on(on_charge.refundable(), facts.drawn_on).await?;

        let ids = self.new_ids(now_ms);
        let (mut plan, refund) = plan_patch(patch, task, &on_charge, grants, ids, now_ms);

        session.fill_copy(&mut plan).await?;
        let row = self.write(&mut session, &plan, now_ms).await?;
        Ok(Outcome::Updated(row, refund))
    }

    async fn charge_step(&self, step: &Step, now_ms: i64) -> Attempt {
        let mut session = self.server.session().await?;
        session.schema()?.check_step(step)?;
        let transaction_no = step.transaction_no.as_deref();
        let charge = step.credits.map(|credits| (credits.get(), transaction_no));
        let wanted = WantedTask { kind: step.kind, id: &step.id, credit_id: None, charge };
        let Some(facts) = session.task_facts(&wanted, now_ms).await? else {
            session.roll_back();
            return Ok(Outcome::Row(None));
        };

        let ids = self.new_ids(now_ms);
        let planned = plan_step(step, &facts.task, &facts.funds, ids, now_ms);
        let plan = undo_if_refused(&mut session, planned)?;

        match self.write(&mut session, &plan, now_ms).await {
            Err(Failure::Unknown(message)) if !plan.draws.is_empty() => {
                drop(session);
                self.settle_step(&message, &plan).await
            }
            row => row.map(|row| Outcome::Row(Some(row))),
        }
    }

    async fn settle_charge(&self, settlement: &Settlement, now_ms: i64) -> Attempt {
        let mut session = self.server.session().await?;
        let (task, charge, drawn_on, claimed) = match &settlement.target {
            Target::Charge(id) => {
                let (charge, drawn_on) = session.refund_facts(id).await?;
                (None, charge, drawn_on, false)
            }
            Target::Task(kind, id) => {
                session.schema()?.check_settlement_of(*kind)?;
                let wanted = WantedTask { kind: *kind, id, credit_id: None, charge: None };
                let Some(facts) = session.task_facts(&wanted, now_ms).await? else {
                    session.roll_back();
                    return Ok(Outcome::Row(None));
                };
                let claimed = session.is_claimed(facts.charge.as_ref(), *kind, id).await?;
                (Some(facts.task), facts.charge, facts.drawn_on, claimed)
            }
        };
        let checked = settlement.check(task.as_ref(), charge, claimed);
        let (charge, settling) = undo_if_refused(&mut session, checked)?;
        let refundable = settling.as_ref().map(|settling| &settling.refundable);
        let grants = session.grants_drawn_on(refundable, drawn_on).await?;

        let ids = self.new_ids(now_ms);
        let (mut plan, refund) =
            plan_settlement(settlement, &charge, settling, grants, ids, now_ms);

        session.fill_copy(&mut plan).await?;
        let row = self.write(&mut session, &plan, now_ms).await?;
        Ok(Outcome::Updated(row, Some(refund)))
    }

    /// Writes a plan, and commits. The row that the caller gets.
    async fn write(
        &self,
        session: &mut Session<'_>,
        plan: &Plan,
        now_ms: i64,
    ) -> Result<Row, Failure> {
        let (table, id) = &plan.reply;
        let row = if plan.rows.is_empty() {
            session.find_here(*table, id).await?
        } else {
            session.write(&[plan], now_ms).await?.take(&plan.reply)
        };
        let missing = || Error::Internal("a written row did not come back".to_owned());
        row.ok_or_else(|| Failure::Refused(missing()))
    }

    /// After the commit of a step that was not answered: its charge tells whether it is there.
    async fn settle_step(&self, message: &str, plan: &Plan) -> Attempt {
        let Some(charge) = plan.rows.first() else {
            return Err(Failure::Unknown(message.to_owned()));
        };
        let settled = self.settle(message, &plan.user_id, Credit, &charge.id, |_| true).await;
        settled.map_err(Failure::into_error)?;
        let (table, id) = &plan.reply;
        let mut session = self.server.session().await?;
        session.find(*table, id).await.map(Outcome::Row)
    }

    /// After a commit that was not answered: looks whether its row is there, which is the answer. While
    /// no server can be asked, it goes on for as long as a connection may take.
    pub(super) async fn settle(
        &self,
        message: &str,
        user_id: &str,
        table: TableName,
        id: &str,
        is_ours: impl Fn(&Row) -> bool,
    ) -> Attempt {
        let began = Instant::now();
        let look = || async {
            let mut session = self.server.session().await?;
            session.find_settled(user_id, table, id).await
        };
        for attempt in 1.. {
            match look().await {
                Ok(Some(row)) if is_ours(&row) => return Ok(Outcome::Row(Some(row))),
                // It was undone with its connection: nothing was written.
                Ok(_) => return Err(Failure::Lost(message.to_owned())),
                Err(failure) if can_pass(&failure) && began.elapsed() < self.server.patience() => {
                    self.server.close_idle(Duration::ZERO);
                    tokio::time::sleep(pause_after(attempt)).await;
                }
                Err(_) => break,
            }
        }
        Err(Failure::Unknown(message.to_owned()))
    }
}

/// Whether another connection, now or soon, can give the answer that this one did not.
fn can_pass(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(error) => {
            matches!(error, Error::DatabaseUnavailable { retryable: true, .. })
        }
        Failure::Conflict(_) | Failure::ReadOnly(_) | Failure::Lost(_) | Failure::Ended(_) => true,
        Failure::Unknown(_) => false,
    }
}

/// A column or table that is not there, a type or a limit that has changed, a column that wants a value; a
/// privilege that is missing, or rows that a policy hides.
const ABOUT_SCHEMA: [&str; 9] =
    ["42703", "42P01", "42804", "42883", "23502", "22001", "22003", "42501", "22012"];

/// Whether the tables may not be what they were when they were looked at.
pub(super) fn is_about_schema(error: &Error) -> bool {
    match error {
        Error::UnknownField { .. }
        | Error::MissingField { .. }
        | Error::InvalidValue { .. }
        | Error::SchemaMismatch { .. } => true,
        Error::InBatch { error, .. } => is_about_schema(error),
        Error::Database { database_code, .. } => ABOUT_SCHEMA.contains(&database_code.as_str()),
        _ => false,
    }
}

pub(super) fn is_taken(error: &Error) -> bool {
    matches!(error, Error::Database { database_code, .. } if database_code == "23505")
}

/// A refusal has written nothing, but the transaction has begun.
fn undo_if_refused<T>(session: &mut Session<'_>, planned: Result<T>) -> Result<T, Failure> {
    planned.map_err(|error| {
        session.roll_back();
        Failure::Refused(error)
    })
}

async fn read(session: &mut Session<'_>, question: &Read, now_ms: i64) -> Attempt {
    match question {
        Read::Find(table, id) => session.find(*table, id).await.map(Outcome::Row),
        Read::HasActiveTask(user_id, statuses) => {
            session.has_active_task(user_id, statuses).await.map(Outcome::Bool)
        }
        Read::ActiveTasks(user_id, statuses) => {
            session.active_tasks(user_id, statuses).await.map(Outcome::Rows)
        }
        Read::TaskHistory(user_id, page) => {
            let (rows, total) = session.task_history(user_id, *page).await?;
            Ok(Outcome::Page(rows, total, *page))
        }
        Read::Balance(user_id) => session.balance(user_id, now_ms).await.map(Outcome::Number),
        Read::Quote(user_id, credits) => {
            let grants = session.all_spendable_grants(user_id, now_ms).await?;
            Ok(Outcome::Quote(quote(&grants, *credits)))
        }
        Read::List(filter, page) => session.list(filter, *page).await.map(Outcome::Rows),
        Read::ListWithUsers(filter, page) => {
            let rows = session.list(filter, *page).await?;
            let owners = owners_of(&rows);
            let owners: Vec<&str> = owners.iter().map(AsRef::as_ref).collect();
            let users = session.users(&owners).await?;
            Ok(Outcome::RowsOfUsers(rows, users))
        }
        Read::Count(filter) => session.count(filter).await.map(Outcome::Number),
        Read::TaskCharges(kind, id) => match session.find(Tasks(*kind), id).await? {
            Some(task) => charges_of(session, *kind, &task).await.map(Outcome::Rows),
            None => Ok(Outcome::Rows(Vec::new())),
        },
        Read::StuckTasks(filter) => session.stuck_tasks(filter, now_ms).await.map(Outcome::Rows),
        Read::Purse(user_id) => {
            session.all_spendable_grants(user_id, now_ms).await.map(Outcome::Purse)
        }
        Read::Statement(user_id, query) => {
            let page = session.books(&Shelf::User(user_id.clone())).await?;
            let statement = write_statement(&page, user_id, query, now_ms);
            let ids = credit_ids(&statement.entries);
            let rows = session.find_all(Credit, &ids).await?;
            Ok(Outcome::Statement(statement, rows))
        }
        Read::Fixes(user_ids) => {
            let mut found = Vec::new();
            for user_id in user_ids {
                found
                    .extend(fixes_of(&session.books(&Shelf::User(user_id.clone())).await?, now_ms));
                session.owners(&[]).await?;
            }
            Ok(Outcome::Fixes(found))
        }
        Read::Audit(shelf) => {
            let page = session.books(shelf).await?;
            let audits = audits(&page);
            let owners = session.owners(&named_elsewhere(&audits)).await?;
            Ok(Outcome::Audited(audited(&page, &audits, &owners)))
        }
    }
}

/// All charges of a task, oldest first.
pub(super) async fn charges_of(
    session: &mut Session<'_>,
    kind: TaskKind,
    task: &Row,
) -> Result<Vec<Row>, Failure> {
    let about = About::of(kind, task);
    let charge_id = about.charge_id.as_deref();
    let found = session.charges_about(&about.user_id, charge_id, &about.text).await?;
    Ok(about.only(found))
}
