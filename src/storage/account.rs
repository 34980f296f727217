//! The rows of `credit` that a change of grants needs, as whole rows: grants to revoke or extend, and earlier
//! revocations.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Row;
use crate::domain::grant::{EXPIRY_UNREADABLE_MS, Grant, Provenance, is_withdrawn};
use crate::domain::metadata::regrant_sources;
use crate::domain::renewal::WriteOff;
use crate::domain::revocation::{Claim, ClaimRow, Held, State};
use crate::domain::top_up::{Claim as Claimed, State as Standing, is_unconfirmed};
use crate::domain::value::Value;
use crate::error::Result;

/// The rows that a change needs.
#[derive(Debug)]
pub struct WantedAccount<'w> {
    /// The users.
    pub whose: Whose<'w>,
    /// Their rows: those that match at least one of these.
    pub picks: Vec<Pick<'w>>,
    /// The call's idempotency key, which a row of any user may have.
    pub transaction_no: Option<&'w str>,
}

/// Selects users.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'w> {
    /// The user with this id.
    User(&'w str),
    /// The users of rows of `credit` with this text in a column, by its SQL name.
    With(&'static str, &'w str),
}

/// Selects rows of a user.
#[derive(Debug)]
pub enum Pick<'w> {
    /// Rows with one of these texts in a column, by its SQL name.
    With(&'static str, Vec<&'w str>),
    /// Active grants with remaining credits.
    Unspent,
    /// Grants of subscriptions.
    Subscribed,
    /// Grants made since this time.
    GrantsSince(i64),
}

/// The facts that decide such a change, all locked.
#[derive(Debug, Default)]
pub struct Account {
    /// The users that exist.
    pub users: BTreeSet<String>,
    /// Their rows.
    pub rows: Vec<Row>,
    /// The row with the call's idempotency key.
    pub keyed: Option<Row>,
}

/// Sorts rows in draw order: by expiry, then age, then id.
pub fn in_draw_order(rows: &mut [Row]) {
    let time = |row: &Row, key: &str| match row.get(key) {
        Some(Value::TimeMs(time_ms)) => Some(*time_ms),
        _ => None,
    };
    rows.sort_by_cached_key(|row| {
        let expires_at_ms = time(row, "expiresAt");
        let id = row.text("id").map(str::to_owned);
        (expires_at_ms.is_none(), expires_at_ms, time(row, "createdAt"), id)
    });
}

impl Row {
    /// Reads a row of `credit` as a grant, for claims and renewals; `None` if it is not a grant, or an
    /// unconfirmed top-up.
    pub fn as_held(&self) -> Option<Held> {
        let (status, metadata) = (self.text("status"), self.text("metadata"));
        if self.text("transactionType") != Some("grant")
            || is_unconfirmed(status.unwrap_or_default(), metadata)
        {
            return None;
        }
        let text = |key| self.text(key).map(str::to_owned);
        let expires_at_ms = match self.get("expiresAt") {
            None | Some(Value::Null) => None,
            Some(Value::TimeMs(time_ms)) => Some(*time_ms),
            Some(_) => Some(EXPIRY_UNREADABLE_MS),
        };
        let created_at_ms = match self.get("createdAt") {
            Some(Value::TimeMs(time_ms)) => Some(*time_ms),
            _ => None,
        };
        let grant = Grant {
            id: text("id")?,
            transaction_no: text("transactionNo").unwrap_or_default(),
            credits: self.integer("credits").unwrap_or_default(),
            remaining: self.integer("remainingCredits").unwrap_or_default(),
            expires_at_ms,
            active: self.text("status") == Some("active"),
            provenance: Some(Arc::new(Provenance {
                scene: text("transactionScene"),
                created_at_ms,
            })),
        };
        let deleted_at = self.get("deletedAt");
        let is_deleted = deleted_at.is_some_and(|at| *at != Value::Null);
        let withdrawn = is_withdrawn(status, is_deleted);
        let id_of = |key| self.id(key).map(|id| id.into_owned());
        Some(Held {
            state: State::of(status, withdrawn, metadata),
            grant,
            user_id: id_of("userId").unwrap_or_default(),
            metadata: metadata.map(str::to_owned),
            order_no: id_of("orderNo"),
            subscription_no: id_of("subscriptionNo"),
            created_at_ms,
            made_of: regrant_sources(metadata),
            has_deleted_at: deleted_at.is_some(),
            moved: 0,
            written_off: 0,
        })
    }

    /// Reads a row of `credit` as a top-up, even if it is none.
    pub fn as_top_up(&self) -> Claimed {
        let metadata = self.text("metadata").map(str::to_owned);
        let is_grant = self.text("transactionType") == Some("grant");
        let made_ms = match self.get("createdAt") {
            Some(Value::TimeMs(time_ms)) => *time_ms,
            _ => 0,
        };
        Claimed {
            id: self.text("id").unwrap_or_default().to_owned(),
            user_id: self.id("userId").unwrap_or_default().into_owned(),
            credits: self.integer("credits").unwrap_or_default(),
            state: Standing::of(metadata.as_deref()).filter(|_| is_grant),
            made_ms,
            metadata,
        }
    }

    /// Reads a row of `credit` as a write-off; `None` if it is another charge, or was refunded.
    pub fn as_write_off(&self) -> Result<Option<WriteOff>> {
        if self.text("transactionType") != Some("consume") || self.text("status") != Some("active")
        {
            return Ok(None);
        }
        let id = self.text("id").unwrap_or_default();
        WriteOff::read(id, self.text("consumedDetail"), self.text("metadata"))
    }

    /// Reads a row of `credit` as a claim on grants; `None` if it is not one.
    pub fn as_claim(&self) -> Result<Option<Claim>> {
        if self.text("transactionType") != Some("consume") {
            return Ok(None);
        }
        let text = |key| self.text(key).map(str::to_owned);
        Claim::read(ClaimRow {
            id: text("id").unwrap_or_default(),
            transaction_no: text("transactionNo").unwrap_or_default(),
            user_id: self.id("userId").unwrap_or_default().into_owned(),
            active: self.text("status") == Some("active"),
            detail: text("consumedDetail"),
            metadata: text("metadata"),
        })
    }
}
