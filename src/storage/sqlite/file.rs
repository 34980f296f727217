//! Checks that the file at the database's path is still the one that was opened.
//!
//! SQLite keeps using a file that was deleted or replaced: it would read from and commit to a file that no
//! other process can open.
//!
//! The write-ahead log and its index are found by name. Connections to the old and to the new file would
//! share them and corrupt both files. So the new file is opened only after the old one is closed.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::storage::location::Place;

/// The state of the file at the last check.
#[derive(Debug)]
pub(super) struct Watch {
    path: PathBuf,
    identity: Identity,
    length: u64,
}

/// Device and inode. On systems where an open file can't be replaced, it is not needed.
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

/// The number of this process's connections to each file, by path and identity.
static OPEN: Mutex<Option<HashMap<(PathBuf, Identity), usize>>> = Mutex::new(None);
static LET_GO: Condvar = Condvar::new();

/// The lock may be poisoned: a panic elsewhere can't leave the counts half changed.
fn open() -> MutexGuard<'static, Option<HashMap<(PathBuf, Identity), usize>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits briefly until no connection of this process has an older file of this name open.
pub(super) fn wait_for_old_file(place: &Place) -> Result<()> {
    const OLD_FILE_TIMEOUT: Duration = Duration::from_secs(1);
    let Place::File(path) = place else { return Ok(()) };
    let now = path.metadata().ok().map(|file| identity(&file));
    let (guard, waited) = LET_GO
        .wait_timeout_while(open(), OLD_FILE_TIMEOUT, |open| {
            is_old_file_open(open.as_ref(), path, now)
        })
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
    /// Starts to watch a file that SQLite opens; `None` for an in-memory database.
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

    /// Rejects a file that is not the one that was opened.
    pub(super) fn check_identity(&self) -> Result<Metadata> {
        match self.path.metadata() {
            Ok(file) if identity(&file) == self.identity => Ok(file),
            _ => Err(lost("FILE_REPLACED", "the file was deleted or replaced while it was open")),
        }
    }

    /// Whether the file has become shorter. SQLite's `VACUUM` and `auto_vacuum` do that too.
    pub(super) fn is_shorter(&self, file: &Metadata) -> bool {
        file.len() < self.length
    }

    /// In a transaction: rejects a file that became shorter in another way. SQLite removes only unused pages;
    /// pages that other connections' commits have added since are in the log.
    pub(super) fn check_length(&self, size: Size, others_wrote: bool) -> Result<()> {
        let length = self.check_identity()?.len();
        let has_pages = size.pages > 0 && length >= size.bytes();
        let is_whole = has_pages || (others_wrote && self.log_has(size, length));
        if is_whole { Ok(()) } else { Err(cut_off()) }
    }

    /// Whether the write-ahead log contains all pages of the database beyond the file's end.
    fn log_has(&self, size: Size, length: u64) -> bool {
        let mut name = self.path.clone().into_os_string();
        name.push("-wal");
        let missing = length / size.page + 1..=size.pages;
        pages_in_log(Path::new(&name), size.page)
            .is_ok_and(|pages| missing.clone().all(|page| pages.contains(&page)))
    }

    /// Records the length of the file, up to the database's pages. Only in a transaction: at its start SQLite
    /// rolls back what a crashed process left, which also makes the file shorter.
    pub(super) fn remember_length(&mut self, size: Size) {
        if let Ok(file) = self.path.metadata() {
            self.length = file.len().min(size.bytes());
        }
    }
}

/// The size of a database, as SQLite reports it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) pages: u64,
    /// The page size in bytes.
    pub(super) page: u64,
}

impl Size {
    fn bytes(self) -> u64 {
        self.pages.saturating_mul(self.page)
    }
}

/// The page numbers in a write-ahead log (<https://sqlite.org/fileformat2.html#walformat>). SQLite locks the
/// file and the log's index, but not the log, so it may be opened and closed here.
fn pages_in_log(log: &Path, page_size: u64) -> std::io::Result<HashSet<u64>> {
    let mut log = BufReader::new(File::open(log)?);
    let (mut header, mut frame) = ([0; 32], [0; 24]);
    log.read_exact(&mut header)?;
    let mut pages = HashSet::new();
    // Frames from before the log's last restart have another salt.
    while log.read_exact(&mut frame).is_ok() && frame[8..16] == header[16..24] {
        let [a, b, c, d, ..] = frame;
        pages.insert(u64::from(u32::from_be_bytes([a, b, c, d])));
        log.seek_relative(i64::try_from(page_size).unwrap_or(i64::MAX))?;
    }
    Ok(pages)
}

/// The error for a file that was truncated by another program.
pub(super) fn cut_off() -> Error {
    lost("FILE_TRUNCATED", "the file became shorter while it was open")
}

fn lost(code: &str, message: &str) -> Error {
    Error::Database {
        doing: "looking at the database's file",
        database_code: code.to_owned(),
        message: format!("{message}; it is reopened for the next request"),
        retryable: true,
    }
}
