//! The connections of this process to one database.

use std::sync::{Arc, Once};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::timeout;

use super::http::Http;
use super::options::Options;
use crate::error::Error;
use crate::histogram::Histogram;
use crate::storage::dialect::sqlite::memory::Memory;
use crate::storage::failure::Answer;
use crate::storage::known::Known;
use crate::storage::schema::Schema;

/// A database on a server, with its schema as found.
pub struct Database {
    pub(super) http: Http,
    pub(super) options: Options,
    pub(super) known: Known<Arc<Schema>>,
    /// For the log, once it has let us in.
    pub(super) name: String,
    pub(super) first_look: Once,
    pub(super) latencies: Latencies,
    pub(super) memory: Memory,
    /// Who has it writes. Writes that meet at the server wait there for each other without order, and several at once
    /// were seen to stop sqld from writing at all.
    pub(super) writing: tokio::sync::Mutex<()>,
    /// From what a request reads to what it writes: all requests side by side, or one alone that has met another.
    pub(super) deciding: Arc<RwLock<()>>,
}

/// A request's share in [`Database::deciding`].
pub(super) enum Share {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

/// How long things took, in microseconds.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    /// From what was sent to the server's answer to it.
    pub(super) round_trips: Histogram,
    /// Those that wrote and committed, with what was sent again.
    pub(super) commits: Histogram,
}

impl Database {
    /// This process's turn to write.
    pub(super) async fn turn(&self) -> Answer<tokio::sync::MutexGuard<'_, ()>> {
        timeout(self.options.answer_timeout(), self.writing.lock()).await.map_err(|_| {
            let message = "the server owes this process the answer to another write";
            Error::DatabaseBusy { message: message.to_owned() }.into()
        })
    }

    /// Waits until this request may decide.
    pub(super) async fn share(&self, alone: bool) -> Answer<Share> {
        let deciding = Arc::clone(&self.deciding);
        let share = async {
            match alone {
                true => Share::Alone { _guard: deciding.write_owned().await },
                false => Share::Shared { _guard: deciding.read_owned().await },
            }
        };
        timeout(self.options.answer_timeout(), share).await.map_err(|_| {
            let message = "other requests of this process wait for the server";
            Error::DatabaseBusy { message: message.to_owned() }.into()
        })
    }
}
