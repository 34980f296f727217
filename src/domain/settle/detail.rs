//! Rewriting `consumed_detail` when a settlement changes a charge.

use serde_json::{Map, Value as Json, json};

use super::super::charge::Charge;
use super::super::detail::{Draw, WrittenDraw};
use crate::error::{Error, Result};

/// The items of a charge's `consumed_detail`, including fields that other code added.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::domain) struct Items(Vec<Map<String, Json>>);

impl Items {
    /// The items of a charge.
    pub(super) fn of(charge: &Charge) -> Result<Self> {
        Self::read(&charge.id, charge.consumed_detail.as_deref())
    }

    /// The items of the charge with this `id`.
    pub(in crate::domain) fn read(charge_id: &str, detail: Option<&[u8]>) -> Result<Self> {
        let items = serde_json::from_slice(detail.unwrap_or_default());
        items.map(Self).map_err(|error| Error::ChargeCorrupt {
            charge_id: charge_id.to_owned(),
            reason: error.to_string(),
        })
    }

    /// The `consumed_detail` after a settlement: items with the credits in `kept`, without those at 0,
    /// followed by the draws in `more`.
    pub(in crate::domain) fn rewritten(mut self, kept: &[WrittenDraw], more: &[Draw]) -> String {
        let Self(items) = &mut self;
        for (item, draw) in items.iter_mut().zip(kept) {
            item.insert("creditsConsumed".to_owned(), draw.credits_consumed.into());
            if let Some(before) = item.get("creditsBefore").and_then(Json::as_i64) {
                let after = before.saturating_sub(draw.credits_consumed);
                item.insert("creditsAfter".to_owned(), after.into());
            }
        }
        let mut drew = kept.iter().map(|draw| draw.credits_consumed > 0);
        items.retain(|_| drew.next().unwrap_or(true));
        for draw in more {
            let batch_no = items.len() + 1;
            if let Json::Object(mut item) = json!(draw) {
                item.insert("batchNo".to_owned(), batch_no.into());
                items.push(item);
            }
        }
        let drawn = |item: &Map<String, Json>| {
            item.get("creditsConsumed").and_then(Json::as_i64).unwrap_or_default()
        };
        let mut to_consume: i64 = items.iter().map(drawn).sum();
        for item in &mut *items {
            item.insert("creditsToConsume".to_owned(), to_consume.into());
            to_consume -= drawn(item);
        }
        json!(items).to_string()
    }
}
