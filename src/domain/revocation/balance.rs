//! How much revocations withdraw, independent of their order.
//!
//! Each active revocation states how many credits of some grants are to be withdrawn in all. The largest one counts,
//! not their sum: they report the same payment, one after the other or repeatedly. A grant that is wholly withdrawn is
//! closed and keeps its remaining credits. From other grants the revocation draws. Credits that were spent already are
//! outstanding: until they are collected, the grants are closed, so that credits refunded to them can't be spent.

use std::collections::{HashMap, HashSet};

use super::claims::{Claim, Held, State};
use crate::domain::detail::WrittenDraw;
use crate::domain::grant::total_spendable;

/// A user's grants, in draw order, and the claims on them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims {
    /// The grants that claims name or have drawn on, and those that they may draw on.
    pub grants: Vec<Held>,
    /// Related claims: those that share grants, directly or through other claims.
    pub claims: Vec<Claim>,
}

/// The state of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// The credits that are withdrawn from its grants, were written off before, or were drawn from other
    /// grants instead.
    pub revoked: i64,
    /// The credits that were spent.
    pub spent: i64,
    /// The credits that are claimed but not collected.
    pub outstanding: i64,
    /// The credits that can still be spent.
    pub remaining: i64,
}

impl Claims {
    /// Brings grants and claims into balance. With `recovers`, claims that may draw on other grants do so
    /// now.
    pub fn balance(&mut self, recovers: bool, now_ms: i64) {
        let order = self.in_order();
        // Other grants are closed by claims that are not loaded.
        let terms = self.claims.iter().flat_map(|claim| &claim.terms.grants);
        let claimed: HashSet<&str> = terms.map(String::as_str).collect();
        for held in self.grants.iter_mut().filter(|held| claimed.contains(&*held.grant.id)) {
            if let State::Closed(before) = &held.state {
                held.grant.active = before == "active";
                held.state = State::Open;
            }
        }
        for at in order.iter().copied().filter(|at| self.is_whole(*at)).collect::<Vec<_>>() {
            self.close(at);
        }
        self.give_back_surplus();
        for at in &order {
            self.draw(*at, |claim, held| claim.names(&held.grant.id));
        }
        for at in order.iter().filter(|_| recovers) {
            if self.claims[*at].terms.recovers {
                self.draw(*at, |claim, held| {
                    !claim.names(&held.grant.id) && held.grant.is_spendable(now_ms)
                });
            }
        }
        self.give_back_surplus();
        for at in order {
            if self.lack(at) > 0 {
                self.close(at);
            }
        }
    }

    /// The state of these grants at this time.
    pub fn standing(&self, grants: &[String], now_ms: i64) -> Standing {
        let mut standing = Standing { revoked: self.had(grants), ..Standing::default() };
        for (at, claim) in self.claims.iter().enumerate() {
            if claim.stands && claim.meets(grants) {
                standing.outstanding = standing.outstanding.max(self.lack(at));
            }
        }
        for held in self.grants.iter().filter(|held| grants.contains(&held.grant.id)) {
            let grant = &held.grant;
            if held.state != State::Emptied {
                let gone = grant.credits.saturating_sub(grant.remaining);
                let unspent = self.own_draws(&grant.id).saturating_add(held.written_off);
                let spent = gone.saturating_sub(unspent).max(0);
                standing.spent = standing.spent.saturating_add(spent);
            }
            if grant.is_spendable(now_ms) {
                standing.remaining = standing.remaining.saturating_add(grant.remaining.max(0));
            }
        }
        standing
    }

    /// Active claims that hold less than they could, each with a grant that should be closed: the claim is
    /// not fully collected, or covers everything that was granted. Empty after [`Self::balance`].
    pub fn unmet(&self) -> Vec<(&Claim, &Held)> {
        let standing = (0..self.claims.len()).filter(|at| self.claims[*at].stands);
        let open = |at: usize| {
            let (claim, is_whole) = (&self.claims[at], self.is_whole(at));
            let is_owed = is_whole || self.lack(at) > 0;
            let mut grants = self.grants.iter().filter(|held| claim.names(&held.grant.id));
            let held = grants.find(|held| {
                held.grant.active && (is_whole || (is_owed && held.grant.remaining > 0))
            });
            held.map(|held| (claim, held))
        };
        standing.filter_map(open).collect()
    }

    /// The credits that a claim has not collected.
    pub fn owed(&self, claim: &Claim) -> i64 {
        let need = claim.terms.total.min(self.granted(&claim.terms.grants));
        need.saturating_sub(self.had(&claim.terms.grants)).max(0)
    }

