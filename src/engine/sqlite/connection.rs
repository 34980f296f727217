//! A connection to the shared engine of an SQLite file, and the queues of its threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value as Json, json};

use super::counted::Counted;
use super::opener::Opener;
use super::queue::{Command, Done, Queue};
use super::reads::{Lane, Reads};
use super::{reader, writer};
use crate::engine::operation::Operation;
use crate::engine::outcome::{Outcome, ReplySender};
use crate::engine::registry::{Lease, Registry};
use crate::engine::share::Share;
use crate::engine::stats::CountedFunction;
use crate::error::{Error, Result};
use crate::histogram::durations;
use crate::storage::location::canonical;
use crate::storage::sqlite::{Options, Place};

/// An engine's settings. All connections of a process to one file must use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How to open the database.
    pub database: Options,
    /// The maximum number of waiting requests; further ones are rejected.
    pub max_queue: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { database: Options::default(), max_queue: 10_000 }
    }
}

static ENGINES: Registry<PathBuf, Engine> = Registry::new();

/// A share of a database's engine. Closing the last share ends the engine.
pub struct Connection {
    engine: Arc<Engine>,
    lease: Lease<PathBuf, Engine>,
    /// Called when all reads of this connection are answered: each holds a reference until then.
    answered: Arc<Mutex<Option<Done>>>,
}

/// The queues of one database's threads.
struct Engine {
    settings: Settings,
    counted: Arc<Counted>,
    writer: Arc<Queue>,
    /// `None` for an in-memory database: it has only one connection, so its writer also reads.
    reads: Option<Arc<Reads>>,
}

impl Connection {
    /// Joins the engine of this database, or starts it. The threads open the database at the first request.
    pub fn open(place: &Place, settings: Settings) -> Result<Self> {
        let start = |place: &Place| Engine::start(place, settings).map(Arc::new);
        let (engine, lease) = match place {
            Place::Memory => (start(place)?, Lease::private()),
            Place::File(path) => {
                let path = canonical(path);
                let place = Place::File(path.clone());
                ENGINES.join(path, |engine| engine.settings == settings, || start(&place))?
            }
        };
        Ok(Self { engine, lease, answered: Arc::default() })
    }
}

impl Share for Connection {
    fn reply_to(
        &self,
        function: Option<CountedFunction>,
        send: Box<dyn FnOnce(Result<Outcome>) + Send>,
    ) -> ReplySender {
        self.engine.counted.stats.calls.reply_to(function, send)
    }

    fn submit(&self, operation: Operation, reply: ReplySender) {
        match (operation, &self.engine.reads) {
            (Operation::Stats, _) => reply.send(Ok(Outcome::Stats(self.engine.report()))),
            (Operation::Read(read), Some(reads)) => {
                let answered = Arc::clone(&self.answered);
                let reply = ReplySender::new(move |outcome| {
                    reply.send(outcome);
                    drop(answered);
                });
                reads.push(read, reply);
            }
            (operation, _) => self.engine.writer.push(operation, reply),
        }
    }

    /// SQLite's ids are text.
    fn submit_by_number(&self, _: Operation, refusal: Error, reply: ReplySender) {
        reply.send(Err(refusal));
    }

    fn close(self: Box<Self>, done: Box<dyn FnOnce() + Send>) {
        let Self { engine, lease, answered } = *self;
        let last = lease.end();
        let writer = Arc::clone(&engine.writer);
        let then_the_writer = Done::new(move || {
            let done = Done::new(done);
            writer.push_always(if last { Command::Shutdown(done) } else { Command::Flush(done) });
        });
        // One after the other: the connection that closes the file last checkpoints the write-ahead log, and
        // two that close at the same time would each leave it to the other.
        match &engine.reads {
            Some(reads) if last => reads.shut_down(then_the_writer),
            _ => *answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(then_the_writer),
        }
    }
}

impl Engine {
    fn start(place: &Place, settings: Settings) -> Result<Self> {
        let writer = Arc::new(Queue::new(settings.max_queue));
        let reads = match place {
            Place::Memory => None,
            Place::File(_) => Some(Arc::new(Reads::new(settings.max_queue))),
        };
        let counted = Arc::new(Counted::default());
        let opener = Opener { place: place.clone(), options: settings.database };
        writer::spawn(opener.clone(), Arc::clone(&writer), reads.clone(), Arc::clone(&counted))?;
        if let Some(reads) = &reads {
            let start = |lane| reader::spawn(lane, opener.clone(), reads, Arc::clone(&writer));
            if let Err(error) = Lane::ALL.into_iter().try_for_each(start) {
                reads.shut_down(Done::new(|| {}));
                writer.push_always(Command::Shutdown(Done::new(|| {})));
                return Err(error);
            }
        }
        Ok(Self { settings, counted, writer, reads })
    }

    fn report(&self) -> Json {
        let Counted { stats, lock_waits, lock_timeouts, commits, one_by_one, reopened } =
            &*self.counted;
        let more = json!({
            "readQueue": self.reads.as_ref().map(|reads| reads.report()),
            "locks": { "waits": durations(lock_waits), "timeouts": lock_timeouts.get() },
            "retries": { "oneByOne": one_by_one.get(), "reopened": reopened.get() },
        });
        stats.report("sqlite", &self.writer.report(), commits, more)
    }
}
