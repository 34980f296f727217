//! A connection from the pool, and its transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::Object;
use tracing::{debug, info};

use super::client::{ClientError, ResultSet};
use super::database::Database;
use super::driver::{SentRow, rows};
use super::options::Options;
use super::pool::{Manager, lock_timeout};
use crate::error::{Error, Result};
use crate::storage::dialect::mysql::Statement;
use crate::storage::dialect::mysql::tables::Tables;
use crate::storage::dialect::mysql::wire::{End, Mode, Pipeline, Wire};
use crate::storage::failure::{Answer, Failure};

/// A connection from the pool. The caller that begins a transaction must end it.
pub struct Session {
    pub(super) server: Arc<Database>,
    /// `None` if it can't be used any more.
    connection: Option<Object<Manager>>,
    tables: Option<Tables>,
    transaction: TransactionState,
    /// Whether the connection has settings that others must not get.
    is_special: bool,
}

/// The state of a connection's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransactionState {
    /// None: the connection can return to the pool.
    None,
    /// It is open.
    Open,
    /// A reply is missing.
    Unanswered,
}

impl Wire for Session {
    type Row = SentRow;

    fn tables(&self) -> Result<&Tables> {
        self.tables.as_ref().ok_or_else(|| Error::Internal("a session without tables".to_owned()))
    }

    async fn send(&mut self, pipeline: Pipeline<'_>) -> Answer<Vec<Vec<SentRow>>> {
        let began = Instant::now();
        let answer = self.exchange(&pipeline).await;
        if pipeline.end != Some(End::Commit) {
            return answer;
        }
        let rows = answer?;
        let commit_time = began.elapsed();
        self.server.latencies.commits.count_time(commit_time);
        let statements = pipeline.statements.len();
        debug!(statements, commit_us = commit_time.as_micros(), "committed");
        Ok(rows)
    }

    fn undo(&mut self) {
        self.transaction = TransactionState::None;
        let Some(mut connection) = self.connection.take() else { return };
        let timeout = self.server.options.connect_timeout;
        tokio::spawn(async move {
            let undone = connection.client.query(ROLL_BACK.to_owned());
            match tokio::time::timeout(timeout, undone).await {
                Ok(Ok(_)) => drop(connection),
                // It must not return to the pool.
                _ => drop(Object::take(connection)),
            }
        });
    }
}

impl Session {
    pub(super) fn new(server: Arc<Database>, connection: Object<Manager>) -> Self {
        let transaction = TransactionState::None;
        Self { server, connection: Some(connection), tables: None, transaction, is_special: false }
    }

    /// Sets the schema for the following statements.
    pub(super) fn use_tables(&mut self, tables: Tables) {
        self.tables = Some(tables);
    }

    /// Reads the schema for all following sessions, in one round trip.
    pub(super) async fn look(&mut self) -> Answer<()> {
        let is_mariadb = self.connection.as_ref().is_some_and(|one| one.client.server().is_mariadb);
        let look = Tables::look(is_mariadb);
        let tables = Tables::read(&self.ask(&look, "reading the schema").await?)?;
        self.server.known.found(tables.clone());
        let Database { first_look, name, .. } = &*self.server;
        first_look.call_once(|| info!(database = ?name, "connected and found the tables"));
        self.use_tables(tables);
        Ok(())
    }

    /// Runs statements in one round trip outside a transaction.
    pub(super) async fn ask(
        &mut self,
        statements: &[Statement],
        doing: &'static str,
    ) -> Answer<Vec<Vec<SentRow>>> {
        self.exchange(&Pipeline { begin: None, statements, end: Some(End::Release), doing }).await
    }

    /// Makes following reads wait for everything that a cluster has committed, if there is a cluster.
    pub(super) async fn see_whole_cluster(&mut self) -> Answer<()> {
        if self.connection.as_ref().is_some_and(|connection| connection.is_cluster) {
            self.is_special = true;
            let wait = "SET SESSION wsrep_sync_wait = 1".to_owned();
            self.ask(&[wait], "waiting for the cluster").await?;
        }
        Ok(())
    }

