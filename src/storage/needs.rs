//! What a request needs of the tables: refused before anything is read or written.

use std::borrow::Cow;

use super::schema::Schema;
use crate::domain::table::TableName::{Credit, Tasks, User};
use crate::domain::table::TaskKind;
use crate::domain::task::{NewTask, Step, TaskPatch};
use crate::domain::value::Fields;
use crate::error::{Error, Result};

/// Where a task keeps its charge. An app that charges for no task may be without it.
const CREDIT_ID: &str = "credit_id";

impl Schema {
    /// For `createMediaTask` and `createAITask`.
    pub fn check_new_task(&self, task: &NewTask) -> Result<()> {
        let table = self.table(Tasks(task.kind))?;
        if task.charge.is_some() || task.credit_id.is_some() {
            self.needs(Tasks(task.kind), CREDIT_ID)?;
        }
        if task.free_trial_limit.is_some() {
            self.needs(Tasks(task.kind), "is_free_trial")?;
            self.needs(User, "free_trial_used")?;
        }
        table.check(&task.fields)?;
        table.check_complete(&task.fields)
    }

    /// For `updateMediaTaskById` and `updateAITaskById`: the patch as it is to be written. What a failure carries
    /// must not hold it up, since the user's credits come back with it.
    pub fn check_patch<'p>(&self, patch: &'p TaskPatch) -> Result<Cow<'p, TaskPatch>> {
        let table = self.table(Tasks(patch.kind))?;
        if patch.credit_id().is_some() {
            self.needs(Tasks(patch.kind), CREDIT_ID)?;
        }
        match table.check(&patch.fields) {
            Err(Error::InvalidValue { .. }) if patch.fails() => {
                let fields = table.mended(&patch.fields);
                table.check(&fields)?;
                Ok(Cow::Owned(patch.with_fields(fields)))
            }
            checked => checked.map(|()| Cow::Borrowed(patch)),
        }
    }

    /// For `chargeMediaTask` and `chargeAITask`.
    pub fn check_step(&self, step: &Step) -> Result<()> {
        if step.credits.is_some() {
            self.needs(Tasks(step.kind), CREDIT_ID)?;
        }
        self.table(Tasks(step.kind))?.check(&step.fields)?;
        self.check_credit(step.described())
    }

    /// For `settleMediaTask` and `settleAITask`.
    pub fn check_settlement_of(&self, kind: TaskKind) -> Result<()> {
        self.needs(Tasks(kind), CREDIT_ID)
    }

    /// For what a caller says of a charge or a grant.
    pub fn check_credit(&self, fields: &Fields) -> Result<()> {
        self.table(Credit)?.check(fields)
    }
}
