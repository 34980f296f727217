//! The CPU time that a read may take before it is interrupted. With wall time, a quick read of a balance
//! would count as slow on a busy machine.

use std::time::Duration;

use rusqlite::Connection;

/// Interrupts statements that take longer from now on; `None` removes the limit.
pub(super) fn set(connection: &mut Connection, budget: Option<Duration>) -> rusqlite::Result<()> {
    /// SQLite calls back after this many steps, which is a few rows read by key.
    const STEPS: i32 = 200;
    let is_over = budget.map(|budget| {
        // Most reads take fewer steps and never read the clock.
        let mut began = None;
        move || worked().saturating_sub(*began.get_or_insert_with(worked)) > budget
    });
    connection.progress_handler(STEPS, is_over)
}

/// The CPU time that this thread has used.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the standard library does not know this clock")]
fn worked() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes a `timespec`, which `time` is.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// On other systems, the time that has passed.
#[cfg(not(target_os = "linux"))]
fn worked() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;

    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_over_budget_are_interrupted() {
        let mut connection = Connection::open_in_memory().unwrap();
        let (none, hour) = (Some(Duration::ZERO), Some(Duration::from_secs(3600)));
        let rows = [
            // the budget, how far to count; whether it gets there
            (none, 1, true),
            (none, 10_000, false),
            (hour, 10_000, true),
            (None, 10_000, true),
        ];
        for (budget, last, expected) in rows {
            set(&mut connection, budget).unwrap();
            let sql = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT ?1)
                       SELECT max(n) FROM number";
            let counted = connection.query_row(sql, [last], |row| row.get::<_, i64>(0));
            assert_eq!(counted.is_ok(), expected, "{budget:?} {last}: {counted:?}");
        }
    }
}
