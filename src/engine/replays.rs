//! Idempotent retries: a call with `replay` whose key is in use returns the row that the first call wrote.

use super::operation::{Charging, Write};
use super::outcome::Outcome;
use crate::domain::charge::{Charge, ChargeRequest};
use crate::domain::grant::NewGrant;
use crate::domain::metadata;
use crate::domain::replay::{CreditFacts, check_charge, check_grant, check_task};
use crate::domain::table::TableName::Tasks;
use crate::domain::table::TaskKind;
use crate::domain::task::NewTask;
use crate::error::{Error, Result};
use crate::storage::Row;
use crate::storage::failure::{Answer, Failure};
use crate::storage::store::Views;

/// Whether a call was rejected because the same call was made before, and may return its row.
pub(super) fn is_duplicate_key(write: &Write, refusal: &Error) -> bool {
    match (write, refusal) {
        (Write::Charge(request), refusal) => is_duplicate_charge_key(request, refusal),
        // If the first of them was made before, all were.
        (Write::AtomicBatch(requests), Error::InBatch { index: 0, error, .. }) => {
            requests.first().is_some_and(|request| is_duplicate_charge_key(request, error))
        }
        (Write::Grant(grant), refusal) => grant.replay && is_taken_key(refusal),
        _ => false,
    }
}

/// The same for a request that charges.
pub(super) fn is_duplicate_charge_key(request: &Charging, refusal: &Error) -> bool {
    let replay = match request {
        Charging::Task(task) => task.replay,
        Charging::Consume(request) => request.replay,
    };
    replay && is_taken_key(refusal)
}

fn is_taken_key(refusal: &Error) -> bool {
    matches!(refusal, Error::TaskExists { .. } | Error::CreditExists { field: "transactionNo", .. })
}

/// Returns what an earlier call with the same key wrote.
pub(super) async fn replay(views: &mut dyn Views, write: &Write) -> Answer<Outcome> {
    match write {
        Write::Charge(request) => replay_charge(views, request).await,
        Write::AtomicBatch(requests) => {
            let mut outcomes = Vec::with_capacity(requests.len());
            for (index, request) in requests.iter().enumerate() {
                let outcome = replay_charge(views, request).await;
                outcomes.push(outcome.map_err(|failure| match failure {
                    Failure::Refused(refusal) => Failure::Refused(refusal.of_item(index)),
                    failure => failure,
                })?);
            }
            Ok(Outcome::All(outcomes))
        }
        Write::Grant(grant) => {
            let number = grant.transaction_no.as_deref().unwrap_or_default();
            Ok(self::grant(grant, views.find_transaction(number).await?)?)
        }
        _ => Err(Error::Internal("this has no key".to_owned()).into()),
    }
}

async fn replay_charge(views: &mut dyn Views, request: &Charging) -> Answer<Outcome> {
    match request {
        Charging::Task(task) => {
            let found = views.find(Tasks(task.kind), &task.id).await?;
            let charges = match &found {
                Some(row) => charges_of(views, task.kind, row).await?,
                None => Vec::new(),
            };
            Ok(self::task(task, found, &charges)?)
        }
        Charging::Consume(request) => {
            let number = request.transaction_no.as_deref().unwrap_or_default();
            Ok(charge(request, views.find_transaction(number).await?)?)
        }
    }
}

/// The existing task, if this call asks for the same one.
fn task(task: &NewTask, found: Option<Row>, charges: &[Row]) -> Result<Outcome> {
    let row = found.ok_or_else(|| gone("id", &task.id))?;
    let charges: Vec<Charge> = charges.iter().map(Row::as_charge).collect();
    check_task(task, &row.id("userId").unwrap_or_default(), &charges)?;
    Ok(Outcome::Replayed(row))
}

/// The existing charge, if this call asks for the same one.
fn charge(request: &ChargeRequest, found: Option<Row>) -> Result<Outcome> {
    let row = found.ok_or_else(|| no_row(request.transaction_no.as_deref()))?;
    check_charge(request, &credit_facts(&row))?;
    Ok(Outcome::Replayed(row))
}

/// The existing grant, if this call asks for the same one.
fn grant(grant: &NewGrant, found: Option<Row>) -> Result<Outcome> {
    let row = found.ok_or_else(|| no_row(grant.transaction_no.as_deref()))?;
    check_grant(grant, &credit_facts(&row))?;
    Ok(Outcome::Replayed(row))
}

fn no_row(transaction_no: Option<&str>) -> Error {
    gone("transactionNo", transaction_no.unwrap_or_default())
}

/// The error if the first request of a batch was made before but this one was not, or if its row was just
/// deleted.
fn gone(field: &'static str, key: &str) -> Error {
    let differs = "another request of the call was made before, and no row has this key";
    Error::IdempotencyConflict { field, value: key.to_owned(), differs }
}

pub(super) fn credit_facts(row: &Row) -> CreditFacts {
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
pub(super) async fn charges_of(
    views: &mut dyn Views,
    kind: TaskKind,
    task: &Row,
) -> Answer<Vec<Row>> {
    let about = About::of(kind, task);
    let charge_id = about.charge_id.as_deref();
    let found = views.charges_about(&about.user_id, charge_id, &about.text).await?;
    Ok(about.only(found))
}

/// Selects a task's charges: the one that it refers to, and those whose metadata has its id.
struct About {
    kind: TaskKind,
    task_id: String,
    user_id: String,
    charge_id: Option<String>,
    /// The task's id as JSON text: charges whose metadata contains it are candidates.
    text: String,
}

impl About {
    fn of(kind: TaskKind, task: &Row) -> Self {
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

    fn only(&self, candidates: Vec<Row>) -> Vec<Row> {
        let is_ours = |row: &Row| {
            row.text("id") == self.charge_id.as_deref()
                || metadata::task_id(self.kind, row.text("metadata")).as_ref()
                    == Some(&self.task_id)
        };
        candidates.into_iter().filter(is_ours).collect()
    }
}
