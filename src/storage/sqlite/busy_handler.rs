//! Waits for another connection's lock.
//!
//! SQLite's own handler sleeps up to 100 ms between its polls, and hardly ever gets the lock beside a busy
//! writer. This one polls every millisecond.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rusqlite::Connection;

thread_local! {
    // SQLite's callback has no parameter for it, and a connection stays on the thread that opened it.
    static TIMEOUT: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static WAITING_SINCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Sets how long the connections of this thread wait.
pub(super) fn set(connection: &mut Connection, timeout: Duration) -> rusqlite::Result<()> {
    TIMEOUT.set(timeout);
    connection.busy_handler(Some(wait))
}

/// Whether to poll again. `attempts` is the number of calls for this lock.
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
