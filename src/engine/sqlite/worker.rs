//! The loop of the writer's and the readers' threads.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use super::super::outcome::Outcome;
use super::super::stats::Requests;
use super::queue::{Command, Request};
use crate::error::{Error, Result};

/// A thread's source of requests.
pub(super) trait Source {
    /// Takes up to `most` commands. Sleeps until there is one, or at most for `timeout`.
    fn take(&self, most: usize, timeout: Option<Duration>) -> Vec<Command>;

    /// The queue's statistics.
    fn requests(&self) -> &Requests;

    /// Given the requests that were taken but not run, returns those to run next.
    fn left_over(&self, requests: Vec<Request>) -> Vec<Request> {
        requests
    }
}

/// A request's outcome; `None` if it was moved to another lane.
pub(super) type Answered = Option<Result<Outcome>>;

/// What a thread does with waiting requests.
pub(super) trait Worker {
    /// The maximum number of requests taken at once.
    const MOST: usize;

    /// Runs at least the first request. Returns the outcomes of those that were run, in order.
    fn run(&mut self, requests: &[Request]) -> Vec<Answered>;

    /// Moves a request to another lane.
    fn put_off(&mut self, request: Request) {
        // Dropping it sends an error to the caller.
        drop(request);
    }

    /// How long to wait for requests before [`Self::idle`] is called; `None` means for ever.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// Does work that is postponed while requests wait.
    fn idle(&mut self) {}

    /// Drops a connection that a panic may have left in an invalid state.
    fn abandon(&mut self);
}

/// Starts a named thread that runs until it is shut down. `tell_others` asks the other threads of this
/// database to close it.
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

/// Runs requests and sends the replies. A panic is a bug, and is returned as an error.
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
        if is_any_replaced(&answers) {
            tell_others();
        }
        // A worker that runs nothing is also a bug: dropping the requests sends errors.
        let done = if answers.is_empty() { requests.len() } else { answers.len() };
        // Counted before the caller can ask for statistics.
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

/// Whether a request found that the file at the path is not the one that was opened.
pub(super) fn is_any_replaced(answers: &[Answered]) -> bool {
    answers.iter().flatten().any(|outcome| outcome.as_ref().is_err_and(is_replaced))
}

fn is_replaced(error: &Error) -> bool {
    matches!(error, Error::Database { database_code, .. } if database_code == "FILE_REPLACED")
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

/// The error of a thread that could not be started.
pub(super) fn no_thread(error: &std::io::Error) -> Error {
    Error::Internal(format!("no thread could be started: {error}"))
}
