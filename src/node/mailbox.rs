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

/// It takes no argument: JavaScript fetches the replies by itself. It keeps the process alive.
type Wake = ThreadsafeFunction<(), (), (), napi::Status, false>;

thread_local! {
    /// The connections of this thread, to close them when its environment ends: all mailboxes together, because
    /// a process with many of them waits but once.
    static CONNECTIONS: RefCell<Vec<Weak<Handle>>> = const { RefCell::new(Vec::new()) };
}

/// The replies to one copy of the JavaScript.
#[napi]
pub struct Mailbox {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// `None` while JavaScript waits for nothing: it would be an open handle, and hold on to all JavaScript of
    /// its realm, which Jest has one of for each file.
    wake: Mutex<Option<Wake>>,
    replies: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    replies: VecDeque<(u32, Reply)>,
    /// Whether JavaScript was called, or is to be as soon as it opens the mailbox, and has not come yet.
    woken: bool,
}

/// One reply, or a part of one.
enum Reply {
    /// It becomes text on the JavaScript thread, because the writer's time is what all others wait for.
    Outcome(Result<Outcome>),
    /// What may be long, made text where it was read, because it would hold up the JavaScript thread.
    Text(String),
    /// The same, of a list whose other rows follow.
    Part(String),
}

impl Reply {
    /// A reply, a list of long rows in parts: JavaScript reads each in a turn of its own.
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

    /// Adds the first rows as parts. The last ones.
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

    /// About how many bytes it is.
    fn bytes(&self) -> usize {
        match self {
            Self::Outcome(_) => 0,
            Self::Text(text) | Self::Part(text) => text.len(),
        }
    }
}

/// So many bytes take JavaScript about a millisecond.
const LONG: usize = 256 * 1024;

/// Whether a reply may be long text, or takes long to write.
fn is_long(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Row(Some(row))
        | Outcome::Replayed(row)
        | Outcome::Updated(row, _)
        | Outcome::Extended(row, _)
        | Outcome::Settled(row, _) => row.text_bytes() > LONG,
        Outcome::All(outcomes) => outcomes.iter().any(is_long),
        Outcome::Done
        | Outcome::Bool(_)
        | Outcome::Number(_)
        | Outcome::Row(None)
        | Outcome::Diagnostics(_)
        | Outcome::Stats(_) => false,
        _ => true,
    }
}

/// Replies as JavaScript takes them.
#[napi(object)]
pub struct Fetched {
    /// Of each its request, whether more of it follows (1) or not (0), and its text.
    pub replies: Vec<napi::Either<u32, String>>,
    /// Whether to come again, after timers and sockets have had their turn.
    pub again: bool,
}

/// Where one reply goes.
pub(super) struct ReplyTo {
    mailbox: Arc<Inner>,
    request: u32,
}

#[napi]
impl Mailbox {
    /// A mailbox that is closed.
    #[napi(constructor)]
    pub fn new(env: Env) -> napi::Result<Self> {
        env.add_env_cleanup_hook((), |()| close_connections())?;
        Ok(Self { inner: Arc::default() })
    }

    /// Calls `wake` when there is something to fetch, now or later, and keeps the process alive: a call waits
    /// for its reply.
    #[napi]
    pub fn open(&self, wake: Function<(), ()>) -> napi::Result<()> {
        let wake = wake
            .build_threadsafe_function()
            .callee_handled::<false>()
            .build_callback(|_| Ok(()))?;
        *lock(&self.inner.wake) = Some(wake);
        // A reply may have come already.
        let woken = lock(&self.inner.replies).woken;
        if woken {
            self.inner.wake();
        }
        Ok(())
    }

    /// Lets the process end: no call waits.
    #[napi]
    pub fn close(&self) {
        *lock(&self.inner.wake) = None;
    }

    /// Takes the replies that wait: so many, or as much text as does not keep others waiting. A
    /// caller that is told to come again does so by itself; to be woken again at once would leave timers and
    /// sockets no turn, because Node calls a threadsafe function until it is idle.
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

/// Remembers a connection, to close it when the environment ends.
pub(super) fn close_at_exit(connection: &Arc<Handle>) {
    CONNECTIONS.with_borrow_mut(|connections| {
        connections.retain(|connection| connection.strong_count() > 0);
        connections.push(Arc::downgrade(connection));
    });
}

/// Closes what JavaScript left open, and waits a moment for it, so that a process that ends in
/// good order leaves no write-ahead log behind. Nothing that was acknowledged depends on it.
fn close_connections() {
    const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
    let (closing, closed) = channel::<()>();
    for connection in CONNECTIONS.take().into_iter().filter_map(|weak| weak.upgrade()) {
        let closing = closing.clone();
        connection.close(move || drop(closing));
    }
    drop(closing);
    // It ends with an error as soon as every sender is dropped.
    let _ = closed.recv_timeout(CLOSE_TIMEOUT);
}

impl ReplyTo {
    /// Puts a reply in, from any thread. When the environment is gone, it stays unread.
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

/// A panic elsewhere leaves neither half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