    /// The server's version, and whether the connection is encrypted.
    pub(super) fn server_info(&self) -> Option<(String, bool)> {
        let server = self.connection.as_ref()?.client.server();
        Some((server.version.clone(), server.is_encrypted))
    }

    /// Sends a pipeline and waits for all replies, with a timeout.
    async fn exchange(&mut self, pipeline: &Pipeline<'_>) -> Answer<Vec<Vec<SentRow>>> {
        let began_before = self.transaction == TransactionState::Open;
        self.transaction = TransactionState::Unanswered;
        let Some(connection) = &mut self.connection else {
            return Err(Failure::Lost("the connection is closed".to_owned()));
        };
        let before = begin(pipeline.begin, &self.server.options, &mut connection.lock_seconds);
        let in_transaction = began_before || pipeline.begin.is_some();
        let after = match pipeline.end {
            Some(End::Commit | End::Release) if in_transaction => Some(COMMIT),
            Some(End::RollBack) if in_transaction => Some(ROLL_BACK),
            _ => None,
        };
        let texts = before.iter().map(String::as_str);
        let texts = texts.chain(pipeline.statements.iter().map(String::as_str)).chain(after);
        let most = connection.client.server().max_allowed_packet.unwrap_or(usize::MAX);
        let wanted = before.len() + pipeline.statements.len() + after.map_or(0, count_of);
        let commits = pipeline.end == Some(End::Commit);
        let mut answers = Vec::new();
        let sent = Instant::now();
        let mut failed = None;
        for (packet, is_last) in packets(texts, most) {
            match in_time(&self.server.options, connection.client.query(packet)).await {
                Some(Ok(more)) => answers.extend(more),
                // It may be committed, so its row must be looked for.
                Some(Err(error @ ClientError::TooLong)) if commits => {
                    failed = Some((Failure::Lost(error.to_string()), is_last));
                    break;
                }
                // The statement after COMMIT failed: the rows are there, and its session is not as it was.
                Some(Err(ClientError::Server { message, statement, .. }))
                    if commits && answers.len() + statement + AFTER_COMMIT >= wanted =>
                {
                    failed = Some((Failure::Lost(message), is_last));
                    break;
                }
                Some(Err(error)) => {
                    let failure = Failure::of_client(&error, pipeline.doing);
                    failed = Some((failure, is_last));
                    break;
                }
                None => {
                    failed = Some((late(), is_last));
                    break;
                }
            }
        }
        // If a reply is missing, the outcome of the rest is unknown.
        if failed.is_none() && answers.len() != wanted {
            let missing = format!("{} answers to {wanted} statements", answers.len());
            failed = Some((Failure::Lost(missing), true));
        }
        let Some((failure, is_last)) = failed else {
            self.server.latencies.round_trips.count_since(sent);
            let is_open = in_transaction && after.is_none();
            self.transaction =
                if is_open { TransactionState::Open } else { TransactionState::None };
            let own = before.len()..before.len() + pipeline.statements.len();
            return Ok(answers_of(answers, own));
        };
        if failure.is_answered() && in_transaction && connection.client.is_usable() {
            self.undo();
        } else if failure.is_answered() && connection.client.is_usable() {
            self.transaction = TransactionState::None;
        } else {
            self.discard();
        }
        Err(match failure {
            // Only a pipeline with a COMMIT can have been committed.
            Failure::Lost(message) | Failure::Ended(message) if is_last && commits => {
                Failure::unknown(message)
            }
            failure => failure,
        })
    }

