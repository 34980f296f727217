//! When a failed request is retried: only if it can't have been committed.

use std::time::{Duration, Instant};

use crate::error::Error;
use crate::storage::failure::Failure;
use crate::storage::server::{Deadline, Server};

/// The failures of one request so far.
pub(super) struct Attempts {
    began: Instant,
    deadline: Deadline,
    /// How long a request looks for a writable server.
    writable_host_timeout: Duration,
    /// For at least this long, a request is retried after conflicts.
    conflict_timeout: Duration,
    is_taken_key: fn(&Error) -> bool,
    conflicts: u32,
    read_only: u32,
    lost_connection: bool,
    taken_key: bool,
}

/// Why a request is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// A conflict with another transaction. Nothing was written.
    Conflict { attempt: u32 },
    /// The connection was dead. Nothing was committed, otherwise it would be [`Failure::Unknown`].
    LostConnection,
    /// The server is read-only: it was demoted, or another one is about to be promoted.
    ReadOnly { attempt: u32 },
    /// Another transaction has just written the key that the guards saw free: they are checked again.
    TakenKey,
}

impl Attempts {
    /// The number of conflicts after which a request gives up, once its time is over.
    const MOST_CONFLICTS: u32 = 9;

    pub(super) fn new<S: Server>(server: &S, deadline: Deadline) -> Self {
        Self {
            began: Instant::now(),
            deadline,
            writable_host_timeout: server.writable_host_timeout(),
            conflict_timeout: server.conflict_timeout(),
            is_taken_key: is_taken_key::<S>,
            conflicts: 0,
            read_only: 0,
            lost_connection: false,
            taken_key: false,
        }
    }

    /// Whether it has had a conflict.
    pub(super) fn have_met(&self) -> bool {
        self.conflicts > 0
    }

    /// Whether to retry after this failure. `None`: the failure is the answer.
    pub(super) fn again_after(&mut self, failure: &Failure) -> Option<Reason> {
        match self.deadline.is_late() {
            true => None,
            false => self.decide(failure, self.began.elapsed()),
        }
    }

    /// The same before the deadline, this long after the first attempt.
    fn decide(&mut self, failure: &Failure, elapsed: Duration) -> Option<Reason> {
        match failure {
            Failure::Conflict(_) | Failure::Refused(Error::TransactionNoCollision) => {
                self.conflicts += 1;
                let attempt = self.conflicts;
                let gives_up = attempt > Self::MOST_CONFLICTS && elapsed >= self.conflict_timeout;
                (!gives_up).then_some(Reason::Conflict { attempt })
            }
            // A connection that the server closed is retried at any time.
            failure if is_silence(failure, elapsed) => None,
            Failure::Lost(_) | Failure::Ended(_) => {
                let again = !std::mem::replace(&mut self.lost_connection, true);
                again.then_some(Reason::LostConnection)
            }
            Failure::ReadOnly(_) => {
                let gives_up = self.read_only > 0 && elapsed >= self.writable_host_timeout;
                self.read_only += 1;
                (!gives_up).then_some(Reason::ReadOnly { attempt: self.read_only })
            }
            Failure::Refused(error) if (self.is_taken_key)(error) => {
                let again = !std::mem::replace(&mut self.taken_key, true);
                again.then_some(Reason::TakenKey)
            }
            Failure::Refused(_) | Failure::Unknown { .. } => None,
        }
    }
}

impl Reason {
    /// The pause before the next attempt.
    pub(super) fn pause(self) -> Duration {
        match self {
            Self::LostConnection | Self::TakenKey | Self::ReadOnly { attempt: 1 } => Duration::ZERO,
            Self::Conflict { attempt } | Self::ReadOnly { attempt } => pause_after(attempt),
        }
    }
}

/// Grows with the attempts, and is randomized so that two conflicting requests differ.
pub(super) fn pause_after(attempt: u32) -> Duration {
    let longest_ms = 4_u64 << attempt.min(6);
    Duration::from_micros(fastrand::u64(..longest_ms * 1000))
}

