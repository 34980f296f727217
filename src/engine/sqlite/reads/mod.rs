//! The queue of reads. Three lanes, so that a short read does not wait for a long one; in each lane users
//! take turns, so that one user does not wait for all reads of another.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::super::operation::{Operation, Read, UserRead};
use super::super::outcome::ReplySender;
use super::super::stats::Requests;
use super::worker::Source;
use crate::engine::sqlite::queue::{Command, Done, Request};
use crate::error::Error;

/// The kinds of reads, each with its own reader thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Frequent, short reads: a balance, one row.
    Points,
    /// Lists.
    Pages,
    /// Reads of whole ledgers, and reads that were interrupted in another lane.
    Long,
}

impl Lane {
    /// All lanes, each at its own index.
    pub(super) const ALL: [Self; 3] = [Self::Points, Self::Pages, Self::Long];

    fn of(read: &Read) -> Self {
        match read {
            Read::Audit(_) | Read::Fixes(_) => Self::Long,
            Read::OfUser(
                _,
                UserRead::ActiveTasks(_) | UserRead::TaskHistory(_) | UserRead::Statement(_),
            ) => Self::Pages,
            // Few rows, by an index.
            Read::OfUser(..) | Read::Find(..) => Self::Points,
            _ => Self::Pages,
        }
    }

    /// The CPU time that a read may take while others wait. A read that takes longer is interrupted and
    /// starts again in the last lane.
    pub(super) fn budget(self) -> Option<Duration> {
        match self {
            Self::Points => Some(Duration::from_millis(5)),
            Self::Pages => Some(Duration::from_millis(20)),
            Self::Long => None,
        }
    }

    /// The name of the lane's thread.
    pub(super) fn thread(self) -> &'static str {
        match self {
            Self::Points => "credits-reader",
            Self::Pages => "credits-pages",
            Self::Long => "credits-long",
        }
    }
}

/// The group with which a read takes turns: its user, if it names one.
fn group_of(request: &Request) -> &str {
    let Operation::Read(read) = &request.operation else { return "" };
    match read {
        Read::OfUser(user_id, _) => user_id,
        Read::List(filter, _) | Read::ListWithUsers(filter, _) | Read::Count(filter) => {
            let user = filter.equal.iter().find(|(column, _)| *column == "user_id");
            user.map_or("", |(_, user_id)| user_id)
        }
        Read::Find(..)
        | Read::TaskCharges(..)
        | Read::StuckTasks(_)
        | Read::EndedHolds(_)
        | Read::Expiring(_)
        | Read::OpenTopUps(..)
        | Read::Audit(_)
        | Read::Fixes(_) => "",
    }
}

/// The reads that wait for the readers of a database.
pub(super) struct Reads {
    state: Mutex<Queues>,
    arrived: [Condvar; Lane::ALL.len()],
    capacity: usize,
    pub(super) requests: Requests,
}

#[derive(Default)]
struct Queues {
    lanes: [Waiting; Lane::ALL.len()],
    queued: usize,
    /// Whether a checkpoint waits for long reads to end.
    log_waits: bool,
    /// Called when all readers have ended; and how many have.
    closing: Option<Done>,
    ended: usize,
}

/// The reads that wait in one lane.
#[derive(Default)]
struct Waiting {
    of_groups: HashMap<Arc<str>, VecDeque<Box<Request>>>,
    /// The groups with waiting reads, in the order of their turns.
    turns: VecDeque<Arc<str>>,
    let_go: bool,
    shut_down: bool,
}

impl Waiting {
    fn push(&mut self, request: Box<Request>) {
        let group = group_of(&request);
        if let Some(others) = self.of_groups.get_mut(group) {
            return others.push_back(request);
        }
        let group: Arc<str> = group.into();
        self.turns.push_back(Arc::clone(&group));
        self.of_groups.insert(group, VecDeque::from([request]));
    }

    fn pop(&mut self) -> Option<Box<Request>> {
        let group = self.turns.pop_front()?;
        let others = self.of_groups.get_mut(&group)?;
        let request = others.pop_front();
        if others.is_empty() {
            self.of_groups.remove(&group);
        } else {
            self.turns.push_back(group);
        }
        request
    }

    /// Puts a request back as the first of its group, and the group first in turn.
    fn give_back(&mut self, request: Box<Request>) {
        let group: Arc<str> = group_of(&request).into();
        self.turns.retain(|other| *other != group);
        self.turns.push_front(Arc::clone(&group));
        self.of_groups.entry(group).or_default().push_front(request);
    }

    fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

impl Reads {
    /// A queue that rejects reads while `capacity` reads wait.
    pub(super) fn new(capacity: usize) -> Self {
        let (arrived, requests) = (Default::default(), Requests::default());
        Self { state: Mutex::default(), arrived, capacity, requests }
    }

