//! When a request that failed is tried again: only where nothing can have been written.

use std::time::{Duration, Instant};

use tracing::warn;

use super::Engine;
use super::run::is_taken;
use crate::error::Error;
use crate::storage::failure::Failure;
use crate::storage::server::Server;

/// What one request met so far.
pub(super) struct Attempts {
    began: Instant,
    conflicts: u32,
    lost_one: bool,
    met_one: bool,
    turned_away: u32,
}

impl Attempts {
    /// Conflicts after which a request gives up.
    const MOST_CONFLICTS: u32 = 9;
    /// A connection that breaks at once was dead in the pool: the server restarted meanwhile.
    const AT_ONCE: Duration = Duration::from_secs(1);

    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            conflicts: 0,
            lost_one: false,
            met_one: false,
            turned_away: 0,
        }
    }

    /// How long to wait before the next attempt. `None`: the failure is the answer.
    pub(super) fn pause<S: Server>(
        &mut self,
        failure: &Failure,
        engine: &Engine<S>,
    ) -> Option<Duration> {
        let (retries, server) = (&engine.retries, &engine.server);
        match failure {
            Failure::Conflict(_) | Failure::Refused(Error::TransactionNoCollision) => {
                if self.conflicts == Self::MOST_CONFLICTS {
                    return None;
                }
                self.conflicts += 1;
                warn!(attempt = self.conflicts, "met another transaction: trying again");
                retries.conflicts.add();
                Some(pause_after(self.conflicts))
            }
            // Nothing was committed, or it would be `Unknown`. The pool's other connections are as old, or lead
            // to the same server.
            Failure::Lost(_) | Failure::Ended(_) if self.may_lose(failure) => {
                warn!("a connection of the pool was dead: trying another one");
                retries.lost_connections.add();
                self.lost_one = true;
                server.close_idle(Duration::ZERO);
                Some(Duration::ZERO)
            }
            // It has been demoted, or another one is about to be promoted.
            Failure::ReadOnly(_) => {
                let patience = server.patience_for_a_writable_host();
                if self.turned_away > 0 && self.began.elapsed() >= patience {
                    return None;
                }
                self.turned_away += 1;
                warn!(
                    attempt = self.turned_away,
                    "the server takes no writes: trying the next one"
                );
                retries.lost_connections.add();
                server.close_idle(Duration::ZERO);
                Some(if self.turned_away == 1 {
                    Duration::ZERO
                } else {
                    pause_after(self.turned_away)
                })
            }
            // Another transaction has just taken a name that the guards saw free: let them look again.
            Failure::Refused(error) if !self.met_one && is_taken::<S>(error) => {
                self.met_one = true;
                Some(Duration::ZERO)
            }
            _ => None,
        }
    }

    /// What the server itself ended is tried again, however late. A server that fell silent is not waited for twice.
    fn may_lose(&self, failure: &Failure) -> bool {
        let at_once = || self.began.elapsed() < Self::AT_ONCE;
        !self.lost_one && (matches!(failure, Failure::Ended(_)) || at_once())
    }
}

/// Longer each time, and never the same for two that met.
pub(super) fn pause_after(attempt: u32) -> Duration {
    let longest_ms = 4_u64 << attempt.min(6);
    Duration::from_micros(fastrand::u64(..longest_ms * 1000))
}
