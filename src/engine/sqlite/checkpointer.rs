//! Puts a long write-ahead log back into the file beside the writer, on a thread of its own.
//!
//! SQLite lets others write meanwhile, but not let the log start over: what they append is left to a last, short
//! checkpoint on the writer's thread, when the long one is done.

use std::thread::{self, JoinHandle};

use tracing::debug;

use super::opener::Opener;
use crate::storage::sqlite::Database;

/// The thread, while there is something to put back. Dropped, it waits until that is done.
#[derive(Debug, Default)]
pub(super) struct Checkpointer {
    running: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Each time there is less to put back: what was appended meanwhile.
    const TIMES: usize = 3;

    /// Begins. Without a thread the writer does all of it by itself at the end.
    pub(super) fn begin(&mut self, opener: &Opener) {
        self.wait();
        let opener = opener.clone();
        let put_back = move || {
            if let Err(error) = Database::put_log_back(&opener.place, Self::TIMES) {
                debug!(code = error.code(), "the log was not put back");
            }
        };
        let thread = thread::Builder::new().name("credits-checkpoint".to_owned());
        self.running = thread.spawn(put_back).ok();
    }

    /// Waits until it is done.
    pub(super) fn wait(&mut self) {
        if let Some(running) = self.running.take() {
            // What it panics with is no reason for the writer to end.
            let _ = running.join();
        }
    }

    /// Whether it is done.
    pub(super) fn is_done(&self) -> bool {
        self.running.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wait();
    }
}
