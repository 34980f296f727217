//! Faults of a server, and how often each place was reached.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use media_credits::error::Error;
use media_credits::storage::failure::{Answer, Failure, unavailable};

/// Where a server can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// A session is requested.
    Session,
    /// The first read of a session.
    Question,
    /// The statements that write, and the COMMIT after them. Nothing is written.
    Commit,
    /// The answer to the COMMIT. Everything is written.
    Committed,
    /// The query for a commit that was not answered.
    Look,
    /// A row is read by its id.
    Find,
}

/// A failure that happens this many times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) at: At,
    /// `None`: it is only late.
    pub(super) failure: Option<fn() -> Failure>,
    pub(super) times: usize,
}

/// A fault that happens once.
pub(super) const fn once(at: At, failure: fn() -> Failure) -> Fault {
    Fault { at, failure: Some(failure), times: 1 }
}

/// A fault that happens this many times.
pub(super) const fn times(times: usize, at: At, failure: fn() -> Failure) -> Fault {
    Fault { at, failure: Some(failure), times }
}

/// A fault that does not pass.
pub(super) const fn always(at: At, failure: fn() -> Failure) -> Fault {
    Fault { at, failure: Some(failure), times: usize::MAX }
}

/// A place that once takes two seconds.
pub(super) const fn late(at: At) -> Fault {
    Fault { at, failure: None, times: 1 }
}

pub(super) fn conflict() -> Failure {
    Failure::Conflict("a deadlock".to_owned())
}

pub(super) fn collision() -> Failure {
    Failure::Refused(Error::TransactionNoCollision)
}

pub(super) fn lost() -> Failure {
    Failure::Lost("a broken pipe".to_owned())
}

/// A server that stopped responding.
pub(super) fn silent() -> Failure {
    thread::sleep(Duration::from_secs(1));
    lost()
}

pub(super) fn ended() -> Failure {
    Failure::Ended("the server shuts down".to_owned())
}

pub(super) fn unanswered() -> Failure {
    Failure::unknown("a broken pipe".to_owned())
}

pub(super) fn unreachable() -> Failure {
    Failure::Refused(unavailable("no route"))
}

pub(super) fn read_only() -> Failure {
    Failure::ReadOnly(database_error("read-only"))
}

pub(super) fn taken_key() -> Failure {
    Failure::Refused(database_error(TAKEN_KEY))
}

pub(super) fn other_tables() -> Failure {
    Failure::Refused(database_error(OTHER_TABLES))
}

pub(super) fn refused() -> Failure {
    Failure::Refused(database_error("refused"))
}

/// The codes of this server for what the engine asks about.
pub(super) const TAKEN_KEY: &str = "taken-key";
pub(super) const OTHER_TABLES: &str = "other-tables";

/// A bug of the store.
pub(super) fn bug() -> Failure {
    panic!("a test's own bug")
}

fn database_error(code: &str) -> Error {
    Error::Database {
        doing: "writing",
        database_code: code.to_owned(),
        message: String::new(),
        retryable: false,
    }
}

/// The faults of one server.
#[derive(Default)]
pub(super) struct Faults {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    left: Vec<Fault>,
    reached: HashMap<At, usize>,
}

impl Faults {
    /// From now on these faults happen, and places are counted from zero.
    pub(super) fn arm(&self, faults: &[Fault]) {
        *self.state.lock().unwrap() = State { left: faults.to_vec(), reached: HashMap::default() };
    }

    /// A request has reached this place. Whether it fails there.
    pub(super) fn reach(&self, at: At) -> Answer<()> {
        let mut state = self.state.lock().unwrap();
        *state.reached.entry(at).or_default() += 1;
        self.changed.notify_all();
        let fault = state.left.iter_mut().find(|fault| fault.at == at && fault.times > 0);
        let Some(Fault { failure, times, .. }) = fault else { return Ok(()) };
        let failure = *failure;
        *times -= 1;
        drop(state);
        let Some(failure) = failure else {
            thread::sleep(Duration::from_secs(2));
            return Ok(());
        };
        Err(failure())
    }

    /// How many requests have reached this place.
    pub(super) fn reached(&self, at: At) -> usize {
        self.state.lock().unwrap().reached.get(&at).copied().unwrap_or_default()
    }

    /// Waits until this many have reached it.
    pub(super) fn wait_until_reached(&self, at: At, count: usize) {
        let state = self.state.lock().unwrap();
        let fewer = |state: &mut State| state.reached.get(&at).copied().unwrap_or_default() < count;
        drop(self.changed.wait_while(state, fewer).unwrap());
    }
}
