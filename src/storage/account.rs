//! The rows of `credit` for a change of a user's grants, whole: grants to be revoked or extended, and earlier charges
//! of revocations.

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

/// What a change of accounts is about.
#[derive(Debug)]
pub struct WantedAccount<'w> {
    /// Whose rows.
    pub whose: Whose<'w>,
    /// Which of them: those that any of these picks.
    pub picks: Vec<Pick<'w>>,
    /// The key of the call, which a row of any user may have.
    pub transaction_no: Option<&'w str>,
}

/// Whose rows.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'w> {
    /// The user with this id.
    User(&'w str),
    /// The users of rows of `credit` with this text in a column, by its name in SQL.
    With(&'static str, &'w str),
}

/// Some rows of a user.
#[derive(Debug)]
pub enum Pick<'w> {
    /// Those with one of these texts in a column, by its name in SQL.
    With(&'static str, Vec<&'w str>),
    /// Active grants of which something is left.
    Unspent,
    /// Grants of subscriptions.
    Subscribed,
    /// Grants that were made since this time.
    GrantsSince(i64),
}

/// What decides on such a change, all of it locked.
#[derive(Debug, Default)]
pub struct Account {
    /// The users who are there.
    pub users: BTreeSet<String>,
    /// Their rows.
    pub rows: Vec<Row>,
    /// The row that has the key of the call.
    pub keyed: Option<Row>,
}

/// Puts rows in draw order: those that expire first, then older ones, then by id.
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
    /// What a row of `credit` says as a grant that claims may be about; `None`, if it is no grant, or not granted yet.
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

    /// What a row of `credit` says as a top-up, whether it is one or not.
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

    /// What a row of `credit` has written off; `None`, if it is no such charge, or was refunded.
    pub fn as_write_off(&self) -> Result<Option<WriteOff>> {
        if self.text("transactionType") != Some("consume") || self.text("status") != Some("active")
        {
            return Ok(None);
        }
        let id = self.text("id").unwrap_or_default();
        WriteOff::read(id, self.text("consumedDetail"), self.text("metadata"))
    }

    /// The claim on grants that a row of `credit` is; `None`, if it is none.
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
