//! What is wrong with somebody's books: the invariants of `docs/ledger.md`, held against rows as they are.
//!
//! An audit trusts nothing. The rows may come from code that let two requests draw the same credits.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::books::{Books, ChargeEntry, Drawn, GrantEntry, RowId, TaskEntry, Times, sum};
use super::table::TableName;

/// Whose the rows are that these books name and do not hold. What is not in here is nowhere.
pub type Owners = HashMap<RowId, String>;

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Less than nothing is left of a grant, or more than was granted.
    GrantOutOfRange,
    /// More credits came back to a grant than its charges had drawn: they were minted.
    RefundedMoreThanOnce,
    /// What left a grant is not what its active charges drew.
    GrantDrawsDiffer,
    /// A charge's draws do not add up to what it took: it was overdrawn.
    ChargeDrawsDiffer,
    /// A charge's `consumed_detail` can't be read.
    DetailUnreadable,
    /// A charge drew on a grant that is not there, or on another user's.
    DrawOnForeignGrant,
    /// A charge was made for a task that is not there, or for another user's.
    ChargeWithoutTask,
    /// A task names a charge that is not there, or another user's.
    TaskWithoutCharge,
    /// A task has failed and its charge was not refunded.
    FailedTaskCharged,
    /// A time in another unit than the others.
    WrongTimeUnit,
}

impl Kind {
    /// The kind as JavaScript reads it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GrantOutOfRange => "grant-out-of-range",
            Self::RefundedMoreThanOnce => "refunded-more-than-once",
            Self::GrantDrawsDiffer => "grant-draws-differ",
            Self::ChargeDrawsDiffer => "charge-draws-differ",
            Self::DetailUnreadable => "detail-unreadable",
            Self::DrawOnForeignGrant => "draw-on-foreign-grant",
            Self::ChargeWithoutTask => "charge-without-task",
            Self::TaskWithoutCharge => "task-without-charge",
            Self::FailedTaskCharged => "failed-task-charged",
            Self::WrongTimeUnit => "wrong-time-unit",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// Whose books.
    pub user_id: String,
    /// The rows: the one that is wrong, then those that show it.
    pub rows: Vec<RowId>,
    /// The numbers that do not fit, by their names.
    pub numbers: Vec<(&'static str, i64)>,
    /// The same as a sentence.
    pub message: String,
}

/// An audit of one user's books.
#[derive(Debug, Clone, Copy)]
pub struct Audit<'b>(pub &'b Books);

