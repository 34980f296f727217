//! How to open a database.

use std::time::Duration;

use crate::storage::times::TimestampUnit;

/// When a commit is durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it is on disk (`synchronous=FULL`): a power failure loses no confirmed commit.
    #[default]
    Full,
    /// When the operating system has it (`synchronous=NORMAL`): a crash of the process loses nothing, a power
    /// failure may lose the last commits.
    Normal,
}

/// How to set the file's journal mode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum JournalMode {
    /// Turn on write-ahead logging if possible.
    #[default]
    Wal,
    /// Leave it as it is: some file systems of containers can't share memory, and some backups copy only one
    /// file.
    Keep,
}

/// How to open a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// When a commit is durable.
    pub durability: Durability,
    /// How to set the file's journal mode.
    pub journal_mode: JournalMode,
    /// How long to wait for another connection's lock.
    pub busy_timeout: Duration,
    /// The caller's unit of times; `None` to find it in the tables.
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

/// The purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The engine's only writer.
    Writer,
    /// A reader.
    Reader,
}
