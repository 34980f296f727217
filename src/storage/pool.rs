//! The pool of connections to a server, and its statistics.

use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Manager, Object, Pool, PoolError, TimeoutType};
use serde_json::{Value as Json, json};

use super::failure::{Failure, all_in_use, unavailable};
use crate::error::{Error, Result};
use crate::histogram::{Histogram, durations};

/// Durations in microseconds.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    /// Until a connection was available, idle or new.
    pub(super) connections: Histogram,
    /// From sending statements to the server's last reply.
    pub(super) round_trips: Histogram,
    /// The same for round trips with a COMMIT.
    pub(super) commits: Histogram,
}

/// A pool with a maximum number of connections and a timeout.
pub(super) fn pool<M: Manager>(
    manager: M,
    most: usize,
    connect_timeout: Duration,
) -> Result<Pool<M, Object<M>>> {
    Pool::builder(manager)
        .max_size(most)
        .wait_timeout(Some(connect_timeout))
        .create_timeout(Some(connect_timeout))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| Error::Internal(error.to_string()))
}

/// The failure when no connection was available. `of_server` maps the errors of new connections.
pub(super) fn no_connection<E>(
    error: PoolError<E>,
    of_server: impl FnOnce(E) -> Failure,
) -> Failure {
    Failure::Refused(match error {
        PoolError::Timeout(TimeoutType::Wait) => all_in_use(),
        PoolError::Timeout(_) => unavailable("connecting took longer than connectTimeoutMs"),
        PoolError::Closed => Error::Closed,
        PoolError::Backend(error) => return of_server(error),
        PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            Error::Internal("the pool of connections is not complete".to_owned())
        }
    })
}

/// The connection statistics, with JavaScript names.
pub(super) fn report<M: Manager>(pool: &Pool<M, Object<M>>, latencies: &Latencies) -> Json {
    let status = pool.status();
    json!({
        "connections": {
            "open": status.size,
            "idle": status.available,
            "waiting": status.waiting,
            "most": status.max_size,
            "waits": durations(&latencies.connections),
        },
        "roundTrips": durations(&latencies.round_trips),
    })
}

/// The caller's error after all attempts. With `others_may_write`, the URL names other servers that may
/// accept the write.
pub(super) fn final_error(failure: Failure, others_may_write: bool) -> Error {
    match failure {
        Failure::ReadOnly(Error::Database { .. }) if others_may_write => {
            unavailable("none of the servers in the URL takes writes")
        }
        failure => failure.into_error(),
    }
}
