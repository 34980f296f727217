//! The connections of this process to one database.

use std::future::Future;
use std::sync::{Arc, Once};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::timeout_at;

use super::http::Http;
use super::options::Options;
use crate::error::{Error, Wait};
use crate::histogram::Histogram;
use crate::storage::dialect::sqlite::memory::Memory;
use crate::storage::failure::Answer;
use crate::storage::known::Known;
use crate::storage::schema::Schema;
use crate::storage::server::Deadline;

/// A database on a server, with its schema.
pub struct Database {
    pub(super) http: Http,
    pub(super) options: Options,
    pub(super) known: Known<Arc<Schema>>,
    /// For logs, after a successful connection.
    pub(super) name: String,
    pub(super) first_look: Once,
    pub(super) latencies: Latencies,
    pub(super) memory: Memory,
    /// Held by the request that writes. At the server, waiting writes are not ordered, and several at once
    /// were seen to stop sqld from writing at all.
    pub(super) writing: tokio::sync::Mutex<()>,
    /// Held from a request's reads to its writes: shared by all requests, or exclusively by one after a
    /// conflict.
    pub(super) deciding: Arc<RwLock<()>>,
}

/// A request's guard of [`Database::deciding`].
pub(super) enum Share {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

/// Durations in microseconds.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    /// From sending a request to the server's reply.
    pub(super) round_trips: Histogram,
    /// The same for writes that were committed, including retries.
    pub(super) commits: Histogram,
}

impl Database {
    /// Waits for this process's turn to write.
    pub(super) async fn turn(&self, deadline: Deadline) -> Answer<tokio::sync::MutexGuard<'_, ()>> {
        const MESSAGE: &str = "the server owes this process the reply to another write; if npx media-credits doctor \
                               reports that it has stopped writing, restart it";
        waited(deadline, MESSAGE, self.writing.lock()).await
    }

    /// Waits until this request may read what decides a change.
    pub(super) async fn share(&self, alone: bool, deadline: Deadline) -> Answer<Share> {
        const MESSAGE: &str = "the server has not replied to them";
        let deciding = Arc::clone(&self.deciding);
        let share = async {
            match alone {
                true => Share::Alone { _guard: deciding.write_owned().await },
                false => Share::Shared { _guard: deciding.read_owned().await },
            }
        };
        waited(deadline, MESSAGE, share).await
    }
}

/// A wait before a request sends its write: after it fails, nothing is written.
async fn waited<T>(deadline: Deadline, message: &str, wait: impl Future<Output = T>) -> Answer<T> {
    const SLOW: &str = "after its replies to the reads of this call there was no time for the write; see statementTimeoutMs";
    let busy =
        |wait, message: &str| Error::DatabaseBusy { wait, message: message.to_owned() }.into();
    // There would be no time for the reply to a write that is sent later.
    if deadline.is_late() {
        return Err(busy(Wait::Server, SLOW));
    }
    timeout_at(deadline.begin_by.into(), wait).await.map_err(|_| busy(Wait::Process, message))
}
