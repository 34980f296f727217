//! Planning a task's creation and its updates: what is charged, what is refunded, what is written.

use super::charge::{Charge, ChargeFacts, ChargePlan, ChargeRequest, Grant, NewIds, plan_charge};
use super::credits::Credits;
use super::refund::{Refund, RefundPlan, Refundable, plan_refund};
use super::value::{Fields, Value};
use crate::error::{Error, Result};

/// The status that gives a task's credits back.
pub const FAILED: &str = "failed";

/// The statuses in which a task is still being worked on.
pub const ACTIVE_STATUSES: [&str; 4] = ["pending", "downloading", "processing", "translating"];

/// A task that the caller wants created and charged.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// Its `id`, which the caller chooses.
    pub id: String,
    /// What it costs; nothing, if `None`.
    pub charge: Option<ChargeRequest>,
    /// Whose it will be.
    pub user_id: String,
    /// An earlier charge that pays for a task without a cost.
    pub credit_id: Option<String>,
    /// Its columns, as passed.
    pub fields: Fields,
}

impl NewTask {
    /// Reads the arguments of `createMediaTask`.
    pub fn parse(fields: Fields, cost: Option<&Value>) -> Result<Self> {
        let id = fields.id("id")?;
        let user_id = fields.id("userId")?;
        let credit_id = fields.optional_id("creditId")?;
        let cost = Credits::parse_or_zero("costCredits", cost)?;
        if cost.is_some() && credit_id.is_some() {
            return Err(Error::ReadOnlyField {
                field: "creditId",
                reason: "the task's own charge sets it; leave it out, or pass 0 for costCredits",
            });
        }
        let failed = fields.get("status").and_then(Value::as_text) == Some(FAILED);
        if failed && (cost.is_some() || credit_id.is_some()) {
            return Err(Error::ReadOnlyField {
                field: "status",
                reason: "a failed task keeps no charge; create it with another status, or without one",
            });
        }
        let charge = cost.map(|credits| charge_for_task(&id, &user_id, credits, &fields));
        Ok(Self { id, charge, user_id, credit_id, fields })
    }
}

/// The charge as the app writes it for a media task.
fn charge_for_task(id: &str, user_id: &str, credits: Credits, fields: &Fields) -> ChargeRequest {
    let output_type = fields.get("outputType").and_then(Value::as_text);
    let described = output_type.filter(|kind| !kind.is_empty()).unwrap_or("subtitle");
    // The app's keys in the app's order.
    let metadata = format!(
        r#"{{"type":"media-task","taskId":{},"outputType":{}}}"#,
        serde_json::Value::from(id),
        serde_json::Value::from(output_type),
    );
    let described = [
        ("transactionScene", Value::Text("payment".to_owned())),
        ("description", Value::Text(format!("Media extraction: {described}"))),
        ("metadata", Value::Json(metadata)),
    ];
    ChargeRequest {
        user_id: user_id.to_owned(),
        credits,
        transaction_no: None,
        described: described.into_iter().collect(),
    }
}

/// What the database knows that decides on a new task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTaskFacts {
    /// Whether the task's id is taken.
    pub task_exists: bool,
    /// The charge that [`NewTask::credit_id`] names, if it is there.
    pub named_charge: Option<Charge>,
    /// The user, and the grants if the task costs anything.
    pub funds: ChargeFacts,
}

/// A task that may be written, with its charge.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTaskPlan {
    /// The charge to write first.
    pub charge: Option<ChargePlan>,
    /// The new row of `media_tasks`.
    pub row: Fields,
}

/// Decides on a new task: guards in order of precedence, then its charge.
pub fn plan_new_task(
    task: &NewTask,
    facts: &NewTaskFacts,
    ids: NewIds,
    now_ms: i64,
) -> Result<NewTaskPlan> {
    if !facts.funds.user_exists {
        return Err(Error::UserNotFound { user_id: task.user_id.clone() });
    }
    if facts.task_exists {
        return Err(Error::TaskExists { task_id: task.id.clone() });
    }
    if let Some(credit_id) = &task.credit_id {
        own_charge(credit_id, facts.named_charge.as_ref(), &task.user_id)?;
    }
    let charge = match &task.charge {
        Some(request) => Some(plan_charge(request, &facts.funds, ids, now_ms)?),
        None => None,
    };

    let mut row = task.fields.clone();
    if let Some(charge) = &charge {
        row.set("creditId", Value::Text(charge.id.clone()));
    }
    set_times(&mut row, now_ms);
    Ok(NewTaskPlan { charge, row })
}

