//! Retries: whether the row with a call's idempotency key was written by the same request.

use super::charge::{Charge, ChargeRequest};
use super::grant::NewGrant;
use super::metadata;
use super::table::TaskKind;
use super::task::NewTask;
use super::top_up::State;
use crate::error::{Error, Result};

/// A row of `credit` with the caller's `transaction_no`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditFacts {
    /// The user's id.
    pub user_id: String,
    /// `grant` or `consume`.
    pub transaction_type: String,
    /// The credits that were granted, or minus those that were charged.
    pub credits: i64,
    /// Whether its `status` is `active`.
    pub active: bool,
    /// Its `metadata`.
    pub metadata: Option<String>,
}

/// Rejects a charge whose `transaction_no` belongs to another charge or to a grant.
pub fn check_charge(request: &ChargeRequest, found: &CreditFacts) -> Result<()> {
    let conflict = |differs| {
        let key = request.transaction_no.clone().unwrap_or_default();
        Err(Error::IdempotencyConflict { field: "transactionNo", value: key, differs })
    };
    if found.transaction_type != "consume" {
        return conflict("it belongs to a grant");
    }
    if found.user_id != request.user_id {
        return conflict("it belongs to another user");
    }
    let took = found.credits.saturating_neg();
    if charged(took, found.metadata.as_deref(), found.active) != request.credits.get() {
        return conflict("the charge is for a different number of credits");
    }
    Ok(())
}

/// Rejects a grant whose `transaction_no` belongs to another grant or to a charge.
pub fn check_grant(grant: &NewGrant, found: &CreditFacts) -> Result<()> {
    let conflict = |differs| {
        let key = grant.transaction_no.clone().unwrap_or_default();
        Err(Error::IdempotencyConflict { field: "transactionNo", value: key, differs })
    };
    if found.transaction_type != "grant" {
        return conflict("it belongs to a charge");
    }
    if found.user_id != grant.user_id {
        return conflict("it belongs to another user");
    }
    if found.credits != grant.credits.get() {
        return conflict("the grant is for a different number of credits");
    }
    // A top-up's claim is not a grant yet, and may never become one.
    let claimed = State::of(found.metadata.as_deref());
    if !found.active && matches!(claimed, Some(State::Open | State::Abandoned)) {
        return conflict("it belongs to a top-up that is not confirmed");
    }
    Ok(())
}

/// Rejects a task whose `id` belongs to another task. `charges` are those of the existing task.
pub fn check_task(task: &NewTask, user_id: &str, charges: &[Charge]) -> Result<()> {
    let conflict =
        |differs| Err(Error::IdempotencyConflict { field: "id", value: task.id.clone(), differs });
    if user_id != task.user_id {
        return conflict("it belongs to another user");
    }
    if cost(task.kind, &task.id, charges)
        != task.charge.as_ref().map_or(0, |charge| charge.credits.get())
    {
        return conflict("the task was created for a different number of credits");
    }
    Ok(())
}

/// The cost of a task at its creation, even if that charge has changed since.
fn cost(kind: TaskKind, id: &str, charges: &[Charge]) -> i64 {
    let created = |charge: &&Charge| {
        let metadata = charge.metadata.as_deref();
        metadata::is_of_creation(kind, metadata)
            && metadata::task_id(kind, metadata).as_deref() == Some(id)
    };
    charges
        .iter()
        .find(created)
        .map_or(0, |charge| charged(charge.credits, charge.metadata.as_deref(), charge.active))
}

fn charged(credits: i64, metadata: Option<&str>, active: bool) -> i64 {
    metadata::settled(metadata, credits, active).map_or(credits, |settled| settled.charged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::value::{Fields, Value};

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn key(more: &[(&'static str, Value)]) -> Fields {
        let key =
            [("userId", text("u")), ("transactionNo", text("7")), ("credits", Value::Integer(10))];
        key.into_iter().chain(more.iter().cloned()).collect()
    }

    fn replay() -> Fields {
        [("replay", Value::Bool(true))].into_iter().collect()
    }

    const SETTLED: Option<&str> = Some(r#"{"settled":{"charged":10,"credits":6}}"#);

    #[test]
    fn a_repeated_charge_or_grant_must_equal_the_first() -> Result<()> {
        let charge = ChargeRequest::parse(&key(&[]), &replay().into())?;
        let grant = NewGrant::parse(key(&[]), &replay())?;
        let (conflict, same) = (Err("IDEMPOTENCY_CONFLICT"), Ok(()));
        let rows = [
            // the existing row: type, user, credits, metadata; the result for a charge, for a grant
            ("consume", "u", -10, None, same, conflict),
            ("consume", "u", -6, SETTLED, same, conflict),
            ("consume", "u", -6, None, conflict, conflict),
            ("consume", "v", -10, None, conflict, conflict),
            ("consume", "u", i64::MIN, None, conflict, conflict),
            ("grant", "u", 10, None, conflict, same),
            ("grant", "u", 11, None, conflict, conflict),
            ("grant", "v", 10, None, conflict, conflict),
        ];
        for (transaction_type, user_id, credits, metadata, as_charge, as_grant) in rows {
            let found = CreditFacts {
                user_id: user_id.into(),
                transaction_type: transaction_type.into(),
                credits,
                active: true,
                metadata: metadata.map(str::to_owned),
            };
            assert_eq!(check_charge(&charge, &found).map_err(|e| e.code()), as_charge, "{found:?}");
            assert_eq!(check_grant(&grant, &found).map_err(|e| e.code()), as_grant, "{found:?}");
        }
        Ok(())
    }

    #[test]
    fn a_repeated_task_must_equal_the_first() -> Result<()> {
        let creation = r#"{"type":"media-task","taskId":"t"}"#;
        let step = r#"{"type":"media-task-step","taskId":"t"}"#;
        let settled = r#"{"type":"media-task","taskId":"t","settled":{"charged":10,"credits":0}}"#;
        let others = r#"{"type":"media-task","taskId":"s"}"#;
        type Charges<'a> = &'a [(i64, &'a str)];
        let rows: [(i64, &str, Charges, Option<&str>); 9] = [
            // cost, the existing task's user and charges; the code
            (10, "u", &[(10, creation)], None),
            (10, "u", &[(10, creation), (5, step)], None),
            (10, "u", &[(10, settled)], None),
            (0, "u", &[(5, step)], None),
            (0, "u", &[], None),
            (10, "u", &[(15, others), (10, creation)], None),
            (10, "u", &[(5, creation)], Some("IDEMPOTENCY_CONFLICT")),
            (10, "u", &[], Some("IDEMPOTENCY_CONFLICT")),
            (10, "v", &[(10, creation)], Some("IDEMPOTENCY_CONFLICT")),
        ];
        for (cost, user_id, charges, code) in rows {
            let fields = [("id", text("t")), ("userId", text("u"))].into_iter().collect();
            let cost = Value::Integer(cost);
            let task = NewTask::parse(TaskKind::Media, fields, Some(&cost), &replay().into())?;
            let charges: Vec<Charge> = charges
                .iter()
                .map(|(credits, metadata)| Charge {
                    id: "c".into(),
                    user_id: "u".into(),
                    active: false,
                    credits: *credits,
                    consumed_detail: None,
                    metadata: Some((*metadata).to_owned()),
                })
                .collect();
            let checked = check_task(&task, user_id, &charges);
            assert_eq!(checked.err().map(|error| error.code()), code, "{charges:?}");
        }
        Ok(())
    }
}
