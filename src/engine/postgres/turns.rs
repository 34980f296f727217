//! One transaction at a time for each user in this process. They would wait for each other's locks
//! anyway; here they wait in order, and without a connection that others need.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Whose turn it is, for each user with a request under way.
#[derive(Debug, Default)]
pub(super) struct Turns {
    users: Mutex<HashMap<String, Arc<Turn<()>>>>,
}

/// A user's turn, until it is dropped.
pub(super) struct MyTurn<'t> {
    turns: &'t Turns,
    user_id: String,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits, first come first served.
    pub(super) async fn wait(&self, user_id: &str) -> MyTurn<'_> {
        let turn = Arc::clone(self.lock().entry(user_id.to_owned()).or_default());
        let guard = turn.lock_owned().await;
        MyTurn { turns: self, user_id: user_id.to_owned(), guard: Some(guard) }
    }

    /// A panic elsewhere can't leave the map half changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Turn<()>>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for MyTurn<'_> {
    fn drop(&mut self) {
        let mut users = self.turns.lock();
        self.guard = None;
        // The map's own is the last one: nobody waits.
        if users.get(&self.user_id).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            users.remove(&self.user_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_nothing_left() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let turns = Turns::default();
            let first = turns.wait("u").await;
            let other = turns.wait("v").await;
            let second = turns.wait("u");
            tokio::pin!(second);
            assert!(futures_util::poll!(second.as_mut()).is_pending());
            drop(first);
            drop(second.await);
            drop(other);
            assert!(turns.lock().is_empty());
        });
    }
}
