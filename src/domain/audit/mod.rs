//! What is wrong with somebody's books: the invariants of `docs/ledger.md`, held against rows as they are.
//!
//! An audit trusts nothing. The rows may come from code that let two requests draw the same credits.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use super::charge::{Charge, WrittenDraw, read_detail};
use super::metadata;
use super::table::{TableName, TaskKind};

/// One user's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// Whose.
    pub user_id: String,
    /// What was granted.
    pub grants: Vec<GrantEntry>,
    /// What was charged.
    pub charges: Vec<ChargeEntry>,
    /// What it was charged for.
    pub tasks: Vec<TaskEntry>,
}

/// A grant, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantEntry {
    /// Its `id`.
    pub id: String,
    /// What was granted.
    pub credits: i64,
    /// What is left of it.
    pub remaining: i64,
    /// Its times.
    pub times: Times,
}

/// A charge, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeEntry {
    /// The charge.
    pub charge: Charge,
    /// Its times.
    pub times: Times,
}

/// A task, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEntry {
    /// Its kind.
    pub kind: TaskKind,
    /// Its `id`.
    pub id: String,
    /// Whether its `status` is `failed`.
    pub failed: bool,
    /// The charge that it names.
    pub credit_id: Option<String>,
    /// Its times.
    pub times: Times,
}

/// The times of a row: columns by their names in JavaScript, and epoch milliseconds.
pub type Times = Vec<(&'static str, i64)>;

/// A row of some table.
pub type RowId = (TableName, String);

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

/// Books whose draws were read, once.
#[derive(Debug)]
pub struct Audit {
    books: Books,
    /// Of each charge, or why they can't be read.
    draws: Vec<Result<Vec<WrittenDraw>, String>>,
}

impl Audit {
    /// Reads the books.
    pub fn new(books: Books) -> Self {
        let read = |entry: &ChargeEntry| {
            read_detail(&entry.charge).map_err(|error| match error {
                crate::error::Error::ChargeCorrupt { reason, .. } => reason,
                other => other.to_string(),
            })
        };
        let draws = books.charges.iter().map(read).collect();
        Self { books, draws }
    }

    /// The rows that the books name and do not hold, each once. Somebody must look for their owners.
    pub fn named_elsewhere(&self) -> Vec<RowId> {
        let held = self.held();
        let draws =
            self.active_draws().map(|(_, draw)| (TableName::Credit, draw.credit_id.clone()));
        let tasks = self.active_charges().filter_map(|(charge, _)| task_of(charge));
        let charges = self.books.tasks.iter().filter_map(charge_of);
        let mut seen = HashSet::new();
        draws
            .chain(tasks)
            .chain(charges)
            .filter(|row| !held.contains(row) && seen.insert(row.clone()))
            .collect()
    }

    /// Everything that is wrong: grants first, then charges, then tasks.
    pub fn findings(&self, owners: &Owners) -> Vec<Finding> {
        let mut findings = Vec::new();
        let drawn = self.drawn_on_grants();
        for grant in &self.books.grants {
            self.audit_grant(grant, drawn.get(grant.id.as_str()), &mut findings);
        }
        let held = self.held();
        for (entry, draws) in self.books.charges.iter().zip(&self.draws) {
            self.audit_charge(entry, draws, &held, owners, &mut findings);
        }
        let active: HashSet<&str> =
            self.active_charges().map(|(charge, _)| charge.id.as_str()).collect();
        let charges: HashSet<&str> =
            self.books.charges.iter().map(|entry| entry.charge.id.as_str()).collect();
        for task in &self.books.tasks {
            self.audit_task(task, &charges, &active, owners, &mut findings);
        }
        findings
    }

    fn audit_grant(&self, grant: &GrantEntry, drawn: Option<&Drawn>, found: &mut Vec<Finding>) {
        let GrantEntry { id, credits, remaining, times } = grant;
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
        let Drawn { active, refunded } = drawn.unwrap_or(&nothing);
        let left = credits.saturating_sub(*remaining);
        let numbers = [numbers, vec![("drawn", *active)]].concat();
        if left < *active && !refunded.is_empty() {
            let minted = active.saturating_sub(left);
            let message = format!(
                "{minted} credits came back to grant {id} that had come back before: {remaining} \
                 are left of {credits}, and its active charges drew {active}"
            );
            let charges = refunded.iter().map(|id| (TableName::Credit, (*id).to_owned()));
            let rows = std::iter::once(row.clone()).chain(charges).collect();
            let numbers = [numbers, vec![("minted", minted)]].concat();
            found.push(self.finding(Kind::RefundedMoreThanOnce, rows, numbers, message));
        } else if left < *active || (left > *active && !self.hides_draws()) {
            let message = format!(
                "{left} credits have left grant {id}, and its active charges drew {active}"
            );
            found.push(self.finding(Kind::GrantDrawsDiffer, vec![row.clone()], numbers, message));
        }
        self.audit_times(row, times, found);
    }

    fn audit_charge(
        &self,
        ChargeEntry { charge, times }: &ChargeEntry,
        draws: &Result<Vec<WrittenDraw>, String>,
        held: &HashSet<RowId>,
        owners: &Owners,
        found: &mut Vec<Finding>,
    ) {
        let id = &charge.id;
        let row = (TableName::Credit, id.clone());
        self.audit_times(row.clone(), times, found);
        // A refunded charge is history: what it drew has gone back.
        if !charge.active {
            return;
        }
        match draws {
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
                    let grant = (TableName::Credit, draw.credit_id.clone());
                    if held.contains(&grant) {
                        continue;
                    }
                    let whose = whose(&grant, owners);
                    let message =
                        format!("charge {id} drew on grant {}, which is {whose}", draw.credit_id);
                    let numbers = vec![("drawn", draw.credits_consumed)];
                    let rows = vec![row.clone(), grant];
                    found.push(self.finding(Kind::DrawOnForeignGrant, rows, numbers, message));
                }
            }
        }
        if let Some(task) = task_of(charge)
            && !held.contains(&task)
        {
            let whose = whose(&task, owners);
            let message = format!("charge {id} was made for task {}, which is {whose}", task.1);
            let numbers = vec![("charged", charge.credits)];
            found.push(self.finding(Kind::ChargeWithoutTask, vec![row, task], numbers, message));
        }
    }

    fn audit_task(
        &self,
        task: &TaskEntry,
        charges: &HashSet<&str>,
        active: &HashSet<&str>,
        owners: &Owners,
        found: &mut Vec<Finding>,
    ) {
        let id = &task.id;
        let row = (TableName::Tasks(task.kind), id.clone());
        self.audit_times(row.clone(), &task.times, found);
        let Some(charge) = charge_of(task) else { return };
        let named = charge.1.clone();
        if !charges.contains(named.as_str()) {
            let whose = whose(&charge, owners);
            let message = format!("task {id} names charge {named}, which is {whose}");
            found.push(self.finding(Kind::TaskWithoutCharge, vec![row, charge], vec![], message));
        } else if task.failed && active.contains(named.as_str()) {
            let message = format!("task {id} has failed, and its charge {named} was not refunded");
            found.push(self.finding(Kind::FailedTaskCharged, vec![row, charge], vec![], message));
        }
    }

    fn audit_times(&self, row: RowId, times: &Times, found: &mut Vec<Finding>) {
        for (column, time_ms) in times.iter().filter(|(_, time_ms)| is_wrong_unit(*time_ms)) {
            let (table, id) = (row.0.sql(), &row.1);
            let message = format!("{column} of {table} {id} is in another unit than the others");
            let numbers = vec![(*column, *time_ms)];
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
        Finding { kind, user_id: self.books.user_id.clone(), rows, numbers, message }
    }

    /// The rows that others may name.
    fn held(&self) -> HashSet<RowId> {
        let grants = self.books.grants.iter().map(|grant| (TableName::Credit, grant.id.clone()));
        let charges =
            self.books.charges.iter().map(|entry| (TableName::Credit, entry.charge.id.clone()));
        let tasks =
            self.books.tasks.iter().map(|task| (TableName::Tasks(task.kind), task.id.clone()));
        grants.chain(charges).chain(tasks).collect()
    }

    fn active_charges(&self) -> impl Iterator<Item = (&Charge, &Result<Vec<WrittenDraw>, String>)> {
        let charges = self.books.charges.iter().map(|entry| &entry.charge);
        charges.zip(&self.draws).filter(|(charge, _)| charge.active)
    }

    fn active_draws(&self) -> impl Iterator<Item = (&Charge, &WrittenDraw)> {
        self.active_charges()
            .flat_map(|(charge, draws)| draws.iter().flatten().map(move |draw| (charge, draw)))
    }

    fn drawn_on_grants(&self) -> HashMap<&str, Drawn<'_>> {
        let mut drawn: HashMap<&str, Drawn> = HashMap::new();
        for (entry, draws) in self.books.charges.iter().zip(&self.draws) {
            for draw in draws.iter().flatten() {
                let on_grant = drawn.entry(draw.credit_id.as_str()).or_default();
                if entry.charge.active {
                    on_grant.active = on_grant.active.saturating_add(draw.credits_consumed);
                } else if draw.credits_consumed > 0 {
                    on_grant.refunded.push(&entry.charge.id);
                }
            }
        }
        drawn
    }

    /// Whether some charge drew nobody knows what.
    fn hides_draws(&self) -> bool {
        self.active_charges().any(|(_, draws)| draws.is_err())
    }
}

