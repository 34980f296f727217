//! The connections of this process to one server.

use std::sync::Once;
use std::time::Instant;

use deadpool_postgres::{Object, Pool};

use super::begin::Begin;
use super::error::not_let_in;
use super::found::Found;
use super::options::Options;
use crate::storage::failure::Answer;
use crate::storage::known::Known;
use crate::storage::pool::{Latencies, no_connection};

/// A database on a server, with its schema.
pub struct Database {
    pub(super) pool: Pool,
    pub(super) options: Options,
    pub(super) begin: Begin,
    pub(super) known: Known<Found>,
    /// For logs, after a successful connection: in an invalid URL it may be part of a password.
    pub(super) name: String,
    pub(super) first_look: Once,
    pub(super) latencies: Latencies,
    /// Whether the URL names other servers that may accept a write.
    pub(super) others_may_write: bool,
}

impl Database {
    pub(super) async fn client(&self) -> Answer<Object> {
        let asked = Instant::now();
        let client = self
            .pool
            .get()
            .await
            .map_err(|error| no_connection(error, |error| not_let_in(&error)))?;
        self.latencies.connections.count_since(asked);
        Ok(client)
    }
}
