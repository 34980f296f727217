//! A connection as JavaScript holds it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use napi_derive::napi;

use super::mailbox::{Address, Mailbox};
use super::{decode, encode};
use crate::engine::sqlite::{Connection as Engine, Settings};
use crate::engine::{Outcome, Reply};
use crate::error::{Error, Result};
use crate::storage::location::Location;
use crate::storage::schema::TimestampUnit;
use crate::storage::sqlite::{Durability, Options};

/// What `connect` was told. `index.js` has filled in the environment's variables.
#[napi(object)]
pub struct ConnectOptions {
    /// `DATABASE_URL`
    pub url: String,
    /// `DATABASE_PROVIDER`
    pub provider: String,
    /// `full` or `normal`
    pub durability: Option<String>,
    /// How long to wait for a lock that somebody else holds.
    pub busy_timeout_ms: Option<f64>,
    /// How many requests may wait before further ones are refused.
    pub max_queue: Option<f64>,
    /// `ms` or `s`
    pub timestamp_unit: Option<String>,
}

/// A connection. It joins the engine of its database when it is first used.
#[napi]
pub struct Connection {
    location: Result<Location>,
    settings: Settings,
    state: Mutex<State>,
}

enum State {
    Fresh,
    Open(Engine),
    Closed,
}

#[napi]
impl Connection {
    /// A connection. Nothing is opened, and a URL that is no use is an error of the first call: an
    /// app's build imports its routes without a database.
    #[napi(constructor)]
    pub fn new(options: ConnectOptions) -> napi::Result<Self> {
        let settings = settings(&options)
            .map_err(|error| napi::Error::from_reason(encode::reply(&Err(error))))?;
        let location = Location::parse(&options.url).and_then(|location| {
            location.check_provider(&options.provider)?;
            Ok(location)
        });
        Ok(Self { location, settings, state: Mutex::new(State::Fresh) })
    }

    /// Sends a call; the reply comes into the mailbox. It never blocks and never fails: whatever is
    /// wrong is the reply.
    #[napi]
    pub fn submit(&self, mailbox: &Mailbox, request: u32, name: String, arguments: String) {
        let address = mailbox.address(request);
        let reply = Reply::new(move |outcome| address.deliver(encode::reply(&outcome)));
        let operation = match decode::operation(&name, &arguments) {
            Ok(operation) => operation,
            Err(error) => return reply.send(Err(error)),
        };
        let mut state = self.lock();
        if let State::Fresh = *state {
            match self.open() {
                Ok(engine) => *state = State::Open(engine),
                Err(error) => return reply.send(Err(error)),
            }
        }
        match &*state {
            State::Open(engine) => engine.submit(operation, reply),
            State::Fresh | State::Closed => reply.send(Err(Error::Closed)),
        }
    }

    /// Closes the connection; the reply comes when what was sent before is answered and, if this was
    /// the database's last connection in the process, the database is released.
    #[napi]
    pub fn close(&self, mailbox: &Mailbox, request: u32) {
        self.close_and(Some(mailbox.address(request)));
    }

    fn close_and(&self, address: Option<Address>) {
        let done = || address.map(|address| address.deliver(encode::reply(&Ok(Outcome::Done))));
        match std::mem::replace(&mut *self.lock(), State::Closed) {
            State::Open(engine) => engine.close(move || {
                done();
            }),
            State::Fresh | State::Closed => {
                done();
            }
        }
    }

    fn open(&self) -> Result<Engine> {
        Engine::open(self.location.as_ref().map_err(Clone::clone)?, self.settings)
    }

    /// A panic elsewhere can't leave the state half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn settings(options: &ConnectOptions) -> Result<Settings> {
    const LONGEST_TIMEOUT_MS: f64 = 600_000.0;
    const LONGEST_QUEUE: f64 = 1_000_000.0;
    let mut settings = Settings::default();
    let database: &mut Options = &mut settings.database;
    database.durability = match options.durability.as_deref() {
        None | Some("full") => Durability::Full,
        Some("normal") => Durability::Normal,
        Some(other) => return Err(invalid("durability", "'full' or 'normal'", other)),
    };
    database.timestamp_unit = match options.timestamp_unit.as_deref() {
        None => None,
        Some("ms") => Some(TimestampUnit::Milliseconds),
        Some("s") => Some(TimestampUnit::Seconds),
        Some(other) => return Err(invalid("timestampUnit", "'ms' or 's'", other)),
    };
    if let Some(timeout_ms) = options.busy_timeout_ms {
        let timeout_ms = whole("busyTimeoutMs", timeout_ms, 0.0, LONGEST_TIMEOUT_MS)?;
        database.busy_timeout = Duration::from_millis(timeout_ms);
    }
    if let Some(max_queue) = options.max_queue {
        let max_queue = whole("maxQueue", max_queue, 1.0, LONGEST_QUEUE)?;
        settings.max_queue = usize::try_from(max_queue).unwrap_or(usize::MAX);
    }
    Ok(settings)
}

fn whole(name: &str, value: f64, least: f64, most: f64) -> Result<u64> {
    if value.fract() == 0.0 && (least..=most).contains(&value) {
        // Whole and within bounds, so nothing is lost.
        return Ok(value as u64);
    }
    Err(invalid(name, &format!("a whole number from {least} to {most}"), &value.to_string()))
}

fn invalid(name: &str, expected: &str, given: &str) -> Error {
    Error::InvalidArgument {
        name: name.to_owned(),
        expected: expected.to_owned(),
        given: given.to_owned(),
    }
}
