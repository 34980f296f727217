//! A user's account: all grants, charges and tasks as they are now, for audits, repairs and statements.

use std::collections::HashMap;

use super::detail::{WrittenDraw, parse_detail};
use super::metadata;
use super::renewal::{Anew, WriteOff};
use super::revocation::{State, Terms};
use super::table::{TableName, TaskKind};
use super::task::FAILED;

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
    /// Top-ups whose status is another one than how they stand, by their ids.
    pub half_top_ups: Vec<String>,
    /// Values that can't be read, of these rows and of those that are left out for it.
    pub unreadable: Vec<Unreadable>,
}

/// A value that is not what its column says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The row.
    pub row: RowId,
    /// The column, by its name in JavaScript.
    pub field: &'static str,
    /// What is there, in words.
    pub found: String,
    /// Whether its row is left out of the books: a grant or a charge that does not say how many credits it is about.
    pub left_out: Option<LeftOut>,
}

/// What a row is that is left out of the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// A grant.
    Grant,
    /// A charge that was not refunded.
    ActiveCharge,
    /// A charge that was.
    RefundedCharge,
}

/// A row of some table.
pub type RowId = (TableName, String);

/// A grant, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantEntry {
    /// Its `id`.
    pub id: String,
    /// What was granted.
    pub credits: i64,
    /// What is left of it.
    pub remaining: i64,
    /// Whether its `status` is `active`.
    pub active: bool,
    /// Who has withdrawn it, if it is.
    pub state: State,
    /// Its times.
    pub times: Times,
    /// When it was granted, if it was only claimed when its row was made.
    pub confirmed_ms: Option<i64>,
}

/// A charge, as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeEntry {
    /// Its `id`.
    pub id: String,
    /// Whether its `status` is `active`: a refunded one is `deleted`.
    pub active: bool,
    /// What it takes.
    pub credits: i64,
    /// What it took before it was settled.
    pub charged: i64,
    /// Whether its credits went back on purpose, or its task was given away in spite of that: a task that was
    /// delivered is no mistake then.
    pub forgiven: bool,
    /// Whether it is a hold.
    pub held: bool,
    /// What it drew, or why that can't be read.
    pub draws: Result<Vec<WrittenDraw>, String>,
    /// The task that it was made for.
    pub task: Option<RowId>,
    /// If it wrote credits off: what of each grant other grants have.
    pub written_off: Option<Anew>,
    /// What it claims of revoked grants, if it is such a claim.
    pub claim: Option<Terms>,
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
    /// Whether its `status` says that the user has got it.
    pub delivered: bool,
    /// The charge that it names.
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
    /// `expiresAt`; a grant without it never expires.
    pub expires_at_ms: Option<i64>,
}

impl Times {
    /// The columns by their names in JavaScript, those that hold a time.
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
    /// When it was granted, as far as its row says it.
    pub fn granted_ms(&self) -> Option<i64> {
        self.confirmed_ms.or(self.times.created_at_ms)
    }
}

impl ChargeEntry {
    /// A charge, without what its columns of text say.
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

    /// With what its `consumed_detail` and its `metadata` say.
    pub fn with_detail(self, consumed_detail: Option<&[u8]>, metadata: Option<&str>) -> Self {
        let settled = metadata::settled(metadata, self.credits, self.active);
        Self {
            // A charge that was settled to nothing keeps what it took.
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

    /// Whether it drew what it took, as far as that can be read.
    pub fn adds_up(&self) -> bool {
        self.draws.as_ref().is_ok_and(|draws| sum(draws) == self.credits)
    }

    /// What it drew; nothing, if that can't be read.
    pub fn readable_draws(&self) -> &[WrittenDraw] {
        self.draws.as_deref().unwrap_or_default()
    }
}

/// How many credits these draws are together.
pub fn sum(draws: &[WrittenDraw]) -> i64 {
    draws.iter().fold(0, |sum, draw| sum.saturating_add(draw.credits_consumed))
}

impl TaskEntry {
    /// A task with this status.
    pub fn new(
        (kind, id): (TaskKind, String),
        status: &str,
        credit_id: Option<String>,
        times: Times,
    ) -> Self {
        let (failed, delivered) = (status == FAILED, kind.delivered_statuses().contains(&status));
        Self { kind, id, failed, delivered, credit_id, times }
    }

    /// The charge that it names.
    pub fn charge(&self) -> Option<(TableName, &str)> {
        let id = self.credit_id.as_deref().filter(|id| !id.is_empty())?;
        Some((TableName::Credit, id))
    }
}

impl Books {
    /// Books without rows.
    pub fn of(user_id: &str) -> Self {
        Self { user_id: user_id.to_owned(), ..Self::default() }
    }

    /// Enters what can't be read of a row.
    pub fn enter_unreadable(
        &mut self,
        row: RowId,
        values: Vec<(&'static str, String)>,
        left_out: Option<LeftOut>,
    ) {
        let value = |(field, found)| Unreadable { row: row.clone(), field, found, left_out };
        self.unreadable.extend(values.into_iter().map(value));
    }

    /// The charges that were not refunded.
    pub fn active_charges(&self) -> impl Iterator<Item = &ChargeEntry> {
        self.charges.iter().filter(|charge| charge.active)
    }

    /// Whether the draws of some active charge can't be read.
    pub fn hides_draws(&self) -> bool {
        let is_left_out = |value: &Unreadable| value.left_out == Some(LeftOut::ActiveCharge);
        self.active_charges().any(|charge| charge.draws.is_err())
            || self.unreadable.iter().any(is_left_out)
    }

    /// What charges drew on each grant that one drew on.
    pub fn drawn_on_grants(&self) -> HashMap<&str, Drawn<'_>> {
        let mut drawn: HashMap<&str, Drawn> = HashMap::new();
        for charge in &self.charges {
            // Once: it reads all of the draws.
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

/// What charges drew on a grant.
#[derive(Debug, Default)]
pub struct Drawn<'b> {
    /// What active charges drew.
    pub active: i64,
    /// Whether one of these took another number of credits than it drew.
    pub is_doubtful: bool,
    /// The charges whose draws went back, and what each had drawn here.
    pub refunded: Vec<(&'b str, i64)>,
}

impl Drawn<'_> {
    /// Whether refunds that came again may have given so many credits: each a few times. It can be fewer than
    /// they gave, because a full grant takes nothing back.
    pub fn explains_minted(&self, credits: i64) -> bool {
        const MOST_TIMES: i64 = 10;
        let refunded =
            self.refunded.iter().fold(0, |sum: i64, (_, drawn)| sum.saturating_add(*drawn));
        (1..=refunded.saturating_mul(MOST_TIMES)).contains(&credits)
    }
}

/// Draws, for tests: of each a grant's `id` and what it gave.
#[cfg(test)]
pub(super) fn draws_of(draws: &[(&str, i64)]) -> Result<Vec<WrittenDraw>, String> {
    let draw = |(grant, credits): &(&str, i64)| WrittenDraw {
        credit_id: (*grant).to_owned(),
        credits_consumed: *credits,
    };
    Ok(draws.iter().map(draw).collect())
}