    fn discard(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}

/// A connection that is dropped during a transaction or before a reply must not return to the pool.
impl Drop for Session {
    fn drop(&mut self) {
        if self.transaction != TransactionState::None || self.is_special {
            self.discard();
        }
    }
}

/// The end of a transaction. On a Galera cluster another node's write may roll it back between two
/// statements, and the server then runs the rest outside it. The missing savepoint prevents a commit of the
/// rest.
const COMMIT: &str = "RELEASE SAVEPOINT media_credits;\nCOMMIT;\nSET SESSION autocommit = 1";
/// The number of its statements after COMMIT.
const AFTER_COMMIT: usize = 1;
const ROLL_BACK: &str = "ROLLBACK;\nSET SESSION autocommit = 1";

/// The number of statements in this text.
fn count_of(text: &str) -> usize {
    text.split(';').count()
}

/// The statements that begin a transaction, given the connection's current lock timeout.
fn begin(mode: Option<Mode>, options: &Options, lock_seconds: &mut u64) -> Vec<String> {
    /// The server's shortest lock timeout, in seconds.
    const MOMENT: u64 = 1;
    let (isolation, start) = match mode {
        None => return Vec::new(),
        Some(Mode::Read) => {
            ("REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        }
        // After waiting for a lock, the next statement must see what its holder wrote.
        Some(Mode::Write | Mode::WriteShortWait) => ("READ COMMITTED", "START TRANSACTION"),
    };
    let mut statements = Vec::new();
    let wanted = match mode {
        Some(Mode::WriteShortWait) => MOMENT,
        _ => options.lock_seconds(),
    };
    if mode != Some(Mode::Read) && *lock_seconds != wanted {
        *lock_seconds = wanted;
        statements.push(format!("SET SESSION {}", lock_timeout(wanted)));
    }
    statements.push(format!("SET TRANSACTION ISOLATION LEVEL {isolation}"));
    statements.push("SET SESSION autocommit = 0".to_owned());
    statements.push(start.to_owned());
    statements.push("SAVEPOINT media_credits".to_owned());
    statements
}

/// Joins statements into commands of up to this many bytes; the flag marks the last one. The client rejects a
/// statement that is too long by itself.
fn packets<'t>(texts: impl Iterator<Item = &'t str>, most: usize) -> Vec<(String, bool)> {
    let mut packets: Vec<(String, bool)> = Vec::new();
    for text in texts {
        match packets.last_mut() {
            Some((packet, _)) if packet.len() + text.len() + 2 < most => {
                packet.push_str(";\n");
                packet.push_str(text);
            }
            _ => packets.push((text.to_owned(), false)),
        }
    }
    if let Some((_, is_last)) = packets.last_mut() {
        *is_last = true;
    }
    packets
}

fn answers_of(answers: Vec<ResultSet>, own: std::ops::Range<usize>) -> Vec<Vec<SentRow>> {
    answers.into_iter().skip(own.start).take(own.len()).map(rows).collect()
}

/// Waits for a reply, a little longer than the server's own timeouts.
pub(super) async fn in_time<T>(
    options: &Options,
    answer: impl Future<Output = std::result::Result<T, ClientError>>,
) -> Option<std::result::Result<T, ClientError>> {
    const GRACE: Duration = Duration::from_secs(2);
    let timeout = options.answer_timeout() + GRACE;
    tokio::time::timeout(timeout, answer).await.ok()
}

/// The failure when a server does not reply in time.
pub(super) fn late() -> Failure {
    Failure::Lost("the server did not answer in time; see statementTimeoutMs".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_go_together_as_far_as_the_server_takes_them() {
        let rows: [(&[&str], usize, &[&str]); 4] = [
            (&["a", "b"], 100, &["a;\nb"]),
            (&["aaaa", "bbbb", "cccc"], 11, &["aaaa;\nbbbb", "cccc"]),
            (&["aaaaaaaaaaaaaaaa", "b"], 8, &["aaaaaaaaaaaaaaaa", "b"]),
            (&[], 8, &[]),
        ];
        for (texts, most, expected) in rows {
            let packets = packets(texts.iter().copied(), most);
            let found: Vec<&str> = packets.iter().map(|(packet, _)| packet.as_str()).collect();
            assert_eq!(found, expected);
            let lasts = packets.iter().filter(|(_, is_last)| *is_last).count();
            assert_eq!(lasts, usize::from(!expected.is_empty()));
        }
    }

    #[test]
    fn a_session_is_told_how_long_to_wait_when_that_changes() {
        let options = Options::default();
        let mut lock_seconds = 5;
        let mut count = |mode| begin(Some(mode), &options, &mut lock_seconds).len();
        let modes = [Mode::Write, Mode::WriteShortWait, Mode::WriteShortWait, Mode::Read];
        assert_eq!(modes.map(&mut count), [4, 5, 4, 4]);
        assert_eq!(count(Mode::Write), 5);
    }
}
