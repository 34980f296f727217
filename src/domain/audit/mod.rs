//! Audits of a user's account: the invariants of `docs/ledger.md`, checked against the rows as they are.
//!
//! An audit trusts nothing. The rows may come from code that let two requests draw the same credits.

mod claims;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::books::{
    Books, ChargeEntry, Drawn, GrantEntry, LeftOut, RowId, TaskEntry, Times, Unreadable, sum,
};
use super::revocation::State;
use super::table::TableName;

/// The owner of each row that the account refers to but does not contain. A row that is not in here does not
/// exist.
pub type Owners = HashMap<RowId, String>;

/// The kinds of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FindingKind {
    /// A grant's remaining credits are below zero, or above what was granted.
    GrantOutOfRange,
    /// More credits were refunded to a grant than its charges had drawn: credits were minted.
    RefundedMoreThanOnce,
    /// The credits that have left a grant differ from what its active charges drew.
    GrantDrawsDiffer,
    /// A charge's draws do not add up to its amount: it was overdrawn.
    ChargeDrawsDiffer,
    /// A charge's `consumed_detail` can't be read.
    DetailUnreadable,
    /// A charge drew on a grant that does not exist or that belongs to another user.
    DrawOnForeignGrant,
    /// A charge refers to a task that does not exist or that belongs to another user.
    ChargeWithoutTask,
    /// A task refers to a charge that does not exist or that belongs to another user.
    TaskWithoutCharge,
    /// A task has failed but its charge was not refunded.
    FailedTaskCharged,
    /// A task was delivered but its charge was refunded.
    DeliveredTaskRefunded,
    /// A revocation was only partly carried out: its claim holds too few credits, or a grant is closed
    /// without a claim.
    RevocationDiffers,
    /// A charge is a hold without a deadline.
    HoldWithoutDeadline,
    /// A top-up can be spent but was not confirmed, or was confirmed but can't be spent.
    TopUpDiffers,
    /// A time is stored in another unit than milliseconds.
    WrongTimeUnit,
    /// A column holds a value of another type than its own.
    ValueUnreadable,
}

impl FindingKind {
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
            Self::DeliveredTaskRefunded => "delivered-task-refunded",
            Self::RevocationDiffers => "revocation-differs",
            Self::HoldWithoutDeadline => "hold-without-deadline",
            Self::TopUpDiffers => "top-up-differs",
            Self::WrongTimeUnit => "wrong-time-unit",
            Self::ValueUnreadable => "value-unreadable",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub kind: FindingKind,
    /// The user's id.
    pub user_id: String,
    /// The rows: first the wrong one, then those that prove it.
    pub rows: Vec<RowId>,
    /// The numbers that contradict each other, by name.
    pub numbers: Vec<(&'static str, i64)>,
    /// A sentence for a reader.
    pub message: String,
}

/// An audit of one user's account.
#[derive(Debug)]
pub struct Audit<'b> {
    books: &'b Books,
    /// The rows that other rows may refer to.
    held: HashMap<(TableName, &'b str), Role>,
}

/// What a row is, to the rows that refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Grant,
    ActiveCharge,
    RefundedCharge,
    /// A refunded charge whose task may be delivered all the same.
    ForgivenCharge,
    Task,
}

impl<'b> Audit<'b> {
    /// Prepares an audit of this account.
    pub fn of(books: &'b Books) -> Self {
        let Books { grants, charges, tasks, unreadable, .. } = books;
        let mut held = HashMap::with_capacity(grants.len() + charges.len() + tasks.len());
        for grant in grants {
            held.insert((TableName::Credit, grant.id.as_str()), Role::Grant);
        }
        for charge in charges {
            let role = match charge {
                ChargeEntry { active: true, .. } => Role::ActiveCharge,
                ChargeEntry { forgiven: true, .. } => Role::ForgivenCharge,
                _ => Role::RefundedCharge,
            };
            held.insert((TableName::Credit, charge.id.as_str()), role);
        }
        for value in unreadable {
            let role = match value.left_out {
                Some(LeftOut::Grant) => Role::Grant,
                Some(LeftOut::ActiveCharge) => Role::ActiveCharge,
                Some(LeftOut::RefundedCharge) => Role::RefundedCharge,
                None => continue,
            };
            held.insert((value.row.0, value.row.1.as_str()), role);
        }
        for task in tasks {
            held.insert((TableName::Tasks(task.kind), task.id.as_str()), Role::Task);
        }
        Self { books, held }
    }

    /// The rows that the account refers to but does not contain, each once. The caller must look up their
    /// owners.
    pub fn named_elsewhere(&self) -> Vec<RowId> {
        let named = self.books.active_charges().flat_map(|charge| {
            let task = charge.task.as_ref().map(|(table, id)| (*table, id.as_str()));
            let draws = charge.readable_draws().iter();
            draws.map(|draw| (TableName::Credit, draw.credit_id.as_str())).chain(task)
        });
        let named = named.chain(self.books.tasks.iter().filter_map(TaskEntry::charge));
        let mut seen = HashSet::new();
        named
            .filter(|row| !self.held.contains_key(row) && seen.insert(*row))
            .map(|(table, id)| (table, id.to_owned()))
            .collect()
    }

