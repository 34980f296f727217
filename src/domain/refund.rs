//! Planning a refund: what goes back to which grant.

use std::collections::HashMap;

use serde_json::json;

use super::charge::Charge;
use super::credits::Credits;
use super::detail::WrittenDraw;
use super::grant::Grant;
use super::options::RefundPolicy;
use super::plan::{Plan, Stamp, Verb};
use super::table::TableName;
use super::value::{Fields, Value};
use crate::error::Result;

/// A charge whose draws, or some of them, are to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refundable {
    /// The charge's `id`.
    pub charge_id: String,
    /// Whose credits it took.
    pub user_id: String,
    /// What is to go back, in this order.
    pub draws: Vec<WrittenDraw>,
    /// The grants of these draws that the user still has. They are loaded when the draws are known.
    pub grants: Vec<Grant>,
}

impl Refundable {
    /// Some draws of a charge. Its grants are not loaded.
    pub(super) fn new(charge: &Charge, draws: Vec<WrittenDraw>) -> Self {
        let (charge_id, user_id) = (charge.id.clone(), charge.user_id.clone());
        Self { charge_id, user_id, draws, grants: Vec::new() }
    }

    /// What there is to refund of a charge: nothing if it was refunded already.
    pub fn of(charge: &Charge) -> Result<Option<Self>> {
        if !charge.active {
            return Ok(None);
        }
        Ok(Some(Self::new(charge, charge.draws()?)))
    }
}

/// What a refund gave back. All zero if there was nothing (left) to give back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refund {
    /// Credits that the user has back.
    pub credits: i64,
    /// How many of them can be spent now: a grant may have expired meanwhile.
    pub spendable: i64,
    /// The new grant for what could not be spent otherwise.
    pub regranted: Option<Regrant>,
    /// Draws, or parts of them, that could not go back.
    pub skipped: Vec<Skipped>,
}

/// A grant that was made because others can't be spent any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regrant {
    /// Its `id`.
    pub grant_id: String,
    /// How many credits.
    pub credits: i64,
    /// When it expires.
    pub expires_at_ms: i64,
}

/// Credits that could not go back to the grant they came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The grant's `id`.
    pub grant_id: String,
    /// How many credits.
    pub credits: i64,
    /// Why.
    pub reason: SkipReason,
}

/// Why credits could not go back to a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// The user has no such grant (any more).
    GrantNotFound,
    /// The grant would hold more than was granted: these credits were given back already.
    GrantFull,
}

impl SkipReason {
    /// The reason as JavaScript reads it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GrantNotFound => "grant-not-found",
            Self::GrantFull => "grant-full",
        }
    }
}

/// Plans what goes back.
pub fn give_back(
    plan: &mut Plan,
    mut refundable: Refundable,
    policy: RefundPolicy,
    stamp: Stamp,
) -> Refund {
    let grants = std::mem::take(&mut refundable.grants).into_iter();
    let mut grants: HashMap<String, Grant> =
        grants.map(|grant| (grant.id.clone(), grant)).collect();
    let regrants = policy != RefundPolicy::Source;
    let mut refund = Refund::default();
    let mut unusable = Vec::new();
    for draw in &refundable.draws {
        let Some(grant) = grants.get_mut(&draw.credit_id) else {
            if regrants {
                refund.credits += draw.credits_consumed;
                unusable.push((draw.credit_id.clone(), draw.credits_consumed));
            } else {
                refund.skip(draw, draw.credits_consumed, SkipReason::GrantNotFound);
            }
            continue;
        };
        // A ledger that the old code damaged may hold more than was granted: never raise that.
        let room = grant.credits.saturating_sub(grant.remaining).max(0);
        let credits = draw.credits_consumed.min(room);
        if credits > 0 {
            grant.remaining += credits;
            plan.returns.push((grant.id.clone(), credits));
            refund.credits += credits;
            if grant.is_spendable(stamp.now_ms) {
                refund.spendable += credits;
            } else {
                unusable.push((grant.id.clone(), credits));
            }
        }
        refund.skip(draw, draw.credits_consumed - credits, SkipReason::GrantFull);
    }
    if let RefundPolicy::RegrantDays(days) = policy
        && unusable.iter().any(|(_, credits)| *credits > 0)
    {
        let is_there = |(id, credits): &&(String, i64)| *credits > 0 && grants.contains_key(id);
        let source = unusable.iter().find(is_there).map(|(id, _)| id);
        let source = source.unwrap_or(&refundable.charge_id).clone();
        let (regrant, row) = regrant(&refundable, &unusable, days, stamp);
        plan.push(TableName::Credit, Verb::Insert, &regrant.grant_id, row);
        plan.copies = Some((regrant.grant_id.clone(), source));
        refund.spendable += regrant.credits;
        refund.regranted = Some(regrant);
    }
    refund
}

