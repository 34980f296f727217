//! Whether the file at the database's path is still the one that was opened.
//!
//! SQLite keeps using a file that has been deleted or replaced: it would answer from, and commit to,
//! a file that no process will ever see again.
//!
//! The write-ahead log and its index are found by name. So a connection to the old file and one to the
//! new would share them, and ruin both files: the new one is opened when the old one has been let go.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::storage::location::Place;

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

    /// Whether the file is shorter than it was. SQLite makes it so too: `VACUUM`, `auto_vacuum`.
    pub(super) fn is_shorter(&self, file: &Metadata) -> bool {
        file.len() < self.length
    }

    /// Refuses a shorter file that SQLite has not made so, in a transaction. It cuts off what the database has no pages
    /// for; pages that it has got since, by commits of others, are in the log.
    pub(super) fn check_length(&self, size: Size, others_wrote: bool) -> Result<()> {
        let length = self.check_identity()?.len();
        let has_pages = size.pages > 0 && length >= size.bytes();
        let is_whole = has_pages || (others_wrote && self.log_has(size, length));
        if is_whole { Ok(()) } else { Err(cut_off()) }
    }

    /// Whether the write-ahead log has all pages of the database that are beyond the file's end.
    fn log_has(&self, size: Size, length: u64) -> bool {
        let mut name = self.path.clone().into_os_string();
        name.push("-wal");
        let missing = length / size.page + 1..=size.pages;
        pages_in_log(Path::new(&name), size.page)
            .is_ok_and(|pages| missing.clone().all(|page| pages.contains(&page)))
    }

    /// Remembers how long the file is, as far as the database has pages. Only in a transaction: as it begins, SQLite
    /// undoes what a crashed process has left, and that too makes the file shorter.
    pub(super) fn remember_length(&mut self, size: Size) {
        if let Ok(file) = self.path.metadata() {
            self.length = file.len().min(size.bytes());
        }
    }
}

/// How large a database is, as SQLite says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) pages: u64,
    /// In bytes.
    pub(super) page: u64,
}

impl Size {
    fn bytes(self) -> u64 {
        self.pages.saturating_mul(self.page)
    }
}

/// The numbers of the pages in a write-ahead log (<https://sqlite.org/fileformat2.html#walformat>). SQLite locks the
/// file itself and the log's index, so the log may be opened and closed.
fn pages_in_log(log: &Path, page_size: u64) -> std::io::Result<HashSet<u64>> {
    let mut log = BufReader::new(File::open(log)?);
    let (mut header, mut frame) = ([0; 32], [0; 24]);
    log.read_exact(&mut header)?;
    let mut pages = HashSet::new();
    // What an earlier round of the log has left has other salts.
    while log.read_exact(&mut frame).is_ok() && frame[8..16] == header[16..24] {
        let [a, b, c, d, ..] = frame;
        pages.insert(u64::from(u32::from_be_bytes([a, b, c, d])));
        log.seek_relative(i64::try_from(page_size).unwrap_or(i64::MAX))?;
    }
    Ok(pages)
}

/// The error of a file that was cut off from outside.
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
