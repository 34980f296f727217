//! Pages of an audit, each in two halves that are read and judged at once: by the reader and by a thread
//! beside it, which has its own connection. The thread ends with its half.

use std::panic::resume_unwind;
use std::thread::{Builder, scope};

use super::super::local::audit;
use super::super::outcome::Audited;
use super::opener::Opener;
use super::worker::no_thread;
use crate::error::{Error, Result};
use crate::storage::books::UserRange;
use crate::storage::sqlite::{Database, Purpose};

/// The connection beside a reader's own: open from the first page that has two halves.
#[derive(Default)]
pub(super) struct Beside(Option<Database>);

impl Beside {
    /// Audits the next users after this one. Each user's rows are from one snapshot: a half has its own, and
    /// no user is in both.
    pub(super) fn audit(
        &mut self,
        database: &mut Database,
        opener: &Opener,
        (after, users): (&str, u32),
    ) -> Result<Audited> {
        let next = |after, users| UserRange::Next { after: Some(after), users };
        let half = users / 2;
        // Without a write-ahead log, a writer that waits for the end of the first read lets no second one
        // begin.
        let middle = if database.has_wal() { database.last_user(after, half)? } else { None };
        let Some(middle) = middle else {
            return audit(database, &next(after.to_owned(), users));
        };
        let rest = next(middle, users - half);
        scope(|threads| {
            let thread = Builder::new().name("credits-audit".to_owned());
            let second = thread.spawn_scoped(threads, || self.read(opener, &rest));
            let second = second.map_err(|error| no_thread(&error))?;
            let first = audit(database, &next(after.to_owned(), half));
            let second = second.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok(first?.followed_by(second?))
        })
    }

    fn read(&mut self, opener: &Opener, range: &UserRange) -> Result<Audited> {
        let database = match &mut self.0 {
            Some(database) => database,
            none => none.insert(opener.open(Purpose::Reader)?),
        };
        let audited = database.begin_read().and_then(|()| audit(database, range));
        database.rollback();
        if matches!(audited, Err(Error::Database { .. })) {
            self.0 = None;
        }
        audited
    }

    /// Frees the memory of its cache.
    pub(super) fn release_memory(&self) {
        if let Some(database) = &self.0 {
            database.release_memory();
        }
    }

    /// Closes the connection.
    pub(super) fn close(&mut self) {
        self.0 = None;
    }
}
