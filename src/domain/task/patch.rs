//! Changes of a task, and the refund if it fails.

use super::{FAILED, TaskFacts, check_made_for, own_charge};
use crate::domain::charge::Charge;
use crate::domain::metadata;
use crate::domain::options::{Guards, RefundPolicy, flag};
use crate::domain::plan::{Plan, Verb};
use crate::domain::refund::{Refund, give_back};
use crate::domain::refundable::Refundable;
use crate::domain::table::{TableName, TaskKind};
use crate::domain::value::{Fields, Value};
use crate::error::{Error, Result};

/// A requested change of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPatch {
    /// The task's kind.
    pub kind: TaskKind,
    /// The task's `id`.
    pub id: String,
    /// The charge that the patch sets.
    credit_id: Option<String>,
    /// The columns to change.
    pub fields: Fields,
    effect: Effect,
    guards: Guards,
    allow_refunded: bool,
    /// Where credits go if the task fails.
    pub policy: RefundPolicy,
}

/// The effect of a patch on the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It fails.
    Fails,
    /// The user gets the result, and the task's charge stays.
    Delivers,
    /// Neither.
    Plain,
}

impl Effect {
    fn of(kind: TaskKind, patch: &Fields) -> Self {
        let keeps_charge = patch.get("creditId") != Some(&Value::Null);
        match status(patch) {
            Some(FAILED) => Self::Fails,
            Some(status) if keeps_charge && kind.delivered_statuses().contains(&status) => {
                Self::Delivers
            }
            _ => Self::Plain,
        }
    }
}

/// The status in a patch.
fn status(patch: &Fields) -> Option<&str> {
    patch.get("status").and_then(Value::as_text)
}

/// The effect of a patch on the charge.
#[derive(Debug, Clone, PartialEq)]
pub enum OnCharge {
    /// None.
    Nothing,
    /// The charge is refunded.
    Refunds(Refundable),
    /// The task is delivered although its charge was refunded, as the caller allows. The charge's metadata
    /// records this, so that an audit can tell it from a mistake.
    GivesAway {
        /// The charge's `id`.
        charge_id: String,
        /// Its metadata.
        metadata: String,
    },
}

impl OnCharge {
    /// The refund, to load its grants.
    pub fn refundable(&mut self) -> Option<&mut Refundable> {
        match self {
            Self::Refunds(refundable) => Some(refundable),
            Self::Nothing | Self::GivesAway { .. } => None,
        }
    }

    fn gives_away(charge: &Charge) -> Self {
        let metadata = charge.metadata.as_deref();
        if metadata::is_given(metadata) {
            return Self::Nothing;
        }
        Self::GivesAway { charge_id: charge.id.clone(), metadata: metadata::with_given(metadata) }
    }
}

impl TaskPatch {
    /// Parses the arguments of `updateMediaTaskById`. `policy` applies if the options set none.
    pub fn parse(
        (kind, id): (TaskKind, String),
        fields: Fields,
        options: &Fields,
        policy: RefundPolicy,
    ) -> Result<Self> {
        let known = [&Guards::NAMES[..], &["allowRefunded", "refundPolicy"]].concat();
        options.only("an update", &known)?;
        check_fixed(&fields)?;
        let credit_id = fields.optional_id("creditId")?;
        Ok(Self {
            kind,
            id,
            credit_id,
            effect: Effect::of(kind, &fields),
            fields,
            guards: Guards::parse(options)?,
            allow_refunded: flag(options, "allowRefunded")?,
            policy: RefundPolicy::parse(options.get("refundPolicy"))?.unwrap_or(policy),
        })
    }

    /// The same patch with other columns.
    pub fn with_fields(&self, fields: Fields) -> Self {
        Self { effect: Effect::of(self.kind, &fields), fields, ..self.clone() }
    }

    /// The charge that the patch sets.
    pub fn credit_id(&self) -> Option<&str> {
        self.credit_id.as_deref()
    }

    /// Whether this patch makes the task fail.
    pub fn fails(&self) -> bool {
        self.effect == Effect::Fails
    }

    fn is_delivered(&self, task: &TaskFacts) -> bool {
        self.kind.delivered_statuses().contains(&task.status.as_str())
    }

    /// The charge that must be loaded before this patch can be planned: the one that the patch sets, or the
    /// task's own if the patch fails or delivers the task.
    pub fn charge_to_load<'a>(&'a self, task: &'a TaskFacts) -> Option<&'a str> {
        let own = || match self.effect {
            Effect::Fails | Effect::Delivers => task.credit_id.as_deref(),
            Effect::Plain => None,
        };
        self.credit_id.as_deref().or_else(own)
    }

