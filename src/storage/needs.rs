//! Checks that the tables have the columns that a request needs, before anything is read or written.

use std::borrow::Cow;

use super::schema::Schema;
use crate::domain::own::{Own, is_filled_in};
use crate::domain::table::TableName::{Credit, Tasks, User};
use crate::domain::table::TaskKind;
use crate::domain::task::{NewTask, StepCharge, TaskPatch};
use crate::domain::value::Fields;
use crate::error::{Error, Result};

/// The column with a task's charge. An app that does not charge for tasks may lack it.
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
        table.check_complete(&task.fields)?;
        match &task.charge {
            Some(charge) => self.check_charge(&charge.described, &charge.own),
            None => Ok(()),
        }
    }

    /// For `updateMediaTaskById` and `updateAITaskById`: returns the patch to write. Invalid values in a
    /// failing patch are replaced instead of rejected, so that they can't prevent the refund.
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
    pub fn check_step(&self, step: &StepCharge) -> Result<()> {
        if step.credits.is_some() {
            self.needs(Tasks(step.kind), CREDIT_ID)?;
        }
        self.table(Tasks(step.kind))?.check(&step.fields)?;
        let (described, own) = step.described();
        match step.credits {
            Some(_) => self.check_charge(described, own),
            None => self.check_own(described, own),
        }
    }

    /// For `settleMediaTask` and `settleAITask`.
    pub fn check_settlement_of(&self, kind: TaskKind) -> Result<()> {
        self.needs(Tasks(kind), CREDIT_ID)
    }

    /// For a new charge: its description and the app's own columns.
    pub fn check_charge(&self, described: &Fields, own: &Own) -> Result<()> {
        self.check_own(described, own)?;
        let table = self.table(Credit)?;
        let is_said = |key: &str| [described, &own.fields].iter().any(|of| of.get(key).is_some());
        let missing = table.columns.iter().find(|column| {
            let is_needed = column.not_null && !column.has_default;
            is_needed && !is_filled_in(&column.key) && !is_said(&column.key)
        });
        match missing {
            None => Ok(()),
            Some(column) => {
                Err(Error::MissingField { table: table.name.to_owned(), field: column.key.clone() })
            }
        }
    }

    /// For a caller's description of a charge and its own columns.
    fn check_own(&self, described: &Fields, own: &Own) -> Result<()> {
        let table = self.table(Credit)?;
        if let Some((name, _)) = own.fields.iter().find(|(name, _)| table.column(name).is_err()) {
            return Err(Error::UnknownField { table: own.of.to_owned(), field: name.to_owned() });
        }
        table.check(described)?;
        table.check(&own.fields)
    }

    /// For a caller's columns of a grant.
    pub fn check_credit(&self, fields: &Fields) -> Result<()> {
        self.table(Credit)?.check(fields)
    }
}
