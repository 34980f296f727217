//! A user's statement: every change of the balance, in order, with the balance after it.
//!
//! The database stores only the current state of grants and charges, so the entries are derived from it: what
//! a charge drew and returned, when a grant expired and how much was left. The entries of each grant add up
//! to its remaining credits, so the last balance equals the real balance, even in a damaged account.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::books::{Books, ChargeEntry, GrantEntry, RowId, Unreadable};
use super::revocation::State;
use super::table::TableName;
use super::value::Value;
use crate::error::{Error, Result};

/// A change of the balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it happened.
    pub at_ms: i64,
    /// Its kind.
    pub kind: EntryKind,
    /// The `id` of the grant or charge.
    pub credit_id: String,
    /// The change in credits.
    pub credits: i64,
    /// The balance afterwards.
    pub balance: i64,
    /// The task that was charged for.
    pub task: Option<RowId>,
}

/// The kinds of entries, in the order in which those of the same time are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A grant.
    Grant,
    /// A charge, with its original number of credits.
    Charge,
    /// The difference when a charge was settled.
    Settlement,
    /// The refund of all that remained of a charge.
    Refund,
    /// A difference that the rows do not explain; `auditLedger` has details.
    Adjustment,
    /// The credits left on a grant when it expired, or refunded to it later.
    Expiry,
    /// The credits left on a grant when it was withdrawn, or drawn from others because they had been spent.
    Revocation,
}

impl EntryKind {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Grant, "grant"),
        (Self::Charge, "charge"),
        (Self::Settlement, "settlement"),
        (Self::Refund, "refund"),
        (Self::Adjustment, "adjustment"),
        (Self::Expiry, "expiry"),
        (Self::Revocation, "revocation"),
    ];

    /// The kind's JavaScript name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// Which entries to return.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// From this time on, inclusive.
    pub from_ms: Option<i64>,
    /// Before this time.
    pub to_ms: Option<i64>,
    /// After this entry.
    pub after: Option<Cursor>,
    /// Maximum number of rows: 1 to 1000.
    pub limit: usize,
}

/// The position of an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    at_ms: i64,
    kind: EntryKind,
    credit_id: String,
}

impl Cursor {
    fn of(entry: &Entry) -> Self {
        Self { at_ms: entry.at_ms, kind: entry.kind, credit_id: entry.credit_id.clone() }
    }

    /// Parses a cursor written by [`Self::write`].
    pub fn parse(text: &str) -> Result<Self> {
        let read = || {
            let mut parts = text.splitn(3, ' ');
            let at_ms = parts.next()?.parse().ok()?;
            let name = parts.next()?;
            let (kind, _) = EntryKind::ALL.into_iter().find(|(_, other)| *other == name)?;
            Some(Self { at_ms, kind, credit_id: parts.next()?.to_owned() })
        };
        read().ok_or_else(|| Self::unknown(Value::Text(text.to_owned()).describe()))
    }

    /// The error for any other text.
    pub fn unknown(given: String) -> Error {
        let (name, expected) = ("cursor".to_owned(), "the cursor of an earlier page".to_owned());
        Error::InvalidArgument { name, expected, given }
    }

    /// The cursor as text.
    pub fn write(&self) -> String {
        format!("{} {} {}", self.at_ms, self.kind.as_str(), self.credit_id)
    }
}

/// A page of a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountStatement {
    /// The balance before the first entry.
    pub opening_balance: i64,
    /// The entries, oldest first.
    pub entries: Vec<Entry>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// Unreadable values of the user's grants and charges, including those whose rows had to be left out.
    pub unreadable: Vec<Unreadable>,
}

/// A page of a user's statement at this time.
pub fn statement(books: &Books, query: &Query, now_ms: i64) -> AccountStatement {
    let entries = all_entries(books, now_ms);
    let is_before = |entry: &Entry| {
        query.from_ms.is_some_and(|from_ms| entry.at_ms < from_ms)
            || query.after.as_ref().is_some_and(|after| Cursor::of(entry) <= *after)
    };
    let (before, rest): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(is_before);
    let opening_balance = before.last().map_or(0, |entry| entry.balance);
    let is_wanted = |entry: &Entry| query.to_ms.is_none_or(|to_ms| entry.at_ms < to_ms);
    let mut entries: Vec<Entry> = rest.into_iter().filter(is_wanted).collect();
    let more = entries.len() > query.limit;
    entries.truncate(query.limit);
    let next = entries.last().filter(|_| more).map(|entry| Cursor::of(entry).write());
    let of_credit = |value: &&Unreadable| value.row.0 == TableName::Credit;
    let unreadable = books.unreadable.iter().filter(of_credit).cloned().collect();
    AccountStatement { opening_balance, entries, next, unreadable }
}

/// All entries, in order.
fn all_entries(books: &Books, now_ms: i64) -> Vec<Entry> {
    let mut ends: HashMap<&str, End> =
        books.grants.iter().map(|grant| (grant.id.as_str(), End::of(grant, now_ms))).collect();
    let mut entries = Vec::new();
    let granted = books.grants.iter().fold(0, |sum: i64, grant| sum.saturating_add(grant.credits));
    for charge in &books.charges {
        enter_charge(charge, granted, &mut ends, &mut entries);
    }
    for grant in &books.grants {
        if let Some(end) = ends.remove(grant.id.as_str()) {
            enter_grant(grant, end, &mut entries);
        }
    }
    entries.retain(|entry| entry.credits != 0 || entry.kind == EntryKind::Charge);
    entries.sort_by_cached_key(Cursor::of);
    // Returns to one grant at the same time are one entry.
    entries.dedup_by(|later, earlier| {
        let same = Cursor::of(later) == Cursor::of(earlier);
        if same {
            earlier.credits = earlier.credits.saturating_add(later.credits);
        }
        same
    });
    let mut balance: i64 = 0;
    for entry in &mut entries {
        balance = balance.saturating_add(entry.credits);
        entry.balance = balance;
    }
    entries
}