/// A new grant, and its row, for credits that went back to where they can't be spent. They went back there too, so
/// that the old grant's account closes; it would take a change of that grant's expiry by hand to give
/// them twice.
fn regrant(
    refundable: &Refundable,
    unusable: &[(String, i64)],
    days: u32,
    stamp: Stamp,
) -> (Regrant, Fields) {
    const DAY_MS: i64 = 86_400_000;
    let Stamp { ids, now_ms } = stamp;
    let credits: i64 = unusable.iter().map(|(_, credits)| credits).sum();
    // No charge takes more, unless its detail was written by hand.
    let credits = credits.min(Credits::MAX);
    // In whole seconds, which every database holds.
    let expires_at_ms = now_ms + (-now_ms).rem_euclid(1000) + i64::from(days) * DAY_MS;
    let sources: Vec<_> = unusable
        .iter()
        .map(|(id, credits)| json!({ "creditId": id, "credits": credits }))
        .collect();
    let metadata =
        json!({ "type": "regrant", "chargeId": refundable.charge_id, "sources": sources });
    let text = |text: &str| Value::Text(text.to_owned());
    let row = [
        ("id", text(&ids.id)),
        ("userId", text(&refundable.user_id)),
        ("transactionNo", Value::Text(ids.transaction_no)),
        ("transactionType", text("grant")),
        ("transactionScene", text("gift")),
        ("credits", Value::Integer(credits)),
        ("remainingCredits", Value::Integer(credits)),
        ("description", text("Refund of expired credits")),
        ("expiresAt", Value::TimeMs(expires_at_ms)),
        ("status", text("active")),
        ("createdAt", Value::TimeMs(now_ms)),
        ("updatedAt", Value::TimeMs(now_ms)),
        ("metadata", Value::Json(metadata.to_string())),
    ];
    (Regrant { grant_id: ids.id, credits, expires_at_ms }, row.into_iter().collect())
}

