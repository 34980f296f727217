//! Retries: a call with `replay` that meets its own key gets what the first one wrote.

use super::Outcome;
use crate::domain::charge::{Charge, ChargeRequest};
use crate::domain::grant::NewGrant;
use crate::domain::metadata;
use crate::domain::replay::{CreditFacts, check_charge, check_grant, check_task};
use crate::domain::table::TaskKind;
use crate::domain::task::NewTask;
use crate::error::{Error, Result};
use crate::storage::Row;
#[cfg(feature = "sqlite")]
use crate::storage::Views;

/// Whether a call was refused because its key is taken.
pub(super) fn met_its_key(refusal: &Error) -> bool {
    matches!(refusal, Error::TaskExists { .. } | Error::CreditExists { field: "transactionNo", .. })
}

/// The task that is there, if it is the one that this call asks for.
pub(super) fn task(task: &NewTask, found: Option<Row>, charges: &[Row]) -> Result<Outcome> {
    let row = found.ok_or_else(|| gone("id", &task.id))?;
    let charges: Vec<Charge> = charges.iter().map(Row::as_charge).collect();
    check_task(task, &row.id("userId").unwrap_or_default(), &charges)?;
    Ok(Outcome::Replayed(row))
}

/// The charge that is there, if it is the one that this call asks for.
pub(super) fn charge(request: &ChargeRequest, found: Option<Row>) -> Result<Outcome> {
    let row = found.ok_or_else(|| no_row(request.transaction_no.as_deref()))?;
    check_charge(request, &credit_facts(&row))?;
    Ok(Outcome::Replayed(row))
}

/// The grant that is there, if it is the one that this call asks for.
pub(super) fn grant(grant: &NewGrant, found: Option<Row>) -> Result<Outcome> {
    let row = found.ok_or_else(|| no_row(grant.transaction_no.as_deref()))?;
    check_grant(grant, &credit_facts(&row))?;
    Ok(Outcome::Replayed(row))
}

fn no_row(transaction_no: Option<&str>) -> Error {
    gone("transactionNo", transaction_no.unwrap_or_default())
}

/// Of requests that go together the first was made before, and this one was not; or its row has just
/// been deleted.
fn gone(field: &'static str, key: &str) -> Error {
    let differs = "nothing has this key, while the call was made before";
    Error::IdempotencyConflict { field, value: key.to_owned(), differs }
}

fn credit_facts(row: &Row) -> CreditFacts {
    let text = |key| row.text(key).map(str::to_owned);
    CreditFacts {
        user_id: row.id("userId").unwrap_or_default().into_owned(),
        transaction_type: text("transactionType").unwrap_or_default(),
        credits: row.integer("credits").unwrap_or_default(),
        active: row.text("status") == Some("active"),
        metadata: text("metadata"),
    }
}

/// All charges of a task, oldest first.
#[cfg(feature = "sqlite")]
pub(super) fn charges_of(views: &mut impl Views, kind: TaskKind, task: &Row) -> Result<Vec<Row>> {
    let about = About::of(kind, task);
    let found = views.charges_about(&about.user_id, about.charge_id.as_deref(), &about.text)?;
    Ok(about.only(found))
}

/// Which charges are a task's: the one that it names, and those whose metadata names it.
pub(super) struct About {
    kind: TaskKind,
    task_id: String,
    pub(super) user_id: String,
    pub(super) charge_id: Option<String>,
    /// The task's id as it stands in JSON: what holds it is a candidate.
    pub(super) text: String,
}

impl About {
    pub(super) fn of(kind: TaskKind, task: &Row) -> Self {
        let id = |key| task.id(key).unwrap_or_default().into_owned();
        let task_id = id("id");
        let json = serde_json::Value::from(task_id.as_str()).to_string();
        Self {
            kind,
            user_id: id("userId"),
            charge_id: task.text("creditId").map(str::to_owned),
            text: json.trim_matches('"').to_owned(),
            task_id,
        }
    }

    pub(super) fn only(&self, candidates: Vec<Row>) -> Vec<Row> {
        let is_ours = |row: &Row| {
            row.text("id") == self.charge_id.as_deref()
                || metadata::task_id(self.kind, row.text("metadata")).as_ref()
                    == Some(&self.task_id)
        };
        candidates.into_iter().filter(is_ours).collect()
    }
}