/// Sets the times of a new row. `updatedAt` is the time of the write, whatever was passed.
pub(super) fn set_times(row: &mut Fields, now_ms: i64) {
    if matches!(row.get("createdAt"), None | Some(Value::Null)) {
        row.set("createdAt", Value::TimeMs(now_ms));
    }
    row.set("updatedAt", Value::TimeMs(now_ms));
}

/// A charge that a task names must be there and be its user's.
fn own_charge<'a>(id: &str, charge: Option<&'a Charge>, user_id: &str) -> Result<&'a Charge> {
    match charge {
        None => Err(Error::ChargeNotFound { charge_id: id.to_owned() }),
        Some(charge) if charge.user_id != user_id => {
            Err(Error::ChargeOwnerMismatch { charge_id: id.to_owned() })
        }
        Some(charge) => Ok(charge),
    }
}

/// A change of a task that the caller wants written.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPatch {
    /// The task's `id`.
    pub id: String,
    /// The charge that the patch names.
    credit_id: Option<String>,
    /// The columns to change, as passed.
    pub fields: Fields,
}

/// What the database knows of a task that decides on a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFacts {
    /// Whose it is.
    pub user_id: String,
    /// Its status.
    pub status: String,
    /// Its charge.
    pub credit_id: Option<String>,
}

/// A patch that may be written, with its refund.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchPlan {
    /// The refund to write first.
    pub refund: Option<RefundPlan>,
    /// What the caller hears of the refund: there is one (perhaps of 0) whenever the task fails.
    pub refunded: Option<Refund>,
    /// The columns to change.
    pub row: Fields,
}

impl TaskPatch {
    /// Reads the arguments of `updateMediaTaskById`.
    pub fn parse(id: String, fields: Fields) -> Result<Self> {
        let fixed = [
            ("id", "a task keeps its id; leave it out of the patch"),
            ("userId", "a task keeps its user; leave it out of the patch"),
        ];
        for (field, reason) in fixed {
            if fields.get(field).is_some() {
                return Err(Error::ReadOnlyField { field, reason });
            }
        }
        let credit_id = fields.optional_id("creditId")?;
        Ok(Self { id, credit_id, fields })
    }

    /// The charge that the patch names.
    pub fn credit_id(&self) -> Option<&str> {
        self.credit_id.as_deref()
    }

    /// The status that the patch sets.
    fn status(&self) -> Option<&str> {
        self.fields.get("status").and_then(Value::as_text)
    }

    /// Whether this patch makes the task fail.
    pub fn fails(&self) -> bool {
        self.status() == Some(FAILED)
    }

    /// The charge that must be looked at before this patch can be planned: the one that it names, or,
    /// if the task fails, the task's own.
    pub fn charge_to_load<'a>(&'a self, task: &'a TaskFacts) -> Option<&'a str> {
        let own = if self.fails() { task.credit_id.as_deref() } else { None };
        self.credit_id.as_deref().or(own)
    }

    /// Checks the charge that [`Self::charge_to_load`] asked for (`None`: it is not there), and says
    /// what is to be refunded.
    pub fn check_charge(
        &self,
        task: &TaskFacts,
        charge: Option<&Charge>,
    ) -> Result<Option<Refundable>> {
        let charge = match (self.charge_to_load(task), charge) {
            (None, _) => return Ok(None),
            // An old task may name a charge that is gone. It must be able to fail all the same.
            (Some(_), None) if self.credit_id.is_none() => return Ok(None),
            (Some(id), charge) => own_charge(id, charge, &task.user_id)?,
        };
        if self.fails() {
            return Refundable::of(charge);
        }
        if charge.active && self.status().unwrap_or(&task.status) == FAILED {
            return Err(Error::ReadOnlyField {
                field: "creditId",
                reason: "the task has failed, and a failed task keeps no charge; set another status too",
            });
        }
        Ok(None)
    }
}

/// Decides on a patch. `refundable` is what [`TaskPatch::check_charge`] found, `grants` are those of
/// its draws that the user still has.
pub fn plan_patch(
    patch: &TaskPatch,
    refundable: Option<&Refundable>,
    grants: Vec<Grant>,
    now_ms: i64,
) -> PatchPlan {
    let refund = refundable.map(|refundable| plan_refund(refundable, grants, now_ms));
    let refunded =
        patch.fails().then(|| refund.as_ref().map(|plan| plan.refund.clone()).unwrap_or_default());
    let mut row = patch.fields.clone();
    row.set("updatedAt", Value::TimeMs(now_ms));
    PatchPlan { refund, refunded, row }
}

#[cfg(test)]
mod tests;
