//! An engine's statistics for operators: calls by name and code, the queue, batches, and durations.
//!
//! Counting takes no lock and allocates nothing, and reading never blocks: statistics are needed most when an
//! engine is blocked.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use serde_json::{Map, Value as Json, json};
use tracing::{debug, warn};

use super::clock::now_ms;
use super::outcome::{Outcome, ReplySender};
use crate::error::{Code, Error, Family, Result};
use crate::histogram::{Histogram, durations};

/// The maximum number of functions in the package.
pub const MOST_FUNCTIONS: usize = 64;

/// A function of the package, whose calls are counted.
#[derive(Debug, Clone, Copy)]
pub struct CountedFunction {
    /// Its index, below [`MOST_FUNCTIONS`].
    pub number: usize,
    /// Its name in reports.
    pub name: &'static str,
}

/// A counter.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The statistics that all kinds of storage have.
pub(super) struct Stats {
    started_at_ms: i64,
    pub(super) calls: Arc<Calls>,
    /// The sizes of transactions that several requests could share.
    pub(super) batches: Histogram,
}

impl Default for Stats {
    fn default() -> Self {
        Self { started_at_ms: now_ms(), calls: Arc::default(), batches: Histogram::default() }
    }
}

impl Stats {
    /// The report; `more` has the storage's own statistics.
    pub(super) fn report(
        &self,
        storage: &str,
        queue: &Json,
        commits: &Histogram,
        more: Json,
    ) -> Json {
        let batches = self.batches.read();
        let mut report = json!({
            "storage": storage,
            "startedAt": self.started_at_ms,
            "operations": self.calls.report(),
            "queue": queue,
            "batches": {
                "count": batches.count,
                "requests": batches.sum,
                "meanSize": batches.mean(),
                "largestSize": batches.largest,
            },
            "commits": durations(commits),
        });
        if let (Json::Object(report), Json::Object(more)) = (&mut report, more) {
            report.extend(more);
        }
        report
    }
}

/// The outcomes of calls, by function.
#[derive(Debug)]
pub(super) struct Calls([Outcomes; MOST_FUNCTIONS]);

#[derive(Debug)]
struct Outcomes {
    /// The function's name; empty until its first call.
    function: OnceLock<&'static str>,
    done: Counter,
    /// By the code's index.
    errors: [Counter; Code::ALL.len()],
}

impl Default for Calls {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Outcomes {
            function: OnceLock::new(),
            done: Counter::default(),
            errors: std::array::from_fn(|_| Counter::default()),
        }))
    }
}

impl Calls {
    /// A reply whose call is counted, if it belongs to a function.
    pub(super) fn reply_to(
        self: &Arc<Self>,
        function: Option<CountedFunction>,
        send: Box<dyn FnOnce(Result<Outcome>) + Send>,
    ) -> ReplySender {
        let Some(function) = function else { return ReplySender::new(send) };
        let calls = Arc::clone(self);
        ReplySender::new(move |outcome| {
            calls.count(function, &outcome);
            send(outcome);
        })
    }

    /// Counts the outcome of a call. The log gets no error message: that may contain a user's id or a value.
    fn count(&self, function: CountedFunction, outcome: &Result<Outcome>) {
        let Some(outcomes) = self.0.get(function.number) else { return };
        let function = *outcomes.function.get_or_init(|| function.name);
        let Err(error) = outcome else { return outcomes.done.add() };
        let code = error.code();
        match error.family() {
            Family::Caller | Family::Ledger => debug!(function, code, "refused"),
            Family::Database => {
                warn!(function, code, database_code = database_code(error), "failed");
            }
        }
        outcomes.errors[error.kind() as usize].add();
    }

    /// The outcomes of all functions that were called.
    fn report(&self) -> Json {
        let reports = self.0.iter().filter_map(|outcomes| {
            let name = *outcomes.function.get()?;
            let done = outcomes.done.get();
            let (failed, refused) = outcomes.by_code();
            Some((name.to_owned(), json!({ "done": done, "refused": refused, "failed": failed })))
        });
        Json::Object(reports.collect())
    }
}

impl Outcomes {
    /// The numbers of failures and of rejections, by code.
    fn by_code(&self) -> (Map<String, Json>, Map<String, Json>) {
        let counts = Code::ALL.iter().zip(&self.errors).map(|(code, count)| (code, count.get()));
        let (failed, refused): (Vec<_>, Vec<_>) = counts
            .filter(|(_, count)| *count > 0)
            .partition(|(code, _)| code.family() == Family::Database);
        let named = |counts: Vec<(&Code, u64)>| {
            counts
                .into_iter()
                .map(|(code, count)| (code.as_str().to_owned(), count.into()))
                .collect()
        };
        (named(failed), named(refused))
    }
}