    /// All findings: unreadable values first, then grants, charges and tasks.
    pub fn findings(&self, owners: &Owners) -> Vec<Finding> {
        let mut found = Vec::new();
        for Unreadable { row, field, found: value, left_out } in &self.books.unreadable {
            let (table, id) = (row.0.sql(), &row.1);
            let outcome = if left_out.is_some() { ", so the row is left out" } else { "" };
            let message = format!("{field} of {table} {id} holds {value}{outcome}");
            found.push(self.finding(
                FindingKind::ValueUnreadable,
                vec![row.clone()],
                vec![],
                message,
            ));
        }
        let drawn = self.books.drawn_on_grants();
        let nothing = Drawn::default();
        for grant in &self.books.grants {
            let drawn = drawn.get(grant.id.as_str()).unwrap_or(&nothing);
            self.audit_grant(grant, drawn, &mut found);
            self.audit_times((TableName::Credit, &grant.id), &grant.times, &mut found);
        }
        for charge in &self.books.charges {
            self.audit_times((TableName::Credit, &charge.id), &charge.times, &mut found);
            // A refunded charge holds nothing: its draws went back to their grants.
            if charge.active {
                self.audit_charge(charge, owners, &mut found);
            }
        }
        self.audit_claims(&mut found);
        for id in &self.books.half_top_ups {
            let message = format!("grant {id} is a top-up whose status contradicts its metadata");
            let rows = vec![(TableName::Credit, id.clone())];
            found.push(self.finding(FindingKind::TopUpDiffers, rows, Vec::new(), message));
        }
        for task in &self.books.tasks {
            self.audit_times((TableName::Tasks(task.kind), &task.id), &task.times, &mut found);
            self.audit_task(task, owners, &mut found);
        }
        found
    }

    fn audit_grant(&self, grant: &GrantEntry, drawn: &Drawn, found: &mut Vec<Finding>) {
        let GrantEntry { id, credits, remaining, .. } = grant;
        let row = || (TableName::Credit, id.clone());
        if !(0..=*credits).contains(remaining) {
            let message = format!("grant {id} has {remaining} credits left of {credits}");
            let numbers = vec![("granted", *credits), ("remaining", *remaining)];
            found.push(self.finding(FindingKind::GrantOutOfRange, vec![row()], numbers, message));
        }
        let active = drawn.active;
        let left = credits.saturating_sub(*remaining);
        let mut numbers = vec![("granted", *credits), ("remaining", *remaining), ("drawn", active)];
        let minted = active.saturating_sub(left);
        if drawn.explains_minted(minted) {
            let message = format!(
                "{minted} credits were refunded to grant {id} more than once: {remaining} \
                 are left of {credits}, and its active charges drew {active}"
            );
            let charges =
                drawn.refunded.iter().map(|(id, _)| (TableName::Credit, (*id).to_owned()));
            let rows = std::iter::once(row()).chain(charges).collect();
            numbers.push(("minted", minted));
            found.push(self.finding(FindingKind::RefundedMoreThanOnce, rows, numbers, message));
        } else if left < active
            || (left > active && !self.books.hides_draws() && grant.state != State::Emptied)
        {
            let message = format!(
                "{left} credits are gone from grant {id}, but its active charges drew {active}"
            );
            found.push(self.finding(FindingKind::GrantDrawsDiffer, vec![row()], numbers, message));
        }
    }

