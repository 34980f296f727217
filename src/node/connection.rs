//! A connection as JavaScript holds it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use napi::bindgen_prelude::{Env, ObjectFinalize};
use napi_derive::napi;

use super::decode::Call;
use super::mailbox::{self, Address, Mailbox};
use super::options::{self, ConnectOptions};
use super::{decode, encode, log};
use crate::engine::{Connection as Engine, Outcome};
use crate::error::{Error, Result};
use crate::storage::location::Variables;

/// What the environment says.
#[napi(object)]
pub struct Environment {
    /// `DATABASE_URL`
    pub url: String,
    /// `DATABASE_PROVIDER`
    pub provider: String,
    /// `DB_SCHEMA`
    pub schema: String,
    /// `DB_MAX_CONNECTIONS`
    pub max_connections: String,
    /// What PostgreSQL's clients read: `PGHOST` and its like, by name.
    pub postgres: Variables,
    /// `MEDIA_CREDITS_LOG`
    pub log: String,
}

/// A connection. It joins the engine of its database when it is first used.
#[napi(custom_finalize)]
pub struct Connection {
    shared: Result<Arc<Shared>>,
}

/// What the mailbox of the same environment closes, if JavaScript forgets to.
pub(super) struct Shared {
    options: ConnectOptions,
    state: Mutex<State>,
}

enum State {
    Fresh,
    Open(Engine),
    Closed,
}

#[napi]
impl Connection {
    /// A connection with these options (JSON text of an array of one). Nothing is opened.
    #[napi(constructor)]
    pub fn new(options: String, environment: Environment) -> Self {
        log::start(&environment.log);
        let options = options::read(&options, &environment);
        let shared =
            options.map(|options| Arc::new(Shared { options, state: Mutex::new(State::Fresh) }));
        Self { shared }
    }

    /// What is wrong with the options, as a reply.
    #[napi(getter)]
    pub fn problem(&self) -> Option<String> {
        self.shared.as_ref().err().map(|error| encode::reply(&Err(error.clone())))
    }

    /// Sends a call; the reply comes into the mailbox. It never blocks and never fails: whatever is
    /// wrong is the reply.
    #[napi]
    pub fn submit(&self, mailbox: &Mailbox, request: u32, name: String, arguments: String) {
        let address = mailbox.address(request);
        let shared = match &self.shared {
            Ok(shared) => shared,
            Err(error) => return address.deliver(Err(error.clone())),
        };
        let operation = decode::operation(&name, &arguments, &shared.options.defaults);
        let mut state = shared.lock();
        if let State::Fresh = *state {
            match shared.open() {
                Ok(engine) => *state = State::Open(engine),
                // What is wrong with the call comes first.
                Err(error) => return address.deliver(operation.and(Err(error))),
            }
            mailbox::close_at_exit(shared);
        }
        let State::Open(engine) = &*state else {
            return address.deliver(operation.and(Err(Error::Closed)));
        };
        let reply = engine.reply_to(&name, move |outcome| address.deliver(outcome));
        match operation {
            Ok(Call { operation, user_by_number: None }) => engine.submit(operation, reply),
            Ok(Call { operation, user_by_number: Some(refusal) }) => {
                engine.submit_by_number(operation, refusal, reply);
            }
            Err(error) => reply.send(Err(error)),
        }
    }

    /// Closes the connection; the reply comes when what was sent before is answered and, if this was
    /// the database's last connection in the process, the database is released.
    #[napi]
    pub fn close(&self, mailbox: &Mailbox, request: u32) {
        let address: Address = mailbox.address(request);
        let done = move || address.deliver(Ok(Outcome::Done));
        match &self.shared {
            Ok(shared) => shared.close(done),
            Err(_) => done(),
        }
    }
}

impl ObjectFinalize for Connection {
    /// JavaScript dropped the connection without closing it.
    fn finalize(self, _: Env) -> napi::Result<()> {
        if let Ok(shared) = &self.shared {
            shared.close(|| {});
        }
        Ok(())
    }
}

impl Shared {
    /// Closes the connection, if it is not closed yet, and calls `done` when that is so.
    pub(super) fn close(&self, done: impl FnOnce() + Send + 'static) {
        let state = std::mem::replace(&mut *self.lock(), State::Closed);
        match state {
            State::Open(engine) => engine.close(done),
            State::Fresh | State::Closed => done(),
        }
    }

    fn open(&self) -> Result<Engine> {
        Engine::open(self.options.location.as_ref().map_err(Clone::clone)?, &self.options.settings)
    }

    /// A panic elsewhere can't leave the state half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