    /// Active claims: those on fewer grants first, then larger ones, so that each draws only what the claims
    /// before it have not.
    fn in_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.claims.len()).collect();
        order.retain(|at| self.claims[*at].stands);
        order.sort_by_key(|at| {
            let claim = &self.claims[*at];
            (claim.terms.grants.len(), -claim.terms.total, claim.transaction_no.clone())
        });
        order
    }

    fn held(&self, id: &str) -> Option<&Held> {
        self.grants.iter().find(|held| held.grant.id == id)
    }

    fn granted(&self, grants: &[String]) -> i64 {
        let granted = grants.iter().filter_map(|id| self.held(id));
        granted.fold(0, |sum: i64, held| sum.saturating_add(held.grant.credits.max(0)))
    }

    /// The credits that a claim is entitled to: at most what was granted.
    fn need(&self, at: usize) -> i64 {
        let terms = &self.claims[at].terms;
        terms.total.min(self.granted(&terms.grants))
    }

    fn lack(&self, at: usize) -> i64 {
        self.need(at) - self.had(&self.claims[at].terms.grants)
    }

    /// Whether a claim covers everything that was granted.
    fn is_whole(&self, at: usize) -> bool {
        let terms = &self.claims[at].terms;
        let granted = self.granted(&terms.grants);
        granted > 0 && terms.total >= granted
    }

    /// The credits of these grants that claims hold.
    fn had(&self, grants: &[String]) -> i64 {
        let of_grants = grants.iter().filter_map(|id| self.held(id));
        let of_grants = of_grants.map(|held| self.withdrawn(held));
        let recovered = self.claims.iter().filter(|claim| claim.stands && claim.is_within(grants));
        of_grants.chain(recovered.map(Claim::recovered)).fold(0, i64::saturating_add)
    }

    fn withdrawn(&self, held: &Held) -> i64 {
        let own = self.own_draws(&held.grant.id).saturating_add(held.written_off);
        match held.state {
            State::Open => own,
            State::Closed(_) | State::Withdrawn => own.saturating_add(held.grant.remaining.max(0)),
            State::Emptied => held.grant.credits,
        }
    }

    /// The credits that claims drew on a grant that they name.
    fn own_draws(&self, grant_id: &str) -> i64 {
        let claims = self.claims.iter().filter(|claim| claim.stands && claim.names(grant_id));
        let draws = claims.flat_map(|claim| &claim.draws);
        let of_grant = draws.filter(|draw| draw.credit_id == grant_id);
        of_grant.fold(0, |sum, draw| sum.saturating_add(draw.credits_consumed))
    }

    /// Closes a claim's grants, except those that the app has withdrawn.
    fn close(&mut self, at: usize) {
        let claim = &self.claims[at];
        for held in &mut self.grants {
            if held.state == State::Open && claim.names(&held.grant.id) {
                let before = if held.grant.active { "active" } else { "expired" };
                held.state = State::Closed(before.to_owned());
                held.grant.active = false;
            }
        }
    }

    /// Draws a claim's missing credits from open grants.
    fn draw(&mut self, at: usize, may_pay: impl Fn(&Claim, &Held) -> bool) {
        let mut lack = self.lack(at);
        let claim = &mut self.claims[at];
        let open = self.grants.iter_mut().filter(|held| held.state == State::Open);
        for held in open {
            let drawn = lack.min(held.grant.remaining);
            if drawn > 0 && may_pay(claim, held) {
                held.grant.remaining -= drawn;
                lack -= drawn;
                let id = &held.grant.id;
                match claim.draws.iter_mut().find(|draw| draw.credit_id == *id) {
                    Some(draw) => draw.credits_consumed += drawn,
                    None => claim
                        .draws
                        .push(WrittenDraw { credit_id: id.clone(), credits_consumed: drawn }),
                }
            }
        }
    }

    /// Returns credits that were drawn from other grants and are no longer needed, last drawn first.
    fn give_back_surplus(&mut self) {
        for at in
            (0..self.claims.len()).rev().filter(|at| self.claims[*at].stands).collect::<Vec<_>>()
        {
            for item in (0..self.claims[at].draws.len()).rev() {
                let draw = &self.claims[at].draws[item];
                if self.claims[at].names(&draw.credit_id) {
                    continue;
                }
                let back = draw.credits_consumed.min(self.surplus(at));
                self.give_back(at, item, back);
            }
        }
    }

    /// The credits that a claim can return without leaving another claim short that counts them.
    fn surplus(&self, at: usize) -> i64 {
        let grants = |other: usize| &self.claims[other].terms.grants;
        let counting = (0..self.claims.len()).filter(|other| {
            self.claims[*other].stands && self.claims[at].is_within(grants(*other))
        });
        counting.map(|other| -self.lack(other)).min().unwrap_or(0).max(0)
    }

    /// Returns up to this many credits of a draw to its grant, as far as there is room.
    fn give_back(&mut self, at: usize, item: usize, credits: i64) {
        let Some(draw) = self.claims[at].draws.get_mut(item) else { return };
        let grant_id = draw.credit_id.clone();
        let found = self.grants.iter_mut().find(|held| held.grant.id == grant_id);
        let Some(held) = found else { return };
        let room = held.grant.credits.saturating_sub(held.grant.remaining).max(0);
        let credits = credits.min(draw.credits_consumed).min(room).max(0);
        draw.credits_consumed -= credits;
        held.grant.remaining += credits;
    }

    /// Ends a claim: everything that it drew is returned.
    pub fn end(&mut self, at: usize) {
        for item in 0..self.claims[at].draws.len() {
            self.give_back(at, item, i64::MAX);
        }
        self.claims[at].stands = false;
        self.claims[at].draws.clear();
    }

    /// Adds refunded credits to grants, by `id`.
    pub fn return_to(&mut self, returns: &HashMap<&str, i64>) {
        for held in &mut self.grants {
            let back = returns.get(held.grant.id.as_str()).copied().unwrap_or(0);
            held.grant.remaining = held.grant.remaining.saturating_add(back);
        }
    }

    /// The sum of the spendable credits of these grants.
    pub fn spendable(&self, now_ms: i64) -> i64 {
        total_spendable(self.grants.iter().map(|held| &held.grant), now_ms)
    }
}