    fn audit_charge(&self, charge: &ChargeEntry, owners: &Owners, found: &mut Vec<Finding>) {
        let id = &charge.id;
        let row = || (TableName::Credit, id.clone());
        match &charge.draws {
            Err(reason) => {
                let message = format!("the consumed_detail of charge {id} can't be read: {reason}");
                let numbers = vec![("charged", charge.credits)];
                found.push(self.finding(
                    FindingKind::DetailUnreadable,
                    vec![row()],
                    numbers,
                    message,
                ));
            }
            Ok(draws) if !charge.adds_up() => {
                let drawn = sum(draws);
                let message = format!(
                    "charge {id} took {} credits, but its draws add up to {drawn}",
                    charge.credits
                );
                let numbers = vec![("charged", charge.credits), ("drawn", drawn)];
                found.push(self.finding(
                    FindingKind::ChargeDrawsDiffer,
                    vec![row()],
                    numbers,
                    message,
                ));
            }
            Ok(_) => {}
        }
        if charge.held && charge.times.expires_at_ms.is_none() {
            let message = format!("charge {id} is a hold without a deadline");
            let numbers = vec![("charged", charge.credits)];
            let kind = FindingKind::HoldWithoutDeadline;
            found.push(self.finding(kind, vec![row()], numbers, message));
        }
        for draw in charge.readable_draws() {
            let named = (TableName::Credit, draw.credit_id.as_str());
            if self.held.get(&named) == Some(&Role::Grant) {
                continue;
            }
            let whose = self.whose(named, owners).unwrap_or_else(|| "no grant".to_owned());
            let message = format!("charge {id} drew on grant {}, which is {whose}", named.1);
            let numbers = vec![("drawn", draw.credits_consumed)];
            let rows = vec![row(), (TableName::Credit, draw.credit_id.clone())];
            found.push(self.finding(FindingKind::DrawOnForeignGrant, rows, numbers, message));
        }
        if let Some(task) = &charge.task
            && let Some(whose) = self.whose((task.0, &task.1), owners)
        {
            let message = format!("charge {id} was made for task {}, which is {whose}", task.1);
            let numbers = vec![("charged", charge.credits)];
            let rows = vec![row(), task.clone()];
            found.push(self.finding(FindingKind::ChargeWithoutTask, rows, numbers, message));
        }
    }

    fn audit_task(&self, task: &TaskEntry, owners: &Owners, found: &mut Vec<Finding>) {
        let id = &task.id;
        let Some(named) = task.charge() else { return };
        let (kind, message) = match self.held.get(&named) {
            Some(Role::ActiveCharge) if task.failed => (
                FindingKind::FailedTaskCharged,
                format!("task {id} has failed, but its charge {} was not refunded", named.1),
            ),
            Some(Role::RefundedCharge) if task.delivered => (
                FindingKind::DeliveredTaskRefunded,
                format!("task {id} was delivered, but its charge {} was refunded", named.1),
            ),
            Some(Role::ActiveCharge | Role::RefundedCharge | Role::ForgivenCharge) => return,
            _ => {
                let whose = self.whose(named, owners).unwrap_or_else(|| "no charge".to_owned());
                let message = format!("task {id} names charge {}, which is {whose}", named.1);
                (FindingKind::TaskWithoutCharge, message)
            }
        };
        let row = (TableName::Tasks(task.kind), id.clone());
        let mut rows = vec![row, (named.0, named.1.to_owned())];
        if kind == FindingKind::DeliveredTaskRefunded {
            // The charge may have been refunded for another task that refers to it.
            let others = self.books.tasks.iter().filter(|other| other.failed);
            let others = others.filter(|other| other.charge() == Some(named));
            rows.extend(others.map(|other| (TableName::Tasks(other.kind), other.id.clone())));
        }
        found.push(self.finding(kind, rows, vec![], message));
    }

    fn audit_times(&self, row: (TableName, &str), times: &Times, found: &mut Vec<Finding>) {
        for (column, time_ms) in
            times.named().filter(|(_, time_ms)| in_right_unit(*time_ms).is_some())
        {
            let (table, id) = row;
            let message =
                format!("{column} of {} {id} is in another unit than the others", table.sql());
            let rows = vec![(table, id.to_owned())];
            let numbers = vec![(column, time_ms)];
            found.push(self.finding(FindingKind::WrongTimeUnit, rows, numbers, message));
        }
    }

    fn finding(
        &self,
        kind: FindingKind,
        rows: Vec<RowId>,
        numbers: Vec<(&'static str, i64)>,
        message: String,
    ) -> Finding {
        Finding { kind, user_id: self.books.user_id.clone(), rows, numbers, message }
    }

    /// The owner of a row outside this account; `None` if the row belongs to it.
    fn whose(&self, row: (TableName, &str), owners: &Owners) -> Option<String> {
        if self.held.contains_key(&row) {
            return None;
        }
        Some(match owners.get(&(row.0, row.1.to_owned())) {
            Some(owner) => format!("user {owner}'s"),
            None => "missing".to_owned(),
        })
    }
}

/// The time that was probably meant, if the stored one is implausible and the converted one is plausible.
/// Seconds read as milliseconds fall in January 1970; milliseconds read as seconds fall in the year 50000.
/// The smallest and the largest `Date`, which an app may store for "long ago" and "never", count as valid.
pub fn in_right_unit(time_ms: i64) -> Option<i64> {
    /// 1980 to 9999.
    const PLAUSIBLE_MS: Range<i64> = 315_532_800_000..253_402_300_800_000;
    /// The range of dates of purchases and expiries in real apps: 2010 to 2100.
    const SOLD_MS: Range<i64> = 1_262_304_000_000..4_102_444_800_000;
    if PLAUSIBLE_MS.contains(&time_ms) {
        return None;
    }
    let meant = [time_ms.checked_mul(1000), Some(time_ms.div_euclid(1000))];
    meant.into_iter().flatten().find(|meant_ms| SOLD_MS.contains(meant_ms))
}
