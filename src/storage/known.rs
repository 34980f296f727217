//! The schema of a server, as read with the first request. It is read again after a minute, and when a call
//! does not fit it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The schema, shared by all requests of a process.
#[derive(Debug)]
pub(super) struct Known<T>(Mutex<Option<Finding<T>>>);

#[derive(Debug)]
struct Finding<T> {
    found: T,
    /// A request after this time reads it again.
    look_at: Instant,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Known<T> {
    /// An added column is noticed after this time, without a restart.
    const FRESH: Duration = Duration::from_secs(60);
    /// While one request reads the schema, the others use the known one; after this time another request
    /// tries.
    const LOOK: Duration = Duration::from_secs(5);

    /// The known schema. `None`: the caller must read it and pass it to [`Self::found`].
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

    /// The known schema, unless a request must read it again.
    #[cfg(any(feature = "mysql", feature = "postgres"))]
    pub(super) fn fresh(&self) -> Option<T> {
        let state = self.lock();
        let finding = state.as_ref().filter(|finding| Instant::now() < finding.look_at);
        finding.map(|finding| finding.found.clone())
    }

    /// Stores the schema that a request has read.
    pub(super) fn found(&self, found: T) {
        self.found_at(found, Instant::now());
    }

    fn found_at(&self, found: T, now: Instant) {
        *self.lock() = Some(Finding { found, look_at: now + Self::FRESH });
    }

    /// Whether a schema is known.
    pub(super) fn is_some(&self) -> bool {
        self.lock().is_some()
    }

    /// Makes the next request read it again.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    /// The lock may be poisoned: a panic elsewhere can't leave it half changed.
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
            // seconds, the known value
            (59, Some("first")),
            (60, None),
            (60, Some("first")),
            (64, Some("first")),
            // The read has failed, or takes long.
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
