//! The engine over SQLite: one writer thread and one reader thread for each file in this process.

mod reader;
mod turns;
mod worker;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use super::queue::{Command, Done, Queue};
use super::registry::{Lease, Registry};
use super::{Operation, Reply};
use crate::error::{Error, Result};
use crate::storage::location::canonical;
use crate::storage::sqlite::{Options, Place};

/// How an engine works. Everybody who opens one file in one process must say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How to open the database.
    pub database: Options,
    /// How many requests may wait before further ones are refused.
    pub max_queue: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { database: Options::default(), max_queue: 10_000 }
    }
}

static ENGINES: Registry<PathBuf, Engine> = Registry::new();

/// A share of the engine of one database. The last one to be closed ends the engine.
pub struct Connection {
    engine: Arc<Engine>,
    lease: Lease<PathBuf, Engine>,
}

/// The queues of one database's threads.
struct Engine {
    settings: Settings,
    writer: Arc<Queue>,
    /// A database in memory has no second connection: its writer reads too.
    reader: Option<Arc<Queue>>,
}

impl Connection {
    /// Joins the engine of this database, or starts it. Nothing is opened yet: the threads do that
    /// when the first request comes.
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
        Ok(Self { engine, lease })
    }

    /// Sends a request. The reply comes from another thread.
    pub fn submit(&self, operation: Operation, reply: Reply) {
        match (&operation, &self.engine.reader) {
            (Operation::Read(_), Some(reader)) => reader.push(operation, reply),
            _ => self.engine.writer.push(operation, reply),
        }
    }

    /// Gives the share back. `done` is called, from another thread, when everything that was sent
    /// before is answered and, if this was the last share, the database is released.
    pub fn close(self, done: impl FnOnce() + Send + 'static) {
        let Self { engine, lease } = self;
        let last = lease.end();
        let command = move |done| if last { Command::Shutdown(done) } else { Command::Flush(done) };
        let writer = Arc::clone(&engine.writer);
        let then_the_writer = move || writer.push_always(command(Done::new(done)));
        // One after the other: the one that closes the file last puts the write-ahead log back into
        // it, and two at the same moment would each leave it to the other.
        match &engine.reader {
            Some(reader) => reader.push_always(command(Done::new(then_the_writer))),
            None => then_the_writer(),
        }
    }
}

impl Engine {
    fn start(place: &Place, settings: Settings) -> Result<Self> {
        let writer = Arc::new(Queue::new(settings.max_queue));
        let reader = match place {
            Place::Memory => None,
            Place::File(_) => Some(Arc::new(Queue::new(settings.max_queue))),
        };
        writer::spawn(place.clone(), settings.database, Arc::clone(&writer), reader.clone())?;
        if let Some(reader) = &reader
            && let Err(error) = reader::spawn(
                place.clone(),
                settings.database,
                Arc::clone(reader),
                Arc::clone(&writer),
            )
        {
            writer.push_always(Command::Shutdown(Done::new(|| {})));
            return Err(error);
        }
        Ok(Self { settings, writer, reader })
    }
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::Internal(format!("no thread could be started: {error}"))
}