    /// Appends a read to its lane, or rejects it if too many wait.
    pub(super) fn push(&self, read: Read, reply: ReplySender) {
        let enqueued = Instant::now();
        let mut state = self.lock();
        if state.queued >= self.capacity {
            drop(state);
            self.requests.refused();
            return reply.send(Err(Error::Overloaded { waiting: self.capacity }));
        }
        let lane = Lane::of(&read);
        let request = Request { operation: Operation::Read(read), reply, enqueued };
        self.append(&mut state, lane, Box::new(request));
        self.requests.enqueued(state.queued);
    }

    /// Moves an interrupted read to the last lane.
    pub(super) fn put_off(&self, request: Request) {
        self.append(&mut self.lock(), Lane::Long, Box::new(request));
    }

    fn append(&self, state: &mut Queues, lane: Lane, request: Box<Request>) {
        let waiting = &mut state.lanes[lane as usize];
        let was_empty = waiting.is_empty();
        waiting.push(request);
        state.queued += 1;
        // Only a reader that found its lane empty sleeps, or one that waits for a checkpoint.
        if was_empty {
            self.arrived[lane as usize].notify_one();
        }
    }

    /// Tells all other readers to close the database.
    pub(super) fn let_go(&self, except: Option<Lane>) {
        let mut state = self.lock();
        for lane in Lane::ALL.into_iter().filter(|lane| Some(*lane) != except) {
            state.lanes[lane as usize].let_go = true;
            self.arrived[lane as usize].notify_one();
        }
    }

    /// Pauses long reads until the write-ahead log restarts, or resumes them.
    pub(super) fn hold_long(&self, log_waits: bool) {
        let mut state = self.lock();
        if state.log_waits != log_waits {
            state.log_waits = log_waits;
            self.arrived[Lane::Long as usize].notify_one();
        }
    }

    /// Ends the readers after all waiting reads are answered. Then `done` is dropped.
    pub(super) fn shut_down(&self, done: Done) {
        let mut state = self.lock();
        state.closing = Some(done);
        for lane in Lane::ALL {
            state.lanes[lane as usize].shut_down = true;
            self.arrived[lane as usize].notify_one();
        }
    }

    /// Records that a reader has ended.
    fn ended(&self) {
        let mut state = self.lock();
        state.ended += 1;
        self.arrived[Lane::Long as usize].notify_one();
        if state.ended == Lane::ALL.len() {
            let done = state.closing.take();
            drop(state);
            drop(done);
        }
    }

    /// The queue's statistics.
    pub(super) fn report(&self) -> Json {
        let queued = self.lock().queued;
        self.requests.report(queued, self.capacity)
    }

    /// The lock may be poisoned: no step leaves the queue half changed.
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queue of one reader.
pub(super) struct LaneQueue {
    pub(super) reads: Arc<Reads>,
    pub(super) lane: Lane,
}

impl LaneQueue {
    /// The next commands; none if the reader must wait.
    fn next(&self, state: &mut Queues, most: usize, may_read: bool) -> Vec<Command> {
        let waiting = &mut state.lanes[self.lane as usize];
        if std::mem::take(&mut waiting.let_go) {
            return vec![Command::LetGo];
        }
        // The last lane ends last: the others may still move reads to it.
        let may_end = self.lane != Lane::Long || state.ended == Lane::ALL.len() - 1;
        if waiting.is_empty() && waiting.shut_down && may_end {
            let reads = Arc::clone(&self.reads);
            return vec![Command::Shutdown(Done::new(move || reads.ended()))];
        }
        if !may_read && !waiting.shut_down {
            return Vec::new();
        }
        let requests = std::iter::from_fn(|| waiting.pop()).take(most);
        let commands: Vec<Command> = requests.map(Command::Run).collect();
        state.queued -= commands.len();
        commands
    }
}

impl Source for LaneQueue {
    fn take(&self, most: usize, timeout: Option<Duration>) -> Vec<Command> {
        /// How long to wait for a checkpoint. Only a write ends that wait, and there may be none.
        const LOG_TIMEOUT: Duration = Duration::from_secs(1);
        let (began, arrived) = (Instant::now(), &self.reads.arrived[self.lane as usize]);
        let mut state = self.reads.lock();
        loop {
            let held = self.lane == Lane::Long && state.log_waits;
            let hold = LOG_TIMEOUT.saturating_sub(began.elapsed());
            let commands = self.next(&mut state, most, !held || hold.is_zero());
            if !commands.is_empty() {
                return commands;
            }
            let is_idle = state.lanes[self.lane as usize].is_empty();
            let timeout = if is_idle { timeout } else { Some(hold) };
            let left = timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
            state = match left {
                None => arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() && is_idle => return Vec::new(),
                Some(left) => {
                    let waited = arrived.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn requests(&self) -> &Requests {
        &self.reads.requests
    }

    /// Requeues requests: other users may be next in turn.
    fn left_over(&self, requests: Vec<Request>) -> Vec<Request> {
        let mut state = self.reads.lock();
        self.reads.requests.finished(requests.len());
        state.queued += requests.len();
        let waiting = &mut state.lanes[self.lane as usize];
        requests.into_iter().rev().for_each(|request| waiting.give_back(Box::new(request)));
        Vec::new()
    }
}
