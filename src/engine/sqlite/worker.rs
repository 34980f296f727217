//! What the writer's and the reader's thread have in common: the loop over their queue.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::super::Outcome;
use super::super::queue::{Command, Queue, Request};
use crate::error::{Error, Result};

/// What a thread does with the requests that piled up.
pub(super) trait Worker {
    /// The most requests that it takes at once.
    const MOST: usize;

    /// Runs the first of them, at least one; their outcomes in order.
    fn run(&mut self, requests: &[Request]) -> Vec<Result<Outcome>>;

    /// How long to wait for requests before [`Self::idle`] has something to do; for ever, if `None`.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// Does what can wait until no request does.
    fn idle(&mut self) {}

    /// Forgets a connection that a panic may have left in any state.
    fn abandon(&mut self);
}

/// Starts a named thread that works until it is told to shut down.
pub(super) fn spawn(
    name: &str,
    queue: Arc<Queue>,
    neighbour: Option<Arc<Queue>>,
    mut worker: impl Worker + Send + 'static,
) -> Result<()> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || work(&queue, neighbour.as_deref(), &mut worker))
        .map(|_| ())
        .map_err(|error| super::no_thread(&error))
}

fn work<W: Worker>(queue: &Queue, neighbour: Option<&Queue>, worker: &mut W) {
    loop {
        let mut requests = Vec::new();
        let commands = queue.take(W::MOST, worker.patience());
        if commands.is_empty() {
            worker.idle();
        }
        for command in commands {
            match command {
                Command::Run(request) => {
                    queue.requests.taken(1);
                    requests.push(*request);
                }
                Command::Flush(done) => {
                    answer(worker, queue, neighbour, std::mem::take(&mut requests));
                    drop(done);
                }
                Command::LetGo => {
                    answer(worker, queue, neighbour, std::mem::take(&mut requests));
                    worker.abandon();
                }
                Command::Shutdown(done) => {
                    answer(worker, queue, neighbour, requests);
                    worker.abandon();
                    return drop(done);
                }
            }
        }
        answer(worker, queue, neighbour, requests);
    }
}

/// Runs requests and sends their replies. A panic is a bug, and an answer like any other.
fn answer(
    worker: &mut impl Worker,
    queue: &Queue,
    neighbour: Option<&Queue>,
    mut requests: Vec<Request>,
) {
    while !requests.is_empty() {
        let outcomes = catch_unwind(AssertUnwindSafe(|| worker.run(&requests)));
        let outcomes = outcomes.unwrap_or_else(|panic| {
            worker.abandon();
            let error = Error::Internal(message(panic.as_ref()));
            requests.iter().map(|_| Err(error.clone())).collect()
        });
        if let Some(neighbour) = neighbour
            && outcomes.iter().any(|outcome| outcome.as_ref().is_err_and(is_replaced))
        {
            neighbour.push_always(Command::LetGo);
        }
        // A worker that does nothing is a bug too: the requests are dropped, and their replies say so.
        let done = if outcomes.is_empty() { requests.len() } else { outcomes.len() };
        // Before whoever hears of it asks.
        queue.requests.answered(done);
        for (request, outcome) in requests.drain(..done).zip(outcomes) {
            request.reply.send(outcome);
        }
    }
}

fn is_replaced(error: &Error) -> bool {
    matches!(error, Error::Database { database_code, .. } if database_code == "FILE_REPLACED")
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}
