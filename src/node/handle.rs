//! A connection to an engine, before JavaScript opens it, while it is open, and after it is closed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::options::ConnectOptions;
use crate::engine::Share;
use crate::error::Result;

/// What the mailbox of the same environment closes, if JavaScript forgets to.
pub(super) struct Handle {
    pub(super) options: ConnectOptions,
    state: Mutex<HandleState>,
}

/// How far a connection has come.
pub(super) enum HandleState {
    /// It was not used.
    Fresh,
    /// It shares this engine.
    Open(Box<dyn Share>),
    /// It was closed.
    Closed,
}

impl Handle {
    /// A connection with these options, of which nothing is opened.
    pub(super) fn new(options: ConnectOptions) -> Self {
        Self { options, state: Mutex::new(HandleState::Fresh) }
    }

    /// Closes the connection, if it is not closed yet, and calls `done` when that is so.
    pub(super) fn close(&self, done: impl FnOnce() + Send + 'static) {
        let state = std::mem::replace(&mut *self.lock(), HandleState::Closed);
        match state {
            HandleState::Open(engine) => engine.close(Box::new(done)),
            HandleState::Fresh | HandleState::Closed => done(),
        }
    }

    /// Joins the engine of the database.
    pub(super) fn open(&self) -> Result<Box<dyn Share>> {
        self.options.settings.open(self.options.location.as_ref().map_err(Clone::clone)?)
    }

    /// The state. A panic elsewhere can't leave it half changed.
    pub(super) fn lock(&self) -> MutexGuard<'_, HandleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
