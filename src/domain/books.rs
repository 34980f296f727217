//! A user's account: all grants, charges and tasks as they are now, for audits, repairs and statements.

use std::collections::HashMap;

use super::detail::{WrittenDraw, parse_detail};
use super::metadata;
use super::renewal::{Anew, WriteOff};
use super::revocation::{State, Terms};
use super::table::{TableName, TaskKind};
use super::task::FAILED;

/// One user's account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Books {
    /// The user's id.
    pub user_id: String,
    /// The grants.
    pub grants: Vec<GrantEntry>,
    /// The charges.
    pub charges: Vec<ChargeEntry>,
    /// The tasks.
    pub tasks: Vec<TaskEntry>,
    /// The `id`s of top-ups whose status contradicts the state in their metadata.
    pub half_top_ups: Vec<String>,
    /// Unreadable values, including those of rows that had to be left out.
    pub unreadable: Vec<Unreadable>,
}

/// A stored value that does not fit its column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The row.
    pub row: RowId,
    /// The column, by its JavaScript name.
    pub field: &'static str,
    /// A description of the value.
    pub found: String,
    /// Set if the row had to be left out of the account: a grant or charge with an unreadable number of
    /// credits.
    pub left_out: Option<LeftOut>,
}

/// The kind of a row that was left out of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// A grant.
    Grant,
    /// An active charge.
    ActiveCharge,
    /// A refunded charge.
    RefundedCharge,
}

/// The table and `id` of a row.
pub type RowId = (TableName, String);

/// A grant, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantEntry {
    /// Its `id`.
    pub id: String,
    /// The credits that were granted.
    pub credits: i64,
    /// The remaining credits.
    pub remaining: i64,
    /// Whether its `status` is `active`.
    pub active: bool,
    /// Whether it is withdrawn, and by what.
    pub state: State,
    /// Its times.
    pub times: Times,
    /// When a top-up was confirmed.
    pub confirmed_ms: Option<i64>,
}

/// A charge, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeEntry {
    /// Its `id`.
    pub id: String,
    /// Whether its `status` is `active`: a refunded one is `deleted`.
    pub active: bool,
    /// Its credits.
    pub credits: i64,
    /// Its credits before settlement.
    pub charged: i64,
    /// Whether it may be refunded although its task was delivered: it was refunded on purpose, or the caller
    /// allowed the delivery of a refunded task.
    pub forgiven: bool,
    /// Whether it is a hold.
    pub held: bool,
    /// Its draws, or why they can't be read.
    pub draws: Result<Vec<WrittenDraw>, String>,
    /// The task that it pays for.
    pub task: Option<RowId>,
    /// If it is a write-off: the credits of each grant that were granted again elsewhere.
    pub written_off: Option<Anew>,
    /// If it is the row of a revocation: the terms of the claim.
    pub claim: Option<Terms>,
    /// Its times.
    pub times: Times,
}

/// A task, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEntry {
    /// Its kind.
    pub kind: TaskKind,
    /// Its `id`.
    pub id: String,
    /// Whether its `status` is `failed`.
    pub failed: bool,
    /// Whether its `status` says that the user got the result.
    pub delivered: bool,
    /// The `id` of its charge.
    pub credit_id: Option<String>,
    /// Its times.
    pub times: Times,
}

/// The times of a row, in epoch milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// `createdAt`
    pub created_at_ms: Option<i64>,
    /// `updatedAt`
    pub updated_at_ms: Option<i64>,
    /// `deletedAt`
    pub deleted_at_ms: Option<i64>,
    /// `expiresAt`; `None` if a grant never expires.
    pub expires_at_ms: Option<i64>,
}

impl Times {
    /// The times with their columns' JavaScript names.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, i64)> {
        [
            ("createdAt", self.created_at_ms),
            ("updatedAt", self.updated_at_ms),
            ("deletedAt", self.deleted_at_ms),
            ("expiresAt", self.expires_at_ms),
        ]
        .into_iter()
        .filter_map(|(name, time_ms)| Some((name, time_ms?)))
    }
}

impl GrantEntry {
    /// When the credits were granted: a top-up's confirmation, otherwise the row's creation.
    pub fn granted_ms(&self) -> Option<i64> {
        self.confirmed_ms.or(self.times.created_at_ms)
    }
}

impl ChargeEntry {
    /// A charge without the data in its text columns.
    pub fn new(id: String, credits: i64, active: bool, times: Times) -> Self {
        let (forgiven, held, draws) = (false, false, Ok(Vec::new()));
        let (task, claim, written_off) = (None, None, None);
        Self {
            id,
            active,
            credits,
            charged: credits,
            forgiven,
            held,
            draws,
            task,
            written_off,
            claim,
            times,
        }
    }

