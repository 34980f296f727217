//! The facts of a revocation: the grants of an order, and the revocations that claim them.

use super::terms::Terms;
use crate::domain::detail::{WrittenDraw, parse_detail};
use crate::domain::grant::{Grant, REVOKED};
use crate::domain::metadata::{self, Source};
use crate::error::{Error, Result};

pub use crate::domain::plan::CHARGEBACK;

/// A grant, as revocations see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The grant.
    pub grant: Grant,
    /// Its family.
    pub user_id: String,
    /// Who has withdrawn it, if it is.
    pub state: State,
    /// Its `metadata`.
    pub metadata: Option<String>,
    /// Its `order_no`, where there is such a column.
    pub order_no: Option<String>,
    /// Its `subscription_no`, where there is such a column.
    pub subscription_no: Option<String>,
    /// When it was made.
    pub created_at_ms: Option<i64>,
    /// The grants in whose place it was made.
    pub made_of: Vec<Source>,
    /// Whether its table has a column `deleted_at`.
    pub has_deleted_at: bool,
    /// What of it is left out of its credits and of what remains, because other grants have it ([`granted_anew`]).
    ///
    /// [`granted_anew`]: crate::domain::regrant::granted_anew
    pub moved: i64,
    /// What was written off of it: the user had neither use of it nor can spend it.
    pub written_off: i64,
}

impl Held {
    /// Leaves out what other grants have.
    pub fn move_out(&mut self, credits: i64) {
        self.moved += credits;
        self.grant.credits -= credits;
        self.grant.remaining -= credits;
    }

    /// Takes note of what was written off. What of that other grants have is theirs.
    pub fn write_off(&mut self, credits: i64, anew: i64) {
        self.written_off = self.written_off.saturating_add(credits - anew);
        self.grant.credits = self.grant.credits.saturating_sub(anew);
    }
}

/// Who has withdrawn a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is as it was granted, or has expired.
    Open,
    /// Claims, and what its status was before.
    Closed(String),
    /// The app's own code.
    Withdrawn,
    /// The app's own code, which wrote `revoked`: an app that does takes what was left of it, and nothing says how much
    /// that was.
    Emptied,
}

impl State {
    /// The state of a grant with this status, and what its metadata says of it.
    pub fn of(status: Option<&str>, is_withdrawn: bool, metadata: Option<&str>) -> Self {
        match (status, metadata::status_before(metadata)) {
            _ if !is_withdrawn => Self::Open,
            (Some("deleted"), Some(before)) => Self::Closed(before),
            (Some(REVOKED), _) => Self::Emptied,
            _ => Self::Withdrawn,
        }
    }
}

/// A call of `revokeGrants`, as its row says.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The row's `id`.
    pub id: String,
    /// Its `transaction_no`, the call's.
    pub transaction_no: String,
    /// Whose grants.
    pub user_id: String,
    /// What is claimed.
    pub terms: Terms,
    /// Whether it stands: it does not once it was restored.
    pub stands: bool,
    /// What its row draws, item by item.
    pub draws: Vec<WrittenDraw>,
    /// Its `consumed_detail`.
    pub detail: Option<String>,
    /// Its `metadata`.
    pub metadata: Option<String>,
}

/// The columns of a claim's row.
#[derive(Debug)]
pub struct ClaimRow {
    /// Its `id`.
    pub id: String,
    /// Its `transaction_no`.
    pub transaction_no: String,
    /// Its family.
    pub user_id: String,
    /// Whether its `status` is `active`.
    pub active: bool,
    /// Its `consumed_detail`.
    pub detail: Option<String>,
    /// Its `metadata`.
    pub metadata: Option<String>,
}

impl Claim {
    /// The claim that a charge is; `None`, if it is another charge.
    pub fn read(row: ClaimRow) -> Result<Option<Self>> {
        let Some(terms) = metadata::claim(row.metadata.as_deref()) else { return Ok(None) };
        let draws = parse_detail(row.detail.as_deref().map(str::as_bytes));
        // What was restored has given back what it drew.
        let draws = match draws {
            _ if !row.active => Vec::new(),
            Ok(draws) => draws,
            Err(reason) => return Err(Error::ChargeCorrupt { charge_id: row.id, reason }),
        };
        let ClaimRow { id, transaction_no, user_id, active: stands, detail, metadata } = row;
        Ok(Some(Self { id, transaction_no, user_id, terms, stands, draws, detail, metadata }))
    }

    /// Whether it is about this grant.
    pub fn names(&self, grant_id: &str) -> bool {
        self.terms.grants.iter().any(|id| id == grant_id)
    }

    /// Whether all that it is about is among these grants.
    pub fn is_within(&self, grants: &[String]) -> bool {
        self.terms.grants.iter().all(|id| grants.contains(id))
    }

    /// Whether it is about some of these grants.
    pub fn meets(&self, grants: &[String]) -> bool {
        self.terms.grants.iter().any(|id| grants.contains(id))
    }

    /// What it drew from other grants than those that it is about.
    pub fn recovered(&self) -> i64 {
        let others = self.draws.iter().filter(|draw| !self.names(&draw.credit_id));
        others.fold(0, |sum, draw| sum.saturating_add(draw.credits_consumed))
    }
}