    /// Checks the task and the charge named by [`Self::charge_to_load`] (`None`: it does not exist), and
    /// returns the effect on the charge. `claimed`: the other task that the charge was made for exists.
    pub fn check(
        &self,
        task: &TaskFacts,
        charge: Option<&Charge>,
        claimed: bool,
    ) -> Result<OnCharge> {
        self.guards.check(&self.id, &task.status, &task.updated_at_ms)?;
        let charge = charge.filter(|charge| !charge.is_bookkeeping());
        let charge = match (self.charge_to_load(task), charge) {
            (None, _) => return Ok(OnCharge::Nothing),
            // An old task may refer to a charge that no longer exists. It must still be able to fail.
            (Some(_), None) if self.credit_id.is_none() => return Ok(OnCharge::Nothing),
            (Some(id), charge) => own_charge(id, charge, &task.user_id)?,
        };
        let named = self.credit_id.is_some();
        // A charge that the task already had may have been made for a task that no longer exists.
        let takes = named && self.credit_id != task.credit_id;
        if takes {
            check_made_for(charge, charge.other_task(self.kind, &self.id))?;
        }
        if claimed && (takes || self.fails()) {
            check_made_for(charge, charge.claiming_task(self.kind, &self.id))?;
        }
        if self.fails() {
            return Ok(Refundable::of(charge)?.map_or(OnCharge::Nothing, OnCharge::Refunds));
        }
        // A delivered task that gets another charge is delivered with that charge.
        let stays_delivered = || takes && status(&self.fields).is_none() && self.is_delivered(task);
        if !charge.active && (self.effect == Effect::Delivers || stays_delivered()) {
            if self.allow_refunded {
                return Ok(OnCharge::gives_away(charge));
            }
            let (task_id, charge_id) = (self.id.clone(), charge.id.clone());
            return Err(Error::TaskRefunded { task_id, charge_id });
        }
        if named && charge.active && status(&self.fields).unwrap_or(&task.status) == FAILED {
            return Err(Error::ReadOnlyField {
                field: "creditId",
                reason: "the task has failed, and a failed task keeps no charge; set another status too",
            });
        }
        Ok(OnCharge::Nothing)
    }
}

/// Rejects a change of a task's `id` or user.
pub(super) fn check_fixed(patch: &Fields) -> Result<()> {
    let fixed = [
        ("id", "a task keeps its id; leave it out of the patch"),
        ("userId", "a task keeps its user; leave it out of the patch"),
    ];
    match fixed.into_iter().find(|(field, _)| patch.get(field).is_some()) {
        Some((field, reason)) => Err(Error::ReadOnlyField { field, reason }),
        None => Ok(()),
    }
}

/// Decides a patch. `on_charge` is the result of [`TaskPatch::check`], with its grants loaded. If the task
/// fails, a refund is returned, possibly of 0.
pub fn plan_patch(
    patch: &TaskPatch,
    task: &TaskFacts,
    on_charge: OnCharge,
    now_ms: i64,
) -> (Plan, Option<Refund>) {
    let table = TableName::Tasks(patch.kind);
    let mut plan = Plan::new(&task.user_id, table, &patch.id);
    let mut refund = patch.fails().then(Refund::default);
    match on_charge {
        OnCharge::Nothing => {}
        OnCharge::Refunds(refundable) => {
            let charge_id = refundable.charge_id.clone();
            refund = Some(give_back(&mut plan, refundable, patch.policy, now_ms));
            let flip = [
                ("status", Value::Text("deleted".to_owned())),
                ("updatedAt", Value::TimeMs(now_ms)),
            ];
            let flip = flip.into_iter().collect();
            plan.push(TableName::Credit, Verb::UpdateCharge, &charge_id, flip);
        }
        OnCharge::GivesAway { charge_id, metadata } => {
            let said = [("metadata", Value::Json(metadata))].into_iter().collect();
            plan.push(TableName::Credit, Verb::Update, &charge_id, said);
        }
    }
    let mut row = patch.fields.clone();
    plan.free_trials = task.free_trials(patch.kind, &mut row);
    row.set("updatedAt", Value::TimeMs(now_ms));
    plan.push(table, Verb::Update, &patch.id, row);
    (plan, refund)
}
