//! Where replies wait for the JavaScript thread.
//!
//! One mailbox and one threadsafe function for each JavaScript environment (the main thread, each
//! worker thread, each Jest file). Worker threads put replies in; the threadsafe function is called
//! once for as many as have piled up until JavaScript comes to fetch them.

use std::collections::VecDeque;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use napi::bindgen_prelude::{Env, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use super::connection::Shared;
use super::encode;
use crate::engine::Outcome;
use crate::error::Result;

/// It takes no argument: JavaScript fetches the replies by itself. Weak: it alone keeps no process
/// alive.
type Wake = ThreadsafeFunction<(), (), (), napi::Status, false, true>;

/// The replies of one JavaScript environment.
#[napi]
pub struct Mailbox {
    inner: Arc<Inner>,
}

struct Inner {
    wake: Mutex<Wake>,
    replies: Mutex<Replies>,
    connections: Mutex<Vec<Weak<Shared>>>,
}

#[derive(Default)]
struct Replies {
    waiting: VecDeque<(u32, Letter)>,
    /// Whether `wake` was called and JavaScript has not come yet.
    woken: bool,
}

/// One reply.
enum Letter {
    /// It becomes text on the JavaScript thread, because the writer's time is what all others wait for.
    Outcome(Result<Outcome>),
    /// A list, made text where it was read, because a long one would hold up the JavaScript thread.
    Text(String),
}

impl Letter {
    fn new(outcome: Result<Outcome>) -> Self {
        match outcome {
            Ok(Outcome::Rows(_) | Outcome::Page(..)) => Self::Text(encode::reply(&outcome)),
            outcome => Self::Outcome(outcome),
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Outcome(outcome) => encode::reply(&outcome),
            Self::Text(text) => text,
        }
    }
}

/// Where one reply goes.
pub(super) struct Address {
    mailbox: Arc<Inner>,
    request: u32,
}

#[napi]
impl Mailbox {
    /// A mailbox that calls `wake` when there is something to fetch.
    #[napi(constructor)]
    pub fn new(env: Env, wake: Function<(), ()>) -> napi::Result<Self> {
        let wake = wake
            .build_threadsafe_function()
            .weak::<true>()
            .callee_handled::<false>()
            .build_callback(|_| Ok(()))?;
        let inner = Arc::new(Inner {
            wake: Mutex::new(wake),
            replies: Mutex::default(),
            connections: Mutex::default(),
        });
        env.add_env_cleanup_hook(Arc::clone(&inner), |inner| inner.close_connections())?;
        Ok(Self { inner })
    }

    /// Takes the replies that wait, at most so many: request, reply, request, reply, … Whoever gets as
    /// many as that comes again by himself, after timers and sockets have had their turn; to be woken
    /// again at once would leave them none, because Node calls a threadsafe function until it is idle.
    #[napi]
    pub fn fetch(&self, at_most: u32) -> Vec<napi::Either<u32, String>> {
        let mut replies = lock(&self.inner.replies);
        let count = replies.waiting.len().min(at_most as usize);
        let fetched: Vec<_> = replies.waiting.drain(..count).collect();
        replies.woken = count == at_most as usize;
        drop(replies);
        let reply = |(request, letter): (u32, Letter)| {
            [napi::Either::A(request), napi::Either::B(letter.into_text())]
        };
        fetched.into_iter().flat_map(reply).collect()
    }

    /// Keeps the process alive: somebody waits for a reply.
    #[napi(js_name = "ref")]
    pub fn refer(&self, env: Env) -> napi::Result<()> {
        // Deprecated in favour of strong functions, but those can't be made weak again.
        #[expect(deprecated)]
        lock(&self.inner.wake).refer(&env)
    }

    /// Lets the process end: nobody waits.
    #[napi]
    pub fn unref(&self, env: Env) -> napi::Result<()> {
        #[expect(deprecated)]
        lock(&self.inner.wake).unref(&env)
    }
}

impl Mailbox {
    /// Remembers a connection, to close it when the environment ends.
    pub(super) fn close_at_exit(&self, connection: &Arc<Shared>) {
        let mut connections = lock(&self.inner.connections);
        connections.retain(|connection| connection.strong_count() > 0);
        connections.push(Arc::downgrade(connection));
    }

    pub(super) fn address(&self, request: u32) -> Address {
        Address { mailbox: Arc::clone(&self.inner), request }
    }
}

impl Inner {
    fn wake(&self) {
        lock(&self.wake).call((), ThreadsafeFunctionCallMode::NonBlocking);
    }

    /// Closes what JavaScript left open, and waits a moment for it, so that a process that ends in
    /// good order leaves no write-ahead log behind. Nothing that was acknowledged depends on it.
    fn close_connections(&self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        let (closing, closed) = channel::<()>();
        for connection in lock(&self.connections).drain(..).filter_map(|weak| weak.upgrade()) {
            let closing = closing.clone();
            connection.close(move || drop(closing));
        }
        drop(closing);
        // It ends with an error as soon as every sender is dropped.
        let _ = closed.recv_timeout(PATIENCE);
    }
}

impl Address {
    /// Puts a reply in, from any thread. When the environment is gone, nobody reads it.
    pub(super) fn deliver(self, outcome: Result<Outcome>) {
        let letter = Letter::new(outcome);
        let mut replies = lock(&self.mailbox.replies);
        replies.waiting.push_back((self.request, letter));
        let wake = !std::mem::replace(&mut replies.woken, true);
        drop(replies);
        if wake {
            self.mailbox.wake();
        }
    }
}

/// A panic elsewhere leaves neither half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
