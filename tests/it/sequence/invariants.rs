//! The invariants of a ledger, computed from its rows.

use std::collections::{HashMap, HashSet};

use media_credits::domain::metadata::{self, regrant_sources};
use media_credits::domain::renewal::WriteOff;
use media_credits::domain::table::TableName::{self, Credit, Tasks, User};
use media_credits::domain::table::TaskKind::{self, Ai, Media};
use media_credits::domain::top_up::is_unconfirmed;
use media_credits::domain::value::Value;
use media_credits::storage::Row;
use proptest::prelude::*;
use proptest::sample::Index;

use super::Checked;
use super::rows::{Ledger, id, pick};
use crate::common::{draws_of, is_active, number, time};

/// Fails if one of them does not hold.
pub(super) fn check(ledger: &Ledger, now_ms: i64) -> Checked {
    check_grants(ledger)?;
    check_spendable(ledger, now_ms)?;
    check_charges(ledger)?;
    check_claims(ledger)?;
    check_tasks(ledger)?;
    check_trials(ledger)
}

/// Granted minus remaining of a grant is what active charges of its user drew.
fn check_grants(ledger: &Ledger) -> Checked {
    let mut drawn: HashMap<(String, &str), i64> = HashMap::new();
    for charge in ledger.charges().filter(|row| is_active(row)) {
        for (grant, credits) in draws_of(charge) {
            *drawn.entry((grant, charge.text("userId").unwrap())).or_default() += credits;
        }
    }
    for grant in ledger.grants() {
        let (granted, left) = (number(grant, "credits"), number(grant, "remainingCredits"));
        prop_assert!((0..=granted).contains(&left), "{left} of {granted} in {}", id(grant));
        let key = (id(grant).to_owned(), grant.text("userId").unwrap());
        prop_assert_eq!(granted - left, drawn.remove(&key).unwrap_or(0), "{}", id(grant));
    }
    prop_assert!(drawn.is_empty(), "drawn on what the user does not have: {drawn:?}");
    Ok(())
}

/// The balance, and the draws of active charges, were granted once: grants in place of other grants
/// do not count, and unconfirmed claims do not either.
fn check_spendable(ledger: &Ledger, now_ms: i64) -> Checked {
    let mut most: HashMap<&str, i64> = HashMap::new();
    for grant in ledger.grants() {
        let metadata = grant.text("metadata");
        let user = most.entry(grant.text("userId").unwrap()).or_default();
        if regrant_sources(metadata).is_empty()
            && !is_unconfirmed(grant.text("status").unwrap(), metadata)
        {
            *user += number(grant, "credits");
        }
        if is_active(grant) && time(grant, "expiresAt").is_none_or(|end_ms| end_ms > now_ms) {
            *user -= number(grant, "remainingCredits");
        }
    }
    for charge in ledger.charges().filter(|row| is_active(row)) {
        let drawn: i64 = draws_of(charge).iter().map(|(_, credits)| credits).sum();
        // What was granted again in place of a grant's credits is written off the grant: it is not spent.
        let anew: i64 = WriteOff::anew(charge.text("metadata")).unwrap_or_default().values().sum();
        *most.entry(charge.text("userId").unwrap()).or_default() -= drawn - anew;
    }
    for (user, left) in most {
        prop_assert!(left >= 0, "{user} has {} more than was granted", -left);
    }
    Ok(())
}

/// Grants that are revoked as a whole are closed, and only revocations that stand close grants.
fn check_claims(ledger: &Ledger) -> Checked {
    let mut named: HashSet<String> = HashSet::new();
    let standing = ledger.charges().filter(|row| is_active(row));
    for terms in standing.filter_map(|row| metadata::claim(row.text("metadata"))) {
        let of_terms = |grant: &&Row| terms.grants.iter().any(|named| named == id(grant));
        let granted: i64 = ledger.grants().filter(of_terms).map(|row| number(row, "credits")).sum();
        let is_whole = granted > 0 && terms.total >= granted;
        let open = ledger.grants().filter(of_terms).find(|grant| is_active(grant));
        prop_assert!(!is_whole || open.is_none(), "{:?} is claimed", open.map(id));
        named.extend(terms.grants);
    }
    for grant in ledger.grants() {
        let is_closed = grant.text("status") == Some("deleted")
            && metadata::status_before(grant.text("metadata")).is_some();
        prop_assert!(!is_closed || named.contains(id(grant)), "{} is closed", id(grant));
    }
    Ok(())
}

/// A charge took what it drew, for a task of its user if its metadata names one.
fn check_charges(ledger: &Ledger) -> Checked {
    for charge in ledger.charges() {
        if is_active(charge) {
            let took: i64 = draws_of(charge).iter().map(|(_, credits)| credits).sum();
            prop_assert_eq!(took, -number(charge, "credits"), "{}", id(charge));
        }
        if let Some((kind, task)) = task_of(charge) {
            let task = ledger.find(Tasks(kind), &task);
            let owner = task.and_then(|task| task.text("userId"));
            prop_assert_eq!(owner, charge.text("userId"), "the task of {}", id(charge));
        }
    }
    Ok(())
}

/// The task that a charge was made for, if its metadata names one.
fn task_of(charge: &Row) -> Option<(TaskKind, String)> {
    let metadata: serde_json::Value = serde_json::from_str(charge.text("metadata")?).ok()?;
    let id = metadata["taskId"].as_str()?.to_owned();
    Some((if metadata["type"].as_str()?.starts_with("ai-") { Ai } else { Media }, id))
}

/// A task's charge exists and belongs to its user, and is not active if the task has failed.
fn check_tasks(ledger: &Ledger) -> Checked {
    for (_, task) in ledger.tasks() {
        let Some(charge) = task.text("creditId") else { continue };
        let charge = ledger.find(Credit, charge);
        let owner = charge.and_then(|charge| charge.text("userId"));
        prop_assert_eq!(owner, task.text("userId"), "the charge of {}", id(task));
        let has_failed = task.text("status") == Some("failed");
        prop_assert!(!has_failed || !charge.is_some_and(is_active), "{} is charged", id(task));
    }
    Ok(())
}

/// Each task that used a trial and has not failed is counted. Those whose further step has failed are not trials any
/// more, and stay counted.
fn check_trials(ledger: &Ledger) -> Checked {
    for user in ledger.of_table(User) {
        let takes_one = |task: &&Row| {
            task.text("userId") == Some(id(user))
                && task.get("isFreeTrial") == Some(&Value::Bool(true))
                && task.text("status") != Some("failed")
        };
        let taken = ledger.of_table(Tasks(Media)).filter(takes_one).count();
        prop_assert!(number(user, "freeTrialUsed") >= i64::try_from(taken)?, "{}", id(user));
    }
    Ok(())
}

/// A task whose charge a repair refunds if it has failed: no other task names the charge.
pub(super) fn repairable(ledger: &Ledger, index: &Index) -> Option<(TableName, String)> {
    let names = |task: &Row, charge: &Row| task.text("creditId") == Some(id(charge));
    let is_one = |(table, task): &&(TableName, Row)| {
        let charge = ledger.charges().find(|charge| is_active(charge) && names(task, charge));
        charge.is_some_and(|charge| {
            ledger.tasks().filter(|(_, task)| names(task, charge)).count() == 1
                && task_of(charge)
                    .is_none_or(|(kind, other)| (Tasks(kind), other.as_str()) == (*table, id(task)))
        })
    };
    let (table, task) = pick(ledger.tasks().filter(is_one), index)?;
    Some((*table, id(task).to_owned()))
}