/// What charges drew on a grant.
#[derive(Default)]
struct Drawn<'a> {
    active: i64,
    /// The charges whose draws went back.
    refunded: Vec<&'a str>,
}

fn sum(draws: &[WrittenDraw]) -> i64 {
    draws.iter().fold(0, |sum, draw| sum.saturating_add(draw.credits_consumed))
}

/// The task that a charge was made for.
fn task_of(charge: &Charge) -> Option<RowId> {
    let of = |kind| {
        let id = metadata::task_id(kind, charge.metadata.as_deref())?;
        Some((TableName::Tasks(kind), id))
    };
    of(TaskKind::Media).or_else(|| of(TaskKind::Ai))
}

/// The charge that a task names.
fn charge_of(task: &TaskEntry) -> Option<RowId> {
    let id = task.credit_id.as_ref().filter(|id| !id.is_empty())?;
    Some((TableName::Credit, id.clone()))
}

fn whose(row: &RowId, owners: &Owners) -> String {
    owners.get(row).map_or_else(|| "not there".to_owned(), |owner| format!("user {owner}'s"))
}

/// Seconds read as milliseconds are in January 1970, milliseconds read as seconds in the year 50000.
fn is_wrong_unit(time_ms: i64) -> bool {
    const YEAR_1980_MS: i64 = 315_532_800_000;
    const YEAR_10000_MS: i64 = 253_402_300_800_000;
    !(YEAR_1980_MS..YEAR_10000_MS).contains(&time_ms)
}
