//! Requests that charge share a transaction. If it fails, each runs in its own transaction.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tracing::warn;

use super::batch::{Batch, Job};
use super::engine::Engine;
use super::retry::{Attempts, is_about_schema, is_silence};
use crate::engine::charges::charge_each;
use crate::engine::clock::{Clock, now_ms};
use crate::engine::operation::{Charging, Operation, Write};
use crate::engine::outcome::Outcome;
use crate::engine::replays::is_duplicate_charge_key;
use crate::error::{Error, Result, Wait};
use crate::storage::failure::{Answer, Failure, Witness};
use crate::storage::server::{Deadline, Server};

impl<S: Server> Engine<S> {
    /// Runs batches until the queue is empty.
    pub(super) async fn work(&self) {
        while let Some(batch) = self.batches.take() {
            // A panic drops the batch's requests, which answers them. This worker must go on, because waiting
            // requests of the same users have no other.
            let run = AssertUnwindSafe(self.run_batch(batch));
            drop(run.catch_unwind().await);
        }
    }

    async fn run_batch(&self, mut batch: Batch<'_>) {
        let mut jobs = std::mem::take(&mut batch.jobs);
        jobs.iter_mut().for_each(|job| job.slot.start());
        self.stats.batches.count(jobs.len() as u64);
        self.run_each(jobs).await;
    }

    /// Runs requests that charge, and answers them.
    async fn run_each(&self, jobs: Vec<Job>) {
        let mut jobs = without_late(jobs, &waited_for_others());
        // No request waits longer than it may.
        let Some(deadline) = jobs.iter().map(|job| job.deadline).min() else { return };
        if jobs.len() == 1
            && let Some(job) = jobs.pop()
        {
            return self.run_alone(job).await;
        }
        let began = Instant::now();
        let requests: Vec<&Charging> = jobs.iter().map(|job| &job.request).collect();
        let outcomes = match self.attempt_batch(&requests, deadline).await {
            Ok(outcomes) => outcomes,
            Err(failure) => return self.run_apart(jobs, failure, began.elapsed()).await,
        };
        let mut again = Vec::new();
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            let runs_again =
                |error| is_about_schema::<S>(error) || is_duplicate_charge_key(&job.request, error);
            match outcome.as_ref().is_err_and(runs_again) {
                true => again.push(job),
                false => job.answer(outcome),
            }
        }
        for job in again {
            self.run_alone(job).await;
        }
    }

    async fn run_alone(&self, job: Job) {
        if job.deadline.is_late() {
            return job.answer(Err(waited_for_others()));
        }
        let operation = Operation::Write(Write::Charge(job.request.clone()));
        let outcome = self.run(&operation, job.deadline).await;
        job.answer(outcome);
    }

    /// Handles a batch that failed after this time.
    async fn run_apart(&self, jobs: Vec<Job>, failure: Failure, took: Duration) {
        let concerns_all = is_silence(&failure, took)
            || matches!(
                failure,
                Failure::Refused(Error::DatabaseUnavailable { .. } | Error::Closed)
            );
        let is_conflict = matches!(failure, Failure::Conflict(_));
        // Without locks, only waits for other requests of this process fail so.
        let is_wait = !S::LOCKS && matches!(failure, Failure::Refused(Error::DatabaseBusy { .. }));
        let error = self.server.final_error(failure);
        if concerns_all {
            return answer_all(jobs, &error);
        }
        let count = jobs.len();
        let mut jobs = without_late(jobs, &error);
        if is_wait {
            // It failed at the deadline of the oldest request, or because no connection was idle.
            return match jobs.len() < count {
                true => Box::pin(self.run_each(jobs)).await,
                false => answer_all(jobs, &error),
            };
        }
        self.retries.one_by_one.add();
        // Without locks, separate transactions would conflict with each other, so the failing request is
        // found by bisection. A batch that has conflicted until its timeout contains no failing request:
        // all its requests time out together.
        if !S::LOCKS && !is_conflict {
            let second = jobs.split_off(jobs.len() / 2);
            Box::pin(self.run_each(jobs)).await;
            return Box::pin(self.run_each(second)).await;
        }
        // A failing request does not affect the others, and one that waits does not delay them.
        warn!(
            requests = jobs.len(),
            "a request of a batch failed: each runs in its own transaction"
        );
        futures_util::future::join_all(jobs.into_iter().map(|job| self.run_alone(job))).await;
    }

    /// Without locks, a batch that conflicts with another transaction is retried as a whole.
    async fn attempt_batch(
        &self,
        requests: &[&Charging],
        deadline: Deadline,
    ) -> Answer<Vec<Result<Outcome>>> {
        let mut attempts = Attempts::new(self.server.as_ref(), deadline);
        loop {
            let made = self.attempt_each(requests, attempts.have_met(), deadline).await;
            let failure = match made {
                Err(failure @ Failure::Conflict(_)) if !S::LOCKS => failure,
                made => return made,
            };
            let Some(reason) = attempts.again_after(&failure) else { return Err(failure) };
            self.prepare_for(reason);
            tokio::time::sleep(reason.pause()).await;
        }
    }

    /// Runs one transaction in which each request is accepted or rejected by itself. After an error, nothing
    /// was written.
    async fn attempt_each(
        &self,
        requests: &[&Charging],
        has_met: bool,
        deadline: Deadline,
    ) -> Answer<Vec<Result<Outcome>>> {
        let mut session = self.session(has_met, deadline).await?;
        let clock = Clock { now_ms: now_ms(), ids: &self.ids };
        let made = charge_each(&mut session, requests, clock).await;
        drop(session);
        let Err(Failure::Unknown { message, witnesses }) = made else { return made };
        let outcome = async |witness: Option<&Witness>| {
            let row = self.resolve(&message, witness, deadline).await;
            row.map(|row| Outcome::Row(Some(row))).map_err(Failure::into_error)
        };
        let resolved = witnesses.iter().map(|witness| outcome(witness.as_ref()));
        Ok(futures_util::future::join_all(resolved).await)
    }
}

/// Answers the requests that are past their deadline. Returns the others.
fn without_late(jobs: Vec<Job>, error: &Error) -> Vec<Job> {
    let (late, others) = jobs.into_iter().partition(|job| job.deadline.is_late());
    answer_all(late, error);
    others
}

/// The error of a request that is not started, because its deadline has passed.
fn waited_for_others() -> Error {
    let message = "the server has not replied to earlier ones".to_owned();
    Error::DatabaseBusy { wait: Wait::Process, message }
}

fn answer_all(jobs: Vec<Job>, error: &Error) {
    jobs.into_iter().for_each(|job| job.answer(Err(error.clone())));
}
