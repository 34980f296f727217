//! A connection to the shared engine of a server.

use std::sync::{Arc, LazyLock};

use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;

use super::batch::Job;
use super::engine::{Engine, Settings};
use crate::engine::operation::{Operation, Write};
use crate::engine::outcome::{Outcome, ReplySender};
use crate::engine::registry::{Lease, Registry};
use crate::engine::share::Share;
use crate::engine::stats::CountedFunction;
use crate::error::{Error, Result};
use crate::storage::server::Server;

/// The engines of a process for one kind of server.
pub struct Engines<S: Server>(Registry<S::Url, Engine<S>>);

/// One runtime for all engines of a process: its threads only wait for sockets.
static RUNTIME: LazyLock<Result<Runtime, String>> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("credits-network")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
});

/// A share of a database's engine. Closing the last share closes the pool.
pub struct Connection<S: Server> {
    engine: Arc<Engine<S>>,
    lease: Lease<S::Url, Engine<S>>,
    /// The requests sent through this share.
    requests: TaskTracker,
}

impl<S: Server> Engines<S> {
    /// A registry without engines.
    #[expect(clippy::new_without_default, reason = "it is a static's value")]
    pub const fn new() -> Self {
        Self(Registry::new())
    }

    /// Joins the engine of this database, or creates it. It connects later.
    pub fn open(
        &'static self,
        url: &S::Url,
        settings: Settings<S::Options>,
    ) -> Result<Connection<S>> {
        let runtime = runtime()?;
        let (engine, lease) = self.0.join(
            url.clone(),
            |engine| engine.settings == settings,
            || {
                let engine = Arc::new(Engine::new(url, settings.clone())?);
                runtime.spawn(Arc::clone(&engine).close_idle());
                Ok(engine)
            },
        )?;
        Ok(Connection { engine, lease, requests: TaskTracker::new() })
    }
}

impl<S: Server> Connection<S> {
    fn sender(&self, runtime: &'static Runtime) -> Sender<S> {
        let (engine, requests) = (Arc::clone(&self.engine), self.requests.clone());
        Sender { engine, requests, runtime }
    }
}

impl<S: Server> Share for Connection<S> {
    fn reply_to(
        &self,
        function: Option<CountedFunction>,
        send: Box<dyn FnOnce(Result<Outcome>) + Send>,
    ) -> ReplySender {
        self.engine.stats.calls.reply_to(function, send)
    }

    fn submit(&self, operation: Operation, reply: ReplySender) {
        if matches!(operation, Operation::Stats) {
            return reply.send(Ok(Outcome::Stats(self.engine.report())));
        }
        match runtime() {
            Ok(runtime) => self.sender(runtime).send(operation, reply),
            Err(error) => reply.send(Err(error)),
        }
    }

    fn submit_by_number(&self, operation: Operation, refusal: Error, reply: ReplySender) {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => return reply.send(Err(error)),
        };
        let sender = self.sender(runtime);
        let answer = move |are_numbers: Result<bool>| match are_numbers {
            Ok(true) => sender.send(operation, reply),
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

    fn close(self: Box<Self>, done: Box<dyn FnOnce() + Send>) {
        let Ok(runtime) = runtime() else { return done() };
        let Self { engine, lease, requests } = *self;
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

/// Sends requests through a share.
struct Sender<S: Server> {
    engine: Arc<Engine<S>>,
    requests: TaskTracker,
    runtime: &'static Runtime,
}

impl<S: Server> Sender<S> {
    /// Adds a request to the queue of charges, or runs it in its own task.
    fn send(self, operation: Operation, reply: ReplySender) {
        let Self { engine, requests, runtime } = self;
        let mut slot = match engine.slots.take() {
            Ok(slot) => slot,
            Err(error) => return reply.send(Err(error)),
        };
        let deadline = engine.server.deadline(slot.arrived());
        match operation {
            Operation::Write(Write::Charge(request)) => {
                let token = requests.token();
                if engine.batches.push(Job { request, deadline, reply, slot, token }) {
                    runtime.spawn(async move { engine.work().await });
                }
            }
            operation => {
                let run = async move {
                    slot.start();
                    let outcome = engine.run(&operation, deadline).await;
                    drop(slot);
                    reply.send(outcome);
                };
                requests.spawn_on(run, runtime.handle());
            }
        }
    }
}

fn runtime() -> Result<&'static Runtime> {
    RUNTIME
        .as_ref()
        .map_err(|error| Error::Internal(format!("no thread could be started: {error}")))
}
