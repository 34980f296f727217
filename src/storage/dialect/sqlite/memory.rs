//! A cache of users' spendable grants, for a wire whose writes check whether the cached rows are current
//! ([`Wire::rely_on`](super::wire::Wire::rely_on)). If a user's cached grants cover a charge, it is written
//! without reading first. All other requests are decided on rows that are read: a rejection never depends on
//! the cache.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cell::{Cell, OwnedRow, SelectedRow as _};
use super::facts::{owner_of_grant, read_grant, read_whole_grant};
use crate::domain::grant::Grant;
use crate::domain::plan::Plan;
use crate::storage::store::{Wanted, cover};
use crate::storage::times::TimestampUnit;

/// The spendable grants of some users, as rows. Of each cached user, all grants are cached.
#[derive(Debug, Default)]
pub struct Memory(Mutex<GrantsOfUsers>);

#[derive(Debug, Default)]
struct GrantsOfUsers {
    of_users: HashMap<String, GrantsOfUser>,
    rows: usize,
    /// Counts reads and writes of the cache.
    uses: u64,
}

#[derive(Debug)]
struct GrantsOfUser {
    rows: Vec<OwnedRow>,
    /// The value of [`GrantsOfUsers::uses`] when it was last used.
    used: u64,
}

impl Memory {
    /// Maximum number of rows, about 10 MB.
    const MOST_ROWS: usize = 20_000;
    /// Users with more grants are not cached.
    const MOST_OF_USER: usize = 32;

    /// Replaces the cached grants of these users. Users without spendable grants are not cached.
    pub(super) fn remember<'u>(
        &self,
        users: impl Iterator<Item = &'u str>,
        rows: &[OwnedRow],
        unit: TimestampUnit,
    ) {
        let mut read: BTreeMap<String, Vec<OwnedRow>> =
            users.map(|user_id| (user_id.to_owned(), Vec::new())).collect();
        for row in rows {
            if let Some(of_user) = owner_of_grant(row).and_then(|user_id| read.get_mut(&user_id)) {
                of_user.push(row.clone());
            }
        }
        let mut state = self.lock();
        for (user_id, rows) in read {
            state.forget(&user_id);
            let is_plain = |row: &OwnedRow| is_plain(row, unit);
            if (1..=Self::MOST_OF_USER).contains(&rows.len()) && rows.iter().all(is_plain) {
                if state.rows + rows.len() > Self::MOST_ROWS {
                    state.forget_unused(Self::MOST_ROWS / 2);
                }
                state.rows += rows.len();
                let used = state.count_use();
                state.of_users.insert(user_id, GrantsOfUser { rows, used });
            }
        }
    }

    /// The users' spendable grants, as a read would return them, if all users are cached and can pay.
    pub(super) fn recall(
        &self,
        wanted: &Wanted<'_>,
        now_ms: i64,
        unit: TimestampUnit,
    ) -> Option<Vec<OwnedRow>> {
        let mut state = self.lock();
        let used = state.count_use();
        let (read, columns) = match wanted.choices.is_empty() {
            true => (read_grant as fn(&OwnedRow, TimestampUnit) -> Option<Grant>, PLAIN_COLUMNS),
            false => (read_whole_grant as _, WHOLE_COLUMNS),
        };
        let mut recalled = Vec::new();
        for (user_id, credits) in &wanted.credits {
            let of_user = state.of_users.get_mut(*user_id)?;
            of_user.used = used;
            let mut grants = Vec::new();
            for row in &of_user.rows {
                let row = row.get(..columns)?.to_vec();
                let grant = read(&row, unit)?;
                if grant.is_spendable(now_ms) {
                    grants.push(grant);
                    recalled.push(row);
                }
            }
            if !cover(&grants, *credits, wanted.choices.get(user_id)) {
                return None;
            }
        }
        Some(recalled)
    }

    /// Updates the cache after plans were written.
    pub(super) fn written(&self, plans: &[&Plan]) {
        let mut state = self.lock();
        plans.iter().for_each(|plan| state.keep_up(plan));
    }

    /// Removes these users.
    pub(super) fn forget<'u>(&self, users: impl Iterator<Item = &'u str>) {
        let mut state = self.lock();
        users.for_each(|user_id| state.forget(user_id));
    }

    /// Removes all users.
    pub fn clear(&self) {
        *self.lock() = GrantsOfUsers::default();
    }

    /// The lock may be poisoned: at worst, the cache is outdated.
    fn lock(&self) -> MutexGuard<'_, GrantsOfUsers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GrantsOfUsers {
    fn forget(&mut self, user_id: &str) {
        self.rows -= self.of_users.remove(user_id).map_or(0, |of_user| of_user.rows.len());
    }

    fn count_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    /// Removes the least recently used users until this many rows remain.
    fn forget_unused(&mut self, most_rows: usize) {
        let mut uses: Vec<(u64, usize)> =
            self.of_users.values().map(|of_user| (of_user.used, of_user.rows.len())).collect();
        uses.sort_unstable_by_key(|(used, _)| std::cmp::Reverse(*used));
        let mut rows = 0;
        let kept = uses.into_iter().take_while(|(_, more)| {
            rows += more;
            rows <= most_rows
        });
        let oldest = kept.last().map_or(u64::MAX, |(used, _)| used);
        self.of_users.retain(|_, of_user| of_user.used >= oldest);
        self.rows = self.of_users.values().map(|of_user| of_user.rows.len()).sum();
    }

    fn keep_up(&mut self, plan: &Plan) {
        let Some(GrantsOfUser { rows, .. }) = self.of_users.get_mut(&plan.user_id) else { return };
        let before = rows.len();
        let mut is_known = !plan.gives();
        for draw in &plan.draws {
            let is_it = |row: &OwnedRow| row.cell(0).as_text() == Some(draw.credit_id.as_str());
            match rows.iter().position(is_it) {
                Some(at) if draw.credits_after == 0 => drop(rows.remove(at)),
                Some(at) => rows[at][REMAINING] = draw.credits_after.into(),
                None => is_known = false,
            }
        }
        self.rows -= before - rows.len();
        if !is_known {
            self.forget(&plan.user_id);
        }
    }
}

