//! Runs requests: load facts, let the domain plan, apply the plan, in one transaction.
//!
//! It knows threads, the clock and randomness. It must never know JavaScript, and never decide.

mod books;
mod charges;
mod ids;
pub mod local;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
mod queue;
mod reads;
mod registry;
#[cfg(feature = "postgres")]
pub mod remote;
mod replays;
mod run;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod stats;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;

use crate::domain::audit::Finding;
use crate::domain::charge::{ChargeRequest, Grant};
use crate::domain::credits::Credits;
use crate::domain::grant::NewGrant;
use crate::domain::quote::Quote;
use crate::domain::refund::Refund;
use crate::domain::repair::Fix;
use crate::domain::settle::Settlement;
use crate::domain::statement::{Query, Statement};
use crate::domain::table::{TableName, TaskKind};
use crate::domain::task::{NewTask, Step, TaskPatch};
use crate::domain::value::Value;
use crate::error::{Error, Result};
use crate::storage::books::Shelf;
use crate::storage::location::Location;
use crate::storage::{Filter, Page, Row, StuckFilter};
use stats::{Call, Calls};

pub use ids::Ids;
pub use run::Stamp;

/// How an engine works. Everybody who opens one database in one process must say the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// What concerns an SQLite file.
    #[cfg(feature = "sqlite")]
    pub sqlite: sqlite::Settings,
    /// What concerns a PostgreSQL server.
    #[cfg(feature = "postgres")]
    pub postgres: postgres::Settings,
}

/// A share of the engine of one database. The last one to be closed ends the engine.
pub enum Connection {
    /// Of an SQLite file.
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::Connection),
    /// Of a PostgreSQL database.
    #[cfg(feature = "postgres")]
    Postgres(postgres::Connection),
}

impl Connection {
    /// Joins the engine of this database, or starts it. Nothing is opened yet.
    pub fn open(location: &Location, settings: &Settings) -> Result<Self> {
        match location {
            #[cfg(feature = "sqlite")]
            Location::Sqlite(place) => {
                sqlite::Connection::open(place, settings.sqlite).map(Self::Sqlite)
            }
            #[cfg(feature = "postgres")]
            Location::Postgres(url) => {
                postgres::open(url, settings.postgres.clone()).map(Self::Postgres)
            }
            #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
            _ => Err(Error::UnsupportedDatabase {
                scheme: "such".to_owned(),
                advice: "this build of the library was made without them",
            }),
        }
    }

    /// A reply to a call of this function, as JavaScript names it, that is counted.
    pub fn reply_to(
        &self,
        function: &str,
        send: impl FnOnce(Result<Outcome>) + Send + 'static,
    ) -> Reply {
        let Some(call) = Call::named(function) else { return Reply::new(send) };
        let calls = Arc::clone(self.calls());
        Reply::new(move |outcome| {
            calls.count(call, &outcome);
            send(outcome);
        })
    }

    fn calls(&self) -> &Arc<Calls> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => connection.calls(),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.calls(),
        }
    }

    /// Sends a request. The reply comes from another thread, but for statistics: those wait for nobody.
    pub fn submit(&self, operation: Operation, reply: Reply) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => connection.submit(operation, reply),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.submit(operation, reply),
        }
    }

    /// Sends a request that names a user by a number, which is refused with this where ids are text: on
    /// SQLite they are.
    pub fn submit_by_number(&self, operation: Operation, refusal: Error, reply: Reply) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => {
                drop(operation);
                reply.send(Err(refusal));
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.submit_by_number(operation, refusal, reply),
        }
    }

    /// Gives the share back. `done` is called, from another thread, when everything that was sent
    /// before is answered and, if this was the last share, the database is released.
    pub fn close(self, done: impl FnOnce() + Send + 'static) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(connection) => connection.close(done),
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => connection.close(done),
        }
    }
}

/// What a caller can ask for.
#[derive(Debug, Clone)]
pub enum Operation {
    /// A change of the ledger.
    Write(Write),
    /// Something that a page shows.
    Read(Read),
    /// Make those of these tables that are not there yet.
    CreateTables(Vec<TableName>),
    /// Say what was found when the database was opened.
    Diagnose,
    /// Say what the engine has counted.
    Stats,
}

/// A change of the ledger. Each is one transaction.
#[derive(Debug, Clone)]
pub enum Write {
    /// `createMediaTask`, `createAITask`, `consumeCredits`
    Charge(Charging),
    /// `createMediaTasks`, `consumeCreditsBatch`: all of them or none.
    Together(Vec<Charging>),
    /// `createCredit`
    Grant(NewGrant),
    /// `updateMediaTaskById`, `updateAITaskById`
    UpdateTask(TaskPatch),
    /// `chargeMediaTask`, `chargeAITask`
    Step(Step),
    /// `settleMediaTask`, `settleAITask`, `refundCredits`
    Settle(Settlement),
    /// `repairLedger`: the books of these users, all together.
    Repair(Vec<String>),
}

