//! Repairs of a user's account, where the rows allow only one right value.
//!
//! Three kinds of finding are repaired. Minted credits: a grant that holds too many credits, where refunds of
//! its own charges explain the surplus, is set to what was granted less what its active charges drew. A
//! failed task that is still charged: its charge is refunded. A time in another unit: it is converted. All
//! other findings need an operator who knows what happened.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::audit::{FindingKind, in_right_unit};
use super::books::{Books, ChargeEntry, GrantEntry, TaskEntry, Times, sum};
use super::metadata;
use super::plan::{Plan, Verb};
use super::table::TableName;
use super::value::{Fields, Value, iso8601};

/// Whether findings of this kind can be repaired.
pub fn is_repairable(kind: FindingKind) -> bool {
    matches!(
        kind,
        FindingKind::RefundedMoreThanOnce
            | FindingKind::FailedTaskCharged
            | FindingKind::WrongTimeUnit
    )
}

/// A value to repair.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// The finding.
    pub kind: FindingKind,
    /// The user's id.
    pub user_id: String,
    /// The `id` of the row of `credit`.
    pub credit_id: String,
    /// The column, by its JavaScript name.
    pub column: &'static str,
    /// The stored value.
    pub before: Value,
    /// The repaired value.
    pub after: Value,
    /// A sentence for a reader.
    pub message: String,
}

/// How long ago a task must have failed before its charge is refunded, in milliseconds. The app's own models
/// refund a moment after they write the failure, and would refund a second time.
const SETTLED_AFTER_MS: i64 = 10 * 60 * 1000;

/// All repairs that are possible at this time, in the order in which they must be made.
pub fn fixes(books: &Books, now_ms: i64) -> Vec<Fix> {
    let mut repair = Repair { books, accounts: accounts(books), fixes: Vec::new() };
    // A charge with unreadable draws may have drawn on any grant.
    if !books.hides_draws() {
        repair.take_back_minted();
        repair.refund_failed(now_ms.saturating_sub(SETTLED_AFTER_MS));
    }
    for grant in &books.grants {
        repair.convert_times(&grant.id, &grant.times);
    }
    for charge in &books.charges {
        repair.convert_times(&charge.id, &charge.times);
    }
    repair.fixes
}

/// What a grant should hold.
#[derive(Debug, Clone, Copy)]
struct Account {
    granted: i64,
    remaining: i64,
    /// The draws of active charges.
    drawn: i64,
    /// The credits that repeated refunds added; 0 if refunds do not explain them.
    minted: i64,
}

impl Account {
    fn is_right(&self) -> bool {
        self.granted.checked_sub(self.remaining) == Some(self.drawn) && self.remaining >= 0
    }
}

fn accounts(books: &Books) -> HashMap<&str, Account> {
    let mut drawn = books.drawn_on_grants();
    let mut account = |grant: &GrantEntry| {
        let (granted, remaining) = (grant.credits, grant.remaining);
        let drawn = drawn.remove(grant.id.as_str()).unwrap_or_default();
        let extra = remaining.saturating_sub(granted.saturating_sub(drawn.active));
        let is_minted = remaining > granted
            && drawn.active <= granted
            && !drawn.is_doubtful
            && drawn.explains_minted(extra);
        let minted = if is_minted { extra } else { 0 };
        Account { granted, remaining, drawn: drawn.active, minted }
    };
    books.grants.iter().map(|grant| (grant.id.as_str(), account(grant))).collect()
}

struct Repair<'b> {
    books: &'b Books,
    accounts: HashMap<&'b str, Account>,
    fixes: Vec<Fix>,
}

impl<'b> Repair<'b> {
    fn take_back_minted(&mut self) {
        for grant in &self.books.grants {
            let Some(account) = self.accounts.get_mut(grant.id.as_str()) else { continue };
            let Account { minted, .. } = *account;
            if minted == 0 {
                continue;
            }
            account.remaining -= minted;
            let right = account.remaining;
            let message = format!(
                "takes {minted} credits back from grant {}, to which they were refunded more than once",
                grant.id
            );
            let (before, after) = (Value::Integer(grant.remaining), Value::Integer(right));
            let kind = FindingKind::RefundedMoreThanOnce;
            self.push(kind, &grant.id, ("remainingCredits", before, after), message);
        }
    }

    /// Refunds charges if all tasks that refer to them failed before this time.
    fn refund_failed(&mut self, before_ms: i64) {
        let mut naming: HashMap<&str, Vec<&TaskEntry>> = HashMap::new();
        for task in &self.books.tasks {
            if let Some(credit_id) = task.credit_id.as_deref() {
                naming.entry(credit_id).or_default().push(task);
            }
        }
        let is_over = |task: &&TaskEntry| {
            task.failed && task.times.updated_at_ms.is_some_and(|at_ms| at_ms < before_ms)
        };
        for charge in self.books.active_charges() {
            let Some(tasks) = naming.get(charge.id.as_str()) else { continue };
            let is_theirs = charge.task.as_ref().is_none_or(|(table, id)| {
                tasks.iter().any(|task| TableName::Tasks(task.kind) == *table && task.id == *id)
            });
            if is_theirs && tasks.iter().all(is_over) {
                self.refund(charge);
            }
        }
    }

