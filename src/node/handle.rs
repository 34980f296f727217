//! A connection's state: before it is opened, open, or closed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::options::ConnectOptions;
use crate::engine::Share;
use crate::error::Result;

/// A connection that the mailbox of its environment closes if JavaScript does not.
pub(super) struct Handle {
    pub(super) options: ConnectOptions,
    state: Mutex<HandleState>,
}

/// The state of a connection.
pub(super) enum HandleState {
    /// It has not been used.
    Fresh,
    /// It has a share of this engine.
    Open(Box<dyn Share>),
    /// It was closed.
    Closed,
}

impl Handle {
    /// A connection with these options. Nothing is opened.
    pub(super) fn new(options: ConnectOptions) -> Self {
        Self { options, state: Mutex::new(HandleState::Fresh) }
    }

    /// Closes the connection, unless it is closed, and calls `done` afterwards.
    pub(super) fn close(&self, done: impl FnOnce() + Send + 'static) {
        let state = std::mem::replace(&mut *self.lock(), HandleState::Closed);
        match state {
            HandleState::Open(engine) => engine.close(Box::new(done)),
            HandleState::Fresh | HandleState::Closed => done(),
        }
    }

    /// Joins the database's engine.
    pub(super) fn open(&self) -> Result<Box<dyn Share>> {
        self.options.settings.open(self.options.location.as_ref().map_err(Clone::clone)?)
    }

    /// Locks the state. The lock may be poisoned: a panic elsewhere can't leave the state half changed.
    pub(super) fn lock(&self) -> MutexGuard<'_, HandleState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