/// A request that charges, if it costs anything. Its user is known before the database is asked.
#[derive(Debug, Clone)]
pub enum Charging {
    /// A new task.
    Task(NewTask),
    /// A charge by itself.
    Consume(ChargeRequest),
}

impl Charging {
    /// Whose credits it takes.
    pub fn user_id(&self) -> &str {
        match self {
            Self::Task(task) => &task.user_id,
            Self::Consume(request) => &request.user_id,
        }
    }

    /// What it costs; nothing, if `None`.
    pub fn charge(&self) -> Option<&ChargeRequest> {
        match self {
            Self::Task(task) => task.charge.as_ref(),
            Self::Consume(request) => Some(request),
        }
    }
}

/// Something that a page shows.
#[derive(Debug, Clone)]
pub enum Read {
    /// `findMediaTaskById`, and any other row by its id.
    Find(TableName, String),
    /// `hasActiveMediaTask`: in one of these states.
    HasActiveTask(String, Vec<String>),
    /// `getActiveMediaTasks`: in one of these states.
    ActiveTasks(String, Vec<String>),
    /// `getMediaTaskHistory`
    TaskHistory(String, Page),
    /// `getRemainingCredits`
    Balance(String),
    /// `quoteCredits`
    Quote(String, Credits),
    /// `getCredits`, `getAITasks`
    List(Filter, Page),
    /// The same, with the users whose rows these are.
    ListWithUsers(Filter, Page),
    /// `getCreditsCount`, `getAITasksCount`
    Count(Filter),
    /// `getMediaTaskCharges`, `getAITaskCharges`
    TaskCharges(TaskKind, String),
    /// `findStuckMediaTasks`, `findStuckAITasks`
    StuckTasks(StuckFilter),
    /// `getBalance`
    Purse(String),
    /// `getStatement`
    Statement(String, Query),
    /// `auditLedger`
    Audit(Shelf),
    /// `repairLedger`, without writing anything.
    Fixes(Vec<String>),
}

/// What a request came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Done, and there is nothing to say.
    Done,
    /// Yes or no.
    Bool(bool),
    /// A number of credits or rows.
    Number(i64),
    /// A row, if there is one.
    Row(Option<Row>),
    /// A row that the same call has written before.
    Replayed(Row),
    /// A task after an update, with what was refunded if it failed; a charge after it was settled.
    Updated(Row, Option<Refund>),
    /// What a charge would do.
    Quote(Quote),
    /// What a user can spend: grants in draw order.
    Purse(Vec<Grant>),
    /// A page of a statement, and the rows of `credit` that it is about.
    Statement(Statement, Vec<Row>),
    /// What an audit of some users' books has found.
    Audited(Audited),
    /// What was put right, or could be.
    Fixes(Vec<Fix>),
    /// An outcome for each of several requests that went together.
    All(Vec<Outcome>),
    /// A list of rows.
    Rows(Vec<Row>),
    /// A list of rows, and the users whose rows these are.
    RowsOfUsers(Vec<Row>, Vec<Row>),
    /// A page of a list, and how many rows all pages have.
    Page(Vec<Row>, i64, Page),
    /// What was found when the database was opened.
    Diagnostics(Diagnostics),
    /// What the engine has counted, as JavaScript gets it.
    Stats(Json),
}

/// What an audit of some users' books has found.
#[derive(Debug, Clone)]
pub struct Audited {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// How many users these were.
    pub users: usize,
    /// How many rows of `credit` they had.
    pub credit_rows: i64,
    /// The last of these users, if there are more.
    pub next: Option<String>,
}

/// What was found when the database was opened: each thing's name in JavaScript, and what it is.
pub type Diagnostics = Vec<(&'static str, Value)>;

/// Where an outcome goes. It goes there exactly once: a reply that is dropped unsent says so, because
/// a caller who waits for ever is worse off than one who gets an error.
pub struct Reply(Option<Box<dyn FnOnce(Result<Outcome>) + Send>>);

impl Reply {
    /// A reply that calls this function, from any thread.
    pub fn new(send: impl FnOnce(Result<Outcome>) + Send + 'static) -> Self {
        Self(Some(Box::new(send)))
    }

    /// Sends the outcome.
    pub fn send(mut self, outcome: Result<Outcome>) {
        if let Some(send) = self.0.take() {
            send(outcome);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(send) = self.0.take() {
            send(Err(Error::Internal("the request was dropped".to_owned())));
        }
    }
}

/// The time, in epoch milliseconds. A clock before 1970 counts as 1970.
fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