    /// Refunds a charge, if it and all its grants are consistent.
    fn refund(&mut self, charge: &'b ChargeEntry) {
        let draws = charge.readable_draws();
        let drawn = sum(draws);
        let is_right = |id: &str| self.accounts.get(id).is_some_and(Account::is_right);
        if !charge.adds_up() || !draws.iter().all(|draw| is_right(&draw.credit_id)) {
            return;
        }
        let message =
            format!("refunds charge {} of {drawn} credits, whose task has failed", charge.id);
        let text = |text: &str| Value::Text(text.to_owned());
        let kind = FindingKind::FailedTaskCharged;
        self.push(kind, &charge.id, ("status", text("active"), text("deleted")), message);
        for draw in draws {
            let Some(account) = self.accounts.get_mut(draw.credit_id.as_str()) else { continue };
            let before = account.remaining;
            account.remaining += draw.credits_consumed;
            account.drawn -= draw.credits_consumed;
            let (before, after) = (Value::Integer(before), Value::Integer(account.remaining));
            let message =
                format!("gives {} credits back to grant {}", draw.credits_consumed, draw.credit_id);
            self.push(kind, &draw.credit_id, ("remainingCredits", before, after), message);
        }
    }

    fn convert_times(&mut self, credit_id: &str, times: &Times) {
        for (column, time_ms) in times.named() {
            let Some(right_ms) = in_right_unit(time_ms) else { continue };
            let written = |time_ms| iso8601(time_ms).unwrap_or_else(|| format!("{time_ms} ms"));
            let message = format!(
                "sets {column} of credit {credit_id} to {}, which was {} in another unit",
                written(right_ms),
                written(time_ms)
            );
            let (before, after) = (Value::TimeMs(time_ms), Value::TimeMs(right_ms));
            self.push(FindingKind::WrongTimeUnit, credit_id, (column, before, after), message);
        }
    }

    /// `change` is a column, its stored value and the repaired value.
    fn push(
        &mut self,
        kind: FindingKind,
        credit_id: &str,
        change: (&'static str, Value, Value),
        message: String,
    ) {
        let (column, before, after) = change;
        let user_id = self.books.user_id.clone();
        let credit_id = credit_id.to_owned();
        self.fixes.push(Fix { kind, user_id, credit_id, column, before, after, message });
    }
}

/// Plans the repairs of one user's account. Each row's metadata records what was changed; `metadata` has the
/// current one of each row.
pub fn plan_fixes(fixes: &[Fix], metadata: &HashMap<String, Option<String>>, now_ms: i64) -> Plan {
    // In the order of first mention.
    let mut rows: Vec<(&str, Vec<&Fix>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for fix in fixes {
        let place = *places.entry(&fix.credit_id).or_insert(rows.len());
        match rows.get_mut(place) {
            Some((_, of_row)) => of_row.push(fix),
            None => rows.push((&fix.credit_id, vec![fix])),
        }
    }
    let user_id = fixes.first().map_or("", |fix| &fix.user_id);
    let mut plan = Plan::new(user_id, TableName::Credit, "");
    for (credit_id, fixes) in rows {
        let records: Vec<Json> = fixes.iter().map(|fix| record(fix, now_ms)).collect();
        let before = metadata.get(credit_id).and_then(Option::as_deref);
        let mut fields = Fields::default();
        fields.set("updatedAt", Value::TimeMs(now_ms));
        fields.set("metadata", Value::Json(metadata::with_repaired(before, records)));
        for fix in &fixes {
            fields.set(fix.column, fix.after.clone());
        }
        let refunds = fixes.iter().any(|fix| fix.column == "status");
        let verb = if refunds { Verb::UpdateCharge } else { Verb::Update };
        plan.push(TableName::Credit, verb, credit_id, fields);
    }
    plan
}

fn record(fix: &Fix, now_ms: i64) -> Json {
    json!({
        "kind": fix.kind.as_str(),
        "column": fix.column,
        "before": as_json(&fix.before),
        "after": as_json(&fix.after),
        "at": iso8601(now_ms),
    })
}

/// A repaired value, as JSON.
pub fn as_json(value: &Value) -> Json {
    match value {
        Value::Integer(number) => json!(number),
        // A time outside the range of ISO 8601 is written as a number.
        Value::TimeMs(time_ms) => iso8601(*time_ms).map_or_else(|| json!(time_ms), Json::from),
        other => json!(other.as_text()),
    }
}

/// The `id`s of the `credit` rows that these repairs change, each once.
pub fn changed_ids(fixes: &[Fix]) -> Vec<&str> {
    let mut ids: Vec<&str> = fixes.iter().map(|fix| fix.credit_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
