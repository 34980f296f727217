//! The bounded queue in front of a worker thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::engine::operation::Operation;
use crate::engine::outcome::ReplySender;
use crate::engine::stats::Requests;
use crate::error::Error;

/// A request that waits for its transaction.
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) reply: ReplySender,
    pub(super) enqueued: Instant,
}

/// What a worker thread is told.
pub(super) enum Command {
    /// Run this and reply.
    Run(Box<Request>),
    /// Everything that came before is done when this is dropped.
    Flush(Done),
    /// Let the database go: its file was replaced, and the neighbour wants to open the new one.
    LetGo,
    /// As `Flush`, and then end, releasing the database.
    Shutdown(Done),
}

/// Something to call when this is dropped: even a thread that panics says that it is done.
pub(super) struct Done(Option<Box<dyn FnOnce() + Send>>);

impl Done {
    pub(super) fn new(call: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(call)))
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

/// Commands in the order in which they came.
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Command>>,
    arrived: Condvar,
    capacity: usize,
    pub(super) requests: Requests,
}

impl Queue {
    /// A queue that refuses requests while `capacity` of them wait.
    pub(super) fn new(capacity: usize) -> Self {
        let requests = Requests::default();
        Self { waiting: Mutex::default(), arrived: Condvar::new(), capacity, requests }
    }

    /// Appends a request, or refuses it if the queue is full.
    pub(super) fn push(&self, operation: Operation, reply: ReplySender) {
        let enqueued = Instant::now();
        let mut waiting = self.lock();
        if waiting.len() >= self.capacity {
            drop(waiting);
            self.requests.refused();
            return reply.send(Err(Error::Overloaded { waiting: self.capacity }));
        }
        let request = Request { operation, reply, enqueued };
        self.append(&mut waiting, Command::Run(Box::new(request)));
        self.requests.enqueued(waiting.len());
    }

    /// Appends a command that is never refused.
    pub(super) fn push_always(&self, command: Command) {
        self.append(&mut self.lock(), command);
    }

    fn append(&self, waiting: &mut VecDeque<Command>, command: Command) {
        waiting.push_back(command);
        // The worker that found the queue empty sleeps; no other one does.
        if waiting.len() == 1 {
            self.arrived.notify_one();
        }
    }

    /// Takes waiting commands, at most `most`. Sleeps until there is something, or, with a
    /// `timeout`, at most that long.
    pub(super) fn take(&self, most: usize, timeout: Option<Duration>) -> Vec<Command> {
        let waiting = self.lock();
        let mut waiting = match timeout {
            None => self.arrived.wait_while(waiting, |waiting| waiting.is_empty()),
            Some(timeout) => self
                .arrived
                .wait_timeout_while(waiting, timeout, |waiting| waiting.is_empty())
                .map(|(waiting, _)| waiting)
                .map_err(|poisoned| PoisonError::new(poisoned.into_inner().0)),
        }
        .unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }

    /// What is known of its requests.
    pub(super) fn report(&self) -> Json {
        let queued = self.lock().len();
        self.requests.report(queued, self.capacity)
    }

    /// A panic elsewhere leaves the queue as whole as it was: no step leaves it half changed.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Command>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