/// Whether the server stopped responding: it is not waited for twice. A connection that fails at once was dead in the
/// pool, for instance after a restart of the server.
pub(super) fn is_silence(failure: &Failure, elapsed: Duration) -> bool {
    const AT_ONCE: Duration = Duration::from_secs(1);
    matches!(failure, Failure::Lost(_)) && elapsed >= AT_ONCE
}

/// Whether the error suggests that the tables have changed since they were read.
pub(super) fn is_about_schema<S: Server>(error: &Error) -> bool {
    match error.of_one() {
        Error::Database { database_code, .. } => S::is_about_schema(database_code),
        error => error.is_about_columns(),
    }
}

fn is_taken_key<S: Server>(error: &Error) -> bool {
    matches!(error, Error::Database { database_code, .. } if S::is_taken_key(database_code))
}

#[cfg(test)]
mod tests {
    use super::Reason::{Conflict, LostConnection, ReadOnly, TakenKey};
    use super::*;

    #[test]
    fn only_some_failures_are_tried_again() {
        let (lost, ended) = (|| Failure::Lost(String::new()), || Failure::Ended(String::new()));
        let conflict = || Failure::Conflict(String::new());
        let refused = |code: &str| {
            Failure::Refused(Error::Database {
                doing: "",
                database_code: code.into(),
                message: String::new(),
                retryable: false,
            })
        };
        let read_only = || Failure::ReadOnly(Error::Closed);
        let collision = || Failure::Refused(Error::TransactionNoCollision);
        type Met = (u64, Failure, Option<Reason>);
        let rows: Vec<Vec<Met>> = vec![
            // the failures in order, with their times in ms; the reasons for retries
            vec![
                (0, conflict(), Some(Conflict { attempt: 1 })),
                (9000, collision(), Some(Conflict { attempt: 2 })),
            ],
            // At least ten times, and until the time is over.
            (1..=9)
                .map(|attempt| (9000, conflict(), Some(Conflict { attempt })))
                .chain([(9000, conflict(), None)])
                .collect(),
            (1..=40)
                .map(|attempt| (2999, conflict(), Some(Conflict { attempt })))
                .chain([(3000, conflict(), None)])
                .collect(),
            vec![(999, lost(), Some(LostConnection)), (999, lost(), None)],
            vec![(1000, lost(), None)],
            vec![(9000, ended(), Some(LostConnection)), (9000, ended(), None)],
            vec![(500, lost(), Some(LostConnection)), (600, ended(), None)],
            vec![
                (9000, read_only(), Some(ReadOnly { attempt: 1 })),
                (4999, read_only(), Some(ReadOnly { attempt: 2 })),
                (5000, read_only(), None),
            ],
            vec![(0, refused("taken"), Some(TakenKey)), (0, refused("taken"), None)],
            vec![(0, refused("other"), None)],
            vec![(0, Failure::Refused(Error::Closed), None)],
            vec![(0, Failure::unknown(String::new()), None)],
        ];
        for row in rows {
            let now = Instant::now();
            let mut attempts = Attempts {
                began: now,
                deadline: Deadline { begin_by: now, answer_by: now },
                writable_host_timeout: Duration::from_secs(5),
                conflict_timeout: Duration::from_secs(3),
                is_taken_key: |error| matches!(error, Error::Database { database_code, .. } if database_code == "taken"),
                conflicts: 0,
                read_only: 0,
                lost_connection: false,
                taken_key: false,
            };
            for (ms, failure, expected) in row {
                let decided = attempts.decide(&failure, Duration::from_millis(ms));
                assert_eq!(decided, expected, "{failure:?} after {ms} ms");
            }
        }
    }

    #[test]
    fn pauses_between_attempts_are_short() {
        for reason in [LostConnection, TakenKey, ReadOnly { attempt: 1 }] {
            assert_eq!(reason.pause(), Duration::ZERO, "{reason:?}");
        }
        for attempt in [2, 9, 1000] {
            let longest = Duration::from_millis(4 << attempt.min(6));
            assert!((ReadOnly { attempt }).pause() < longest);
            assert!((Conflict { attempt }).pause() < longest);
        }
    }
}
