//! Giving others a turn. Under full load one batch follows another, and the write lock is hardly ever
//! free. Another process that wants it looks only now and then: SQLite's own handler sleeps up to 25 ms
//! between its first looks, and up to 100 ms later. So while others do write, the writer leaves the
//! lock free long enough for such a look, several times a second.

use std::time::{Duration, Instant};

/// How the writer has been using the lock.
#[derive(Debug)]
pub(super) struct Turns {
    others_wrote: Option<Instant>,
    window_began: Instant,
    busy: Duration,
}

impl Turns {
    /// Longer than the sleeps between the first looks of SQLite's handler, which make up 130 ms.
    const PAUSE: Duration = Duration::from_millis(26);
    const WINDOW: Duration = Duration::from_millis(100);
    /// For how long others are expected to write again.
    const MEMORY: Duration = Duration::from_secs(5);

    pub(super) fn new(now: Instant) -> Self {
        Self { others_wrote: None, window_began: now, busy: Duration::ZERO }
    }

    /// Remembers a batch.
    pub(super) fn had_lock(&mut self, began: Instant, ended: Instant, others_wrote: bool) {
        self.busy += ended.duration_since(began);
        if others_wrote {
            self.others_wrote = Some(ended);
        }
    }

    /// Before a batch: how long to leave the lock to others.
    pub(super) fn pause(&mut self, now: Instant) -> Option<Duration> {
        let window = now.duration_since(self.window_began);
        if window < Self::WINDOW {
            return None;
        }
        // With a fifth of the time free, others find the lock free often enough.
        let full = self.busy * 5 > window * 4;
        let others = self.others_wrote.is_some_and(|at| now.duration_since(at) < Self::MEMORY);
        self.window_began = now;
        self.busy = Duration::ZERO;
        (full && others).then_some(Self::PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses() {
        let rows = [
            // batches (begin and end in ms, whether others wrote), now; whether to pause
            (vec![(0, 50, true), (50, 99, false)], 99, false),
            (vec![(0, 50, true), (50, 101, false)], 101, true),
            (vec![(0, 50, false), (50, 101, false)], 101, false),
            (vec![(0, 50, true), (90, 101, false)], 101, false),
            (vec![(0, 50, true), (50, 100, false)], 200, false),
            (vec![(0, 50, true), (50, 5060, false)], 5060, false),
        ];
        for (batches, now, expected) in rows {
            let start = Instant::now();
            let at = |ms: u64| start + Duration::from_millis(ms);
            let mut turns = Turns::new(start);
            for (began, ended, others_wrote) in &batches {
                turns.had_lock(at(*began), at(*ended), *others_wrote);
            }
            assert_eq!(turns.pause(at(now)).is_some(), expected, "{batches:?}");
            assert_eq!(turns.pause(at(now)), None, "twice");
        }
    }
}
