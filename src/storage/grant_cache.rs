//! A cache of users' next spendable grants and of their spending, kept between transactions.
//!
//! It is always exact. It is used only while the write lock is held and `PRAGMA data_version` shows that no
//! other connection has committed since the rows were read; all writes of this connection update it. Any
//! other change of a user's grants removes the user's entry. If the tables have triggers nothing is cached,
//! since a trigger may change grants unseen.

use std::collections::{HashMap, HashSet};

use crate::domain::charge::draw_down;
use crate::domain::detail::Draw;
use crate::domain::grant::Grant;
use crate::domain::spending::{MOST_LIMITS, Spending};

/// The next grants of some users, and which users exist.
#[derive(Debug, Default)]
pub(super) struct GrantCache {
    of_users: HashMap<String, NextGrants>,
    users: HashSet<String>,
    /// Their spending since the start of a window, as a sum.
    spent: HashMap<String, Vec<(Spending, i64)>>,
}

/// A user's next grants.
#[derive(Debug)]
pub(super) struct NextGrants {
    /// Grants that were spendable when they were read, in draw order.
    grants: Vec<Grant>,
    /// Whether these are all of the user's spendable grants.
    pub(super) complete: bool,
    /// Whether their provenance is known.
    whole: bool,
    /// When they were read.
    read_at_ms: i64,
    /// The sum of their credits.
    held: i64,
}

impl NextGrants {
    /// The number of grants to cache for a user with many.
    const ENOUGH: usize = 32;

    /// No grants yet, read at this time.
    pub(super) fn read_at(now_ms: i64) -> Self {
        Self { grants: Vec::new(), complete: false, whole: false, read_at_ms: now_ms, held: 0 }
    }

    /// Adds the next grant. Returns whether they cover a charge and some more of the next ones.
    pub(super) fn add(&mut self, grant: Grant, credits: i64) -> bool {
        self.held = self.held.saturating_add(grant.remaining);
        self.grants.push(grant);
        self.held >= credits && self.grants.len() >= Self::ENOUGH
    }

    /// The grants that cover a charge; if they do not and these are all grants, all spendable ones.
    pub(super) fn covering(&self, credits: i64, now_ms: i64) -> Option<Vec<Grant>> {
        let mut covered: i64 = 0;
        let mut covering = Vec::new();
        for grant in self.grants.iter().filter(|grant| grant.is_spendable(now_ms)) {
            covered = covered.saturating_add(grant.remaining);
            covering.push(grant.clone());
            if covered >= credits {
                return Some(covering);
            }
        }
        self.complete.then_some(covering)
    }
}

impl GrantCache {
    /// Maximum number of users in the cache, about 10 MB.
    const MOST: usize = 4_000;

    /// The grants that decide a charge of a user, if they are cached.
    pub(super) fn covering(&self, user_id: &str, credits: i64, now_ms: i64) -> Option<Vec<Grant>> {
        let next = self.of_users.get(user_id)?;
        // If the clock was set back, a grant that had expired when it was read could be spendable again.
        if now_ms < next.read_at_ms { None } else { next.covering(credits, now_ms) }
    }

    /// All grants of a user with their provenance, if they are cached.
    pub(super) fn whole(&self, user_id: &str, now_ms: i64) -> Option<Vec<Grant>> {
        let next = self.of_users.get(user_id).filter(|next| next.whole)?;
        let spendable = next.grants.iter().filter(|grant| grant.is_spendable(now_ms));
        (now_ms >= next.read_at_ms).then(|| spendable.cloned().collect())
    }

    /// Caches all grants of a user with their provenance, unless there are many.
    pub(super) fn remember_whole(&mut self, user_id: &str, grants: &[Grant], now_ms: i64) {
        if grants.len() <= NextGrants::ENOUGH {
            let mut next =
                NextGrants { complete: true, whole: true, ..NextGrants::read_at(now_ms) };
            next.grants.extend_from_slice(grants);
            self.remember(user_id, next);
        }
    }

    /// Caches a user's grants.
    pub(super) fn remember(&mut self, user_id: &str, next: NextGrants) {
        if self.of_users.len() >= Self::MOST {
            self.clear();
        }
        self.of_users.insert(user_id.to_owned(), next);
    }

    /// Whether this user is known to exist. The engine never deletes a user.
    pub(super) fn knows_user(&self, user_id: &str) -> bool {
        self.users.contains(user_id)
    }

    /// Records that a user exists.
    pub(super) fn remember_user(&mut self, user_id: &str) {
        if self.users.len() >= Self::MOST {
            self.clear();
        }
        self.users.insert(user_id.to_owned());
    }

    /// A user's spending, if it is cached.
    pub(super) fn spent(&self, user_id: &str, spending: &Spending) -> Option<i64> {
        let of_user = self.spent.get(user_id)?;
        of_user.iter().find(|(known, _)| known == spending).map(|(_, spent)| *spent)
    }

    /// Caches a user's spending.
    pub(super) fn remember_spent(&mut self, user_id: &str, spending: &Spending, spent: i64) {
        if self.spent.len() >= Self::MOST {
            self.spent.clear();
        }
        let of_user = self.spent.entry(user_id.to_owned()).or_default();
        if of_user.len() >= MOST_LIMITS {
            // They belong to windows that have ended.
            of_user.clear();
        }
        of_user.push((spending.clone(), spent));
    }

    /// Updates a user's spending after a charge; `None`: it has changed in another way.
    pub(super) fn spends(&mut self, user_id: &str, spends: Option<(i64, Option<&str>)>) {
        let Some((credits, scene)) = spends else {
            self.spent.remove(user_id);
            return;
        };
        for (spending, spent) in self.spent.get_mut(user_id).into_iter().flatten() {
            if spending.scene.is_none() || spending.scene.as_deref() == scene {
                *spent = spent.saturating_add(credits);
            }
        }
    }