impl Audit<'_> {
    /// The rows that the books name and do not hold, each once. Somebody must look for their owners.
    pub fn named_elsewhere(&self) -> Vec<RowId> {
        let held = self.held();
        let draws = self.0.active_charges().flat_map(ChargeEntry::readable_draws);
        let draws = draws.map(|draw| (TableName::Credit, draw.credit_id.clone()));
        let tasks = self.0.active_charges().filter_map(|charge| charge.task.clone());
        let charges = self.0.tasks.iter().filter_map(TaskEntry::charge);
        let mut seen = HashSet::new();
        draws
            .chain(tasks)
            .chain(charges)
            .filter(|(table, id)| !held.contains(&(*table, id.as_str())))
            .filter(|row| seen.insert(row.clone()))
            .collect()
    }

    /// Everything that is wrong: grants first, then charges, then tasks.
    pub fn findings(&self, owners: &Owners) -> Vec<Finding> {
        let mut findings = Vec::new();
        let drawn = self.0.drawn_on_grants();
        for grant in &self.0.grants {
            self.audit_grant(grant, drawn.get(grant.id.as_str()), &mut findings);
        }
        let held = self.held();
        let grants: HashSet<&str> = self.0.grants.iter().map(|grant| grant.id.as_str()).collect();
        for charge in &self.0.charges {
            self.audit_charge(charge, &grants, &mut findings, |row| whose(row, &held, owners));
        }
        let active: HashSet<&str> =
            self.0.active_charges().map(|charge| charge.id.as_str()).collect();
        let charges: HashSet<&str> =
            self.0.charges.iter().map(|charge| charge.id.as_str()).collect();
        for task in &self.0.tasks {
            self.audit_task(task, &charges, &active, &mut findings, |row| {
                whose(row, &held, owners)
            });
        }
        findings
    }

    fn audit_grant(&self, grant: &GrantEntry, drawn: Option<&Drawn>, found: &mut Vec<Finding>) {
        let GrantEntry { id, credits, remaining, times, .. } = grant;
        let row = (TableName::Credit, id.clone());
        let numbers = vec![("granted", *credits), ("remaining", *remaining)];
        if !(0..=*credits).contains(remaining) {
            let message = format!("grant {id} has {remaining} credits left of {credits}");
            found.push(self.finding(
                Kind::GrantOutOfRange,
                vec![row.clone()],
                numbers.clone(),
                message,
            ));
        }
        let nothing = Drawn::default();
        let drawn = drawn.unwrap_or(&nothing);
        let active = drawn.active;
        let left = credits.saturating_sub(*remaining);
        let numbers = [numbers, vec![("drawn", active)]].concat();
        let minted = active.saturating_sub(left);
        if drawn.explains_minted(minted) {
            let message = format!(
                "{minted} credits came back to grant {id} that had come back before: {remaining} \
                 are left of {credits}, and its active charges drew {active}"
            );
            let charges =
                drawn.refunded.iter().map(|(id, _)| (TableName::Credit, (*id).to_owned()));
            let rows = std::iter::once(row.clone()).chain(charges).collect();
            let numbers = [numbers, vec![("minted", minted)]].concat();
            found.push(self.finding(Kind::RefundedMoreThanOnce, rows, numbers, message));
        } else if left < active || (left > active && !self.0.hides_draws()) {
            let message = format!(
                "{left} credits have left grant {id}, and its active charges drew {active}"
            );
            found.push(self.finding(Kind::GrantDrawsDiffer, vec![row.clone()], numbers, message));
        }
        self.audit_times(row, times, found);
    }

    fn audit_charge(
        &self,
        charge: &ChargeEntry,
        grants: &HashSet<&str>,
        found: &mut Vec<Finding>,
        whose: impl Fn(&RowId) -> Option<String>,
    ) {
        let id = &charge.id;
        let row = (TableName::Credit, id.clone());
        self.audit_times(row.clone(), &charge.times, found);
        // A refunded charge is history: what it drew has gone back.
        if !charge.active {
            return;
        }
        match &charge.draws {
            Err(reason) => {
                let message = format!("the consumed_detail of charge {id} can't be read: {reason}");
                let numbers = vec![("charged", charge.credits)];
                found.push(self.finding(
                    Kind::DetailUnreadable,
                    vec![row.clone()],
                    numbers,
                    message,
                ));
            }
            Ok(draws) => {
                let drawn = sum(draws);
                if drawn != charge.credits {
                    let message = format!(
                        "charge {id} took {} credits, and its draws add up to {drawn}",
                        charge.credits
                    );
                    let numbers = vec![("charged", charge.credits), ("drawn", drawn)];
                    found.push(self.finding(
                        Kind::ChargeDrawsDiffer,
                        vec![row.clone()],
                        numbers,
                        message,
                    ));
                }
                for draw in draws {
                    if grants.contains(draw.credit_id.as_str()) {
                        continue;
                    }
                    let grant = (TableName::Credit, draw.credit_id.clone());
                    let whose = whose(&grant).unwrap_or_else(|| "no grant".to_owned());
                    let message =
                        format!("charge {id} drew on grant {}, which is {whose}", draw.credit_id);
                    let numbers = vec![("drawn", draw.credits_consumed)];
                    let rows = vec![row.clone(), grant];
                    found.push(self.finding(Kind::DrawOnForeignGrant, rows, numbers, message));
                }
            }
        }
        if let Some(task) = &charge.task
            && let Some(whose) = whose(task)
        {
            let message = format!("charge {id} was made for task {}, which is {whose}", task.1);
            let numbers = vec![("charged", charge.credits)];
            found.push(self.finding(
                Kind::ChargeWithoutTask,
                vec![row, task.clone()],
                numbers,
                message,
            ));
        }
    }

    fn audit_task(
        &self,
        task: &TaskEntry,
        charges: &HashSet<&str>,
        active: &HashSet<&str>,
        found: &mut Vec<Finding>,
        whose: impl Fn(&RowId) -> Option<String>,
    ) {
        let id = &task.id;
        let row = (TableName::Tasks(task.kind), id.clone());
        self.audit_times(row.clone(), &task.times, found);
        let Some(charge) = task.charge() else { return };
        let named = charge.1.clone();
        if !charges.contains(named.as_str()) {
            let whose = whose(&charge).unwrap_or_else(|| "no charge".to_owned());
            let message = format!("task {id} names charge {named}, which is {whose}");
            found.push(self.finding(Kind::TaskWithoutCharge, vec![row, charge], vec![], message));
        } else if task.failed && active.contains(named.as_str()) {
            let message = format!("task {id} has failed, and its charge {named} was not refunded");
            found.push(self.finding(Kind::FailedTaskCharged, vec![row, charge], vec![], message));
        }
    }

    fn audit_times(&self, row: RowId, times: &Times, found: &mut Vec<Finding>) {
        for (column, time_ms) in
            times.named().filter(|(_, time_ms)| in_right_unit(*time_ms).is_some())
        {
            let (table, id) = (row.0.sql(), &row.1);
            let message = format!("{column} of {table} {id} is in another unit than the others");
            let numbers = vec![(column, time_ms)];
            found.push(self.finding(Kind::WrongTimeUnit, vec![row.clone()], numbers, message));
        }
    }

    fn finding(
        &self,
        kind: Kind,
        rows: Vec<RowId>,
        numbers: Vec<(&'static str, i64)>,
        message: String,
    ) -> Finding {
        Finding { kind, user_id: self.0.user_id.clone(), rows, numbers, message }
    }

    /// The rows that others may name.
    fn held(&self) -> Held<'_> {
        let Books { grants, charges, tasks, .. } = self.0;
        let grants = grants.iter().map(|grant| (TableName::Credit, grant.id.as_str()));
        let charges = charges.iter().map(|charge| (TableName::Credit, charge.id.as_str()));
        let tasks = tasks.iter().map(|task| (TableName::Tasks(task.kind), task.id.as_str()));
        grants.chain(charges).chain(tasks).collect()
    }
}

