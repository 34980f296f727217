//! Keeps the write-ahead log short. A long log uses disk space and makes reads slower, while a checkpoint
//! delays all readers and writers: so checkpoints are rare, but guaranteed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::busy_handler;

/// The length of a connection's write-ahead log.
#[derive(Debug)]
pub(super) struct Wal {
    /// The length in pages after the last commit.
    pages: Arc<AtomicU32>,
    /// The length in pages at which to act.
    due_at: u32,
    /// Whether readers have kept it from restarting.
    is_kept: bool,
    /// Whether another connection is checkpointing most of it.
    is_checkpointing: bool,
}

/// What to do about a write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// Nothing.
    Short,
    /// Another connection must checkpoint as much as possible, and the writer the rest afterwards.
    Long,
    /// The writer must wait for that checkpoint: it writes faster than the checkpoint runs.
    TooLong,
    /// Nothing helps: readers keep it from restarting.
    Kept,
}

impl Wal {
    /// A checkpoint writes each changed page once, so a longer log means fewer writes. With SQLite's default
    /// pages of 4 KiB this is 100 MB.
    const PAGES: u32 = 25_000;
    /// How many pages later to retry, and to wait for readers.
    const MORE_PAGES: u32 = 5_000;
    /// How many pages later to retry after that, if readers took longer.
    const FEW_PAGES: u32 = 1_000;
    /// The size to which the file is truncated when the log restarts: enough for the writes during a
    /// checkpoint. Growing a file costs more than overwriting it.
    const SIZE_LIMIT: i64 = 120 * 1024 * 1024;
    /// How long to wait for readers while holding the write lock.
    const WAIT: Duration = Duration::from_millis(100);

    /// Watches the log of this connection, in place of SQLite's automatic checkpoints.
    pub(super) fn watch(connection: &mut Connection) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        connection.pragma_update(None, "journal_size_limit", Self::SIZE_LIMIT)?;
        Ok(Self { pages, due_at: Self::PAGES, is_kept: false, is_checkpointing: false })
    }

    /// Checks whether the log has become long. If it still is after a checkpoint, other connections have been
    /// reading it all along: then this waits for the current readers, while new ones find everything in the
    /// file. If a checkpoint fails, the log grows until the next one.
    ///
    /// `is_free`: no other connection is checkpointing it.
    pub(super) fn look(
        &mut self,
        connection: &mut Connection,
        busy_timeout: Duration,
        is_free: bool,
    ) -> Log {
        let pages = self.pages.load(Ordering::Relaxed);
        const TOO_MANY: u32 = Wal::PAGES + Wal::MORE_PAGES;
        if self.is_checkpointing && is_free {
            checkpoint(connection, "PASSIVE");
            self.is_checkpointing = false;
            // After the next commit, which restarts the log if nothing reads it.
            self.due_at = TOO_MANY.max(pages + 1);
            return Log::Short;
        }
        if self.is_checkpointing {
            return if pages < TOO_MANY { Log::Short } else { Log::TooLong };
        }
        if pages < Self::PAGES {
            self.due_at = Self::PAGES;
            self.is_kept = false;
        }
        if pages >= self.due_at {
            if self.due_at == Self::PAGES {
                self.is_checkpointing = true;
                return Log::Long;
            }
            if busy_handler::set(connection, Self::WAIT.min(busy_timeout)).is_ok() {
                self.is_kept = !checkpoint(connection, "RESTART");
                // This can't fail: it succeeded with the other timeout.
                let _ = busy_handler::set(connection, busy_timeout);
                self.due_at = pages + Self::FEW_PAGES;
            }
        }
        if self.is_kept { Log::Kept } else { Log::Short }
    }
}

/// Checkpoints the log as far as possible. Returns whether no other connection was in the way.
pub(super) fn checkpoint(connection: &Connection, how: &str) -> bool {
    let sql = format!("PRAGMA wal_checkpoint({how})");
    let busy: rusqlite::Result<bool> = connection.query_row(&sql, [], |row| row.get(0));
    matches!(busy, Ok(false))
}