    /// Updates a user's grants after a charge was written.
    pub(super) fn drawn(&mut self, user_id: &str, draws: &[Draw]) {
        if let Some(next) = self.of_users.get_mut(user_id) {
            draw_down(&mut next.grants, draws);
        }
    }

    /// Removes a user.
    pub(super) fn forget(&mut self, user_id: &str) {
        self.of_users.remove(user_id);
    }

    /// Removes everything.
    pub(super) fn clear(&mut self) {
        self.of_users.clear();
        self.users.clear();
        self.spent.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::charge::draw;
    use crate::domain::credits::Credits;
    use crate::domain::value::Value;

    fn grant(id: &str, remaining: i64, expires_at_ms: Option<i64>) -> Grant {
        Grant {
            id: id.to_owned(),
            transaction_no: String::new(),
            credits: 100,
            remaining,
            expires_at_ms,
            active: true,
            provenance: None,
        }
    }

    #[test]
    fn cached_grants_of_a_user() {
        let grants =
            || vec![grant("a", 5, Some(100)), grant("b", 5, Some(200)), grant("c", 5, None)];
        let rows: [(bool, i64, i64, Option<&[&str]>); 9] = [
            // whether all grants, time, credits; the grants that decide, or unknown
            (true, 50, 5, Some(&["a"])),
            (true, 50, 6, Some(&["a", "b"])),
            (true, 100, 6, Some(&["b", "c"])),
            (true, 200, 6, Some(&["c"])),
            (true, 50, 16, Some(&["a", "b", "c"])),
            (false, 50, 15, Some(&["a", "b", "c"])),
            (false, 50, 16, None),
            (false, 100, 11, None),
            (true, 49, 5, None),
        ];
        for (complete, now_ms, amount, expected) in rows {
            let mut cache = GrantCache::default();
            cache.remember(
                "u",
                NextGrants { grants: grants(), complete, whole: false, read_at_ms: 50, held: 15 },
            );
            let found = cache.covering("u", amount, now_ms);
            let ids =
                found.map(|grants| grants.into_iter().map(|grant| grant.id).collect::<Vec<_>>());
            let expected = expected.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
            assert_eq!(ids, expected, "{complete} {now_ms} {amount}");
            assert!(cache.covering("v", 1, now_ms).is_none());
        }
    }

    #[test]
    fn cached_spending_of_a_user() {
        let of = |scene: Option<&str>| Spending {
            since_ms: 5,
            scene: scene.map(str::to_owned),
            each: false,
        };
        // the user's next action; the cached spending of all scenes and of one scene afterwards
        let rows = [
            (Some((3, Some("video"))), Some(13), Some(7)),
            (Some((3, None)), Some(13), Some(4)),
            (Some((3, Some("image"))), Some(13), Some(4)),
            (None, None, None),
        ];
        for (spends, all, video) in rows {
            let mut cache = GrantCache::default();
            cache.remember_spent("u", &of(None), 10);
            cache.remember_spent("u", &of(Some("video")), 4);
            cache.remember_spent("v", &of(None), 1);
            cache.spends("u", spends);
            let known = [of(None), of(Some("video"))].map(|spending| cache.spent("u", &spending));
            assert_eq!(known, [all, video], "{spends:?}");
            assert_eq!(cache.spent("v", &of(None)), Some(1));
            assert_eq!(cache.spent("v", &Spending { since_ms: 6, ..of(None) }), None);
        }
    }

    #[test]
    fn an_overflowing_sum_covers_a_charge() {
        let grants = vec![grant("a", 5, None), grant("b", i64::MAX, None)];
        let mut next = NextGrants::read_at(50);
        for grant in grants {
            next.add(grant, 6);
        }
        let covering = next.covering(6, 50).map(|grants| grants.len());
        assert_eq!(covering, Some(2));
    }

    #[test]
    fn cached_grants_are_drawn_down_in_any_order() {
        let mut cache = GrantCache::default();
        let ids = |found: Option<Vec<Grant>>| {
            found.map(|grants| grants.iter().map(|grant| grant.id.as_str()).collect::<String>())
        };
        let grants = [grant("a", 5, Some(100)), grant("b", 5, Some(200)), grant("c", 5, None)];
        cache.remember("u", NextGrants { complete: true, ..NextGrants::read_at(50) });
        assert_eq!(ids(cache.whole("u", 50)), None);
        cache.remember_whole("u", &grants, 50);
        assert_eq!(ids(cache.whole("u", 50)).as_deref(), Some("abc"));
        assert_eq!(ids(cache.whole("u", 100)).as_deref(), Some("bc"));
        assert_eq!(ids(cache.whole("u", 49)), None);
        assert_eq!(ids(cache.covering("u", 6, 50)).as_deref(), Some("ab"));
        let all = [&grants[2..], &grants[..1]].concat();
        let draws =
            draw(&all, Credits::parse("credits", Some(&Value::Integer(7))).unwrap()).unwrap();
        cache.drawn("u", &draws);
        assert_eq!(ids(cache.whole("u", 50)).as_deref(), Some("ab"));
        assert_eq!(cache.whole("u", 50).map(|grants| grants[0].remaining), Some(3));
        cache.forget("u");
        cache.remember_whole("u", &vec![grant("d", 1, None); NextGrants::ENOUGH + 1], 50);
        assert_eq!(ids(cache.whole("u", 50)), None);
    }
}
