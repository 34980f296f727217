//! The writer thread, with group commit.
//!
//! Requests that arrive during a commit share the next one, so that one fsync serves many requests. There is
//! no timer and no artificial wait: a single request commits at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::super::clock::{Clock, Ids, now_ms};
use super::super::local::{read, write};
use super::super::operation::{Operation, Write};
use super::super::outcome::Outcome;
use super::super::stats::Requests;
use super::checkpointer::Checkpointer;
use super::counted::Counted;
use super::fairness::LockFairness;
use super::opener::Opener;
use super::queue::{Command, Queue, Request};
use super::reads::Reads;
use super::worker::{self, Answered, Source, Worker};
use crate::domain::table::TableName;
use crate::error::{Error, Result};
use crate::storage::sqlite::{Database, Log, Purpose};

pub(super) fn spawn(
    opener: Opener,
    queue: Arc<Queue>,
    reads: Option<Arc<Reads>>,
    counted: Arc<Counted>,
) -> Result<()> {
    let source = Arc::clone(&queue);
    let others = reads.clone();
    let tell_others = move || {
        if let Some(reads) = &others {
            reads.let_go(None);
        }
    };
    let writer = Writer {
        queue,
        reads,
        counted,
        opener,
        database: None,
        ids: Ids::new(),
        checkpointed: 0,
        fairness: LockFairness::new(Instant::now()),
        checkpointer: Checkpointer::default(),
    };
    worker::spawn("credits-writer", source, tell_others, writer)
}

impl Source for Arc<Queue> {
    fn take(&self, most: usize, timeout: Option<Duration>) -> Vec<Command> {
        Queue::take(self, most, timeout)
    }

    fn requests(&self) -> &Requests {
        &self.requests
    }
}

struct Writer {
    /// Where its work is counted, beside `counted`.
    queue: Arc<Queue>,
    /// The queue of reads; `None` for an in-memory database.
    reads: Option<Arc<Reads>>,
    counted: Arc<Counted>,
    opener: Opener,
    database: Option<Database>,
    ids: Ids,
    /// How many rows had been written at the last checkpoint.
    checkpointed: u64,
    fairness: LockFairness,
    checkpointer: Checkpointer,
}

impl Worker for Writer {
    const MOST: usize = 256;

    fn run(&mut self, requests: &[Request]) -> Vec<Answered> {
        // Creating tables is a transaction of its own, so it splits the batch.
        let splits = |request: &Request| matches!(request.operation, Operation::CreateTables(_));
        let outcomes = match requests.chunk_by(|one, next| !splits(one) && !splits(next)).next() {
            Some([Request { operation: Operation::CreateTables(tables), .. }]) => {
                vec![self.create_tables(tables)]
            }
            Some(group) => self.take_turn(group),
            None => Vec::new(),
        };
        outcomes.into_iter().map(Some).collect()
    }

    fn timeout(&self) -> Option<Duration> {
        const PAUSE: Duration = Duration::from_millis(100);
        self.wants_checkpoint().then_some(PAUSE)
    }

    fn idle(&mut self) {
        if let Some(database) = &self.database {
            database.checkpoint();
            self.checkpointed = database.rows_written();
        }
    }

    fn abandon(&mut self) {
        self.checkpointer = Checkpointer::default();
        self.database = None;
    }
}

/// How long a batch takes further requests, while it holds the lock that the app's own writers need.
const LONGEST_HOLD: Duration = Duration::from_millis(5);

/// The result of running a batch.
enum Attempt {
    /// The first requests are committed; one outcome for each.
    Committed(Vec<Result<Outcome>>),
    /// A request failed after a write, so the transaction was rolled back.
    Undone,
}

/// An open transaction.
struct Begun {
    at: Instant,
    /// How many rows this connection had written before.
    rows_before: u64,
}

impl Writer {
    /// Whether the write-ahead log is long enough for a checkpoint when no request waits.
    fn wants_checkpoint(&self) -> bool {
        const ROWS: u64 = 1000;
        let written = self.database.as_ref().map_or(0, Database::rows_written);
        written.saturating_sub(self.checkpointed) > ROWS
    }

