//! How this package waits for a lock that another connection holds.
//!
//! SQLite's own handler sleeps longer and longer, up to 100 ms: with a busy writer it always comes too late. This one
//! polls every millisecond.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rusqlite::Connection;

thread_local! {
    // SQLite's callback has no place for them, and a connection stays on the thread that opened it.
    static TIMEOUT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static WAITING_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Sets how long the connections of this thread wait.
pub(super) fn set(connection: &mut Connection, timeout: Duration) -> rusqlite::Result<()> {
    TIMEOUT.set(timeout);
    connection.busy_handler(Some(wait))
}

/// Whether to try again. `attempts` is how often this was asked for the same lock.
fn wait(attempts: i32) -> bool {
    const PAUSE: Duration = Duration::from_millis(1);
    let now = Instant::now();
    let since = WAITING_SINCE.get().filter(|_| attempts > 0).unwrap_or(now);
    WAITING_SINCE.set(Some(since));
    let in_time = now.duration_since(since) < TIMEOUT.get();
    if in_time {
        std::thread::sleep(PAUSE);
    }
    in_time
}