    /// Adds what `consumed_detail` and `metadata` say.
    pub fn with_detail(self, consumed_detail: Option<&[u8]>, metadata: Option<&str>) -> Self {
        let settled = metadata::settled(metadata, self.credits, self.active);
        Self {
            // A charge that was settled to 0 keeps its original number of credits.
            charged: settled.map_or(self.credits, |settled| settled.charged),
            forgiven: !self.active
                && (settled.is_some_and(|settled| settled.credits == 0)
                    || metadata::is_given(metadata)),
            held: self.active && metadata::is_held(metadata),
            draws: parse_detail(consumed_detail),
            claim: metadata::claim(metadata),
            written_off: WriteOff::anew(metadata),
            task: metadata::task(metadata).map(|(kind, id)| (TableName::Tasks(kind), id)),
            ..self
        }
    }

    /// Whether its draws are readable and add up to its credits.
    pub fn adds_up(&self) -> bool {
        self.draws.as_ref().is_ok_and(|draws| sum(draws) == self.credits)
    }

    /// Its draws; empty if they can't be read.
    pub fn readable_draws(&self) -> &[WrittenDraw] {
        self.draws.as_deref().unwrap_or_default()
    }
}

/// The sum of these draws.
pub fn sum(draws: &[WrittenDraw]) -> i64 {
    draws.iter().fold(0, |sum, draw| sum.saturating_add(draw.credits_consumed))
}

impl TaskEntry {
    /// Creates a task with this status.
    pub fn new(
        (kind, id): (TaskKind, String),
        status: &str,
        credit_id: Option<String>,
        times: Times,
    ) -> Self {
        let (failed, delivered) = (status == FAILED, kind.delivered_statuses().contains(&status));
        Self { kind, id, failed, delivered, credit_id, times }
    }

    /// The charge that it refers to.
    pub fn charge(&self) -> Option<(TableName, &str)> {
        let id = self.credit_id.as_deref().filter(|id| !id.is_empty())?;
        Some((TableName::Credit, id))
    }
}

impl Books {
    /// An account without rows.
    pub fn of(user_id: &str) -> Self {
        Self { user_id: user_id.to_owned(), ..Self::default() }
    }

    /// Records an unreadable value.
    pub fn enter_unreadable(
        &mut self,
        row: RowId,
        values: Vec<(&'static str, String)>,
        left_out: Option<LeftOut>,
    ) {
        let value = |(field, found)| Unreadable { row: row.clone(), field, found, left_out };
        self.unreadable.extend(values.into_iter().map(value));
    }

    /// The charges that are not refunded.
    pub fn active_charges(&self) -> impl Iterator<Item = &ChargeEntry> {
        self.charges.iter().filter(|charge| charge.active)
    }

    /// Whether an active charge has unreadable draws.
    pub fn hides_draws(&self) -> bool {
        let is_left_out = |value: &Unreadable| value.left_out == Some(LeftOut::ActiveCharge);
        self.active_charges().any(|charge| charge.draws.is_err())
            || self.unreadable.iter().any(is_left_out)
    }

    /// The draws on each grant that was drawn on.
    pub fn drawn_on_grants(&self) -> HashMap<&str, Drawn<'_>> {
        let mut drawn: HashMap<&str, Drawn> = HashMap::new();
        for charge in &self.charges {
            // Computed once: it reads all draws.
            let is_doubtful = !charge.adds_up();
            for draw in charge.readable_draws() {
                let on_grant = drawn.entry(draw.credit_id.as_str()).or_default();
                if charge.active {
                    on_grant.active = on_grant.active.saturating_add(draw.credits_consumed);
                    on_grant.is_doubtful |= is_doubtful;
                } else if draw.credits_consumed > 0 {
                    on_grant.refunded.push((&charge.id, draw.credits_consumed));
                }
            }
        }
        drawn
    }
}

/// The draws on one grant.
#[derive(Debug, Default)]
pub struct Drawn<'b> {
    /// The credits drawn by active charges.
    pub active: i64,
    /// Whether one of these charges has draws that do not add up to its credits.
    pub is_doubtful: bool,
    /// The refunded charges, each with the credits it had drawn on this grant.
    pub refunded: Vec<(&'b str, i64)>,
}

impl Drawn<'_> {
    /// Whether repeated refunds can explain this many minted credits: a sum in which each refund occurs a few
    /// times. Repeated refunds can add fewer credits, because a full grant accepts none.
    pub fn explains_minted(&self, credits: i64) -> bool {
        const MOST_TIMES: i64 = 10;
        let refunded =
            self.refunded.iter().fold(0, |sum: i64, (_, drawn)| sum.saturating_add(*drawn));
        (1..=refunded.saturating_mul(MOST_TIMES)).contains(&credits)
    }
}

/// Builds draws for tests, from pairs of a grant's `id` and a number of credits.
#[cfg(test)]
pub(super) fn draws_of(draws: &[(&str, i64)]) -> Result<Vec<WrittenDraw>, String> {
    let draw = |(grant, credits): &(&str, i64)| WrittenDraw {
        credit_id: (*grant).to_owned(),
        credits_consumed: *credits,
    };
    Ok(draws.iter().map(draw).collect())
}
