//! Requests that charge wait here for a batch. While some transactions run, more requests pile up, and
//! then share one: its round trips, the planning of its statements, its commit. There is no timer and
//! no artificial wait: a lone request goes at once.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Place;
use crate::engine::{Reply, Write};

/// A request that waits for its transaction.
pub(super) struct Job {
    pub(super) write: Write,
    pub(super) reply: Reply,
    pub(super) place: Place,
    /// Its connection can't be closed before it is answered.
    pub(super) token: TaskTrackerToken,
}

/// The requests that wait, and who is at work.
#[derive(Default)]
pub(super) struct Batches {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// The users whose locks a batch of this process holds: another one would only wait for it, with
    /// a connection that somebody else could use.
    busy: HashSet<String>,
    workers: usize,
}

impl Batches {
    /// Few, so that there is something to share; more than one, so that the server never waits for us.
    const WORKERS: usize = 4;
    const LARGEST: usize = 64;

    /// Appends a request. Whether another worker is needed.
    pub(super) fn push(&self, job: Job) -> bool {
        let mut state = self.lock();
        state.waiting.push_back(job);
        let needed = state.workers < Self::WORKERS;
        if needed {
            state.workers += 1;
        }
        needed
    }

    /// Takes the requests whose users are free, in their order. `None`: the worker ends.
    fn take(&self) -> Option<Batch<'_>> {
        let mut state = self.lock();
        let mut batch = Batch { batches: self, jobs: Vec::new(), users: HashSet::new() };
        let mut rest = VecDeque::new();
        while let Some(job) = state.waiting.pop_front() {
            if batch.jobs.len() == Self::LARGEST || state.busy.contains(user_of(&job.write)) {
                rest.push_back(job);
                continue;
            }
            batch.users.insert(user_of(&job.write).to_owned());
            batch.jobs.push(job);
        }
        state.waiting = rest;
        if batch.jobs.is_empty() {
            // Under the same lock: whoever comes next must see it.
            state.workers -= 1;
            drop(state);
            return None;
        }
        state.busy.extend(batch.users.iter().cloned());
        Some(batch)
    }

    /// A panic elsewhere can't leave it half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker, until it is dropped. It ends when it finds nothing that it can do.
pub(super) struct Worker<'b> {
    batches: &'b Batches,
    ended: bool,
}

impl<'b> Worker<'b> {
    /// The worker that [`Batches::push`] asked for.
    pub(super) fn new(batches: &'b Batches) -> Self {
        Self { batches, ended: false }
    }

    /// The next batch.
    pub(super) fn next(&mut self) -> Option<Batch<'b>> {
        let batch = self.batches.take();
        self.ended = batch.is_none();
        batch
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.batches.lock().workers -= 1;
        }
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

fn user_of(write: &Write) -> &str {
    match write {
        Write::CreateTask(task) => &task.user_id,
        Write::Consume(request) => &request.user_id,
        Write::Grant(grant) => &grant.user_id,
        Write::UpdateTask(_) => "",
    }
}
