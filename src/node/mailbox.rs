//! The mailbox in which replies wait for the JavaScript thread.
//!
//! There is one for each time that JavaScript loads the package (the main thread, each worker thread, each Jest file),
//! and, while a reply is awaited, one threadsafe function. Worker threads put replies in; the threadsafe function is
//! called once for all replies that arrive until JavaScript fetches them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use napi::bindgen_prelude::{Env, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use super::encode;
use super::handle::Handle;
use crate::engine::Outcome;
use crate::error::Result;
use crate::storage::Row;

/// It has no argument: JavaScript fetches the replies itself. It keeps the process alive.
type Wake = ThreadsafeFunction<(), (), (), napi::Status, false>;

thread_local! {
    /// This thread's connections, to be closed when its environment ends. They are shared by all mailboxes,
    /// so that a process with many mailboxes waits only once.
    static CONNECTIONS: RefCell<Vec<Weak<Handle>>> = const { RefCell::new(Vec::new()) };
}

/// The replies for one copy of the JavaScript code.
#[napi]
pub struct Mailbox {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// `None` while no call waits: it would be an open handle and keep all JavaScript of its realm in memory;
    /// Jest has a realm for each file.
    wake: Mutex<Option<Wake>>,
    replies: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    replies: VecDeque<(u32, Reply)>,
    /// Whether JavaScript was called, or must be called as soon as it opens the mailbox, and has not fetched
    /// the replies yet.
    woken: bool,
}

/// A reply, or a part of one.
enum Reply {
    /// Encoded on the JavaScript thread, to save time of the writer thread, for which all calls wait.
    Outcome(Result<Outcome>),
    /// Possibly long, so it was encoded where it was read, to save time of the JavaScript thread.
    Text(String),
    /// The same, for a list with further rows in the next reply.
    Part(String),
}

impl Reply {
    /// The parts of a reply. JavaScript reads each part of a list of long rows in a turn of its own.
    fn all(outcome: Result<Outcome>) -> Vec<Self> {
        let mut replies = Vec::new();
        let outcome = outcome.map(|outcome| match outcome {
            Outcome::Rows(rows) => Outcome::Rows(Self::parts(rows, &mut replies)),
            Outcome::RowsOfUsers(rows, users) => {
                Outcome::RowsOfUsers(Self::parts(rows, &mut replies), users)
            }
            Outcome::Page(rows, total, page) => {
                Outcome::Page(Self::parts(rows, &mut replies), total, page)
            }
            outcome => outcome,
        });
        replies.push(match &outcome {
            Ok(found) if is_long(found) => Self::Text(encode::reply(&outcome)),
            _ => Self::Outcome(outcome),
        });
        replies
    }

    /// Adds all but the last part. Returns the rows of the last one.
    fn parts(rows: Vec<Row>, replies: &mut Vec<Self>) -> Vec<Row> {
        let (mut part, mut bytes) = (Vec::new(), 0);
        for row in rows {
            if bytes > LONG {
                let rows = Outcome::Rows(std::mem::take(&mut part));
                replies.push(Self::Part(encode::reply(&Ok(rows))));
                bytes = 0;
            }
            bytes += row.text_bytes();
            part.push(row);
        }
        part
    }

    fn into_text(self) -> String {
        match self {
            Self::Outcome(outcome) => encode::reply(&outcome),
            Self::Text(text) | Self::Part(text) => text,
        }
    }

    /// Its approximate size in bytes.
    fn bytes(&self) -> usize {
        match self {
            Self::Outcome(_) => 0,
            Self::Text(text) | Self::Part(text) => text.len(),
        }
    }
}

/// The number of bytes that take JavaScript about a millisecond.
const LONG: usize = 256 * 1024;

/// Whether a reply may be long, or take long to encode.
fn is_long(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::All(outcomes) => outcomes.iter().any(is_long),
        Outcome::Done
        | Outcome::Bool(_)
        | Outcome::Number(_)
        | Outcome::Row(None)
        | Outcome::Diagnostics(_)
        | Outcome::Stats(_) => false,
        other => other.row().is_none_or(|row| row.text_bytes() > LONG),
    }
}

