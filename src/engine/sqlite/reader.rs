//! The thread that reads, on its own connection, so that no read waits for a commit.

use std::sync::Arc;
use std::time::Instant;

use tracing::trace;

use super::super::queue::{Queue, Request};
use super::super::{Operation, Outcome, now_ms, read};
use super::worker::{self, Worker};
use crate::error::{Error, Result};
use crate::storage::sqlite::{Database, Options, Place, Role};

pub(super) fn spawn(
    place: Place,
    options: Options,
    queue: Arc<Queue>,
    writer: Arc<Queue>,
) -> Result<()> {
    let reader = Reader { queue: Arc::clone(&queue), place, options, database: None };
    worker::spawn("credits-reader", queue, Some(writer), reader)
}

struct Reader {
    /// Where what it does is counted.
    queue: Arc<Queue>,
    place: Place,
    options: Options,
    database: Option<Database>,
}

impl Worker for Reader {
    const MOST: usize = 64;

    /// Answers what piled up from one snapshot. It is no older than the youngest request, so
    /// whoever was told that a write is done sees it.
    fn run(&mut self, requests: &[Request]) -> Vec<Result<Outcome>> {
        let answers = self.read_together(requests);
        if matches!(answers, Err(Error::Database { .. })) {
            self.database = None;
        }
        answers.unwrap_or_else(|error| requests.iter().map(|_| Err(error.clone())).collect())
    }

    fn abandon(&mut self) {
        self.database = None;
    }
}

impl Reader {
    fn read_together(&mut self, requests: &[Request]) -> Result<Vec<Result<Outcome>>> {
        let database = match &mut self.database {
            Some(database) => database,
            none => none.insert(Database::open(&self.place, self.options, Role::Reader)?),
        };
        database.begin_read()?;
        let began = Instant::now();
        requests.iter().for_each(|request| self.queue.requests.began(request.came, began));
        trace!(requests = requests.len(), "reading one snapshot");
        let answers = requests.iter().map(|request| answer(database, &request.operation)).collect();
        database.rollback();
        Ok(answers)
    }
}

fn answer(database: &mut Database, operation: &Operation) -> Result<Outcome> {
    match operation {
        Operation::Read(question) => read(database, question, now_ms()),
        _ => Err(Error::Internal("the reader only reads".to_owned())),
    }
}
