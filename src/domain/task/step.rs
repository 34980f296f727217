//! Further steps of a task, each with its own charge, such as a translation after an extraction.

use std::sync::Arc;

use super::patch::check_fixed;
use super::{FAILED, TaskFacts};
use crate::domain::call_options::CallOptions;
use crate::domain::charge::{ChargeFacts, ChargeRequest, plan_charge};
use crate::domain::credits::Credits;
use crate::domain::metadata;
use crate::domain::options::Guards;
use crate::domain::own::Own;
use crate::domain::paying::{Paying, Scenes};
use crate::domain::plan::{Plan, Stamp, Verb};
use crate::domain::spending::{self, Limit, Limits, Spending};
use crate::domain::table::{TableName, TaskKind};
use crate::domain::value::{Fields, Value};
use crate::error::{Error, Result};

/// A requested further step, with the task's changes.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCharge {
    /// The task's kind.
    pub kind: TaskKind,
    /// The task's `id`.
    pub id: String,
    /// Its cost; `None` if it is free.
    pub credits: Option<Credits>,
    /// The caller's own `transaction_no` for the charge.
    pub transaction_no: Option<String>,
    /// What the app's pages show of the charge.
    described: Fields,
    own: Own,
    /// The columns to change.
    pub fields: Fields,
    guards: Guards,
    /// Which grants may pay, and in which order.
    pub paying: Paying,
    /// Spending limits.
    pub limits: Limits,
}

impl StepCharge {
    /// Parses the arguments of `chargeMediaTask`.
    pub fn parse(
        (kind, id): (TaskKind, String),
        charge: &Fields,
        patch: Fields,
        options: &CallOptions,
    ) -> Result<Self> {
        let known = ["credits", "description", "scene", "metadata", "transactionNo"];
        let own = Own::beside(&known, "the charge for a step", charge)?;
        options.only("a step", &[&Guards::NAMES[..], &Scenes::NAMES, &["limits"]].concat())?;
        Limit::check_option(options)?;
        check_fixed(&patch)?;
        if patch.get("creditId").is_some() {
            return Err(Error::ReadOnlyField {
                field: "creditId",
                reason: "the step's own charge sets it; leave it out of the patch",
            });
        }
        if patch.get("status").and_then(Value::as_text) == Some(FAILED) {
            return Err(Error::ReadOnlyField {
                field: "status",
                reason: "a failed task keeps no charge; set the status of the step that begins",
            });
        }
        let metadata = metadata::of_step(kind, &id, charge.get("metadata"))?;
        let shown = |name: &str| charge.get(name).cloned().unwrap_or(Value::Null);
        let described = [
            (
                "transactionScene",
                charge.get("scene").cloned().unwrap_or(Value::Text("payment".to_owned())),
            ),
            ("description", shown("description")),
            ("metadata", Value::Json(metadata)),
        ];
        Ok(Self {
            kind,
            id,
            credits: Credits::parse_or_zero("credits", charge.get("credits"))?,
            transaction_no: charge.optional_id("transactionNo")?,
            described: described.into_iter().collect(),
            own,
            fields: patch,
            guards: Guards::parse(options)?,
            paying: options.paying()?,
            limits: Arc::clone(&options.limits),
        })
    }

    /// Checks the task and returns the charge to make; `None` if the step is free.
    pub fn check(&self, task: &TaskFacts) -> Result<Option<ChargeRequest>> {
        self.guards.check(&self.id, &task.status, &task.updated_at_ms)?;
        let Some(credits) = self.credits else { return Ok(None) };
        if task.status == FAILED && self.fields.get("status").is_none() {
            return Err(Error::ReadOnlyField {
                field: "creditId",
                reason: "the task has failed, and a failed task keeps no charge; set another status too",
            });
        }
        Ok(Some(ChargeRequest {
            user_id: task.user_id.clone(),
            credits,
            transaction_no: self.transaction_no.clone(),
            described: self.described.clone(),
            own: self.own.clone(),
            paying: self.paying.clone(),
            limits: self.limits.clone(),
            replay: false,
        }))
    }

    /// The sums that its limits need, as for a charge.
    pub fn spending(&self, now_ms: i64) -> Vec<(usize, Spending)> {
        let scene = self.described.get("transactionScene").and_then(Value::as_text);
        match self.credits {
            Some(_) => spending::spending(&self.limits, scene, now_ms),
            None => Vec::new(),
        }
    }

    /// The columns of the charge that the caller chose: those shown by pages, and additional ones.
    pub fn described(&self) -> (&Fields, &Own) {
        (&self.described, &self.own)
    }
}

/// Decides a step. Its charge, if there is one, becomes the task's charge.
pub fn plan_step_charge(
    step: &StepCharge,
    task: &TaskFacts,
    funds: &ChargeFacts,
    stamp: Stamp,
) -> Result<Plan> {
    let table = TableName::Tasks(step.kind);
    let mut plan = Plan::new(&task.user_id, table, &step.id);
    let now_ms = stamp.now_ms;
    let mut charge_id = Value::Null;
    if let Some(request) = step.check(task)? {
        plan = plan_charge(&request, funds, stamp)?;
        charge_id = Value::Text(plan.reply.1);
        plan.reply = (table, step.id.clone());
    }
    let mut row = step.fields.clone();
    plan.free_trials = task.free_trials(step.kind, &mut row);
    // A free step leaves the task without a charge, so that a failure refunds nothing, not even an earlier
    // step's charge.
    row.set("creditId", charge_id);
    row.set("updatedAt", Value::TimeMs(now_ms));
    plan.push(table, Verb::Update, &step.id, row);
    Ok(plan)
}
