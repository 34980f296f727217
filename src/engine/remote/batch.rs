//! The queue of requests that charge. While transactions run, more requests arrive and then share one
//! transaction: its round trips, its statements and its commit. There is no timer and no artificial wait: a
//! single request is sent at once.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::slots::Slot;
use crate::engine::operation::Charging;
use crate::engine::outcome::{Outcome, ReplySender};
use crate::error::Result;
use crate::storage::server::Deadline;

/// A request in the queue.
pub(super) struct Job {
    pub(super) request: Charging,
    pub(super) deadline: Deadline,
    pub(super) reply: ReplySender,
    pub(super) slot: Slot,
    /// Keeps the connection open until the request is answered.
    pub(super) token: TaskTrackerToken,
}

impl Job {
    pub(super) fn answer(self, outcome: Result<Outcome>) {
        drop(self.slot);
        self.reply.send(outcome);
        drop(self.token);
    }
}

/// The queue, and the number of running workers.
pub(super) struct Batches {
    state: Mutex<JobQueue>,
    most_workers: usize,
}

struct JobQueue {
    waiting: VecDeque<Job>,
    /// Users in running batches. Another batch with one of them would only wait for the user's lock, and
    /// occupy a connection meanwhile.
    busy: HashSet<String>,
    workers: usize,
}

impl Batches {
    const LARGEST: usize = 64;

    /// An empty queue for up to this many workers.
    pub(super) fn new(most_workers: usize) -> Self {
        let state = JobQueue { waiting: VecDeque::new(), busy: HashSet::new(), workers: 0 };
        Self { state: Mutex::new(state), most_workers }
    }

    /// Appends a request. Returns whether another worker must be started.
    pub(super) fn push(&self, job: Job) -> bool {
        let mut state = self.lock();
        state.waiting.push_back(job);
        let needed = state.workers < self.most_workers;
        if needed {
            state.workers += 1;
        }
        needed
    }

    /// Takes the requests whose users are not busy, in order. `None` if the worker can end.
    pub(super) fn take(&self) -> Option<Batch<'_>> {
        let mut state = self.lock();
        let (mut jobs, mut users) = (Vec::new(), HashSet::new());
        let mut passed_over = VecDeque::new();
        while jobs.len() < Self::LARGEST
            && let Some(job) = state.waiting.pop_front()
        {
            let user_id = job.request.user_id();
            if state.busy.contains(user_id) {
                passed_over.push_back(job);
            } else {
                users.insert(user_id.to_owned());
                jobs.push(job);
            }
        }
        passed_over.append(&mut state.waiting);
        state.waiting = passed_over;
        if jobs.is_empty() {
            // Decreased under the same lock, so that the next request starts a worker.
            state.workers -= 1;
            return None;
        }
        state.busy.extend(users.iter().cloned());
        drop(state);
        Some(Batch { batches: self, jobs, users })
    }

    /// The lock may be poisoned: a panic elsewhere can't leave the queue half changed.
    fn lock(&self) -> MutexGuard<'_, JobQueue> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests that run together. Dropping it frees their users.
pub(super) struct Batch<'b> {
    batches: &'b Batches,
    pub(super) jobs: Vec<Job>,
    users: HashSet<String>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut state = self.batches.lock();
        state.busy.retain(|user_id| !self.users.contains(user_id));
    }
}
