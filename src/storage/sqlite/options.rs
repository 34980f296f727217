//! How to open a database.

use std::time::Duration;

use crate::storage::times::TimestampUnit;

/// When a commit is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it is on the disk (`synchronous=FULL`): a power cut loses nothing that was acknowledged.
    #[default]
    Full,
    /// When the operating system has it (`synchronous=NORMAL`): a crash of the process loses
    /// nothing, a power cut may lose the last commits.
    Normal,
}

/// What to do about the file's journal mode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum JournalMode {
    /// Turn the write-ahead log on where it can be had.
    #[default]
    Wal,
    /// Leave it as it is: some file systems of containers can't share memory, and some backups
    /// copy one file only.
    Keep,
}

/// How to open a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// When a commit is durable.
    pub durability: Durability,
    /// What to do about the file's journal mode.
    pub journal_mode: JournalMode,
    /// How long to wait for a lock that another connection holds.
    pub busy_timeout: Duration,
    /// The unit of times, if the caller knows better than the evidence.
    pub timestamp_unit: Option<TimestampUnit>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Full,
            journal_mode: JournalMode::Wal,
            busy_timeout: Duration::from_secs(5),
            timestamp_unit: None,
        }
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The engine's one writer.
    Writer,
    /// Reads beside it.
    Reader,
}
