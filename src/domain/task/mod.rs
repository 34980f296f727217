//! Planning a task's creation, its updates and its further steps: what is charged, what is refunded,
//! what is written.

mod new;
mod patch;
mod step;

use super::charge::Charge;
use super::value::{Fields, Value};
use crate::error::{Error, Result};

pub use new::{NewTask, NewTaskFacts, plan_new_task};
pub use patch::{TaskPatch, plan_patch};
pub use step::{Step, plan_step};

/// The status that gives a task's credits back.
pub const FAILED: &str = "failed";

/// What the database knows of a task that decides on its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFacts {
    /// Whose it is.
    pub user_id: String,
    /// Its status.
    pub status: String,
    /// Its charge.
    pub credit_id: Option<String>,
    /// When it was last written.
    pub updated_at_ms: i64,
    /// Whether it took one of its user's free trials.
    pub free_trial: bool,
}

impl TaskFacts {
    /// By how many the user's free trials rise when the task gets this status, if it gets one. A failed task
    /// gives its trial back, and takes it again if it is worked on after all: so a trial comes back once,
    /// however often the task fails.
    fn free_trials(&self, status: Option<&str>) -> i64 {
        let counts = |status: &str| i64::from(self.free_trial && status != FAILED);
        counts(status.unwrap_or(&self.status)) - counts(&self.status)
    }
}

/// Sets the times of a new row. `updatedAt` is the time of the write, whatever was passed.
pub(super) fn set_times(row: &mut Fields, now_ms: i64) {
    if matches!(row.get("createdAt"), None | Some(Value::Null)) {
        row.set("createdAt", Value::TimeMs(now_ms));
    }
    row.set("updatedAt", Value::TimeMs(now_ms));
}

/// A charge that a task names must be there and be its user's.
pub(super) fn own_charge<'a>(
    id: &str,
    charge: Option<&'a Charge>,
    user_id: &str,
) -> Result<&'a Charge> {
    match charge {
        None => Err(Error::ChargeNotFound { charge_id: id.to_owned() }),
        Some(charge) if charge.user_id != user_id => {
            Err(Error::ChargeOwnerMismatch { charge_id: id.to_owned() })
        }
        Some(charge) => Ok(charge),
    }
}

#[cfg(test)]
mod tests;
