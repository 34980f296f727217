//! The pool of connections, and the start of a session.

use std::sync::atomic::{AtomicUsize, Ordering};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use tokio::time::timeout;

use super::client::{Client, ClientError, Host, Settings};
use super::options::Options;

/// A connection with its current settings.
pub(super) struct Connection {
    pub(super) client: Client,
    /// How long its transactions wait for locks, in seconds.
    pub(super) lock_seconds: u64,
    /// Whether its server is one of several that accept writes.
    pub(super) is_cluster: bool,
}

/// Creates connections.
pub(super) struct Manager {
    /// The settings for each server of the URL, in order.
    servers: Vec<Settings>,
    options: Options,
    /// The index of the last writable server, which is tried first: after a failover others may not respond.
    last: AtomicUsize,
}

impl Manager {
    pub(super) fn new(servers: Vec<Settings>, options: Options) -> Self {
        Self { servers, options, last: AtomicUsize::new(0) }
    }

    /// Whether the URL names other servers that may accept a write.
    pub(super) fn has_others(&self) -> bool {
        self.servers.len() > 1
    }

    /// The names of the server and the database, without the user. With several servers it is unknown which
    /// one is connected.
    pub(super) fn name(&self) -> String {
        let host = match self.servers.as_slice() {
            [Settings { host: Host::Tcp { host, .. }, .. }] => host.clone(),
            [Settings { host: Host::Unix(path), .. }] => path.display().to_string(),
            servers => format!("one of {} servers", servers.len()),
        };
        let database = self.servers.first().and_then(|server| server.database.as_deref());
        format!("{host}/{}", database.unwrap_or_default())
    }

    /// Starts a session, within one server's timeout. Returns whether the server accepts writes.
    async fn begin(&self, settings: &Settings) -> Result<(Connection, bool), ClientError> {
        let late = |_| ClientError::Lost("connecting took longer than connectTimeoutMs".to_owned());
        timeout(settings.connect_timeout, self.try_begin(settings)).await.map_err(late)?
    }

    async fn try_begin(&self, settings: &Settings) -> Result<(Connection, bool), ClientError> {
        let mut client = Client::connect(settings).await?;
        let answers = client.query(opening(client.server().is_mariadb, &self.options)).await?;
        let last = |back: usize| answers.iter().rev().nth(back)?.rows.first();
        let (told, cluster) = (last(1), last(0).and_then(|row| row.last()?.as_deref()));
        let number = |at: usize| {
            let text = std::str::from_utf8(told?.get(at)?.as_deref()?).ok()?;
            text.parse::<usize>().ok()
        };
        // The server counts the command's header too.
        number(0).inspect(|longest| client.limit_packet(longest.saturating_sub(64)));
        let writes = number(1).is_none_or(|read_only| read_only == 0);
        let (lock_seconds, is_cluster) = (self.options.lock_seconds(), cluster == Some(b"ON"));
        Ok((Connection { client, lock_seconds, is_cluster }, writes))
    }
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = ClientError;

    async fn create(&self) -> Result<Connection, ClientError> {
        let first = self.last.load(Ordering::Relaxed);
        let (mut reads, mut failure) = (None, None);
        for at in (0..self.servers.len()).map(|at| (first + at) % self.servers.len()) {
            match self.begin(&self.servers[at]).await {
                Ok((connection, true)) => {
                    self.last.store(at, Ordering::Relaxed);
                    return Ok(connection);
                }
                // A read-only server is better than none.
                Ok((connection, false)) => reads = reads.or(Some(connection)),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let none = || ClientError::Lost("the URL names no server".to_owned());
        reads.ok_or_else(|| failure.unwrap_or_else(none))
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        _: &Metrics,
    ) -> RecycleResult<ClientError> {
        match connection.client.is_open() {
            true => Ok(()),
            false => Err(RecycleError::message("the connection is closed")),
        }
    }
}

/// The settings of a session, which override the server's. The time zone is kept: an app writes and reads UTC
/// times as text in the server's zone, so the same text must be read here.
fn opening(is_mariadb: bool, options: &Options) -> String {
    // Values that do not fit a column are errors instead of being truncated.
    const STRICT: &str = "STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION";
    // What the server takes for no limit.
    const ALL_ROWS: u64 = u64::MAX;
    let timeout_ms = options.statement_timeout.as_millis();
    let timeout = match is_mariadb {
        true => format!("max_statement_time = {}.{:03}", timeout_ms / 1000, timeout_ms % 1000),
        // For reads only: writes wait for locks at most.
        false => format!("max_execution_time = {timeout_ms}"),
    };
    format!(
        "SET NAMES utf8mb4; SET SESSION TRANSACTION READ WRITE; \
         SET SESSION autocommit = 1, completion_type = 0, sql_select_limit = {ALL_ROWS}, sql_big_selects = 1, \
         sql_mode = '{STRICT}', {timeout}, {}, {}; \
         SELECT @@max_allowed_packet, @@GLOBAL.read_only; \
         SHOW VARIABLES LIKE 'wsrep_on'",
        lock_timeout(options.lock_seconds()),
        // A migration may hold a table for hours.
        format_args!("lock_wait_timeout = {}", options.lock_seconds())
    )
}

/// Sets how long the session's transactions wait for locks.
pub(super) fn lock_timeout(seconds: u64) -> String {
    format!("innodb_lock_wait_timeout = {seconds}")
}