    /// Pauses for other connections if it is their turn, then commits the first requests.
    fn take_turn(&mut self, requests: &[Request]) -> Vec<Result<Outcome>> {
        if let Some(pause) = self.fairness.pause(Instant::now()) {
            std::thread::sleep(pause);
        }
        // Now, and not after the last commit, when a reply would have had to wait.
        if let Some(database) = &mut self.database {
            let mut log = database.look_at_log(self.checkpointer.is_done());
            match log {
                Log::Long => self.checkpointer.begin(&self.opener),
                Log::TooLong => {
                    self.checkpointer.wait();
                    log = database.look_at_log(true);
                }
                Log::Short | Log::Kept => {}
            }
            if let Some(reads) = &self.reads {
                reads.hold_long(log == Log::Kept);
            }
        }
        let began = Instant::now();
        let outcomes = self.commit_together(requests);
        let others_wrote = self.database.as_mut().is_some_and(Database::others_wrote);
        self.fairness.had_lock(began, Instant::now(), others_wrote);
        outcomes
    }

    /// Runs as many requests in one transaction as the time allows. If one of them fails after a write, the
    /// transaction is rolled back and each request gets its own, so that the others are not affected.
    fn commit_together(&mut self, requests: &[Request]) -> Vec<Result<Outcome>> {
        match self.run_batch(requests) {
            Ok(Attempt::Committed(outcomes)) => outcomes,
            Ok(Attempt::Undone) => {
                warn!(
                    requests = requests.len(),
                    "a request of a batch failed: each runs in its own transaction"
                );
                self.counted.one_by_one.add();
                requests.iter().map(|request| self.commit_alone(request)).collect()
            }
            Err(error) => requests.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    fn commit_alone(&mut self, request: &Request) -> Result<Outcome> {
        let mut attempt = || self.run_batch(std::slice::from_ref(request));
        let batch = match attempt() {
            // The collision was in a later request of an atomic batch, which was rolled back.
            Err(Error::TransactionNoCollision) => attempt()?,
            batch => batch?,
        };
        match batch {
            Attempt::Committed(outcomes) => outcomes.into_iter().next(),
            Attempt::Undone => None,
        }
        .unwrap_or_else(|| Err(Error::Internal("a lone request has no outcome".to_owned())))
    }

    /// Runs one transaction. After an error, nothing was written.
    fn run_batch(&mut self, requests: &[Request]) -> Result<Attempt> {
        let batch = self.transact(requests);
        if !matches!(batch, Ok(Attempt::Committed(_)))
            && let Some(database) = &mut self.database
        {
            database.rollback();
        }
        if let Err(error) = &batch
            && is_distrusted(error)
            && self.opener.can_reopen()
        {
            self.reopen(error);
        }
        batch
    }

    /// Reopens the file. After a failed write the old connection is closed last: the log's index disappears
    /// with the last connection, and only the index shows that a failed commit, which may be complete in the
    /// log, does not count. While the disk fails, the old connection stays open.
    fn reopen(&mut self, after: &Error) {
        self.counted.reopened.add();
        if let Error::Database { database_code, .. } = after {
            warn!(%database_code, "a transaction failed: reopening the database");
        }
        if !is_failed_write(after) {
            self.database = None;
            return;
        }
        match self.opener.open(Purpose::Writer) {
            Ok(database) => {
                self.checkpointed = 0;
                self.database = Some(database);
            }
            Err(error) if error.retryable() => {}
            Err(_) => self.database = None,
        }
    }

    /// Runs one transaction.
    fn transact(&mut self, requests: &[Request]) -> Result<Attempt> {
        self.ensure_open()?;
        let begun = self.begin(requests.len())?;
        let Some(outcomes) = self.run_each(requests, begun.at)? else { return Ok(Attempt::Undone) };
        self.commit(&requests[..outcomes.len()], &begun)?;
        Ok(Attempt::Committed(outcomes))
    }

    fn ensure_open(&mut self) -> Result<()> {
        if self.database.is_none() {
            self.checkpointed = 0;
            self.database = Some(self.opener.open(Purpose::Writer)?);
        }
        Ok(())
    }

    /// Takes the database's lock for this many requests.
    fn begin(&mut self, requests: usize) -> Result<Begun> {
        let asked = Instant::now();
        if let Err(error) = self.database()?.begin_write() {
            if matches!(error, Error::DatabaseBusy { .. }) {
                let waited_ms = asked.elapsed().as_millis();
                warn!(requests, waited_ms, "another connection holds the database's lock");
                self.counted.lock_timeouts.add();
            }
            return Err(error);
        }
        let at = Instant::now();
        self.counted.lock_waits.count_time(at - asked);
        Ok(Begun { at, rows_before: self.database()?.rows_written() })
    }

    /// Runs as many of the first requests as the time allows. `None` if one of them failed after a write.
    fn run_each(
        &mut self,
        requests: &[Request],
        began: Instant,
    ) -> Result<Option<Vec<Result<Outcome>>>> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for request in requests {
            let database = self.database.as_mut().ok_or_else(not_open)?;
            let written = database.rows_written();
            let outcome = execute(database, &request.operation, &self.ids);
            let half_done = database.rows_written() != written || !database.in_transaction();
            match outcome {
                Err(error) if half_done && requests.len() == 1 => return Err(error),
                Err(_) if half_done => return Ok(None),
                outcome => outcomes.push(outcome),
            }
            if began.elapsed() > LONGEST_HOLD {
                break;
            }
        }
        Ok(Some(outcomes))
    }

    /// Commits the writes of these requests.
    fn commit(&mut self, requests: &[Request], begun: &Begun) -> Result<()> {
        let database = self.database()?;
        let rows = database.rows_written() - begun.rows_before;
        let committing = Instant::now();
        database.commit()?;
        let commit_time = committing.elapsed();
        // If all requests were rejected, there is nothing to wait for.
        if rows > 0 {
            self.counted.commits.count_time(commit_time);
        }
        self.counted.stats.batches.count(requests.len() as u64);
        requests.iter().for_each(|request| self.queue.requests.started(request.enqueued, begun.at));
        debug!(requests = requests.len(), rows, commit_us = commit_time.as_micros(), "committed");
        Ok(())
    }

    fn database(&mut self) -> Result<&mut Database> {
        self.database.as_mut().ok_or_else(not_open)
    }

    fn create_tables(&mut self, tables: &[TableName]) -> Result<Outcome> {
        let made = match &mut self.database {
            Some(database) => database.create_missing_tables(tables),
            none => self.opener.create(tables).map(|made| *none = Some(made)),
        };
        if made.as_ref().is_err_and(is_distrusted) && self.opener.can_reopen() {
            self.database = None;
        }
        made.map(|()| Outcome::Done)
    }
}

/// Whether the file must be reopened: after a failed write or fsync SQLite's view of it can't be trusted. A
/// violated constraint of the app's own is no reason.
fn is_distrusted(error: &Error) -> bool {
    matches!(error, Error::Database { database_code, .. } if !database_code.starts_with("SQLITE_CONSTRAINT"))
}

fn not_open() -> Error {
    Error::Internal("the database is not open".to_owned())
}

fn is_failed_write(error: &Error) -> bool {
    let failed = |code: &str| code.starts_with("SQLITE_IOERR") || code.starts_with("SQLITE_FULL");
    matches!(error, Error::Database { database_code, .. } if failed(database_code))
}

fn execute(database: &mut Database, operation: &Operation, ids: &Ids) -> Result<Outcome> {
    match operation {
        Operation::Write(change) => write_with_new_ids(database, change, ids),
        Operation::Read(question) => read(database, question, now_ms()),
        Operation::Diagnose => database.diagnostics().map(Outcome::Diagnostics),
        Operation::CreateTables(_) | Operation::Stats => {
            Err(Error::Internal("this belongs into no transaction of the writer's".to_owned()))
        }
    }
}

/// Retries with new ids if another process has generated the same transaction number. The row with that
/// number is written first, so nothing has to be rolled back.
fn write_with_new_ids(database: &mut Database, change: &Write, ids: &Ids) -> Result<Outcome> {
    const ATTEMPTS: usize = 3;
    let before = database.rows_written();
    let mut outcome = write(database, change, Clock { now_ms: now_ms(), ids });
    for _ in 1..ATTEMPTS {
        let collided = matches!(outcome, Err(Error::TransactionNoCollision));
        if !collided || database.rows_written() != before {
            break;
        }
        outcome = write(database, change, Clock { now_ms: now_ms(), ids });
    }
    outcome
}
