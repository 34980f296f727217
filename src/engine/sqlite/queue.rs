//! The bounded queue of a worker thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::engine::operation::Operation;
use crate::engine::outcome::ReplySender;
use crate::engine::stats::Requests;
use crate::error::Error;

/// A request in the queue.
pub(super) struct Request {
    pub(super) operation: Operation,
    pub(super) reply: ReplySender,
    pub(super) enqueued: Instant,
}

/// A command to a worker thread.
pub(super) enum Command {
    /// Run this request and reply.
    Run(Box<Request>),
    /// Dropped when all earlier commands are done.
    Flush(Done),
    /// Close the database: its file was replaced, and another thread wants to open the new one.
    LetGo,
    /// Like `Flush`; then close the database and end.
    Shutdown(Done),
}

/// Calls a function when it is dropped, even if its thread panics.
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

/// Commands in order of arrival.
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Command>>,
    arrived: Condvar,
    capacity: usize,
    pub(super) requests: Requests,
}

impl Queue {
    /// A queue that rejects requests while `capacity` requests wait.
    pub(super) fn new(capacity: usize) -> Self {
        let requests = Requests::default();
        Self { waiting: Mutex::default(), arrived: Condvar::new(), capacity, requests }
    }

    /// Appends a request, or rejects it if the queue is full.
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

    /// Appends a command that is never rejected.
    pub(super) fn push_always(&self, command: Command) {
        self.append(&mut self.lock(), command);
    }

    fn append(&self, waiting: &mut VecDeque<Command>, command: Command) {
        waiting.push_back(command);
        // Only a worker that found the queue empty sleeps.
        if waiting.len() == 1 {
            self.arrived.notify_one();
        }
    }

    /// Takes up to `most` commands. Sleeps until there is one, or at most for `timeout`.
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

    /// The queue's statistics.
    pub(super) fn report(&self) -> Json {
        let queued = self.lock().len();
        self.requests.report(queued, self.capacity)
    }

    /// The lock may be poisoned: no step leaves the queue half changed.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Command>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