impl Refund {
    fn skip(&mut self, draw: &WrittenDraw, credits: i64, reason: SkipReason) {
        if credits > 0 {
            self.skipped.push(Skipped { grant_id: draw.credit_id.clone(), credits, reason });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::NewIds;

    fn grant(id: &str, remaining: i64, expires_at_ms: Option<i64>, active: bool) -> Grant {
        Grant {
            id: id.to_owned(),
            transaction_no: String::new(),
            credits: 100,
            remaining,
            expires_at_ms,
            active,
        }
    }

    #[test]
    fn refunds() {
        use RefundPolicy::{RegrantDays, Source};
        use SkipReason::{GrantFull, GrantNotFound};
        type Row<'a> = (
            RefundPolicy,
            &'a [(&'a str, i64)],
            Vec<Grant>,
            (&'a [(&'a str, i64)], i64, i64, i64),
            &'a [(&'a str, i64, SkipReason)],
        );
        const NOW: i64 = 10;
        let a = |remaining| grant("a", remaining, Some(11), true);
        let expired = || grant("e", 0, Some(10), true);
        let inactive = || grant("i", 0, None, false);
        let rows: [Row; 17] = [
            // policy, draws, grants; what goes back, credits, spendable, regranted; skipped
            (Source, &[("a", 10)], vec![a(90)], (&[("a", 10)], 10, 10, 0), &[]),
            (Source, &[("a", 10)], vec![a(i64::MIN)], (&[("a", 10)], 10, 10, 0), &[]),
            (
                Source,
                &[("a", 10), ("b", 5)],
                vec![a(0), grant("b", 1, None, true)],
                (&[("a", 10), ("b", 5)], 15, 15, 0),
                &[],
            ),
            (Source, &[("e", 10)], vec![expired()], (&[("e", 10)], 10, 0, 0), &[]),
            (Source, &[("i", 10)], vec![inactive()], (&[("i", 10)], 10, 0, 0), &[]),
            (Source, &[("x", 10)], vec![a(0)], (&[], 0, 0, 0), &[("x", 10, GrantNotFound)]),
            (Source, &[("a", 10)], vec![a(95)], (&[("a", 5)], 5, 5, 0), &[("a", 5, GrantFull)]),
            (Source, &[("a", 10)], vec![a(100)], (&[], 0, 0, 0), &[("a", 10, GrantFull)]),
            (Source, &[("a", 10)], vec![a(130)], (&[], 0, 0, 0), &[("a", 10, GrantFull)]),
            // A grant that is named twice has room once.
            (
                Source,
                &[("a", 6), ("a", 6)],
                vec![a(90)],
                (&[("a", 6), ("a", 4)], 10, 10, 0),
                &[("a", 2, GrantFull)],
            ),
            (Source, &[], vec![a(0)], (&[], 0, 0, 0), &[]),
            (RegrantDays(1), &[("a", 10)], vec![a(90)], (&[("a", 10)], 10, 10, 0), &[]),
            (RegrantDays(1), &[("e", 10)], vec![expired()], (&[("e", 10)], 10, 10, 10), &[]),
            (
                RegrantDays(1),
                &[("a", 3), ("e", 10), ("i", 4)],
                vec![a(0), expired(), inactive()],
                (&[("a", 3), ("e", 10), ("i", 4)], 17, 17, 14),
                &[],
            ),
            (RegrantDays(1), &[("x", 10)], vec![], (&[], 10, 10, 10), &[]),
            (RegrantDays(1), &[("a", 10)], vec![a(100)], (&[], 0, 0, 0), &[("a", 10, GrantFull)]),
            (RegrantDays(1), &[("e", 0)], vec![expired()], (&[], 0, 0, 0), &[]),
        ];
        for (policy, draws, grants, (returns, credits, spendable, regranted), skipped) in rows {
            let draws: Vec<_> = draws
                .iter()
                .map(|&(id, credits)| WrittenDraw {
                    credit_id: id.into(),
                    credits_consumed: credits,
                })
                .collect();
            let refundable =
                Refundable { charge_id: "c".into(), user_id: "u".into(), draws, grants };
            let mut plan = Plan::new("u", TableName::Credit, "c");
            let ids = NewIds { id: "new".into(), transaction_no: "7".into() };
            let stamp = Stamp { ids, now_ms: NOW };
            let refund = give_back(&mut plan, refundable.clone(), policy, stamp);
            let expected = Refund {
                credits,
                spendable,
                regranted: (regranted > 0).then(|| Regrant {
                    grant_id: "new".into(),
                    credits: regranted,
                    expires_at_ms: 86_401_000,
                }),
                skipped: skipped
                    .iter()
                    .map(|&(id, credits, reason)| Skipped { grant_id: id.into(), credits, reason })
                    .collect(),
            };
            assert_eq!(refund, expected, "{refundable:?}");
            let returns: Vec<_> =
                returns.iter().map(|&(id, credits)| (id.to_owned(), credits)).collect();
            assert_eq!(plan.returns, returns, "{refundable:?}");
            let written: Vec<_> =
                plan.rows.iter().map(|row| row.fields.get("remainingCredits").cloned()).collect();
            let new_grant = (regranted > 0).then_some(Some(Value::Integer(regranted)));
            assert_eq!(written, new_grant.into_iter().collect::<Vec<_>>(), "{refundable:?}");
        }
    }
}
