//! The engine over a server: requests run side by side on a pool of connections, which all connections of this
//! process to the same database share. Those that charge share transactions.

mod batch;
mod charges;
mod retry;
mod run;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;

use super::registry::{Lease, Registry};
use super::stats::{Calls, Counter, Requests, Stats};
use super::{Charging, Ids, Operation, Outcome, Reply, Write};
use crate::error::{Error, Result};
use crate::storage::server::Server;
use batch::{Batches, Job, Worker};

/// How an engine works. Everything in one process that opens one database must say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings<O> {
    /// How to use the server.
    pub database: O,
    /// How many requests may wait before further ones are refused.
    pub max_queue: usize,
}

impl<O: Default> Default for Settings<O> {
    fn default() -> Self {
        Self { database: O::default(), max_queue: 10_000 }
    }
}

/// The engines of one kind of server.
pub(super) type Engines<S> = Registry<<S as Server>::Url, Engine<S>>;

/// One runtime for all engines of a process: its threads only wait for sockets.
static RUNTIME: LazyLock<Result<Runtime, String>> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("credits-network")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
});

/// A share of the engine of one database. The last one to be closed closes the pool.
pub struct Connection<S: Server> {
    engine: Arc<Engine<S>>,
    lease: Lease<S::Url, Engine<S>>,
    /// What was sent through this share.
    requests: TaskTracker,
}

pub(super) struct Engine<S: Server> {
    server: Arc<S>,
    settings: Settings<S::Options>,
    ids: Ids,
    waiting: AtomicUsize,
    batches: Batches<S>,
    stats: Stats,
    requests: Requests,
    retries: Retries,
}

/// How often something was done again, and why.
#[derive(Default)]
struct Retries {
    /// A request met another transaction, or another process's transaction number.
    conflicts: Counter,
    /// A connection of the pool was dead.
    lost_connections: Counter,
    /// The tables were not what they had been.
    schema_changes: Counter,
    /// A batch was undone because of one of its requests.
    one_by_one: Counter,
}

impl<S: Server> Connection<S> {
    /// Joins the engine of this database, or makes it. Nothing is connected yet.
    pub(super) fn join(
        engines: &'static Engines<S>,
        url: &S::Url,
        settings: Settings<S::Options>,
    ) -> Result<Self> {
        runtime()?;
        let (engine, lease) = engines.join(
            url.clone(),
            |engine| engine.settings == settings,
            || Engine::new(url, settings.clone()),
        )?;
        Ok(Self { engine, lease, requests: TaskTracker::new() })
    }

    pub(super) fn calls(&self) -> &Arc<Calls> {
        &self.engine.stats.calls
    }

    /// Sends a request. The reply comes from another thread, but for statistics.
    pub fn submit(&self, operation: Operation, reply: Reply) {
        if matches!(operation, Operation::Stats) {
            return reply.send(Ok(Outcome::Stats(self.engine.report())));
        }
        match runtime() {
            Ok(runtime) => submit(&self.engine, &self.requests, runtime, operation, reply),
            Err(error) => reply.send(Err(error)),
        }
    }

    /// Sends a request that names a user by a number, which is refused with this where ids are none.
    pub fn submit_by_number(&self, operation: Operation, refusal: Error, reply: Reply) {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => return reply.send(Err(error)),
        };
        let (engine, requests) = (Arc::clone(&self.engine), self.requests.clone());
        let answer = move |are_numbers: Result<bool>| match are_numbers {
            Ok(true) => submit(&engine, &requests, runtime, operation, reply),
            Ok(false) => reply.send(Err(refusal)),
            Err(error) => reply.send(Err(error)),
        };
        if let Some(are_numbers) = self.engine.server.knows_numbered_users() {
            return answer(Ok(are_numbers));
        }
        let engine = Arc::clone(&self.engine);
        let look = async move { answer(engine.server.has_numbered_users().await) };
        self.requests.spawn_on(look, runtime.handle());
    }

    /// Gives the share back. `done` is called, from another thread, when everything that was sent
    /// through it is answered and, if it was the last share, the pool is closed.
    pub fn close(self, done: impl FnOnce() + Send + 'static) {
        let Ok(runtime) = runtime() else { return done() };
        let Self { engine, lease, requests } = self;
        let last = lease.end();
        requests.close();
        runtime.spawn(async move {
            requests.wait().await;
            if last {
                engine.server.close();
            }
            done();
        });
    }
}

