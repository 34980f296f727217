//! Checkpoints a long write-ahead log on its own thread, while the writer goes on.
//!
//! SQLite allows writes meanwhile, but can't restart the log: the frames that are appended meanwhile are left
//! to a short last checkpoint on the writer's thread.

use std::thread::{self, JoinHandle};

use tracing::debug;

use super::opener::Opener;
use crate::storage::sqlite::Database;

/// The thread, while it runs. Dropping this waits for it.
#[derive(Debug, Default)]
pub(super) struct Checkpointer {
    running: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Each pass has less to copy: what was appended during the pass before.
    const TIMES: usize = 3;

    /// Starts the thread. If that fails, the writer makes the whole checkpoint at the end.
    pub(super) fn begin(&mut self, opener: &Opener) {
        self.wait();
        let opener = opener.clone();
        let checkpoint = move || {
            if let Err(error) = Database::checkpoint_log(&opener.place, Self::TIMES) {
                debug!(code = error.code(), "the log was not checkpointed");
            }
        };
        let thread = thread::Builder::new().name("credits-checkpoint".to_owned());
        self.running = thread.spawn(checkpoint).ok();
    }

    /// Waits for the thread.
    pub(super) fn wait(&mut self) {
        if let Some(running) = self.running.take() {
            // A panic of this thread must not end the writer.
            let _ = running.join();
        }
    }

    /// Whether the thread has ended.
    pub(super) fn is_done(&self) -> bool {
        self.running.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wait();
    }
}
