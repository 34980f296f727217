//! The row that writes off credits.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::domain::detail::{Draw, WrittenDraw, parse_detail, write_detail};
use crate::domain::metadata;
use crate::domain::plan::Stamp;
use crate::domain::revocation::Held;
use crate::domain::value::{Fields, Value, iso8601};
use crate::error::{Error, Result};

pub use crate::domain::plan::EXPIRY;

/// Credits that are written off because they were granted again in other grants, by the `id` of the grant.
pub type Anew = BTreeMap<String, i64>;

/// A charge that writes off credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOff {
    /// Its draws.
    pub draws: Vec<WrittenDraw>,
    /// The part of the draws that was granted again in other grants.
    pub anew: Anew,
}

impl WriteOff {
    /// Reads an active charge that is a write-off; `None` for other charges.
    pub fn read(id: &str, detail: Option<&str>, metadata: Option<&str>) -> Result<Option<Self>> {
        let Some(anew) = Self::anew(metadata) else { return Ok(None) };
        let draws = parse_detail(detail.map(str::as_bytes))
            .map_err(|reason| Error::ChargeCorrupt { charge_id: id.to_owned(), reason })?;
        Ok(Some(Self { draws, anew }))
    }

    /// Reads the same from the metadata of a charge.
    pub fn anew(metadata: Option<&str>) -> Option<Anew> {
        let said = metadata::expiry(metadata)?;
        let anew = said.get("anew").and_then(Json::as_object);
        let number = |(id, credits): (&String, &Json)| Some((id.clone(), credits.as_i64()?));
        Some(anew.into_iter().flatten().filter_map(number).collect())
    }

    /// Subtracts the write-off from the grants.
    pub fn tell(&self, grants: &mut [Held]) {
        for draw in &self.draws {
            if let Some(held) = grants.iter_mut().find(|held| held.grant.id == draw.credit_id) {
                let anew = self.anew.get(&draw.credit_id).copied().unwrap_or(0);
                held.write_off(draw.credits_consumed, anew.clamp(0, draw.credits_consumed));
            }
        }
    }
}

/// The reason for a write-off.
pub(super) struct Reason {
    /// Its kind and the `id` or key of the row that caused it.
    pub cause: (&'static str, String),
    /// A description for a reader.
    pub description: &'static str,
    /// The part that was granted again in other grants.
    pub anew: Anew,
}

pub(super) fn draw(held: &Held, credits: i64) -> Draw {
    Draw {
        credit_id: held.grant.id.clone(),
        transaction_no: held.grant.transaction_no.clone(),
        expires_at: held.grant.expires_at_ms.and_then(iso8601),
        credits_to_consume: credits,
        credits_consumed: credits,
        credits_before: held.grant.remaining,
        credits_after: held.grant.remaining - credits,
        batch_size: 1000,
        batch_no: 1,
    }
}

/// Builds the row that writes off credits of a user and a subscription.
pub(super) fn write_off(
    (user_id, subscription_no): (&str, Option<&str>),
    reason: Reason,
    mut items: Vec<Draw>,
    stamp: &Stamp,
) -> Result<Fields> {
    let total: i64 = items.iter().map(|item| item.credits_consumed).sum();
    let mut to_consume = total;
    for (batch_no, item) in (1..).zip(&mut items) {
        (item.batch_no, item.credits_to_consume) = (batch_no, to_consume);
        to_consume -= item.credits_consumed;
    }
    let text = |text: &str| Value::Text(text.to_owned());
    let (cause, name) = reason.cause;
    let mut said: Map<String, Json> = [(cause.to_owned(), name.into())].into_iter().collect();
    if !reason.anew.is_empty() {
        said.insert("anew".to_owned(), json!(reason.anew));
    }
    // The type comes first: spending limits recognize the ledger's own charges by the beginning of the
    // metadata.
    let metadata: Json = json!({ "type": "expiry", "expiry": said });
    let mut row: Fields = [
        ("id", text(&stamp.ids.id)),
        ("userId", text(user_id)),
        ("transactionNo", text(&stamp.ids.transaction_no)),
        ("transactionType", text("consume")),
        ("transactionScene", text(EXPIRY)),
        ("credits", Value::Integer(-total)),
        ("remainingCredits", Value::Integer(0)),
        ("description", text(reason.description)),
        ("status", text("active")),
        ("consumedDetail", Value::Json(write_detail(&items)?)),
        ("metadata", Value::Json(metadata.to_string())),
        ("createdAt", Value::TimeMs(stamp.now_ms)),
        ("updatedAt", Value::TimeMs(stamp.now_ms)),
    ]
    .into_iter()
    .collect();
    if let Some(subscription_no) = subscription_no {
        row.set("subscriptionNo", text(subscription_no));
    }
    Ok(row)
}
