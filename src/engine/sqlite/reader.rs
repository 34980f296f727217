//! A reader thread with its own connection, so that reads do not wait for commits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::trace;

use super::super::clock::now_ms;
use super::super::local::read;
use super::super::operation::{Operation, Read};
use super::super::outcome::Outcome;
use super::halves::Beside;
use super::opener::Opener;
use super::queue::{Command, Queue, Request};
use super::reads::{Lane, LaneQueue, Reads};
use super::worker::{self, Answered, Worker, is_any_replaced};
use crate::error::{Error, Result};
use crate::storage::books::UserRange;
use crate::storage::sqlite::{Database, Purpose, is_overdue};

pub(super) fn spawn(
    lane: Lane,
    opener: Opener,
    reads: &Arc<Reads>,
    writer: Arc<Queue>,
) -> Result<()> {
    let source = LaneQueue { reads: Arc::clone(reads), lane };
    let others = Arc::clone(reads);
    let tell_others = move || {
        writer.push_always(Command::LetGo);
        others.let_go(Some(lane));
    };
    let reads = Arc::clone(reads);
    let reader = Reader {
        lane,
        reads,
        opener,
        database: None,
        beside: Beside::default(),
        holds_memory: false,
    };
    worker::spawn(lane.thread(), source, tell_others, reader)
}

struct Reader {
    lane: Lane,
    /// Where its work is counted, and where interrupted reads go.
    reads: Arc<Reads>,
    opener: Opener,
    database: Option<Database>,
    beside: Beside,
    holds_memory: bool,
}

impl Worker for Reader {
    const MOST: usize = 64;

    /// Answers several requests from one snapshot. The snapshot is taken after the newest request, so a
    /// caller whose write is confirmed sees it.
    fn run(&mut self, requests: &[Request]) -> Vec<Answered> {
        let answers = self.read_together(requests);
        let is_lost = match &answers {
            Ok(answers) => is_any_replaced(answers),
            Err(error) => matches!(error, Error::Database { .. }),
        };
        if is_lost {
            self.abandon();
        }
        answers.unwrap_or_else(|error| requests.iter().map(|_| Some(Err(error.clone()))).collect())
    }

    fn put_off(&mut self, request: Request) {
        self.reads.put_off(request);
    }

    fn timeout(&self) -> Option<Duration> {
        const PAUSE: Duration = Duration::from_secs(1);
        self.holds_memory.then_some(PAUSE)
    }

    fn idle(&mut self) {
        self.holds_memory = false;
        if let Some(database) = &self.database {
            database.release_memory();
        }
        self.beside.close();
    }

    fn abandon(&mut self) {
        self.database = None;
        self.beside.close();
    }
}

impl Reader {
    fn read_together(&mut self, requests: &[Request]) -> Result<Vec<Answered>> {
        /// How long one snapshot serves requests: the first requests get their replies only after the last is
        /// read.
        const LONGEST: Duration = Duration::from_millis(5);
        let database = match &mut self.database {
            Some(database) => database,
            none => none.insert(self.opener.open(Purpose::Reader)?),
        };
        // The cache keeps the pages that balances need.
        self.holds_memory = self.lane != Lane::Points;
        database.begin_read()?;
        let began = Instant::now();
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            let budget = self.lane.budget();
            database.set_budget(budget);
            let outcome = match &request.operation {
                // The first page is read in one: opening a connection takes longer, and most audits of small
                // ledgers end there.
                Operation::Read(Read::Audit(UserRange::Next { after: Some(after), users })) => {
                    self.beside.audit(database, &self.opener, (after, *users)).map(Outcome::Audited)
                }
                operation => answer(database, operation),
            };
            let moves = budget.is_some() && outcome.as_ref().is_err_and(is_overdue);
            if !moves {
                self.reads.requests.started(request.enqueued, began);
            }
            answers.push((!moves).then_some(outcome));
            if began.elapsed() > LONGEST {
                break;
            }
        }
        trace!(requests = answers.len(), lane = ?self.lane, "read one snapshot");
        database.set_budget(None);
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
