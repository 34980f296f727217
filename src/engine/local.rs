//! Requests on a store that never blocks: its futures are ready at the first poll.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::clock::Clock;
use super::operation::{Read, Write};
use super::outcome::{Audited, Outcome};
use super::run::change;
use super::{reads, replays};
use crate::error::{Error, Result};
use crate::storage::books::UserRange;
use crate::storage::failure::{Answer, Failure};
use crate::storage::store::Store;

/// Makes one change in the transaction that the caller began. A rejected change has written nothing. A
/// repeated call returns the row of the first one.
pub fn write(store: &mut dyn Store, write: &Write, clock: Clock<'_>) -> Result<Outcome> {
    match ready(change(store, write, clock)) {
        Err(refusal) if replays::is_duplicate_key(write, &refusal) => {
            ready(replays::replay(store, write))
        }
        outcome => outcome,
    }
}

/// Runs one read.
pub fn read(store: &mut dyn Store, read: &Read, now_ms: i64) -> Result<Outcome> {
    ready(reads::read(store, read, now_ms))
}

/// Audits some users' accounts.
pub fn audit(store: &mut dyn Store, range: &UserRange) -> Result<Audited> {
    ready(reads::audit(store, range))
}

fn ready<T>(answer: impl Future<Output = Answer<T>>) -> Result<T> {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.map_err(Failure::into_error),
        Poll::Pending => Err(Error::Internal("a store that never waits has waited".to_owned())),
    }
}
