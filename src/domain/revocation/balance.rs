//! How much revocations withdraw, independent of their order.
//!
//! Each active revocation states how many credits of some grants are to be withdrawn in all. The largest one counts,
//! not their sum: they report the same payment, one after the other or repeatedly. A grant that is wholly withdrawn is
//! closed and keeps its remaining credits. From other grants the revocation draws. Credits that were spent already are
//! outstanding, or are recovered from the user's other grants: until they come back, the grants are closed, so that
//! refunds to them reach the revocation first.

use std::cmp::Reverse;
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
            // Its own grants take the place of others, which get their credits back below.
            let wanted = self.lack(*at).saturating_add(self.returnable(*at));
            self.draw(*at, wanted, |claim, held| claim.names(&held.grant.id));
        }
        for at in order.iter().filter(|_| recovers) {
            if self.claims[*at].terms.recovers {
                self.draw(*at, self.lack(*at), |claim, held| {
                    !claim.names(&held.grant.id) && held.grant.is_spendable(now_ms)
                });
            }
        }
        self.give_back_surplus();
        for at in order {
            if self.lack(at) > 0 || self.awaits_its_own(at) {
                self.close(at);
            }
        }
    }

    /// The state of these grants at this time.
    pub fn standing(&self, grants: &[String], now_ms: i64) -> Standing {
        // What was recovered beyond that is for a revocation of other grants too.
        let revoked = self.had(grants).min(self.granted(grants));
        let mut standing = Standing { revoked, ..Standing::default() };
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

    /// The credits that claims on the same grants drew from others which have room for them.
    fn returnable(&self, at: usize) -> i64 {
        let grants = &self.claims[at].terms.grants;
        let same = self.claims.iter().filter(|claim| claim.stands && claim.terms.grants == *grants);
        let returned = same.flat_map(Claim::draws_on_others).map(|draw| {
            let room = self.held(&draw.credit_id).map_or(0, Held::room);
            draw.credits_consumed.min(room)
        });
        returned.fold(0, i64::saturating_add)
    }

    /// Whether other grants pay for a claim whose own ones are used up.
    fn awaits_its_own(&self, at: usize) -> bool {
        let claim = &self.claims[at];
        let mut own = self.grants.iter().filter(|held| claim.names(&held.grant.id));
        claim.recovered() > 0
            && own.all(|held| held.state != State::Open || held.grant.remaining <= 0)
    }

    /// Draws credits for a claim from open grants.
    fn draw(&mut self, at: usize, mut wanted: i64, may_pay: impl Fn(&Claim, &Held) -> bool) {
        let claim = &mut self.claims[at];
        let open = self.grants.iter_mut().filter(|held| held.state == State::Open);
        for held in open {
            let drawn = wanted.min(held.grant.remaining);
            if drawn > 0 && may_pay(claim, held) {
                held.grant.remaining -= drawn;
                wanted -= drawn;
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

    /// Returns credits that are no longer needed: those of other grants before those of the claims' own.
    fn give_back_surplus(&mut self) {
        let is_own = |(at, item): &(usize, usize)| {
            let claim = &self.claims[*at];
            claim.draws.get(*item).is_some_and(|draw| claim.names(&draw.credit_id))
        };
        let (own, others): (Vec<_>, Vec<_>) = self.draws_last_first().into_iter().partition(is_own);
        // What returns to a claimed grant may be what another claim has recovered instead.
        loop {
            let mut returned: i64 = 0;
            for (at, item) in &others {
                returned += self.give_back(*at, *item, self.surplus(*at));
            }
            for (at, item) in &own {
                returned += self.give_back(*at, *item, self.own_surplus(*at, *item));
            }
            if returned == 0 {
                return;
            }
        }
    }

    /// The places of all draws of active claims. Those on the grants that are drawn on last come first, in
    /// whatever order the claims were read.
    fn draws_last_first(&self) -> Vec<(usize, usize)> {
        let standing = (0..self.claims.len()).filter(|at| self.claims[*at].stands);
        let items = |at: usize| (0..self.claims[at].draws.len()).map(move |item| (at, item));
        let mut draws: Vec<(usize, usize)> = standing.flat_map(items).collect();
        draws.sort_by_cached_key(|(at, item)| {
            let claim = &self.claims[*at];
            let id = claim.draws.get(*item).map(|draw| draw.credit_id.as_str());
            let place = self.grants.iter().position(|held| Some(held.grant.id.as_str()) == id);
            (Reverse(place), claim.transaction_no.clone())
        });
        draws
    }

    /// The credits of other grants that a claim can return without leaving another claim short that may take
    /// such credits too.
    fn surplus(&self, at: usize) -> i64 {
        let counting = (0..self.claims.len()).filter(|other| {
            let Claim { stands, terms, .. } = &self.claims[*other];
            *stands && terms.recovers && self.claims[at].is_within(&terms.grants)
        });
        counting.map(|other| -self.lack(other)).min().unwrap_or(0).max(0)
    }

    /// The credits of its own grant that a claim can return, because other claims have withdrawn enough of
    /// the other grants. Credits that were written off do not return any.
    fn own_surplus(&self, at: usize, item: usize) -> i64 {
        let drawn_on = self.claims[at].draws.get(item).and_then(|draw| self.held(&draw.credit_id));
        let Some(held) = drawn_on.filter(|held| held.state == State::Open) else { return 0 };
        let naming = (0..self.claims.len()).filter(|other| {
            self.claims[*other].stands && self.claims[*other].names(&held.grant.id)
        });
        let surplus = naming.map(|other| {
            let grants = self.claims[other].terms.grants.iter().filter_map(|id| self.held(id));
            let written_off = grants.fold(0, |sum: i64, held| sum.saturating_add(held.written_off));
            -self.lack(other).saturating_add(written_off)
        });
        surplus.min().unwrap_or(0).max(0)
    }

    /// Returns up to this many credits of a draw to its grant, as far as there is room. Tells how many.
    fn give_back(&mut self, at: usize, item: usize, credits: i64) -> i64 {
        let Some(draw) = self.claims[at].draws.get_mut(item) else { return 0 };
        let grant_id = draw.credit_id.clone();
        let found = self.grants.iter_mut().find(|held| held.grant.id == grant_id);
        let Some(held) = found else { return 0 };
        let credits = credits.min(draw.credits_consumed).min(held.room()).max(0);
        draw.credits_consumed -= credits;
        held.grant.remaining += credits;
        credits
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
