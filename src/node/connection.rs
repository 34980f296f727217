//! A connection, as JavaScript holds it.

use std::sync::Arc;

use napi::bindgen_prelude::{Env, ObjectFinalize};
use napi_derive::napi;

use super::functions::{Call, Function};
use super::handle::{Handle, HandleState};
use super::mailbox::{self, Mailbox, ReplyTo};
use super::options::{self, Environment};
use super::within::{self, TransactionCall};
use super::{encode, log};
use crate::engine::Outcome;
use crate::error::{Error, Result};

/// A connection. It joins its database's engine when it is first used.
#[napi(custom_finalize)]
pub struct Connection {
    handle: Result<Arc<Handle>>,
}

#[napi]
impl Connection {
    /// Creates a connection with these options (the JSON text of an array with one item). Nothing is opened.
    #[napi(constructor)]
    pub fn new(options: String, environment: Environment) -> Self {
        log::start(&environment.log);
        let options = options::read(&options, &environment);
        Self { handle: options.map(|options| Arc::new(Handle::new(options))) }
    }

    /// The error for invalid options, as a reply.
    #[napi(getter)]
    pub fn problem(&self) -> Option<String> {
        self.handle.as_ref().err().map(|error| encode::reply(&Err(error.clone())))
    }

    /// The kind of the database, by OpenTelemetry's name; `None` if the options are invalid.
    #[napi(getter)]
    pub fn system(&self) -> Option<&'static str> {
        self.handle.as_ref().ok().map(|handle| handle.options.system)
    }

    /// Sends a call. The reply is put into the mailbox. It never blocks and never fails: errors are replies.
    #[napi]
    pub fn submit(&self, mailbox: &Mailbox, request: u32, name: String, arguments: String) {
        let address = mailbox.address(request);
        let handle = match &self.handle {
            Ok(handle) => handle,
            Err(error) => return address.deliver(Err(error.clone())),
        };
        let Some(function) = Function::named(&name) else {
            return address.deliver(Err(Error::Internal(format!("there is no function {name}"))));
        };
        let operation = function.read(&arguments, &handle.options.defaults);
        let mut state = handle.lock();
        if let HandleState::Fresh = *state {
            match handle.open() {
                Ok(engine) => *state = HandleState::Open(engine),
                // Errors of the call come first.
                Err(error) => return address.deliver(operation.and(Err(error))),
            }
            mailbox::close_at_exit(handle);
        }
        let HandleState::Open(engine) = &*state else {
            return address.deliver(operation.and(Err(Error::Closed)));
        };
        let send = Box::new(move |outcome| address.deliver(outcome));
        let reply = engine.reply_to(function.counted(), send);
        match operation {
            Ok(Call { operation, user_by_number: None }) => engine.submit(operation, reply),
            Ok(Call { operation, user_by_number: Some(refusal) }) => {
                engine.submit_by_number(operation, refusal, reply);
            }
            Err(error) => reply.send(Err(error)),
        }
    }

    /// Creates a call inside the app's own transaction, on `postgres` or `sqlite`. It uses only the options
    /// of this connection.
    #[napi]
    pub fn call_within(&self, dialect: String, name: String, arguments: String) -> TransactionCall {
        let handle = self.handle.as_ref().map_err(Clone::clone);
        TransactionCall::new(
            handle.and_then(|handle| within::call(&handle.options, &dialect, &name, &arguments)),
        )
    }

    /// Closes the connection. The reply comes when all earlier calls are answered and, if this was the
    /// database's last connection in the process, the database is closed.
    #[napi]
    pub fn close(&self, mailbox: &Mailbox, request: u32) {
        let address: ReplyTo = mailbox.address(request);
        let done = move || address.deliver(Ok(Outcome::Done));
        match &self.handle {
            Ok(handle) => handle.close(done),
            Err(_) => done(),
        }
    }
}

impl ObjectFinalize for Connection {
    /// JavaScript dropped the connection without closing it.
    fn finalize(self, _: Env) -> napi::Result<()> {
        if let Ok(handle) = &self.handle {
            handle.close(|| {});
        }
        Ok(())
    }
}
