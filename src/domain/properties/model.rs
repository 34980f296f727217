//! An in-memory ledger and an engine without a database, for property tests.

use proptest::sample::Index;

use super::steps::{Names, Step};
use crate::domain::books::{Books, ChargeEntry, GrantEntry, TaskEntry, Times};
use crate::domain::call_options::CallOptions;
use crate::domain::charge::{Charge, ChargeFacts, ChargeRequest, plan_charge};
use crate::domain::grant::{
    Grant, GrantFacts, NewGrant, is_withdrawn, plan_grant, total_remaining,
};
use crate::domain::options::RefundPolicy;
use crate::domain::plan::{NewIds, Plan, Stamp, Verb};
use crate::domain::refundable::{Origin, Refundable};
use crate::domain::revocation::State;
use crate::domain::settle::{Difference, Settlement, Target, plan_settlement};
use crate::domain::table::TableName::{self, Credit, Tasks};
use crate::domain::table::TaskKind;
use crate::domain::task::{
    self, NewTask, NewTaskFacts, TaskFacts, TaskPatch, plan_new_task, plan_patch, plan_step_charge,
};
use crate::domain::value::{Fields, Value};
use crate::error::Result;

/// The last user has no row in `user`.
pub(super) const USERS: [&str; 3] = ["ada", "bob", "nobody"];
const DAY_MS: i64 = 86_400_000;

/// The result of a request: its plan, and the credits that it moved, if it can refund.
pub(super) type Done = (Plan, Option<Difference>);

/// All rows, in the order in which they were written.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub(super) rows: Vec<Row>,
    pub(super) now_ms: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) table: TableName,
    pub(super) id: String,
    pub(super) fields: Fields,
}

impl Row {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.fields.get(name)? {
            Value::Text(text) | Value::Json(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> i64 {
        match self.fields.get(name) {
            Some(Value::Integer(number)) => *number,
            other => panic!("{name} of {} is {other:?}", self.id),
        }
    }

    fn time_ms(&self, name: &str) -> Option<i64> {
        match self.fields.get(name)? {
            Value::TimeMs(time_ms) => Some(*time_ms),
            _ => None,
        }
    }

    fn times(&self) -> Times {
        Times {
            created_at_ms: self.time_ms("createdAt"),
            updated_at_ms: self.time_ms("updatedAt"),
            deleted_at_ms: self.time_ms("deletedAt"),
            expires_at_ms: self.time_ms("expiresAt"),
        }
    }

    pub(super) fn is_grant(&self) -> bool {
        self.text("transactionType") == Some("grant")
    }

    pub(super) fn is_charge(&self) -> bool {
        self.text("transactionType") == Some("consume")
    }

    pub(super) fn is_task(&self) -> bool {
        matches!(self.table, Tasks(_))
    }

    pub(super) fn is_active(&self) -> bool {
        self.text("status") == Some("active")
    }

    fn grant(&self) -> Grant {
        Grant {
            id: self.id.clone(),
            transaction_no: self.text("transactionNo").unwrap().to_owned(),
            credits: self.number("credits"),
            remaining: self.number("remainingCredits"),
            expires_at_ms: self.time_ms("expiresAt"),
            active: self.is_active(),
            provenance: None,
        }
    }

    fn charge(&self) -> Charge {
        let detail = self.text("consumedDetail");
        Charge {
            id: self.id.clone(),
            user_id: self.text("userId").unwrap().to_owned(),
            active: self.is_active(),
            credits: -self.number("credits"),
            consumed_detail: detail.map(|detail| detail.as_bytes().to_vec()),
            metadata: self.text("metadata").map(str::to_owned),
        }
    }

    fn task(&self) -> TaskFacts {
        TaskFacts {
            user_id: self.text("userId").unwrap().to_owned(),
            status: self.text("status").unwrap().to_owned(),
            credit_id: self.text("creditId").map(str::to_owned),
            updated_at_ms: Ok(self.time_ms("updatedAt").unwrap()),
            free_trial: None,
        }
    }
}

impl Tables {
    pub(super) fn new() -> Self {
        Self { rows: Vec::new(), now_ms: 1_800_000_000_000 }
    }