/// The index of the remaining credits.
const REMAINING: usize = 3;
/// The number of columns of a grant, its user and its sort columns.
const PLAIN_COLUMNS: usize = 8;
/// The number of columns with the provenance.
const WHOLE_COLUMNS: usize = 9;

/// Whether all values have the types that grants are written with; comparing others in SQL may differ from
/// reading them.
fn is_plain(row: &OwnedRow, unit: TimestampUnit) -> bool {
    let is_plain = |cell: &Cell<'_>| !matches!(cell, Cell::Real(_) | Cell::Blob(_));
    let is_time = matches!(row.cell(4), Cell::Null | Cell::Integer(_));
    is_time && row.iter().all(is_plain) && read_grant(row, unit).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::detail::Draw;
    use crate::domain::paying::{DrawOrder, Paying, Scenes};
    use crate::domain::table::TableName;

    const UNIT: TimestampUnit = TimestampUnit::Milliseconds;

    fn row(user_id: &str, id: &str, remaining: i64, expires_at: Cell<'static>) -> OwnedRow {
        let text = |text: &str| Cell::from(text.to_owned());
        let number = text(&format!("no {id}"));
        vec![
            text(id),
            number,
            100.into(),
            remaining.into(),
            expires_at,
            text("active"),
            text(user_id),
            40.into(),
        ]
    }

    /// Caches `u` with 5 until 100, and 7; `v` with 3; `w` with an unusual expiry.
    fn known() -> Memory {
        let rows = [
            row("u", "a", 5, 100.into()),
            row("v", "c", 3, Cell::Null),
            row("u", "b", 7, Cell::Null),
            row("w", "d", 9, 100.5.into()),
            row("stranger", "e", 9, Cell::Null),
        ];
        let memory = Memory::default();
        memory.remember(["u", "v", "w", "poor"].into_iter(), &rows, UNIT);
        memory
    }

    /// The users' cached grants, such as `a 5`.
    fn recalled(memory: &Memory, credits: &[(&str, i64)], now_ms: i64) -> Option<Vec<String>> {
        let wanted = Wanted { credits: credits.iter().copied().collect(), ..Wanted::default() };
        let rows = memory.recall(&wanted, now_ms, UNIT)?;
        let said = |row: &OwnedRow| {
            format!("{} {}", row.cell(0).as_text().unwrap(), row.cell(REMAINING).whole().unwrap())
        };
        Some(rows.iter().map(said).collect())
    }

    fn draw(credit_id: &str, credits_before: i64, credits_consumed: i64) -> Draw {
        Draw {
            credit_id: credit_id.to_owned(),
            transaction_no: String::new(),
            expires_at: None,
            credits_to_consume: credits_consumed,
            credits_consumed,
            credits_before,
            credits_after: credits_before - credits_consumed,
            batch_size: 1000,
            batch_no: 1,
        }
    }

    #[test]
    fn cached_facts_of_users() {
        type Asked = &'static [(&'static str, i64)];
        let rows: [(Asked, i64, Option<&[&str]>); 12] = [
            // credits by user, the time; the cached grants
            (&[("u", 0)], 50, Some(&["a 5", "b 7"])),
            (&[("u", 12)], 50, Some(&["a 5", "b 7"])),
            (&[("u", 13)], 50, None),
            (&[("u", 7)], 100, Some(&["b 7"])),
            (&[("u", 8)], 100, None),
            (&[("u", 1), ("v", 3)], 50, Some(&["a 5", "b 7", "c 3"])),
            (&[("u", 1), ("v", 4)], 50, None),
            (&[("u", 1), ("other", 0)], 50, None),
            (&[("w", 1)], 50, None),
            (&[("poor", 0)], 50, None),
            (&[("stranger", 1)], 50, None),
            (&[("v", 1)], i64::MAX, Some(&["c 3"])),
        ];
        for (credits, now_ms, expected) in rows {
            let expected = expected.map(|rows| rows.iter().map(|row| (*row).to_owned()).collect());
            assert_eq!(recalled(&known(), credits, now_ms), expected, "{credits:?} at {now_ms}");
        }
    }

    #[test]
    fn cached_grants_must_cover_the_charge() {
        type Asked = &'static [(&'static str, i64)];
        let whole = |user_id: &str, id: &str, remaining, scene: &str| {
            let scene = vec![Cell::from(scene.to_owned())];
            [row(user_id, id, remaining, Cell::Null), scene].concat()
        };
        let memory = Memory::default();
        let rows = [whole("u", "a", 5, "gift"), whole("u", "b", 7, "payment")];
        memory.remember(["u"].into_iter(), &rows, UNIT);
        memory.remember(["v"].into_iter(), &[row("v", "c", 3, Cell::Null)], UNIT);
        let gifts =
            Paying { scenes: Scenes::Only(vec!["gift".to_owned()]), order: DrawOrder::default() };
        let recall = |credits: Asked, chooses: bool| {
            let mut wanted =
                Wanted { credits: credits.iter().copied().collect(), ..Wanted::default() };
            if chooses {
                wanted.choices.insert("u", vec![&gifts]);
            }
            memory.recall(&wanted, 50, UNIT).map(|rows| rows.iter().map(Vec::len).collect())
        };
        let rows: [(Asked, bool, Option<Vec<usize>>); 5] = [
            // credits by user, whether `u` pays with gifts only; the number of columns of each row
            (&[("u", 5)], true, Some(vec![9, 9])),
            (&[("u", 6)], true, None),
            (&[("u", 12)], false, Some(vec![8, 8])),
            (&[("u", 1), ("v", 1)], false, Some(vec![8, 8, 8])),
            (&[("u", 1), ("v", 1)], true, None),
        ];
        for (credits, chooses, expected) in rows {
            assert_eq!(recall(credits, chooses), expected, "{credits:?} {chooses}");
        }
    }

    #[test]
    fn cached_facts_after_writes() {
        type Row<'r> = (&'r [Draw], &'r [(&'r str, i64)], Option<&'r [&'r str]>);
        let rows: [Row<'_>; 5] = [
            // a charge's draws, and returns to grants; the cached grants afterwards
            (&[draw("a", 5, 2)], &[], Some(&["a 3", "b 7"])),
            (&[draw("a", 5, 5), draw("b", 7, 1)], &[], Some(&["b 6"])),
            (&[], &[], Some(&["a 5", "b 7"])),
            (&[draw("other", 5, 5)], &[], None),
            (&[], &[("a", 1)], None),
        ];
        for (draws, returns, expected) in rows {
            let memory = known();
            let mut plan = Plan::new("u", TableName::Credit, "charge");
            plan.draws = draws.to_vec();
            plan.returns =
                returns.iter().map(|(id, credits)| ((*id).to_owned(), *credits)).collect();
            memory.written(&[&plan]);
            let expected = expected.map(|rows| rows.iter().map(|row| (*row).to_owned()).collect());
            assert_eq!(recalled(&memory, &[("u", 0)], 50), expected, "{draws:?} {returns:?}");
            assert!(recalled(&memory, &[("v", 0)], 50).is_some());
        }
    }

    #[test]
    fn reads_replace_cached_facts() {
        let memory = known();
        memory.remember(["u", "v"].into_iter(), &[row("u", "b", 2, Cell::Null)], UNIT);
        assert_eq!(recalled(&memory, &[("u", 0)], 50), Some(vec!["b 2".to_owned()]));
        assert_eq!(recalled(&memory, &[("v", 0)], 50), None);
        memory.forget(["u"].into_iter());
        assert_eq!(recalled(&memory, &[("u", 0)], 50), None);
    }

    #[test]
    fn the_cache_is_bounded() {
        let memory = Memory::default();
        let of_user = |user_id: &str, grants: usize| -> Vec<OwnedRow> {
            (0..grants).map(|at| row(user_id, &format!("{user_id} {at}"), 1, Cell::Null)).collect()
        };
        for at in 0..1000 {
            let user_id = format!("u{at}");
            memory.remember([user_id.as_str()].into_iter(), &of_user(&user_id, 32), UNIT);
            assert!(recalled(&memory, &[("u0", 1)], 50).is_some(), "at {at}");
            let state = memory.lock();
            let rows = state.of_users.values().map(|of_user| of_user.rows.len());
            assert_eq!(state.rows, rows.sum::<usize>());
            assert!(state.rows <= Memory::MOST_ROWS);
        }
        assert!(recalled(&memory, &[("u999", 32)], 50).is_some());
        assert!(recalled(&memory, &[("u0", 1)], 50).is_some(), "it was asked about all the time");
        assert_eq!(recalled(&memory, &[("u1", 1)], 50), None);
        memory.remember(["u"].into_iter(), &of_user("u", 33), UNIT);
        assert_eq!(recalled(&memory, &[("u", 1)], 50), None);
        memory.clear();
        assert_eq!(memory.lock().rows, 0);
        assert_eq!(recalled(&memory, &[("u999", 1)], 50), None);
    }
}
