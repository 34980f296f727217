//! Whether the file at the database's path is still the one that was opened.
//!
//! SQLite keeps using a file that has been deleted or replaced: it would answer from, and commit to,
//! a file that nobody will ever see again.

use std::fs::Metadata;
use std::path::PathBuf;

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

impl Watch {
    /// Starts to watch a file, before SQLite opens it. A database in memory has none.
    pub(super) fn start(place: &Place) -> Option<Self> {
        let Place::File(path) = place else { return None };
        let file = path.metadata().ok()?;
        Some(Self { path: path.clone(), identity: identity(&file), length: 0 })
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
