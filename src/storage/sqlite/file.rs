//! Whether the file at the database's path is still the one that was opened.
//!
//! SQLite keeps using a file that has been deleted or replaced: it would answer from, and commit to,
//! a file that nobody will ever see again.
//!
//! The write-ahead log and its index are found by name. So a connection to the old file and one to the
//! new would share them, and ruin both files: the new one is opened when the old one has been let go.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Place;
use crate::error::{Error, Result};

/// The file as it was when it was last looked at.
#[derive(Debug)]
pub(super) struct Watch {
    path: PathBuf,
    identity: Identity,
    length: u64,
}

/// Device and inode. Where a file can't be replaced while it is open, there is nothing to tell.
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(file: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (file.dev(), file.ino())
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {
    (0, 0)
}

/// What the connections of this process have open, and how many have it: by path and file.
static OPEN: Mutex<Option<HashMap<(PathBuf, Identity), usize>>> = Mutex::new(None);
static LET_GO: Condvar = Condvar::new();

/// A panic elsewhere can't leave the counts half changed.
fn open() -> MutexGuard<'static, Option<HashMap<(PathBuf, Identity), usize>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits a moment until no connection of this process has another file of this name open.
pub(super) fn wait_for_old_file(place: &Place) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let Place::File(path) = place else { return Ok(()) };
    let now = path.metadata().ok().map(|file| identity(&file));
    let (guard, waited) = LET_GO
        .wait_timeout_while(open(), PATIENCE, |open| is_old_file_open(open.as_ref(), path, now))
        .unwrap_or_else(PoisonError::into_inner);
    drop(guard);
    if waited.timed_out() {
        return Err(lost("FILE_IN_USE", "a file that was deleted or replaced is still in use"));
    }
    Ok(())
}

fn is_old_file_open(
    open: Option<&HashMap<(PathBuf, Identity), usize>>,
    path: &Path,
    now: Option<Identity>,
) -> bool {
    open.is_some_and(|open| open.keys().any(|(name, file)| name == path && Some(*file) != now))
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut guard = open();
        let open = guard.get_or_insert_default();
        let key = (self.path.clone(), self.identity);
        match open.get_mut(&key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&key);
                LET_GO.notify_all();
            }
        }
    }
}

impl Watch {
    /// Starts to watch a file that SQLite opens. A database in memory has none.
    pub(super) fn start(place: &Place) -> Option<Self> {
        let Place::File(path) = place else { return None };
        let watch = Self {
            path: path.clone(),
            identity: path.metadata().ok().map(|file| identity(&file))?,
            length: 0,
        };
        let mut guard = open();
        *guard.get_or_insert_default().entry((path.clone(), watch.identity)).or_default() += 1;
        Some(watch)
    }

    /// Refuses a file that is not the one that was opened.
    pub(super) fn check_identity(&self) -> Result<Metadata> {
        match self.path.metadata() {
            Ok(file) if identity(&file) == self.identity => Ok(file),
            _ => Err(lost("FILE_REPLACED", "the file was deleted or replaced while it was open")),
        }
    }

    /// Refuses a file that has been cut off.
    pub(super) fn check_length(&self, file: &Metadata) -> Result<()> {
        // VACUUM makes a file shorter too; then this one request is to be tried again, no more.
        if file.len() < self.length {
            return Err(lost("FILE_TRUNCATED", "the file became shorter while it was open"));
        }
        Ok(())
    }

    /// Remembers how long the file is. Only in a transaction: as it begins, SQLite undoes what others
    /// who crashed have left, and that too makes the file shorter.
    pub(super) fn remember_length(&mut self) {
        if let Ok(file) = self.path.metadata() {
            self.length = file.len();
        }
    }
}

fn lost(code: &str, message: &str) -> Error {
    Error::Database {
        doing: "looking at the database's file",
        database_code: code.to_owned(),
        message: format!("{message}; it is opened anew for the next request"),
        retryable: true,
    }
}
