//! The thread that writes: group commit.
//!
//! What piled up while the last commit ran shares the next one, so that one fsync pays for many
//! requests. There is no timer and no artificial wait: a lone request commits alone, at once.

use std::sync::Arc;

use super::super::queue::Queue;
use super::super::{Ids, Operation, Outcome, read, write};
use super::worker::{self, Request, Worker, now_ms};
use crate::error::{Error, Result};
use crate::storage::sqlite::{Database, Options, Place, Role};

pub(super) fn spawn(place: Place, options: Options, queue: Arc<Queue>) -> Result<()> {
    worker::spawn(
        "credits-writer",
        queue,
        Writer { place, options, database: None, ids: Ids::new() },
    )
}

struct Writer {
    place: Place,
    options: Options,
    database: Option<Database>,
    ids: Ids,
}

impl Worker for Writer {
    const MOST: usize = 256;

    fn run(&mut self, requests: &[Request]) -> Vec<Result<Outcome>> {
        let mut outcomes = Vec::with_capacity(requests.len());
        // Making tables is a transaction of its own, so it splits what came before from what follows.
        let splits = |request: &Request| matches!(request.operation, Operation::CreateTables);
        for group in requests.chunk_by(|one, next| !splits(one) && !splits(next)) {
            outcomes.extend(match group {
                [request] if splits(request) => vec![self.create_tables()],
                group => self.commit_together(group),
            });
        }
        outcomes
    }

    fn abandon(&mut self) {
        self.database = None;
    }
}

/// What came of a batch.
enum Batch {
    /// It is committed; an outcome for each request.
    Committed(Vec<Result<Outcome>>),
    /// A request failed after it had written something, so all of it was undone.
    Undone,
}

impl Writer {
    /// Runs requests in one transaction. If one of them fails half way, that transaction is undone
    /// and each request gets its own: a bad request leaves its neighbours alone.
    fn commit_together(&mut self, requests: &[Request]) -> Vec<Result<Outcome>> {
        match self.attempt(requests) {
            Ok(Batch::Committed(outcomes)) => outcomes,
            Ok(Batch::Undone) => {
                requests.iter().map(|request| self.commit_alone(request)).collect()
            }
            Err(error) => requests.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    fn commit_alone(&mut self, request: &Request) -> Result<Outcome> {
        match self.attempt(std::slice::from_ref(request))? {
            Batch::Committed(outcomes) => outcomes.into_iter().next(),
            Batch::Undone => None,
        }
        .unwrap_or_else(|| Err(Error::Internal("a lone request has no outcome".to_owned())))
    }

    /// One transaction, from BEGIN to COMMIT. An error means that nothing of it is in the database.
    fn attempt(&mut self, requests: &[Request]) -> Result<Batch> {
        let attempt = self.try_transaction(requests);
        if !matches!(attempt, Ok(Batch::Committed(_)))
            && let Some(database) = &mut self.database
        {
            database.rollback();
        }
        // After a failed write or fsync SQLite's view of the file can't be trusted: open it anew.
        if matches!(attempt, Err(Error::Database { .. })) && self.place != Place::Memory {
            self.database = None;
        }
        attempt
    }

    fn try_transaction(&mut self, requests: &[Request]) -> Result<Batch> {
        let database = match &mut self.database {
            Some(database) => database,
            none => none.insert(Database::open(&self.place, self.options, Role::Writer)?),
        };
        database.begin_write()?;
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            let written = database.rows_written();
            let outcome = run(database, &request.operation, &mut self.ids);
            let half_done = database.rows_written() != written || !database.in_transaction();
            match outcome {
                Err(error) if half_done && requests.len() == 1 => return Err(error),
                Err(_) if half_done => return Ok(Batch::Undone),
                outcome => outcomes.push(outcome),
            }
        }
        database.commit()?;
        Ok(Batch::Committed(outcomes))
    }

    fn create_tables(&mut self) -> Result<Outcome> {
        match &mut self.database {
            Some(database) => database.create_missing_tables()?,
            none => *none = Some(Database::create(&self.place, self.options)?),
        }
        Ok(Outcome::Done)
    }
}

fn run(database: &mut Database, operation: &Operation, ids: &mut Ids) -> Result<Outcome> {
    match operation {
        Operation::Write(change) => write(database, change, ids, now_ms()),
        Operation::Read(question) => read(database, question, now_ms()),
        Operation::Diagnose => database.diagnostics().map(Outcome::Diagnostics),
        Operation::CreateTables => {
            Err(Error::Internal("tables are made in a transaction of their own".to_owned()))
        }
    }
}