/// Replies, as JavaScript fetches them.
#[napi(object)]
pub struct Fetched {
    /// For each reply: the number of its request, 1 if more of it follows or 0 if not, and its text.
    pub replies: Vec<napi::Either<u32, String>>,
    /// Whether to fetch again after timers and sockets have run.
    pub again: bool,
}

/// The destination of one reply.
pub(super) struct ReplyTo {
    mailbox: Arc<Inner>,
    request: u32,
}

#[napi]
impl Mailbox {
    /// Creates a closed mailbox.
    #[napi(constructor)]
    pub fn new(env: Env) -> napi::Result<Self> {
        env.add_env_cleanup_hook((), |()| close_connections())?;
        Ok(Self { inner: Arc::default() })
    }

    /// Opens the mailbox: calls `wake` when there is something to fetch, and keeps the process alive while a
    /// call waits.
    #[napi]
    pub fn open(&self, wake: Function<(), ()>) -> napi::Result<()> {
        let wake = wake
            .build_threadsafe_function()
            .callee_handled::<false>()
            .build_callback(|_| Ok(()))?;
        *lock(&self.inner.wake) = Some(wake);
        // A reply may have arrived already.
        let woken = lock(&self.inner.replies).woken;
        if woken {
            self.inner.wake();
        }
        Ok(())
    }

    /// Closes the mailbox, so that the process can end: no call waits.
    #[napi]
    pub fn close(&self) {
        *lock(&self.inner.wake) = None;
    }

    /// Takes waiting replies, limited in number and size so that other events are not delayed. If told to,
    /// the caller fetches again by itself: Node calls a threadsafe function until it is idle, which would not
    /// let timers and sockets run.
    #[napi]
    pub fn fetch(&self, at_most: u32) -> Fetched {
        let mut waiting = lock(&self.inner.replies);
        let (mut fetched, mut bytes) = (Vec::new(), 0);
        while fetched.len() < at_most as usize
            && bytes <= LONG
            && let Some((request, reply)) = waiting.replies.pop_front()
        {
            bytes += reply.bytes();
            fetched.push((request, reply));
        }
        let again = fetched.len() == at_most as usize || bytes > LONG;
        waiting.woken = again;
        drop(waiting);
        let reply = |(request, reply): (u32, Reply)| {
            let follows = u32::from(matches!(reply, Reply::Part(_)));
            let text = reply.into_text();
            [napi::Either::A(request), napi::Either::A(follows), napi::Either::B(text)]
        };
        Fetched { replies: fetched.into_iter().flat_map(reply).collect(), again }
    }
}

impl Mailbox {
    pub(super) fn address(&self, request: u32) -> ReplyTo {
        ReplyTo { mailbox: Arc::clone(&self.inner), request }
    }
}

impl Inner {
    fn wake(&self) {
        if let Some(wake) = &*lock(&self.wake) {
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// Records a connection, to close it when the environment ends.
pub(super) fn close_at_exit(connection: &Arc<Handle>) {
    CONNECTIONS.with_borrow_mut(|connections| {
        connections.retain(|connection| connection.strong_count() > 0);
        connections.push(Arc::downgrade(connection));
    });
}

/// Closes the connections that JavaScript left open, and waits briefly for it, so that a regular exit leaves no
/// write-ahead log behind. No confirmed commit depends on it.
fn close_connections() {
    const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
    let (closing, closed) = channel::<()>();
    for connection in CONNECTIONS.take().into_iter().filter_map(|weak| weak.upgrade()) {
        let closing = closing.clone();
        connection.close(move || drop(closing));
    }
    drop(closing);
    // It ends with an error when all senders are dropped.
    let _ = closed.recv_timeout(CLOSE_TIMEOUT);
}

impl ReplyTo {
    /// Delivers a reply, from any thread. If the environment has ended, it is never read.
    pub(super) fn deliver(self, outcome: Result<Outcome>) {
        let replies = Reply::all(outcome);
        let mut waiting = lock(&self.mailbox.replies);
        waiting.replies.extend(replies.into_iter().map(|reply| (self.request, reply)));
        let wake = !std::mem::replace(&mut waiting.woken, true);
        drop(waiting);
        if wake {
            self.mailbox.wake();
        }
    }
}

/// The lock may be poisoned: a panic elsewhere can't leave the value half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