    pub(super) fn row(&self, table: TableName, id: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.table == table && row.id == id)
    }

    pub(super) fn row_mut(&mut self, table: TableName, id: &str) -> &mut Row {
        self.rows.iter_mut().find(|row| row.table == table && row.id == id).unwrap()
    }

    /// A user's rows. Rows belong to one user.
    pub(super) fn of_user(&self, user: &str) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.text("userId") == Some(user))
    }

    /// The spendable grants in draw order.
    pub(super) fn spendable(&self, user: &str) -> Vec<Grant> {
        let mut rows: Vec<&Row> = self.of_user(user).filter(|row| row.is_grant()).collect();
        rows.sort_by_key(|row| {
            let expires_at_ms = row.time_ms("expiresAt");
            (expires_at_ms.is_none(), expires_at_ms, row.time_ms("createdAt"), &row.id)
        });
        rows.retain(|row| {
            let expired = row.time_ms("expiresAt").is_some_and(|at_ms| at_ms <= self.now_ms);
            row.is_active() && !expired && row.number("remainingCredits") > 0
        });
        rows.into_iter().map(Row::grant).collect()
    }

    pub(super) fn balance(&self, user: &str) -> i64 {
        total_remaining(&self.spendable(user))
    }

    /// The account that an audit reads.
    pub(super) fn books(&self, user: &str) -> Books {
        let mut books = Books::of(user);
        for row in self.of_user(user) {
            let (id, times) = (row.id.clone(), row.times());
            if let Tasks(kind) = row.table {
                let status = row.text("status").unwrap_or_default();
                let credit_id = row.text("creditId").map(str::to_owned);
                books.tasks.push(TaskEntry::new((kind, id), status, credit_id, times));
            } else if row.is_grant() {
                let Grant { credits, remaining, active, .. } = row.grant();
                let state = State::Open;
                let confirmed_ms = None;
                books.grants.push(GrantEntry {
                    id,
                    credits,
                    remaining,
                    active,
                    state,
                    times,
                    confirmed_ms,
                });
            } else {
                let Charge { credits, active, consumed_detail, metadata, .. } = row.charge();
                let charge = ChargeEntry::new(id, credits, active, times);
                books
                    .charges
                    .push(charge.with_detail(consumed_detail.as_deref(), metadata.as_deref()));
            }
        }
        books
    }

    fn pick(&self, index: &Index, is_one: fn(&Row) -> bool) -> Option<&Row> {
        let some: Vec<&Row> = self.rows.iter().filter(|row| is_one(row)).collect();
        (!some.is_empty()).then(|| *index.get(&some))
    }

    fn charge(&self, id: &str) -> Option<Charge> {
        self.row(Credit, id).filter(|row| row.is_charge()).map(Row::charge)
    }

    fn is_claimed(&self, charge: Option<&Charge>, kind: TaskKind, id: &str) -> bool {
        let other = charge.and_then(|charge| charge.claiming_task(kind, id));
        other.is_some_and(|(kind, id)| self.row(Tasks(kind), &id).is_some())
    }

    fn funds(&self, user: &str) -> ChargeFacts {
        let user_exists = USERS[..2].contains(&user);
        ChargeFacts { user_exists, grants: self.spendable(user), ..ChargeFacts::default() }
    }

    fn load_grants(&self, refundable: Option<&mut Refundable>, policy: RefundPolicy) {
        let Some(refundable) = refundable else { return };
        let grants = self.of_user(&refundable.user_id).filter(|row| row.is_grant());
        let drawn_on = grants
            .filter(|row| refundable.draws.iter().any(|draw| draw.credit_id == row.id))
            .map(Row::grant)
            .collect();
        refundable.grants = drawn_on;
        let ids = refundable.to_regrant(policy, self.now_ms).into_iter();
        refundable.origins = ids.map(|id| (id.to_owned(), self.origin(id))).collect();
    }

    /// The keys are unique: a grant is replaced at most once at one time.
    fn origin(&self, id: &str) -> Origin {
        let row = self.row(Credit, id).unwrap();
        let scene = row.fields.get("transactionScene").cloned().unwrap_or(Value::Null);
        let name = format!("new-{}-{id}", self.rows.len());
        Origin {
            withdrawn: is_withdrawn(row.text("status"), false),
            kept: [("transactionScene", scene)].into_iter().collect(),
            ids: NewIds { id: name.clone(), transaction_no: name },
        }
    }

    /// Runs a request; `None` if there is no row that it applies to.
    pub(super) fn take(&mut self, step: &Step) -> Result<Option<Done>> {
        let done = self.plan(step)?;
        if let Some((plan, _)) = &done {
            self.apply(plan);
        }
        Ok(done)
    }

    fn plan(&mut self, step: &Step) -> Result<Option<Done>> {
        let ids = NewIds {
            id: format!("new-{}", self.rows.len()),
            transaction_no: self.rows.len().to_string(),
        };
        let stamp = Stamp { ids, now_ms: self.now_ms };
        let (now_ms, none) = (self.now_ms, Fields::default());
        let plain = CallOptions::default();
        let text = |text: &str| Value::Text(text.to_owned());
        let (plan, difference) = match step {
            Step::Wait { days } => {
                self.now_ms += days * DAY_MS;
                return Ok(None);
            }
            Step::End { grant, status } => {
                let grant = self.pick(grant, Row::is_grant).map(|row| row.id.clone());
                if let Some(id) = grant {
                    self.row_mut(Credit, &id).fields.set("status", text(status));
                }
                return Ok(None);
            }
            Step::Grant { user, credits, days, scene } => {
                let fields = [
                    ("userId", text(USERS[*user])),
                    ("transactionScene", text(scene)),
                    ("credits", Value::Integer(*credits)),
                    ("expiresAt", Value::time_or_null(days.map(|days| now_ms + days * DAY_MS))),
                ];
                let grant = NewGrant::parse(fields.into_iter().collect(), &none)?;
                let user_exists = self.funds(USERS[*user]).user_exists;
                let facts = GrantFacts { user_exists, ..GrantFacts::default() };
                (plan_grant(&grant, facts, stamp)?, None)
            }
            Step::Consume { user, credits } => {
                let fields =
                    [("userId", text(USERS[*user])), ("credits", Value::Integer(*credits))];
                let request = ChargeRequest::parse(&fields.into_iter().collect(), &plain)?;
                (plan_charge(&request, &self.funds(USERS[*user]), stamp)?, None)
            }
            Step::Create { kind, id, user, cost, names } => {
                let names = names.as_ref().and_then(|index| self.pick(index, Row::is_charge));
                let cost = Value::Integer(if names.is_some() { 0 } else { *cost });
                let id = format!("task-{id}");
                let fields = [
                    ("id", text(&id)),
                    ("userId", text(USERS[*user])),
                    ("status", text("pending")),
                    ("creditId", Value::text_or_null(names.map(|row| row.id.as_str()))),
                    ("costCredits", cost.clone()),
                ];
                let fields = fields.into_iter().collect();
                let task = NewTask::parse(*kind, fields, Some(&cost), &plain)?;
                let facts = NewTaskFacts {
                    task_exists: self.row(Tasks(*kind), &id).is_some(),
                    named_charge: names.map(Row::charge),
                    active: 0,
                    free_trials_used: 0,
                    funds: self.funds(USERS[*user]),
                };
                (plan_new_task(&task, &facts, stamp)?, None)
            }
            Step::Update { task, status, names, policy } => {
                let Some((kind, id, task)) = self.a_task(task) else { return Ok(None) };
                let names = match names {
                    Names::Nothing => None,
                    Names::Null => Some(Value::Null),
                    Names::Charge(index) => {
                        self.pick(index, Row::is_charge).map(|row| text(&row.id))
                    }
                };
                let names = names.map(|value| ("creditId", value));
                let status = status.map(|status| ("status", text(status)));
                let fields = status.into_iter().chain(names).collect();
                let patch = TaskPatch::parse((kind, id), fields, &none, *policy)?;
                let charge = patch.charge_to_load(&task).and_then(|id| self.charge(id));
                let claimed = self.is_claimed(charge.as_ref(), kind, &patch.id);
                let mut on_charge = patch.check(&task, charge.as_ref(), claimed)?;
                self.load_grants(on_charge.refundable(), *policy);
                let (plan, refund) = plan_patch(&patch, &task, on_charge, now_ms);
                let only = |refund| Difference { refund, ..Difference::default() };
                (plan, refund.map(only))
            }
            Step::Further { task, credits, status } => {
                let Some((kind, id, task)) = self.a_task(task) else { return Ok(None) };
                let charge = [("credits", Value::Integer(*credits))].into_iter().collect();
                let patch = status.iter().map(|status| ("status", text(status))).collect();
                let step = task::StepCharge::parse((kind, id), &charge, patch, &plain)?;
                (plan_step_charge(&step, &task, &self.funds(&task.user_id), stamp)?, None)
            }
            Step::Settle { task, credits, over, policy } => {
                let Some((kind, id, task)) = self.a_task(task) else { return Ok(None) };
                let credits = Value::Integer(*credits);
                let over = ("over", text(if *over { "available" } else { "refuse" }));
                let options: Fields = [over].into_iter().collect();
                let (id, options) = ((kind, id), options.into());
                let settlement = Settlement::of_task(id, Some(&credits), &options, *policy)?;
                self.settle(&settlement, Some(&task))?
            }
            Step::Refund { charge, credits, policy } => {
                let Some(row) = self.pick(charge, Row::is_charge) else { return Ok(None) };
                let (id, credits) = (row.id.clone(), credits.map(Value::Integer));
                let settlement = Settlement::of_charge(id, credits.as_ref(), &none, *policy)?;
                self.settle(&settlement, None)?
            }
        };
        Ok(Some((plan, difference)))
    }

    fn a_task(&self, index: &Index) -> Option<(TaskKind, String, TaskFacts)> {
        let row = self.pick(index, Row::is_task)?;
        let Tasks(kind) = row.table else { return None };
        Some((kind, row.id.clone(), row.task()))
    }

    fn settle(&self, settlement: &Settlement, task: Option<&TaskFacts>) -> Result<Done> {
        let charge = self.charge(settlement.charge_id(task)?);
        let claimed = match &settlement.target {
            Target::Charge(_) => false,
            Target::Task(kind, id) => self.is_claimed(charge.as_ref(), *kind, id),
        };
        let (charge, mut settling) = settlement.check(task, charge, claimed)?;
        if let Some(settling) = &mut settling {
            self.load_grants(Some(&mut settling.refundable), settlement.policy);
            settling.funds = self.spendable(&charge.user_id);
        }
        let (plan, difference) = plan_settlement(settlement, &charge, settling, self.now_ms)?;
        Ok((plan, Some(difference)))
    }

    /// Applies a plan, with the databases' guards.
    pub(super) fn apply(&mut self, plan: &Plan) {
        for change in &plan.rows {
            if change.verb == Verb::Insert {
                assert!(self.row(change.table, &change.id).is_none(), "{} is there", change.id);
                let (table, id, fields) = (change.table, change.id.clone(), change.fields.clone());
                self.rows.push(Row { table, id, fields });
                continue;
            }
            let row = self.row_mut(change.table, &change.id);
            assert!(change.verb != Verb::UpdateCharge || row.is_active(), "{}", change.id);
            let kept = row.fields.iter().filter(|(name, _)| change.fields.get(name).is_none());
            let fields = kept.chain(change.fields.iter());
            row.fields = fields.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        }
        for draw in &plan.draws {
            let left = self.change_grant(&draw.credit_id, -draw.credits_consumed);
            assert_eq!(left, draw.credits_after);
        }
        for (id, credits) in &plan.returns {
            self.change_grant(id, *credits);
        }
    }

    fn change_grant(&mut self, id: &str, by: i64) -> i64 {
        let row = self.row_mut(Credit, id);
        let left = row.number("remainingCredits") + by;
        assert!((0..=row.number("credits")).contains(&left), "{left} credits left of grant {id}");
        row.fields.set("remainingCredits", Value::Integer(left));
        left
    }
}
