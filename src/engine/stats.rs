//! What an engine counts for those who run it: calls by name and code, the queue, batches, and how long things take.
//!
//! Whoever counts takes no lock and no memory, and whoever asks waits for nobody: most is asked when something is
//! stuck. A report has JavaScript's names in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use serde_json::{Map, Value as Json, json};
use tracing::{debug, warn};

use super::clock::now_ms;
use super::outcome::Outcome;
use crate::error::{Error, Result};
use crate::histogram::{Histogram, durations};

/// The functions that are counted, as JavaScript names them, in the order of their letters.
const CALLS: [&str; 37] = [
    "auditLedger",
    "chargeAITask",
    "chargeMediaTask",
    "consumeCredits",
    "consumeCreditsBatch",
    "createAITask",
    "createAITasks",
    "createCredit",
    "createMediaTask",
    "createMediaTasks",
    "createTables",
    "failStuckAITasks",
    "failStuckMediaTasks",
    "findAITaskById",
    "findMediaTaskById",
    "findStuckAITasks",
    "findStuckMediaTasks",
    "getAITaskCharges",
    "getAITasks",
    "getAITasksCount",
    "getActiveMediaTasks",
    "getBalance",
    "getCredits",
    "getCreditsCount",
    "getDiagnostics",
    "getMediaTaskCharges",
    "getMediaTaskHistory",
    "getRemainingCredits",
    "getStatement",
    "hasActiveMediaTask",
    "quoteCredits",
    "refundCredits",
    "repairLedger",
    "settleAITask",
    "settleMediaTask",
    "updateAITaskById",
    "updateMediaTaskById",
];

/// The codes of the caller's fault and of the ledger's refusal, as `docs/errors.md` has them.
const REFUSALS: [&str; 27] = [
    "INVALID_ARGUMENT",
    "INVALID_AMOUNT",
    "INVALID_ID",
    "INVALID_DATE",
    "INVALID_VALUE",
    "UNKNOWN_FIELD",
    "MISSING_FIELD",
    "READ_ONLY_FIELD",
    "TRANSACTION_NOT_SUPPORTED",
    "USER_NOT_FOUND",
    "TASK_EXISTS",
    "CREDIT_EXISTS",
    "IDEMPOTENCY_CONFLICT",
    "CHARGE_NOT_FOUND",
    "INVALID_URL",
    "UNSUPPORTED_DATABASE",
    "CLOSED",
    "INSUFFICIENT_CREDITS",
    "CHARGE_OWNER_MISMATCH",
    "TOO_MANY_ACTIVE_TASKS",
    "FREE_TRIAL_USED_UP",
    "TASK_STATE_CONFLICT",
    "TASK_REFUNDED",
    "SETTLE_EXCEEDS_CHARGE",
    "SETTLE_CONFLICT",
    "CHARGE_CORRUPT",
    "VALUE_UNREADABLE",
];

/// The codes of the database's trouble.
const FAILURES: [&str; 8] = [
    "SCHEMA_MISMATCH",
    "TIMESTAMP_UNIT_UNCLEAR",
    "DATABASE_BUSY",
    "OVERLOADED",
    "DATABASE_UNAVAILABLE",
    "OUTCOME_UNKNOWN",
    "DATABASE_ERROR",
    "INTERNAL",
];

/// How often something happened.
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

/// What an engine over either storage counts.
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
    /// What is the same over either storage; `more` is what is not.
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

/// What came of each function's calls.
#[derive(Debug)]
pub(super) struct Calls([Outcomes; CALLS.len()]);

#[derive(Debug)]
struct Outcomes {
    done: Counter,
    refused: [Counter; REFUSALS.len()],
    failed: [Counter; FAILURES.len()],
}

/// One of the functions that are counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call(usize);

impl Call {
    /// `None`: this one is not counted.
    pub(super) fn named(name: &str) -> Option<Self> {
        CALLS.binary_search(&name).ok().map(Self)
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Outcomes {
            done: Counter::default(),
            refused: std::array::from_fn(|_| Counter::default()),
            failed: std::array::from_fn(|_| Counter::default()),
        }))
    }
}

