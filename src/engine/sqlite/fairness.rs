//! Leaving the write lock to other connections. Under full load one batch follows another, and the lock is almost
//! never free. Another process that waits for it polls only occasionally: SQLite's own handler sleeps up to 25 ms
//! between its first polls, and 100 ms later on. So while other connections write, the writer releases the lock
//! several times a second for long enough that a first poll succeeds. If no other process has written for a while, but
//! one may be waiting, it releases the lock long enough for a late poll.

use std::time::{Duration, Instant};

/// The writer's recent use of the lock.
#[derive(Debug)]
pub(super) struct LockFairness {
    others_wrote: Option<Instant>,
    long_pause: Option<Instant>,
    window_began: Instant,
    busy: Duration,
}

impl LockFairness {
    /// Longer than the sleeps between the first polls of SQLite's busy handler, which take 130 ms in total.
    const PAUSE: Duration = Duration::from_millis(26);
    const WINDOW: Duration = Duration::from_millis(100);
    /// Longer than its later sleeps.
    const LONG_PAUSE: Duration = Duration::from_millis(102);
    /// After this long without writes by others, one may be waiting for a late poll. Also the minimum time
    /// between long pauses.
    const SILENCE: Duration = Duration::from_millis(400);
    /// For this long after a write, other connections are expected to write again.
    const MEMORY: Duration = Duration::from_secs(5);

    pub(super) fn new(now: Instant) -> Self {
        Self { others_wrote: None, long_pause: None, window_began: now, busy: Duration::ZERO }
    }

    /// Records a batch.
    pub(super) fn had_lock(&mut self, began: Instant, ended: Instant, others_wrote: bool) {
        self.busy += ended.duration_since(began);
        if others_wrote {
            self.others_wrote = Some(ended);
        }
    }

    /// How long to leave the lock to others before the next batch.
    pub(super) fn pause(&mut self, now: Instant) -> Option<Duration> {
        let window = now.duration_since(self.window_began);
        if window < Self::WINDOW {
            return None;
        }
        // With a fifth of the time free, other connections get the lock often enough.
        let full = self.busy * 5 > window * 4;
        self.window_began = now;
        self.busy = Duration::ZERO;
        let silent = self.others_wrote.map(|at| now.duration_since(at));
        let silent = silent.filter(|silent| full && *silent < Self::MEMORY)?;
        let since_long_pause = self.long_pause.map_or(Self::MEMORY, |at| now.duration_since(at));
        if silent < Self::SILENCE || since_long_pause < Self::SILENCE {
            return Some(Self::PAUSE);
        }
        self.long_pause = Some(now);
        Some(Self::LONG_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_kept_the_lock_pauses() {
        let rows = [
            // batches (begin and end in ms, whether others wrote), now; the pause in ms
            (vec![(0, 50, true), (50, 99, false)], 99, None),
            (vec![(0, 50, true), (50, 101, false)], 101, Some(26)),
            (vec![(0, 50, false), (50, 101, false)], 101, None),
            (vec![(0, 50, true), (90, 101, false)], 101, None),
            (vec![(0, 50, true), (50, 100, false)], 200, None),
            (vec![(0, 50, true), (50, 440, false)], 440, Some(26)),
            (vec![(0, 50, true), (50, 460, false)], 460, Some(102)),
            (vec![(0, 50, true), (50, 5060, false)], 5060, None),
        ];
        for (batches, now, expected) in rows {
            let start = Instant::now();
            let at = |ms: u64| start + Duration::from_millis(ms);
            let mut fairness = LockFairness::new(start);
            for (began, ended, others_wrote) in &batches {
                fairness.had_lock(at(*began), at(*ended), *others_wrote);
            }
            let expected = expected.map(Duration::from_millis);
            assert_eq!(fairness.pause(at(now)), expected, "{batches:?}");
            assert_eq!(fairness.pause(at(now)), None, "twice");
        }
    }

    #[test]
    fn long_pauses_differ_from_each_other() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut fairness = LockFairness::new(start);
        fairness.had_lock(at(0), at(1), true);
        let mut pauses_ms = Vec::new();
        for window in 1..10 {
            fairness.had_lock(at((window - 1) * 110), at(window * 110), false);
            pauses_ms.push(fairness.pause(at(window * 110)).unwrap().as_millis());
        }
        assert_eq!(pauses_ms, [26, 26, 26, 102, 26, 26, 26, 102, 26]);
    }
}