fn database_code(error: &Error) -> Option<&str> {
    match error {
        Error::Database { database_code, .. } => Some(database_code),
        _ => None,
    }
}

/// The requests that wait for a worker, and those that it runs.
#[derive(Debug, Default)]
pub(super) struct Requests {
    most_queued: AtomicUsize,
    running: AtomicUsize,
    overloaded: Counter,
    waits: Histogram,
}

impl Requests {
    /// Counts a request; now `queued` wait.
    pub(super) fn enqueued(&self, queued: usize) {
        if queued > self.most_queued.load(Relaxed) {
            self.most_queued.fetch_max(queued, Relaxed);
        }
    }

    /// Counts a request that was rejected because too many wait.
    pub(super) fn refused(&self) {
        self.overloaded.add();
    }

    /// Counts requests that a worker has taken.
    pub(super) fn dequeued(&self, count: usize) {
        self.running.fetch_add(count, Relaxed);
    }

    /// Counts how long a request waited until its transaction began.
    pub(super) fn started(&self, enqueued: Instant, started: Instant) {
        self.waits.count_time(started.duration_since(enqueued));
    }

    /// Counts requests that get their replies.
    pub(super) fn finished(&self, count: usize) {
        self.running.fetch_sub(count, Relaxed);
    }

    /// The number of requests that were taken and not answered.
    pub(super) fn running(&self) -> usize {
        self.running.load(Relaxed)
    }

    /// The report, while `queued` of at most `capacity` requests wait.
    pub(super) fn report(&self, queued: usize, capacity: usize) -> Json {
        json!({
            "queued": queued,
            "mostQueued": self.most_queued.load(Relaxed),
            "running": self.running(),
            "capacity": capacity,
            "overloaded": self.overloaded.get(),
            "waits": durations(&self.waits),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Wait;
    use std::time::Duration;

    #[test]
    fn calls_are_counted_by_their_outcomes() {
        let (done, closed) = (Ok(Outcome::Done), Err(Error::Closed));
        let poor = Err(Error::InsufficientCredits { required: 2, available: 1, balance: None });
        let item =
            Err(Error::InsufficientCredits { required: 2, available: 1, balance: None }.of_item(0));
        let busy = Err(Error::DatabaseBusy { wait: Wait::Lock, message: String::new() });
        let bug = Err(Error::Internal(String::new()));
        let rows = [
            (vec![], json!({})),
            (vec![&done], json!({ "done": 1, "refused": {}, "failed": {} })),
            (
                vec![&done, &done, &closed],
                json!({ "done": 2, "refused": { "CLOSED": 1 }, "failed": {} }),
            ),
            (
                vec![&poor, &item],
                json!({ "done": 0, "refused": { "INSUFFICIENT_CREDITS": 2 }, "failed": {} }),
            ),
            (
                vec![&bug, &busy, &busy],
                json!({ "done": 0, "refused": {}, "failed": { "DATABASE_BUSY": 2, "INTERNAL": 1 } }),
            ),
        ];
        for (outcomes, expected) in rows {
            let calls = Calls::default();
            let function = CountedFunction { number: 3, name: "consumeCredits" };
            outcomes.iter().for_each(|outcome| calls.count(function, outcome));
            let expected = match outcomes.len() {
                0 => expected,
                _ => json!({ "consumeCredits": expected }),
            };
            assert_eq!(calls.report(), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn requests_are_counted_from_queue_to_end() {
        let requests = Requests::default();
        let now = Instant::now();
        [1, 2, 1].into_iter().for_each(|queued| requests.enqueued(queued));
        requests.refused();
        requests.dequeued(3);
        requests.started(now, now + Duration::from_millis(3));
        requests.finished(1);
        let mut report = requests.report(5, 10);
        let waits = report.as_object_mut().unwrap().shift_remove("waits").unwrap();
        assert_eq!(waits["maxMs"], 3.0);
        let rest =
            json!({ "queued": 5, "mostQueued": 2, "running": 2, "capacity": 10, "overloaded": 1 });
        assert_eq!(report, rest);
    }

    #[test]
    fn durations_are_milliseconds() {
        let histogram = Histogram::default();
        [1000, 1500, 2001].into_iter().for_each(|us| histogram.count(us));
        let expected = json!({
            "count": 3, "totalMs": 4.501, "meanMs": 1.5, "p50Ms": 1.535, "p99Ms": 2.001, "maxMs": 2.001,
        });
        assert_eq!(durations(&histogram), expected);
    }
}