/// The end of a grant, and the movements that matter for it.
struct End {
    /// When it stopped being spendable, and why; `None` if it still is.
    at: Option<(i64, EntryKind)>,
    /// The draws of active charges.
    drawn: i64,
    /// Credits refunded after the end, with their times.
    came_late: Vec<(i64, i64)>,
}

impl End {
    fn of(grant: &GrantEntry, now_ms: i64) -> Self {
        let times = &grant.times;
        let expired_ms = times.expires_at_ms.filter(|expires_at_ms| *expires_at_ms <= now_ms);
        let withdrawn_ms = times.deleted_at_ms.or(times.updated_at_ms).unwrap_or_default();
        let end = match (grant.active, expired_ms) {
            (true, None) => None,
            (false, Some(expired_ms)) if expired_ms > withdrawn_ms => {
                Some((withdrawn_ms, EntryKind::Revocation))
            }
            (_, Some(expired_ms)) => Some((expired_ms, EntryKind::Expiry)),
            (false, None) => Some((withdrawn_ms, EntryKind::Revocation)),
        };
        // A grant may have been created with an expiry in the past.
        let made_ms = grant.granted_ms().unwrap_or(i64::MIN);
        let at = end.map(|(at_ms, kind)| (at_ms.max(made_ms), kind));
        Self { at, drawn: 0, came_late: Vec::new() }
    }

    /// Records a refund.
    fn give_back(&mut self, at_ms: i64, credits: i64) {
        if self.at.is_some_and(|(end_ms, _)| at_ms > end_ms) {
            self.came_late.push((at_ms, credits));
        }
    }
}

/// `granted` is the sum of all grants of the user.
fn enter_charge(
    charge: &ChargeEntry,
    granted: i64,
    ends: &mut HashMap<&str, End>,
    entries: &mut Vec<Entry>,
) {
    let made_ms = charge.times.created_at_ms.unwrap_or_default();
    let changed_ms = charge.times.updated_at_ms.unwrap_or(made_ms).max(made_ms);
    let entry = |kind, at_ms, credits| Entry {
        at_ms,
        kind,
        credit_id: charge.id.clone(),
        credits,
        balance: 0,
        task: charge.task.clone(),
    };
    let mut drawn: i64 = 0;
    for draw in charge.readable_draws() {
        // Draws on a missing grant or on another user's did not change this balance.
        let Some(end) = ends.get_mut(draw.credit_id.as_str()) else { continue };
        drawn = drawn.saturating_add(draw.credits_consumed);
        if charge.active {
            end.drawn = end.drawn.saturating_add(draw.credits_consumed);
        } else {
            end.give_back(changed_ms, draw.credits_consumed);
        }
    }
    // A value above everything ever granted was written by other code and is not a settlement.
    let charged = if charge.charged <= granted { charge.charged } else { charge.credits };
    // Negative if more was drawn, without draws on other users' grants.
    let settled = charged.saturating_sub(charge.credits).max(drawn.saturating_neg());
    if settled != 0 {
        entries.push(entry(EntryKind::Settlement, changed_ms, settled));
    }
    if settled > 0 {
        // The grant that was refunded is not recorded; most charges have only one.
        let last = charge.readable_draws().last();
        if let Some(end) = last.and_then(|draw| ends.get_mut(draw.credit_id.as_str())) {
            end.give_back(changed_ms, settled);
        }
    }
    let kind = match charge {
        ChargeEntry { claim: Some(_), .. } => EntryKind::Revocation,
        ChargeEntry { written_off: Some(_), .. } => EntryKind::Expiry,
        _ => EntryKind::Charge,
    };
    entries.push(entry(kind, made_ms, drawn.saturating_add(settled).saturating_neg()));
    if !charge.active {
        entries.push(entry(EntryKind::Refund, changed_ms, drawn));
    }
}

fn enter_grant(grant: &GrantEntry, end: End, entries: &mut Vec<Entry>) {
    let made_ms = grant.granted_ms().unwrap_or_default();
    let changed_ms = grant.times.updated_at_ms.unwrap_or(made_ms).max(made_ms);
    let mut push = |kind, at_ms, credits| {
        let credit_id = grant.id.clone();
        entries.push(Entry { at_ms, kind, credit_id, credits, balance: 0, task: None });
    };
    push(EntryKind::Grant, made_ms, grant.credits);
    let explained = grant.credits.saturating_sub(end.drawn);
    // An overdrawn grant does not reduce the credits of other grants.
    let mut left = grant.remaining.max(0);
    if grant.state == State::Emptied {
        // The app removed the rest, which only the status shows.
        left = left.max(explained);
    }
    push(EntryKind::Adjustment, changed_ms, left.saturating_sub(explained));
    let Some((end_ms, kind)) = end.at else { return };
    for (at_ms, credits) in end.came_late {
        let credits = credits.min(left);
        left -= credits;
        push(kind, at_ms, credits.saturating_neg());
    }
    push(kind, end_ms, left.saturating_neg());
}

/// The `id`s of the `credit` rows in these entries, each once.
pub fn credit_ids(entries: &[Entry]) -> Vec<&str> {
    let mut ids: Vec<&str> = entries.iter().map(|entry| entry.credit_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The kind and id of an entry's task.
pub fn task_of(entry: &Entry) -> Option<(&'static str, &str)> {
    match &entry.task {
        Some((TableName::Tasks(kind), id)) => Some((kind.as_str(), id)),
        _ => None,
    }
}
