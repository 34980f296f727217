//! The app's transaction on MySQL.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{ClientError, Exchange, client_error, odd, to_repeat};
use crate::error::{Error, Result};
use crate::storage::dialect::mysql::Statement;
use crate::storage::dialect::mysql::error::{ABOUT_SCHEMA, ServerError};
use crate::storage::dialect::mysql::ids::has_numbered_users;
use crate::storage::dialect::mysql::json::{JsonRow, as_json};
use crate::storage::dialect::mysql::tables::Tables;
use crate::storage::dialect::mysql::wire::{End, Pipeline, Wire};
use crate::storage::dialect::row::get;
use crate::storage::failure::{Answer, Failure};

/// The app's transaction, for one request.
pub struct Transaction {
    exchange: Arc<Exchange>,
    tables: Tables,
    /// Whether the schema was read for this request.
    pub is_new: bool,
    /// Whether all reads lock their rows, and therefore see the current ones.
    sees_now: bool,
    /// Whether a write failed because of a key that the transaction's snapshot did not have. The write was
    /// rolled back.
    met_key: bool,
}

/// A schema, and when it was read.
#[derive(Clone)]
struct Found {
    tables: Tables,
    at: Instant,
}

type Known = HashMap<String, Found>;

/// The schemas that this process has read, by database.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// With more databases, schemas are read more often.
const MOST: usize = 64;
/// Tables may be dropped and created again. Reading the schema takes up to five statements.
const FRESH: Duration = Duration::from_secs(1);

/// The code of a duplicate key.
const TAKEN: &str = "1062";

/// Identifies a database, its server and the session's time zone, and names the encoding of the connection.
const WHERE: &str = "SELECT CONCAT_WS('|', DATABASE(), CURRENT_USER(), @@hostname, @@port, @@server_id, @@datadir, @@time_zone), VERSION(), \
                     COALESCE(@@character_set_results, 'binary')";

/// Encodings in which all characters arrive; in any other the server replaces some by `?`.
const LOSSLESS: [&str; 2] = ["utf8mb4", "binary"];

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Transaction {
    /// The transaction of this client. Reads the schema if it is not cached.
    pub async fn new(exchange: &Arc<Exchange>) -> Answer<Self> {
        Self::find(exchange, true).await
    }

    /// The same, and reads the schema in any case.
    pub async fn look(exchange: &Arc<Exchange>) -> Answer<Self> {
        Self::find(exchange, false).await
    }

    async fn find(exchange: &Arc<Exchange>, or_known: bool) -> Answer<Self> {
        let doing = "reading the schema";
        let replies = ask(exchange, vec![as_json(WHERE, false)], doing).await?;
        let [row] = replies.first().map_or(&[][..], Vec::as_slice) else { return Err(odd(doing)) };
        let text = |at| get::<String>(row, at).map_err(|_| odd(doing));
        let (mark, version, encoding) = (text(0)?, text(1)?, text(2)?);
        if !LOSSLESS.contains(&encoding.as_str()) {
            return Err(Error::LossyConnection { encoding }.into());
        }
        let found = known().get(&mark).cloned();
        if let Some(found) = found.filter(|found| or_known && found.at.elapsed() < FRESH) {
            return Ok(Self::with(exchange, found.tables, false));
        }
        let look = Tables::look(version.contains("MariaDB"));
        let look = look.iter().map(|statement| as_json(statement, false)).collect();
        let tables = Tables::read(&ask(exchange, look, doing).await?)?;
        let mut known = known();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(mark, Found { tables: tables.clone(), at: Instant::now() });
        Ok(Self::with(exchange, tables, true))
    }

    fn with(exchange: &Arc<Exchange>, tables: Tables, is_new: bool) -> Self {
        let exchange = Arc::clone(exchange);
        Self { exchange, tables, is_new, sees_now: false, met_key: false }
    }

    /// After a duplicate key that another transaction has written since this one's snapshot: the same
    /// transaction, with reads that see it. Keys are first looked up without locks, because locking a key
    /// that does not exist would lock the gap where other rows are inserted.
    pub fn seeing_now(self) -> Option<Self> {
        let is_late = self.met_key && !self.sees_now;
        is_late.then_some(Self { sees_now: true, met_key: false, ..self })
    }

    /// Whether the ids of users are numbers.
    pub fn has_numbered_users(&self) -> bool {
        has_numbered_users(&self.tables.schema)
    }
}

impl Wire for Transaction {
    type Row = JsonRow;
    const SEES_NOW: bool = false;

    fn tables(&self) -> Result<&Tables> {
        Ok(&self.tables)
    }

    async fn send(&mut self, pipeline: Pipeline<'_>) -> Answer<Vec<Vec<JsonRow>>> {
        let Pipeline { statements, end, doing, .. } = pipeline;
        let writes = end == Some(End::Commit);
        let locks = self.sees_now && !writes;
        let texts = statements.iter().map(|statement: &Statement| as_json(statement, locks));
        let replies = self.exchange.ask(texts.collect()).await;
        if let Err(error) = &replies
            && writes
            && self.exchange.undo_writes().await
        {
            self.met_key = error.code.as_deref() == Some(TAKEN);
        }
        rows(replies.map_err(|error| failure(&error, doing))?, statements.len(), doing)
    }

    /// What was read and locked belongs to the app's transaction.
    fn undo(&mut self) {}
}

async fn ask(
    exchange: &Exchange,
    statements: Vec<String>,
    doing: &'static str,
) -> Answer<Vec<Vec<JsonRow>>> {
    let asked = statements.len();
    let replies = exchange.ask(statements).await.map_err(|error| failure(&error, doing))?;
    rows(replies, asked, doing)
}

/// The rows of this many statements.
fn rows(replies: Vec<Vec<String>>, asked: usize, doing: &'static str) -> Answer<Vec<Vec<JsonRow>>> {
    if replies.len() != asked {
        return Err(odd(doing));
    }
    let row = |text: &String| serde_json::from_str(text).map_err(|_| odd(doing));
    replies.iter().map(|rows| rows.iter().map(row).collect()).collect()
}

/// The failure of the app's transaction. It can't be retried here.
fn failure(error: &ClientError, doing: &'static str) -> Failure {
    let code = error.code.as_deref().unwrap_or_default();
    let Ok(number) = code.parse() else { return client_error(error, doing) };
    if ABOUT_SCHEMA.contains(&code) {
        known().clear();
    }
    to_repeat((ServerError { code: number, message: &error.message }).failure(doing))
}
