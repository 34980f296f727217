//! Planning a refund: what goes back to which grant.

use std::collections::HashMap;

use super::charge::{Charge, Grant, WrittenDraw, read_detail};
use crate::error::Result;

/// An active charge whose credits are to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refundable {
    /// The charge's `id`.
    pub charge_id: String,
    /// Whose credits it took.
    pub user_id: String,
    /// What it drew.
    pub draws: Vec<WrittenDraw>,
}

impl Refundable {
    /// What there is to refund of a charge: nothing if it was refunded already.
    pub fn of(charge: &Charge) -> Result<Option<Self>> {
        if !charge.active {
            return Ok(None);
        }
        let draws = read_detail(charge)?;
        Ok(Some(Self { charge_id: charge.id.clone(), user_id: charge.user_id.clone(), draws }))
    }
}

/// A refund that may be written: flip the charge from `active` to `deleted`, and only if that changed
/// a row, give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundPlan {
    /// The charge's `id`.
    pub charge_id: String,
    /// Whose credits go back.
    pub user_id: String,
    /// What goes back to which grant: the grant's `id` and a number of credits.
    pub returns: Vec<(String, i64)>,
    /// What the caller hears of it.
    pub refund: Refund,
}

/// What a refund gave back. All zero if there was nothing (left) to give back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refund {
    /// Credits that went back to their grants.
    pub credits: i64,
    /// How many of them can be spent now: a grant may have expired meanwhile.
    pub spendable: i64,
    /// Draws, or parts of them, that could not go back.
    pub skipped: Vec<Skipped>,
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
    /// The grant would hold more than was granted: somebody gave these credits back already.
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

/// Decides on a refund. `grants` are those of the charge's draws that its user still has.
pub fn plan_refund(refundable: &Refundable, grants: Vec<Grant>, now_ms: i64) -> RefundPlan {
    let mut grants: HashMap<String, Grant> =
        grants.into_iter().map(|grant| (grant.id.clone(), grant)).collect();
    let mut plan = RefundPlan {
        charge_id: refundable.charge_id.clone(),
        user_id: refundable.user_id.clone(),
        returns: Vec::new(),
        refund: Refund::default(),
    };
    for draw in &refundable.draws {
        let Some(grant) = grants.get_mut(&draw.credit_id) else {
            plan.refund.skip(draw, draw.credits_consumed, SkipReason::GrantNotFound);
            continue;
        };
        // A ledger that the old code damaged may hold more than was granted: never raise that.
        let room = (grant.credits - grant.remaining).max(0);
        let credits = draw.credits_consumed.min(room);
        if credits > 0 {
            grant.remaining += credits;
            plan.returns.push((grant.id.clone(), credits));
            plan.refund.credits += credits;
            if grant.is_spendable(now_ms) {
                plan.refund.spendable += credits;
            }
        }
        plan.refund.skip(draw, draw.credits_consumed - credits, SkipReason::GrantFull);
    }
    plan
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
        use SkipReason::{GrantFull, GrantNotFound};
        type Row<'a> = (
            &'a [(&'a str, i64)],
            Vec<Grant>,
            (&'a [(&'a str, i64)], i64, i64),
            &'a [(&'a str, i64, SkipReason)],
        );
        const NOW: i64 = 10;
        let a = |remaining| grant("a", remaining, Some(11), true);
        let expired = grant("e", 0, Some(10), true);
        let inactive = grant("i", 0, None, false);
        let rows: [Row; 10] = [
            // draws, grants; what goes back, credits, spendable; skipped
            (&[("a", 10)], vec![a(90)], (&[("a", 10)], 10, 10), &[]),
            (
                &[("a", 10), ("b", 5)],
                vec![a(0), grant("b", 1, None, true)],
                (&[("a", 10), ("b", 5)], 15, 15),
                &[],
            ),
            (&[("e", 10)], vec![expired], (&[("e", 10)], 10, 0), &[]),
            (&[("i", 10)], vec![inactive], (&[("i", 10)], 10, 0), &[]),
            (&[("x", 10)], vec![a(0)], (&[], 0, 0), &[("x", 10, GrantNotFound)]),
            (&[("a", 10)], vec![a(95)], (&[("a", 5)], 5, 5), &[("a", 5, GrantFull)]),
            (&[("a", 10)], vec![a(100)], (&[], 0, 0), &[("a", 10, GrantFull)]),
            (&[("a", 10)], vec![a(130)], (&[], 0, 0), &[("a", 10, GrantFull)]),
            // A grant that is named twice has room once.
            (
                &[("a", 6), ("a", 6)],
                vec![a(90)],
                (&[("a", 6), ("a", 4)], 10, 10),
                &[("a", 2, GrantFull)],
            ),
            (&[], vec![a(0)], (&[], 0, 0), &[]),
        ];
        for (draws, grants, (returns, credits, spendable), skipped) in rows {
            let draws: Vec<_> = draws
                .iter()
                .map(|&(id, credits)| WrittenDraw {
                    credit_id: id.into(),
                    credits_consumed: credits,
                })
                .collect();
            let refundable = Refundable { charge_id: "c".into(), user_id: "u".into(), draws };
            let plan = plan_refund(&refundable, grants, NOW);
            let expected = RefundPlan {
                charge_id: "c".into(),
                user_id: "u".into(),
                returns: returns.iter().map(|&(id, credits)| (id.to_owned(), credits)).collect(),
                refund: Refund {
                    credits,
                    spendable,
                    skipped: skipped
                        .iter()
                        .map(|&(id, credits, reason)| Skipped {
                            grant_id: id.into(),
                            credits,
                            reason,
                        })
                        .collect(),
                },
            };
            assert_eq!(plan, expected, "{refundable:?}");
        }
    }
}
