//! A server with a ledger, and an engine over it.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use media_credits::domain::paying::Paying;
use media_credits::engine::remote::{Connection, Engines, Settings};
use media_credits::engine::{Operation, Outcome, Read, UserRead, Write};
use media_credits::error::Result;
use media_credits::storage::books::UserRange;
use serde_json::Value as Json;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::declared;
use super::faults::{At, Fault};
use super::server::{Address, Database, Server, Timeout};
use crate::common::{add_user, apply, consume, run, send};
use crate::memory::Memory;

static ENGINES: Engines<Server> = Engines::new();

/// Long enough for each fault that passes.
pub(super) const LONG: Timeout =
    Timeout { connect: Duration::from_secs(30), answer: Duration::from_secs(30) };
/// A fault that does not pass is tried once.
pub(super) const AT_ONCE: Timeout = Timeout { connect: Duration::ZERO, ..LONG };

/// How many requests may wait.
pub(super) const MAX_QUEUE: usize = 100;

/// When the ledger began. The engine's rows are later.
const START_MS: i64 = 1_700_000_000_000;
/// As many as the workers of an engine.
pub(super) const WORKERS: usize = 4;

pub(super) struct World {
    database: Arc<Database>,
    pub(super) connection: Connection<Server>,
}

impl World {
    /// A ledger of these users, in which this was written before.
    pub(super) fn new(users: &[&str], before: &[Write], timeout: Timeout) -> Self {
        let schema = declared::schema();
        let mut ledger = Memory::new(&schema);
        users.iter().for_each(|user| add_user(&mut ledger, user).unwrap());
        for write in before {
            apply(&mut ledger, write, START_MS).unwrap();
        }
        let ledger = Arc::new(Mutex::new(ledger));
        let database = Arc::new(Database { ledger, schema, faults: Default::default() });
        let settings = Settings { database: timeout, max_queue: MAX_QUEUE };
        let connection = ENGINES.open(&Address(Arc::clone(&database)), settings).unwrap();
        Self { database, connection }
    }

    /// From now on the server has these faults.
    pub(super) fn arm(&self, faults: &[Fault]) {
        self.database.faults.arm(faults);
    }

    pub(super) fn reached(&self, at: At) -> usize {
        self.database.faults.reached(at)
    }

    pub(super) fn write(&self, write: &Write) -> Result<Outcome> {
        run(&self.connection, Operation::Write(write.clone()))
    }

    /// Sends requests that charge while all workers wait, so that one takes them all, and the server fails then.
    pub(super) fn pile_up(&self, writes: Vec<Write>, faults: &[Fault]) -> Vec<Result<Outcome>> {
        let busy = self.block();
        // They are refused, so they write nothing.
        let strangers: Vec<_> = (1..=WORKERS)
            .map(|at| self.send_and_wait(consume(&format!("stranger {at}"), 1), at))
            .collect();
        self.arm(faults);
        let replies: Vec<_> = writes.into_iter().map(|write| self.send(write)).collect();
        drop(busy);
        for stranger in strangers {
            assert_eq!(stranger.recv().unwrap().unwrap_err().code(), "USER_NOT_FOUND");
        }
        replies.into_iter().map(|reply| reply.recv().unwrap()).collect()
    }

    /// Makes all transactions wait.
    pub(super) fn block(&self) -> OwnedMutexGuard<Memory> {
        self.arm(&[]);
        Arc::clone(&self.database.ledger).blocking_lock_owned()
    }

    /// Sends a request, and waits until this many transactions have begun.
    pub(super) fn send_and_wait(&self, write: Write, begun: usize) -> Receiver<Result<Outcome>> {
        let reply = self.send(write);
        self.database.faults.wait_until_reached(At::Question, begun);
        reply
    }

    pub(super) fn send(&self, write: Write) -> Receiver<Result<Outcome>> {
        send(&self.connection, Operation::Write(write))
    }

    /// The balance of a user. Checks the invariants.
    pub(super) fn balance(&self, user: &str) -> i64 {
        self.arm(&[]);
        let audit = Read::Audit(UserRange::User(user.to_owned()));
        match run(&self.connection, Operation::Read(audit)).unwrap() {
            Outcome::Audited(audited) => assert_eq!(audited.findings, [], "{user}"),
            other => panic!("{other:?} is no audit"),
        }
        let balance = Read::OfUser(user.to_owned(), UserRead::BalanceTotal(Paying::default()));
        match run(&self.connection, Operation::Read(balance)).unwrap() {
            Outcome::Number(balance) => balance,
            other => panic!("{other:?} is no balance"),
        }
    }

    pub(super) fn stats(&self) -> Json {
        match run(&self.connection, Operation::Stats).unwrap() {
            Outcome::Stats(stats) => stats,
            other => panic!("{other:?} is no report"),
        }
    }

    /// How often the engine has retried for this reason.
    pub(super) fn retries(&self, reason: &str) -> u64 {
        self.stats()["retries"][reason].as_u64().unwrap()
    }
}

/// The outcome for a caller: `done`, or an error's code.
pub(super) fn told(outcome: &Result<Outcome>) -> &'static str {
    outcome.as_ref().map_or_else(|error| error.code(), |_| "done")
}