/// The rows of some books that others may name.
type Held<'b> = HashSet<(TableName, &'b str)>;

/// Whose a row is that is not in these books; `None` if it is.
fn whose(row: &RowId, held: &Held<'_>, owners: &Owners) -> Option<String> {
    if held.contains(&(row.0, row.1.as_str())) {
        return None;
    }
    Some(match owners.get(row) {
        Some(owner) => format!("user {owner}'s"),
        None => "not there".to_owned(),
    })
}

/// The time that was meant by one in the wrong unit, if one is plausible and the other is not. Seconds read as
/// milliseconds are in January 1970, milliseconds read as seconds in the year 50000. The first and the last time
/// that JavaScript has, which an app may write for "long ago" and "never", are what they are.
pub fn in_right_unit(time_ms: i64) -> Option<i64> {
    /// 1980 to 9999.
    const PLAUSIBLE_MS: Range<i64> = 315_532_800_000..253_402_300_800_000;
    /// Apps have been selling credits since, and nobody sells any that expire after that.
    const SOLD_MS: Range<i64> = 1_262_304_000_000..4_102_444_800_000;
    if PLAUSIBLE_MS.contains(&time_ms) {
        return None;
    }
    let meant = [time_ms.checked_mul(1000), Some(time_ms.div_euclid(1000))];
    meant.into_iter().flatten().find(|meant_ms| SOLD_MS.contains(meant_ms))
}