impl Calls {
    /// Counts what came of a call. Into the log goes no error's message: it may name a user, or quote a value.
    pub(super) fn count(&self, call: Call, outcome: &Result<Outcome>) {
        let (function, outcomes) = (CALLS[call.0], &self.0[call.0]);
        let Err(error) = outcome else { return outcomes.done.add() };
        let code = error.code();
        match REFUSALS.iter().position(|known| *known == code) {
            Some(at) => {
                debug!(function, code, "refused");
                outcomes.refused[at].add();
            }
            None => {
                warn!(function, code, database_code = database_code(error), "failed");
                let at = FAILURES.iter().position(|known| *known == code);
                // A test sees to it that it is one of them.
                outcomes.failed[at.unwrap_or(FAILURES.len() - 1)].add();
            }
        }
    }

    /// What came of the functions that were called.
    fn report(&self) -> Json {
        let reports = CALLS.iter().zip(&self.0).filter_map(|(name, outcomes)| {
            let done = outcomes.done.get();
            let refused = by_code(&REFUSALS, &outcomes.refused);
            let failed = by_code(&FAILURES, &outcomes.failed);
            let called = done > 0 || !refused.is_empty() || !failed.is_empty();
            let report = json!({ "done": done, "refused": refused, "failed": failed });
            called.then(|| ((*name).to_owned(), report))
        });
        Json::Object(reports.collect())
    }
}

fn by_code(codes: &[&str], counters: &[Counter]) -> Map<String, Json> {
    let counts = codes.iter().zip(counters).map(|(code, counter)| (*code, counter.get()));
    counts
        .filter(|(_, count)| *count > 0)
        .map(|(code, count)| (code.to_owned(), count.into()))
        .collect()
}

fn database_code(error: &Error) -> Option<&str> {
    match error {
        Error::Database { database_code, .. } => Some(database_code),
        _ => None,
    }
}

/// The requests in front of a worker, and those that it has taken.
#[derive(Debug, Default)]
pub(super) struct Requests {
    most_queued: AtomicUsize,
    running: AtomicUsize,
    overloaded: Counter,
    waits: Histogram,
}

impl Requests {
    /// One more came, and so many wait now.
    pub(super) fn enqueued(&self, queued: usize) {
        if queued > self.most_queued.load(Relaxed) {
            self.most_queued.fetch_max(queued, Relaxed);
        }
    }

    /// One more came, and was refused because too many wait.
    pub(super) fn refused(&self) {
        self.overloaded.add();
    }

    /// A worker has taken so many.
    pub(super) fn dequeued(&self, count: usize) {
        self.running.fetch_add(count, Relaxed);
    }

    /// The transaction of one that was `enqueued` then has begun.
    pub(super) fn started(&self, enqueued: Instant, started: Instant) {
        self.waits.count_time(started.duration_since(enqueued));
    }

    /// So many that were taken get their answers.
    pub(super) fn finished(&self, count: usize) {
        self.running.fetch_sub(count, Relaxed);
    }

    /// How many were taken and have no answer.
    pub(super) fn running(&self) -> usize {
        self.running.load(Relaxed)
    }

    /// While so many wait, of `capacity` that may.
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
    use std::collections::HashSet;
    use std::time::Duration;

    #[test]
    fn names_can_be_found() {
        assert!(CALLS.is_sorted());
        for (at, name) in CALLS.iter().enumerate() {
            assert_eq!(Call::named(name).unwrap().0, at);
        }
        for name in ["", "stats", "close", "createMediaTas", "createMediaTaskss", "__proto__"] {
            assert!(Call::named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn every_code_has_its_place() {
        let source = include_str!("../error/codes.rs");
        let quoted = source.lines().filter_map(|line| line.trim().split_once("=> \""));
        let codes: HashSet<&str> =
            quoted.filter_map(|(_, rest)| rest.strip_suffix("\",")).collect();
        assert_eq!(codes, REFUSALS.into_iter().chain(FAILURES).collect());
    }

    #[test]
    fn calls() {
        let (done, closed) = (Ok(Outcome::Done), Err(Error::Closed));
        let poor = Err(Error::InsufficientCredits { required: 2, available: 1 });
        let item = Err(Error::InsufficientCredits { required: 2, available: 1 }.of_item(0));
        let busy = Err(Error::DatabaseBusy { message: String::new() });
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
            let call = Call::named("consumeCredits").unwrap();
            outcomes.iter().for_each(|outcome| calls.count(call, outcome));
            let expected = match outcomes.len() {
                0 => expected,
                _ => json!({ "consumeCredits": expected }),
            };
            assert_eq!(calls.report(), expected, "{outcomes:?}");
        }
    }

    #[test]
    fn requests() {
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
