//! The loop over a queue that the writer's and the readers' threads share.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use super::super::outcome::Outcome;
use super::super::stats::Requests;
use super::queue::{Command, Request};
use crate::error::{Error, Result};

/// Where a thread's requests come from.
pub(super) trait Source {
    /// Takes waiting commands, at most `most`. Sleeps until there is something, or, with a
    /// `timeout`, at most that long.
    fn take(&self, most: usize, timeout: Option<Duration>) -> Vec<Command>;

    /// What is known of its requests.
    fn requests(&self) -> &Requests;

    /// Of requests that were taken and have not been run, those that are to be run next.
    fn left_over(&self, requests: Vec<Request>) -> Vec<Request> {
        requests
    }
}

/// What a request came to. `None`: it goes on elsewhere.
pub(super) type Answered = Option<Result<Outcome>>;

/// What a thread does with the requests that piled up.
pub(super) trait Worker {
    /// The most requests that it takes at once.
    const MOST: usize;

    /// Runs the first of them, at least one; their answers in order.
    fn run(&mut self, requests: &[Request]) -> Vec<Answered>;

    /// Passes a request on that goes on elsewhere.
    fn put_off(&mut self, request: Request) {
        // Its reply says that it was dropped.
        drop(request);
    }

    /// How long to wait for requests before [`Self::idle`] has something to do; for ever, if `None`.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// Does what can wait until no request does.
    fn idle(&mut self) {}

    /// Forgets a connection that a panic may have left in any state.
    fn abandon(&mut self);
}

/// Starts a named thread that works until it is told to shut down. `tell_others` tells the other threads of
/// this database to let it go.
pub(super) fn spawn(
    name: &str,
    source: impl Source + Send + 'static,
    tell_others: impl Fn() + Send + 'static,
    mut worker: impl Worker + Send + 'static,
) -> Result<()> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || work(&source, &tell_others, &mut worker))
        .map(|_| ())
        .map_err(|error| no_thread(&error))
}

fn work<W: Worker>(source: &impl Source, tell_others: &impl Fn(), worker: &mut W) {
    loop {
        let mut requests = Vec::new();
        let commands = source.take(W::MOST, worker.timeout());
        if commands.is_empty() {
            worker.idle();
        }
        for command in commands {
            match command {
                Command::Run(request) => {
                    source.requests().dequeued(1);
                    requests.push(*request);
                }
                Command::Flush(done) => {
                    answer(worker, source, tell_others, std::mem::take(&mut requests));
                    drop(done);
                }
                Command::LetGo => {
                    answer(worker, source, tell_others, std::mem::take(&mut requests));
                    worker.abandon();
                }
                Command::Shutdown(done) => {
                    answer(worker, source, tell_others, requests);
                    worker.abandon();
                    return drop(done);
                }
            }
        }
        answer(worker, source, tell_others, requests);
    }
}

/// Runs requests and sends their replies. A panic is a bug, and an answer like any other.
fn answer(
    worker: &mut impl Worker,
    source: &impl Source,
    tell_others: &impl Fn(),
    mut requests: Vec<Request>,
) {
    while !requests.is_empty() {
        let answers = catch_unwind(AssertUnwindSafe(|| worker.run(&requests)));
        let answers = answers.unwrap_or_else(|panic| {
            worker.abandon();
            let error = Error::Internal(message(panic.as_ref()));
            requests.iter().map(|_| Some(Err(error.clone()))).collect()
        });
        if answers.iter().flatten().any(|outcome| outcome.as_ref().is_err_and(is_replaced)) {
            tell_others();
        }
        // A worker that does nothing is a bug too: the requests are dropped, and their replies say so.
        let done = if answers.is_empty() { requests.len() } else { answers.len() };
        // Before a caller that hears of it asks.
        source.requests().finished(done);
        for (request, answer) in requests.drain(..done).zip(answers) {
            match answer {
                Some(outcome) => request.reply.send(outcome),
                None => worker.put_off(request),
            }
        }
        if !requests.is_empty() {
            requests = source.left_over(requests);
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

fn no_thread(error: &std::io::Error) -> Error {
    Error::Internal(format!("no thread could be started: {error}"))
}
