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

/// The status that gives a task's credits back.
pub const FAILED: &str = "failed";

/// What the database knows of a task that decides on its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFacts {
    /// Its family.
    pub user_id: String,
    /// Its status.
    pub status: String,
    /// Its charge.
    pub credit_id: Option<String>,
    /// When it was last written, or why that can't be read.
    pub updated_at_ms: Result<i64>,
    /// Whether it says that it is a free trial; `None` where the tables can't count them.
    pub free_trial: Option<bool>,
}

impl TaskFacts {
    /// By how many the user's free trials rise with this row of a patch. A task that says that it is one
    /// counts until it has failed: it gives its trial back then, and takes it again if it is worked on after
    /// all. So a trial comes back once, however often the task fails. Where a further step fails, the user
    /// has what the trial was taken for: it is used up, and the task is none any more.
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

/// Whether a value is true, in any form that a column of booleans takes.
fn is_true(value: &Value) -> bool {
    *in_form(Kind::Boolean, value) == Value::Bool(true)
}

/// A task and a charge belong together if they say so, or if the charge says nothing: if it names no other task.
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

/// A charge that a task names must be there and be its user's.
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
