//! Planning a refund: how many credits return to which grants.

use std::collections::HashMap;

use super::detail::WrittenDraw;
use super::grant::Grant;
use super::options::RefundPolicy;
use super::plan::{Plan, Verb};
use super::refundable::Refundable;
use super::regrant::{Regrant, Unusable, regrant};
use super::table::TableName;

/// The result of a refund. All zero if there was nothing left to refund.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refund {
    /// The credits that were refunded.
    pub credits: i64,
    /// The part of them that can be spent now: a grant may have expired meanwhile.
    pub spendable: i64,
    /// New grants for refunded credits that could not be spent otherwise.
    pub regranted: Vec<Regrant>,
    /// Draws, or parts of draws, that could not be returned.
    pub skipped: Vec<Skipped>,
}

/// Credits that could not be returned to their grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The grant's `id`.
    pub grant_id: String,
    /// The number of credits.
    pub credits: i64,
    /// The reason.
    pub reason: SkipReason,
}

/// Why credits could not be returned to a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// The user has no such grant, or no longer has it.
    GrantNotFound,
    /// The grant would hold more credits than were granted: these were returned before.
    GrantFull,
}

impl SkipReason {
    /// The reason's JavaScript name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GrantNotFound => "grant-not-found",
            Self::GrantFull => "grant-full",
        }
    }
}

/// Plans the returns.
pub fn give_back(
    plan: &mut Plan,
    mut refundable: Refundable,
    policy: RefundPolicy,
    now_ms: i64,
) -> Refund {
    let grants = std::mem::take(&mut refundable.grants).into_iter();
    let mut grants: HashMap<String, Grant> =
        grants.map(|grant| (grant.id.clone(), grant)).collect();
    let charge_id = refundable.charge_id.as_str();
    let mut refund = Refund::default();
    let mut unusable = Vec::new();
    for draw in &refundable.draws {
        let grant_id = draw.credit_id.as_str();
        let Some(grant) = grants.get_mut(grant_id) else {
            if refundable.origins.contains_key(charge_id) {
                let credits = draw.credits_consumed;
                refund.credits += credits;
                unusable.push(Unusable { grant_id, origin_id: charge_id, credits });
            } else {
                refund.skip(draw, draw.credits_consumed, SkipReason::GrantNotFound);
            }
            continue;
        };
        // A ledger that the old code damaged may hold more than was granted. A refund never adds to that.
        let room = grant.credits.saturating_sub(grant.remaining).max(0);
        let credits = draw.credits_consumed.min(room);
        if credits > 0 {
            grant.remaining += credits;
            plan.returns.push((grant.id.clone(), credits));
            refund.credits += credits;
            if grant.is_spendable(now_ms) {
                refund.spendable += credits;
            } else {
                unusable.push(Unusable { grant_id, origin_id: grant_id, credits });
            }
        }
        refund.skip(draw, draw.credits_consumed - credits, SkipReason::GrantFull);
    }
    if let RefundPolicy::RegrantDays(days) = policy {
        for (regrant, row) in regrant(&refundable, &unusable, days, now_ms) {
            plan.push(TableName::Credit, Verb::Insert, &regrant.grant_id, row);
            refund.spendable += regrant.credits;
            refund.regranted.push(regrant);
        }
    }
    refund
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
    use crate::domain::refundable::Origin;
    use crate::domain::value::{Fields, Value};

    fn grant(id: &str, remaining: i64, expires_at_ms: Option<i64>, active: bool) -> Grant {
        Grant {
            id: id.to_owned(),
            transaction_no: String::new(),
            credits: 100,
            remaining,
            expires_at_ms,
            active,
            provenance: None,
        }
    }

    #[test]
    fn a_refund_returns_what_each_grant_can_take() {
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
        let withdrawn = || grant("w", 0, None, false);
        let rows: [Row; 22] = [
            // policy, draws, grants; returns, credits, spendable, regranted; skipped
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
            // Credits of a withdrawn grant are never granted again.
            (Source, &[("w", 10)], vec![withdrawn()], (&[("w", 10)], 10, 0, 0), &[]),
            (RegrantDays(1), &[("w", 10)], vec![withdrawn()], (&[("w", 10)], 10, 0, 0), &[]),
            (
                RegrantDays(1),
                &[("w", 3), ("e", 10), ("a", 4)],
                vec![a(0), expired(), withdrawn()],
                (&[("w", 3), ("e", 10), ("a", 4)], 17, 14, 10),
                &[],
            ),
            (RegrantDays(1), &[("w", 3), ("x", 2)], vec![withdrawn()], (&[("w", 3)], 5, 2, 2), &[]),
            (
                RegrantDays(1),
                &[("w", 8)],
                vec![grant("w", 95, Some(10), false)],
                (&[("w", 5)], 5, 0, 0),
                &[("w", 3, GrantFull)],
            ),
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
            let (charge_id, user_id, origins) = ("c".into(), "u".into(), HashMap::new());
            let mut refundable = Refundable { charge_id, user_id, draws, grants, origins };
            let origin = |id: &str| {
                let ids = NewIds { id: "new".into(), transaction_no: "7".into() };
                let kept = Fields::default();
                (id.to_owned(), Origin { withdrawn: id == "w", kept, ids })
            };
            let origins = refundable.to_regrant(policy, NOW).into_iter().map(origin).collect();
            refundable.origins = origins;
            let mut plan = Plan::new("u", TableName::Credit, "c");
            let refund = give_back(&mut plan, refundable.clone(), policy, NOW);
            let expected = Refund {
                credits,
                spendable,
                regranted: (regranted > 0)
                    .then(|| Regrant {
                        grant_id: "new".into(),
                        credits: regranted,
                        expires_at_ms: 86_401_000,
                    })
                    .into_iter()
                    .collect(),
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
