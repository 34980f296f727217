//! Pages of an audit, each in two halves that are read and judged at once: by the reader, and by a thread
//! beside it with its own connection.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use super::super::local::audit;
use super::super::outcome::Audited;
use super::opener::Opener;
use super::worker::no_thread;
use crate::error::{Error, Result};
use crate::storage::books::UserRange;
use crate::storage::sqlite::{Database, Purpose};

/// The thread beside a reader. It starts with the first page that has two halves.
#[derive(Default)]
pub(super) struct Beside(Option<Second>);

struct Second {
    ranges: Sender<UserRange>,
    audits: Receiver<Result<Audited>>,
    thread: JoinHandle<()>,
}

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
        let second = match &mut self.0 {
            Some(second) => second,
            none => none.insert(Second::start(opener.clone())?),
        };
        // If the thread has ended, the answer says so.
        let _ = second.ranges.send(next(middle, users - half));
        let first = audit(database, &next(after.to_owned(), half));
        let rest = second.audits.recv().unwrap_or_else(|_| self.ended());
        Ok(first?.followed_by(rest?))
    }

    /// Ends the thread, which closes its connection.
    pub(super) fn close(&mut self) {
        if let Some(Second { ranges, thread, .. }) = self.0.take() {
            drop(ranges);
            // A panic was the answer to its last half.
            let _ = thread.join();
        }
    }

    /// The answer of a thread that has ended: its panic is a bug.
    fn ended(&mut self) -> Result<Audited> {
        match self.0.take().map(|second| second.thread.join()) {
            Some(Err(panic)) => resume_unwind(panic),
            _ => Err(Error::Internal("the thread of an audit has ended".to_owned())),
        }
    }
}

impl Second {
    fn start(opener: Opener) -> Result<Self> {
        let (ranges, asked) = channel();
        let (answers, audits) = channel();
        let run = move || {
            let mut database = None;
            for range in asked {
                let audited = read(&mut database, &opener, &range);
                if answers.send(audited).is_err() {
                    break;
                }
            }
        };
        let thread = Builder::new().name("credits-halves".to_owned()).spawn(run);
        Ok(Self { ranges, audits, thread: thread.map_err(|error| no_thread(&error))? })
    }
}

fn read(held: &mut Option<Database>, opener: &Opener, range: &UserRange) -> Result<Audited> {
    let database = match &mut *held {
        Some(database) => database,
        none => none.insert(opener.open(Purpose::Reader)?),
    };
    if let Err(error) = database.begin_read() {
        *held = None;
        return Err(error);
    }
    let audited = audit(database, range);
    database.rollback();
    audited
}
