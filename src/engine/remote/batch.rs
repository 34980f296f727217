//! The queue of requests that charge. While some transactions run, more requests arrive, and then share one: its round
//! trips, the planning of its statements, its commit. There is no timer and no artificial wait: a single request is
//! sent at once.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::slots::Slot;
use crate::engine::operation::Charging;
use crate::engine::outcome::ReplySender;

/// A request that waits for its transaction.
pub(super) struct Job {
    pub(super) request: Charging,
    pub(super) reply: ReplySender,
    pub(super) slot: Slot,
    /// Its connection can't be closed before it is answered.
    pub(super) token: TaskTrackerToken,
}

/// The requests that wait, and how many workers run.
pub(super) struct Batches {
    state: Mutex<JobQueue>,
    most_workers: usize,
}

struct JobQueue {
    waiting: VecDeque<Job>,
    /// The users whose locks a batch of this process holds: another one would only wait for it, with
    /// a connection that another batch could use.
    busy: HashSet<String>,
    workers: usize,
}

impl Batches {
    const LARGEST: usize = 64;

    /// None yet, for so many workers.
    pub(super) fn new(most_workers: usize) -> Self {
        let state = JobQueue { waiting: VecDeque::new(), busy: HashSet::new(), workers: 0 };
        Self { state: Mutex::new(state), most_workers }
    }

    /// Appends a request. Whether another worker is needed.
    pub(super) fn push(&self, job: Job) -> bool {
        let mut state = self.lock();
        state.waiting.push_back(job);
        let needed = state.workers < self.most_workers;
        if needed {
            state.workers += 1;
        }
        needed
    }

    /// Takes the requests whose users are free, in their order. `None`: the worker ends.
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
            // Under the same lock: the next request must see it.
            state.workers -= 1;
            return None;
        }
        state.busy.extend(users.iter().cloned());
        drop(state);
        Some(Batch { batches: self, jobs, users })
    }

    /// A panic elsewhere can't leave it half changed.
    fn lock(&self) -> MutexGuard<'_, JobQueue> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests that run together. Their users are free again when it is dropped.
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
