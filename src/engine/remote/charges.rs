//! Requests that charge share a transaction. If it fails, each runs in its own transaction.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;
use tracing::warn;

use super::batch::Batch;
use super::engine::Engine;
use super::retry::{Attempts, is_about_schema};
use crate::engine::charges::charge_each;
use crate::engine::clock::{Clock, now_ms};
use crate::engine::operation::{Charging, Operation, Write};
use crate::engine::outcome::Outcome;
use crate::engine::replays::is_duplicate_charge_key;
use crate::error::{Error, Result};
use crate::storage::failure::{Answer, Failure, Witness};
use crate::storage::server::Server;

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
        batch.jobs.iter_mut().for_each(|job| job.slot.start());
        self.stats.batches.count(batch.jobs.len() as u64);
        let requests: Vec<&Charging> = batch.jobs.iter().map(|job| &job.request).collect();
        let outcomes = self.run_each(&requests).await;
        for (job, outcome) in batch.jobs.drain(..).zip(outcomes) {
            drop(job.slot);
            job.reply.send(outcome);
            drop(job.token);
        }
    }

    /// Runs requests that charge. Returns their outcomes in order.
    async fn run_each(&self, requests: &[&Charging]) -> Vec<Result<Outcome>> {
        let alone = |request: &Charging| {
            let operation = Operation::Write(Write::Charge(request.clone()));
            async move { self.run(&operation).await }
        };
        if let [request] = requests {
            return vec![alone(request).await];
        }
        match self.attempt_batch(requests).await {
            Ok(mut outcomes) => {
                for (outcome, request) in outcomes.iter_mut().zip(requests) {
                    let again = |error| {
                        is_about_schema::<S>(error) || is_duplicate_charge_key(request, error)
                    };
                    if outcome.as_ref().is_err_and(again) {
                        *outcome = alone(request).await;
                    }
                }
                outcomes
            }
            Err(Failure::Refused(error @ (Error::DatabaseUnavailable { .. } | Error::Closed))) => {
                requests.iter().map(|_| Err(error.clone())).collect()
            }
            // Without locks, separate transactions would conflict with each other, so the failing request is
            // found by bisection. A batch that has conflicted until its timeout contains no failing request:
            // all its requests time out together.
            Err(failure) if !S::LOCKS && !matches!(failure, Failure::Conflict(_)) => {
                self.retries.one_by_one.add();
                let (first, second) = requests.split_at(requests.len() / 2);
                let mut outcomes = Box::pin(self.run_each(first)).await;
                outcomes.append(&mut Box::pin(self.run_each(second)).await);
                outcomes
            }
            // A failing request does not affect the others, and one that waits does not delay them.
            Err(_) => {
                warn!(
                    requests = requests.len(),
                    "a request of a batch failed: each runs in its own transaction"
                );
                self.retries.one_by_one.add();
                futures_util::future::join_all(requests.iter().map(|request| alone(request))).await
            }
        }
    }

    /// Without locks, a batch that conflicts with another transaction is retried as a whole.
    async fn attempt_batch(&self, requests: &[&Charging]) -> Answer<Vec<Result<Outcome>>> {
        let began = Instant::now();
        let mut attempts = Attempts::new(self.server.as_ref());
        loop {
            let failure = match self.attempt_each(requests, attempts.have_met()).await {
                Err(failure @ Failure::Conflict(_)) if !S::LOCKS => failure,
                made => return made,
            };
            let Some(reason) = attempts.decide(&failure, began.elapsed()) else {
                return Err(failure);
            };
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
    ) -> Answer<Vec<Result<Outcome>>> {
        let mut session = self.session(has_met).await?;
        let clock = Clock { now_ms: now_ms(), ids: &self.ids };
        let made = charge_each(&mut session, requests, clock).await;
        drop(session);
        let Err(Failure::Unknown { message, witnesses }) = made else { return made };
        let outcome = async |witness: Option<&Witness>| {
            let row = self.resolve(&message, witness).await;
            row.map(|row| Outcome::Row(Some(row))).map_err(Failure::into_error)
        };
        let resolved = witnesses.iter().map(|witness| outcome(witness.as_ref()));
        Ok(futures_util::future::join_all(resolved).await)
    }
}
