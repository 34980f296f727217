//! The row that writes credits off, and what it says.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::domain::detail::{Draw, WrittenDraw, parse_detail, write_detail};
use crate::domain::metadata;
use crate::domain::plan::Stamp;
use crate::domain::revocation::Held;
use crate::domain::value::{Fields, Value, iso8601};
use crate::error::{Error, Result};

pub use crate::domain::plan::EXPIRY;

/// What was written off of grants because others have it, which were granted in their place: by the ids of the grants.
pub type Anew = BTreeMap<String, i64>;

/// What a charge wrote off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOff {
    /// Of which grants.
    pub draws: Vec<WrittenDraw>,
    /// What of that other grants have.
    pub anew: Anew,
}

impl WriteOff {
    /// What a charge that was not refunded wrote off; `None`, if it is another charge.
    pub fn read(id: &str, detail: Option<&str>, metadata: Option<&str>) -> Result<Option<Self>> {
        let Some(anew) = Self::anew(metadata) else { return Ok(None) };
        let draws = parse_detail(detail.map(str::as_bytes))
            .map_err(|reason| Error::ChargeCorrupt { charge_id: id.to_owned(), reason })?;
        Ok(Some(Self { draws, anew }))
    }

    /// What the metadata of a charge says that wrote credits off.
    pub fn anew(metadata: Option<&str>) -> Option<Anew> {
        let said = metadata::expiry(metadata)?;
        let anew = said.get("anew").and_then(Json::as_object);
        let number = |(id, credits): (&String, &Json)| Some((id.clone(), credits.as_i64()?));
        Some(anew.into_iter().flatten().filter_map(number).collect())
    }

    /// Tells grants what was written off of them.
    pub fn tell(&self, grants: &mut [Held]) {
        for draw in &self.draws {
            if let Some(held) = grants.iter_mut().find(|held| held.grant.id == draw.credit_id) {
                let anew = self.anew.get(&draw.credit_id).copied().unwrap_or(0);
                held.write_off(draw.credits_consumed, anew.clamp(0, draw.credits_consumed));
            }
        }
    }
}

/// Why credits are written off.
pub(super) struct Reason {
    /// What caused it, and its name.
    pub cause: (&'static str, String),
    /// The same for a reader.
    pub description: &'static str,
    /// What of it other grants have.
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

/// The row that writes credits off, of a user and a subscription, for a reason.
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
    // Its type comes first: limits tell by the beginning what no caller has charged.
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
