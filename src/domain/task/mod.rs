//! Planning a task's creation, updates and further steps: charges, refunds and rows.

mod new;
mod patch;
mod step;

use super::charge::Charge;
use super::column::{Kind, in_form};
use super::table::TaskKind;
use super::value::{Fields, Value};
use crate::echo::echo;
use crate::error::{Error, Result};

pub use new::{NewTask, NewTaskFacts, plan_new_task};
pub use patch::{OnCharge, TaskPatch, plan_patch};
pub use step::{StepCharge, plan_step_charge};

/// The status of a failed task, whose credits are refunded.
pub const FAILED: &str = "failed";

/// The facts from the database that decide the changes of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFacts {
    /// The user's id.
    pub user_id: String,
    /// Its status.
    pub status: String,
    /// The `id` of its charge.
    pub credit_id: Option<String>,
    /// When it was last changed, or why that can't be read.
    pub updated_at_ms: Result<i64>,
    /// Whether it uses a free trial; `None` if the tables lack the columns to count them.
    pub free_trial: Option<bool>,
}

impl TaskFacts {
    /// The change in the user's number of used free trials. A task with a trial counts until it fails: then
    /// the trial is returned, and it is used again if work on the task resumes. So a trial is returned once,
    /// however often the task fails. If a further step fails, the user keeps the result that the trial was
    /// used for: the trial stays used, and the task is no longer marked as a trial.
    fn free_trials(&self, kind: TaskKind, row: &mut Fields) -> i64 {
        let Some(free_trial) = self.free_trial else { return 0 };
        let status = row.get("status").and_then(Value::as_text).unwrap_or(&self.status);
        if free_trial && status == FAILED && kind.is_further_step(&self.status) {
            row.set("isFreeTrial", Value::Bool(false));
            return 0;
        }
        let says_so = row.get("isFreeTrial").map_or(free_trial, is_true);
        i64::from(says_so && status != FAILED) - i64::from(free_trial && self.status != FAILED)
    }
}

/// Whether a value is true, in any form that a boolean column accepts.
fn is_true(value: &Value) -> bool {
    *in_form(Kind::Boolean, value) == Value::Bool(true)
}

/// Checks that a charge was not made for another task.
pub(super) fn check_made_for(charge: &Charge, other: Option<(TaskKind, String)>) -> Result<()> {
    match other {
        None => Ok(()),
        Some((other, other_id)) => Err(Error::ChargeOwnerMismatch {
            charge_id: charge.id.clone(),
            owner: format!(
                "this task: it was made for {} task {:?}",
                other.as_str(),
                echo(&other_id)
            ),
        }),
    }
}

/// The charge that a task refers to: it must exist and belong to the same user.
pub(super) fn own_charge<'a>(
    id: &str,
    charge: Option<&'a Charge>,
    user_id: &str,
) -> Result<&'a Charge> {
    match charge.filter(|charge| !charge.is_bookkeeping()) {
        None => Err(Error::ChargeNotFound { charge_id: id.to_owned() }),
        Some(charge) if charge.user_id != user_id => Err(Error::ChargeOwnerMismatch {
            charge_id: id.to_owned(),
            owner: "the task's user".to_owned(),
        }),
        Some(charge) => Ok(charge),
    }
}

#[cfg(test)]
mod tests;
