//! The engine over PostgreSQL: requests run side by side on a pool of connections that everybody in this
//! process shares who opens the same database. Those that charge share transactions.

mod again;
mod batches;
mod charges;
mod run;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;

use super::registry::{Lease, Registry};
use super::stats::{Calls, Counter, Requests, Stats, durations};
use super::{Charging, Ids, Operation, Outcome, Reply, Write};
use crate::domain::charge::NewIds;
use crate::error::{Error, Result};
use crate::storage::location::PostgresUrl;
use crate::storage::postgres::{Options, Server};
use batches::{Batches, Job, Worker};

/// How an engine works. Everybody who opens one database in one process must say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How to use the server.
    pub database: Options,
    /// How many requests may wait before further ones are refused.
    pub max_queue: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { database: Options::default(), max_queue: 10_000 }
    }
}

static ENGINES: Registry<Box<PostgresUrl>, Engine> = Registry::new();

/// One runtime for all engines of a process: its threads only wait for sockets.
static RUNTIME: LazyLock<Result<Runtime, String>> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("credits-postgres")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
});

/// A share of the engine of one database. The last one to be closed closes the pool.
pub struct Connection {
    engine: Arc<Engine>,
    lease: Lease<Box<PostgresUrl>, Engine>,
    /// What was sent through this share.
    requests: TaskTracker,
}

struct Engine {
    server: Server,
    settings: Settings,
    ids: Mutex<Ids>,
    waiting: AtomicUsize,
    batches: Batches,
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

impl Connection {
    /// Joins the engine of this database, or makes it. Nothing is connected yet.
    pub fn open(url: &PostgresUrl, settings: Settings) -> Result<Self> {
        runtime()?;
        let (engine, lease) = ENGINES.join(
            Box::new(url.clone()),
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
fn submit(
    engine: &Arc<Engine>,
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

impl Engine {
    fn new(url: &PostgresUrl, settings: Settings) -> Result<Arc<Self>> {
        let engine = Arc::new(Self {
            server: Server::new(url, settings.database.clone())?,
            settings,
            ids: Mutex::default(),
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

    /// The names of a row that is written now. A panic elsewhere can't leave them half made.
    fn new_ids(&self, now_ms: i64) -> NewIds {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).next(now_ms)
    }

    fn report(&self) -> Json {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let queued = waiting.saturating_sub(self.requests.running());
        let (times, pool) = (self.server.times(), self.server.pool());
        let retries = &self.retries;
        let more = json!({
            "connections": {
                "open": pool.size,
                "idle": pool.available,
                "waiting": pool.waiting,
                "most": pool.max_size,
                "waits": durations(&times.connections),
            },
            "roundTrips": durations(&times.round_trips),
            "retries": {
                "oneByOne": retries.one_by_one.get(),
                "conflicts": retries.conflicts.get(),
                "lostConnections": retries.lost_connections.get(),
                "schemaChanges": retries.schema_changes.get(),
            },
        });
        let queue = self.requests.report(queued, self.settings.max_queue);
        self.stats.report("postgres", &queue, &times.commits, more)
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
struct Slot {
    engine: Arc<Engine>,
    came: Instant,
    started: bool,
}

impl Slot {
    fn take(engine: &Arc<Engine>) -> Option<Self> {
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

impl Drop for Slot {
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