/// Hands a request over: into the queue, or to a task of its own.
fn submit<S: Server>(
    engine: &Arc<Engine<S>>,
    requests: &TaskTracker,
    runtime: &Runtime,
    operation: Operation,
    reply: Reply,
) {
    let engine = Arc::clone(engine);
    let Some(mut slot) = Slot::take(&engine) else {
        engine.requests.refused();
        return reply.send(Err(Error::Overloaded { waiting: engine.settings.max_queue }));
    };
    match operation {
        Operation::Write(Write::Charge(request)) => {
            let token = requests.token();
            if engine.batches.push(Job { request, reply, slot, token }) {
                runtime.spawn(async move { engine.work().await });
            }
        }
        operation => {
            let run = async move {
                slot.start();
                let outcome = engine.run(&operation).await;
                drop(slot);
                reply.send(outcome);
            };
            requests.spawn_on(run, runtime.handle());
        }
    }
}

impl<S: Server> Engine<S> {
    fn new(url: &S::Url, settings: Settings<S::Options>) -> Result<Arc<Self>> {
        let engine = Arc::new(Self {
            server: Arc::new(S::new(url, settings.database.clone())?),
            settings,
            ids: Ids::new(),
            waiting: AtomicUsize::new(0),
            batches: Batches::default(),
            stats: Stats::default(),
            requests: Requests::default(),
            retries: Retries::default(),
        });
        let weak = Arc::downgrade(&engine);
        // A server that sleeps when nobody is connected must be able to.
        runtime()?.spawn(async move {
            const EVERY: Duration = Duration::from_secs(30);
            const IDLE: Duration = Duration::from_secs(60);
            loop {
                tokio::time::sleep(EVERY).await;
                let Some(engine) = weak.upgrade() else { return };
                engine.server.close_idle(IDLE);
            }
        });
        Ok(engine)
    }

    fn report(&self) -> Json {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let queued = waiting.saturating_sub(self.requests.running());
        let retries = &self.retries;
        let mut more = self.server.report();
        more["retries"] = json!({
            "oneByOne": retries.one_by_one.get(),
            "conflicts": retries.conflicts.get(),
            "lostConnections": retries.lost_connections.get(),
            "schemaChanges": retries.schema_changes.get(),
        });
        let queue = self.requests.report(queued, self.settings.max_queue);
        self.stats.report(S::STORAGE, &queue, self.server.commits(), more)
    }

    /// Runs batches until there is none.
    async fn work(&self) {
        let mut worker = Worker::new(&self.batches);
        while let Some(mut batch) = worker.next() {
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
    }
}

/// A place among the requests that wait, and those that run.
struct Slot<S: Server> {
    engine: Arc<Engine<S>>,
    came: Instant,
    started: bool,
}

impl<S: Server> Slot<S> {
    fn take(engine: &Arc<Engine<S>>) -> Option<Self> {
        let before = engine.waiting.fetch_add(1, Ordering::Relaxed);
        let slot = Self { engine: Arc::clone(engine), came: Instant::now(), started: false };
        let taken = before < engine.settings.max_queue;
        if taken {
            engine.requests.came((before + 1).saturating_sub(engine.requests.running()));
        }
        taken.then_some(slot)
    }

    /// Somebody works on it now.
    fn start(&mut self) {
        self.started = true;
        self.engine.requests.taken(1);
        self.engine.requests.began(self.came, Instant::now());
    }
}

impl<S: Server> Drop for Slot<S> {
    fn drop(&mut self) {
        if self.started {
            self.engine.requests.answered(1);
        }
        self.engine.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn runtime() -> Result<&'static Runtime> {
    RUNTIME
        .as_ref()
        .map_err(|error| Error::Internal(format!("no thread could be started: {error}")))
}
