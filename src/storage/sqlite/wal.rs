//! Keeping the write-ahead log short. A long one costs disk and makes reads slower, and putting it back
//! into the file holds up all who read and write: so seldom, but surely.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::busy_handler;

/// The length of a connection's write-ahead log.
#[derive(Debug)]
pub(super) struct Wal {
    /// As the last commit left it.
    pages: Arc<AtomicU32>,
    /// The length at which to do something about it.
    due_at: u32,
    /// Whether those who read have kept it from starting over.
    is_kept: bool,
    /// Whether most of it is being put back by another connection.
    is_put_back: bool,
}

/// What there is to do about a write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// Nothing.
    Short,
    /// Another connection is to put back what it can, and the writer the rest, when that is done.
    Long,
    /// The writer is to wait for that: it writes faster than it is put back.
    TooLong,
    /// Nothing that helps: those who read keep it from starting over.
    Kept,
}

impl Wal {
    /// A checkpoint writes each changed page once, so the longer the log, the fewer writes. With
    /// SQLite's usual pages of 4 KiB this is 100 MB.
    const PAGES: u32 = 25_000;
    /// When to try again, and to wait for readers.
    const MORE_PAGES: u32 = 5_000;
    /// When to try again after that: those who read took longer.
    const FEW_PAGES: u32 = 1_000;
    /// What the file is cut back to when the log starts over: what it needs while it is put back beside the writer. A file
    /// that grows costs more than one that is written over.
    const SIZE_LIMIT: i64 = 120 * 1024 * 1024;
    /// How long to wait for readers, with the write lock held.
    const WAIT: Duration = Duration::from_millis(100);

    /// Watches the log of this connection, in place of SQLite's own checkpoints.
    pub(super) fn watch(connection: &mut Connection) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        connection.pragma_update(None, "journal_size_limit", Self::SIZE_LIMIT)?;
        Ok(Self { pages, due_at: Self::PAGES, is_kept: false, is_put_back: false })
    }

    /// Sees whether the log has become long. If it is still there after it was put back, other connections have been
    /// reading it all along: then this waits for those who read now, while those who come find everything in the file.
    /// If a checkpoint fails, the log grows until the next one.
    ///
    /// `is_free`: no other connection is putting it back.
    pub(super) fn look(
        &mut self,
        connection: &mut Connection,
        busy_timeout: Duration,
        is_free: bool,
    ) -> Log {
        let pages = self.pages.load(Ordering::Relaxed);
        const TOO_MANY: u32 = Wal::PAGES + Wal::MORE_PAGES;
        if self.is_put_back && is_free {
            checkpoint(connection, "PASSIVE");
            self.is_put_back = false;
            // After the next commit, which begins the log anew if nothing reads it.
            self.due_at = TOO_MANY.max(pages + 1);
            return Log::Short;
        }
        if self.is_put_back {
            return if pages < TOO_MANY { Log::Short } else { Log::TooLong };
        }
        if pages < Self::PAGES {
            self.due_at = Self::PAGES;
            self.is_kept = false;
        }
        if pages >= self.due_at {
            if self.due_at == Self::PAGES {
                self.is_put_back = true;
                return Log::Long;
            }
            if busy_handler::set(connection, Self::WAIT.min(busy_timeout)).is_ok() {
                self.is_kept = !checkpoint(connection, "RESTART");
                // It was possible a moment ago, with another time.
                let _ = busy_handler::set(connection, busy_timeout);
                self.due_at = pages + Self::FEW_PAGES;
            }
        }
        if self.is_kept { Log::Kept } else { Log::Short }
    }
}

/// Puts what it can of the log back into the file. Whether no other connection was in the way.
pub(super) fn checkpoint(connection: &Connection, how: &str) -> bool {
    let sql = format!("PRAGMA wal_checkpoint({how})");
    let busy: rusqlite::Result<bool> = connection.query_row(&sql, [], |row| row.get(0));
    matches!(busy, Ok(false))
}
