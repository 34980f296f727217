//! The facts of a revocation: the grants of an order, and the revocations that claim them.

use super::terms::Terms;
use crate::domain::detail::{WrittenDraw, parse_detail};
use crate::domain::grant::{Grant, REVOKED};
use crate::domain::metadata::{self, Source};
use crate::error::{Error, Result};

pub use crate::domain::plan::CHARGEBACK;

/// A grant, with what revocations and renewals need of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The grant.
    pub grant: Grant,
    /// The user's id.
    pub user_id: String,
    /// Whether it is withdrawn, and by what.
    pub state: State,
    /// Its `metadata`.
    pub metadata: Option<String>,
    /// Its `order_no`, if the table has that column.
    pub order_no: Option<String>,
    /// Its `subscription_no`, if the table has that column.
    pub subscription_no: Option<String>,
    /// When it was created.
    pub created_at_ms: Option<i64>,
    /// The grants that it replaces.
    pub made_of: Vec<Source>,
    /// Whether its table has a column `deleted_at`.
    pub has_deleted_at: bool,
    /// Credits that were granted again in other grants ([`granted_anew`]). They are already subtracted from
    /// its granted and its remaining credits.
    ///
    /// [`granted_anew`]: crate::domain::regrant::granted_anew
    pub moved: i64,
    /// The credits that were written off: the user has neither spent them nor can spend them.
    pub written_off: i64,
}

impl Held {
    /// The credits that can be returned to it.
    pub fn room(&self) -> i64 {
        self.grant.credits.saturating_sub(self.grant.remaining).max(0)
    }

    /// Subtracts credits that were granted again in other grants.
    pub fn move_out(&mut self, credits: i64) {
        self.moved += credits;
        self.grant.credits -= credits;
        self.grant.remaining -= credits;
    }

    /// Records a write-off. The part that was granted again in other grants counts there.
    pub fn write_off(&mut self, credits: i64, anew: i64) {
        self.written_off = self.written_off.saturating_add(credits - anew);
        self.grant.credits = self.grant.credits.saturating_sub(anew);
    }
}

/// Whether a grant is withdrawn, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not withdrawn. It may have expired.
    Open,
    /// Closed by claims. The value is its status before that.
    Closed(String),
    /// Withdrawn by the app's own code.
    Withdrawn,
    /// Withdrawn by the app's own code with the status `revoked`. Such apps also remove the remaining
    /// credits, and no column records how many there were.
    Emptied,
}

impl State {
    /// The state of a grant with this status and metadata.
    pub fn of(status: Option<&str>, is_withdrawn: bool, metadata: Option<&str>) -> Self {
        match (status, metadata::status_before(metadata)) {
            _ if !is_withdrawn => Self::Open,
            (Some("deleted"), Some(before)) => Self::Closed(before),
            (Some(REVOKED), _) => Self::Emptied,
            _ => Self::Withdrawn,
        }
    }
}

/// A claim: a call of `revokeGrants`, as its row records it.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The row's `id`.
    pub id: String,
    /// Its `transaction_no`, the call's idempotency key.
    pub transaction_no: String,
    /// The user's id.
    pub user_id: String,
    /// The terms.
    pub terms: Terms,
    /// Whether it is active. It is not after `restoreGrants`.
    pub stands: bool,
    /// Its draws.
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
    /// The user's id.
    pub user_id: String,
    /// Whether its `status` is `active`.
    pub active: bool,
    /// Its `consumed_detail`.
    pub detail: Option<String>,
    /// Its `metadata`.
    pub metadata: Option<String>,
}

impl Claim {
    /// Reads a claim; `None` if the charge is not one.
    pub fn read(row: ClaimRow) -> Result<Option<Self>> {
        let Some(terms) = metadata::claim(row.metadata.as_deref()) else { return Ok(None) };
        let draws = parse_detail(row.detail.as_deref().map(str::as_bytes));
        // A restored claim has returned its draws.
        let draws = match draws {
            _ if !row.active => Vec::new(),
            Ok(draws) => draws,
            Err(reason) => return Err(Error::ChargeCorrupt { charge_id: row.id, reason }),
        };
        let ClaimRow { id, transaction_no, user_id, active: stands, detail, metadata } = row;
        Ok(Some(Self { id, transaction_no, user_id, terms, stands, draws, detail, metadata }))
    }

    /// Whether it names this grant.
    pub fn names(&self, grant_id: &str) -> bool {
        self.terms.grants.iter().any(|id| id == grant_id)
    }

    /// Whether it names only these grants.
    pub fn is_within(&self, grants: &[String]) -> bool {
        self.terms.grants.iter().all(|id| grants.contains(id))
    }

    /// Whether it names at least one of these grants.
    pub fn meets(&self, grants: &[String]) -> bool {
        self.terms.grants.iter().any(|id| grants.contains(id))
    }

    /// Its draws on grants that it does not name.
    pub fn draws_on_others(&self) -> impl Iterator<Item = &WrittenDraw> {
        self.draws.iter().filter(|draw| !self.names(&draw.credit_id))
    }

    /// The credits that it drew from grants that it does not name.
    pub fn recovered(&self) -> i64 {
        self.draws_on_others().fold(0, |sum, draw| sum.saturating_add(draw.credits_consumed))
    }
}
