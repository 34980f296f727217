//! The schema of a server as it was read: with the first request, again after a minute, and when a call does not fit
//! it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What was found, for all requests of a process.
#[derive(Debug)]
pub(super) struct Known<T>(Mutex<Option<Finding<T>>>);

#[derive(Debug)]
struct Finding<T> {
    found: T,
    /// A request that asks from then on looks again.
    look_at: Instant,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Known<T> {
    /// An app's owner who adds a column wants to see it soon, without a restart.
    const FRESH: Duration = Duration::from_secs(60);
    /// While one request looks, the others go on with what is known; for so long they believe that it does.
    const LOOK: Duration = Duration::from_secs(5);

    /// What is known. `None`: the request that asks is to look, and to say what was [found](Self::found).
    pub(super) fn get(&self) -> Option<T> {
        self.get_at(Instant::now())
    }

    fn get_at(&self, now: Instant) -> Option<T> {
        let mut state = self.lock();
        let finding = state.as_mut()?;
        if now < finding.look_at {
            return Some(finding.found.clone());
        }
        finding.look_at = now + Self::LOOK;
        None
    }

    /// What is known, as long as no request is to look again.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(super) fn fresh(&self) -> Option<T> {
        let state = self.lock();
        let finding = state.as_ref().filter(|finding| Instant::now() < finding.look_at);
        finding.map(|finding| finding.found.clone())
    }

    /// Keeps what a request has just found.
    pub(super) fn found(&self, found: T) {
        self.found_at(found, Instant::now());
    }

    fn found_at(&self, found: T, now: Instant) {
        *self.lock() = Some(Finding { found, look_at: now + Self::FRESH });
    }

    /// Whether anything is known.
    pub(super) fn is_some(&self) -> bool {
        self.lock().is_some()
    }

    /// The next request looks.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    /// A panic elsewhere can't leave it half changed.
    fn lock(&self) -> MutexGuard<'_, Option<Finding<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_refreshes_while_the_others_use_the_cached_value() {
        let (known, start) = (Known::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(known.get_at(at(0)), None);
        assert_eq!(known.get_at(at(0)), None, "nothing is known to go on with");
        known.found_at("first", at(0));
        let rows = [
            // seconds, what is known then
            (59, Some("first")),
            (60, None),
            (60, Some("first")),
            (64, Some("first")),
            // The look has failed, or takes long.
            (65, None),
            (66, Some("first")),
        ];
        for (seconds, expected) in rows {
            assert_eq!(known.get_at(at(seconds)), expected, "after {seconds} s");
        }
        known.found_at("second", at(66));
        assert_eq!(known.get_at(at(125)), Some("second"));
        assert!(known.is_some());
        known.forget();
        assert_eq!((known.get_at(at(125)), known.is_some()), (None, false));
    }
}
