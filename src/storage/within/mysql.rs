//! A transaction of the app's on MySQL.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{ClientError, Exchange, client_error, odd};
use crate::error::{Error, Result};
use crate::storage::dialect::mysql::Statement;
use crate::storage::dialect::mysql::error::{ABOUT_SCHEMA, ServerError};
use crate::storage::dialect::mysql::ids::has_numbered_users;
use crate::storage::dialect::mysql::json::{JsonRow, as_json};
use crate::storage::dialect::mysql::tables::Tables;
use crate::storage::dialect::mysql::wire::{End, Mode, Pipeline, Wire};
use crate::storage::dialect::row::get;
use crate::storage::failure::{Answer, Failure};

/// The app's transaction, for one request.
pub struct Transaction {
    exchange: Arc<Exchange>,
    tables: Tables,
    /// Whether the tables were looked at for this request.
    pub is_new: bool,
    /// Whether what is read decides on what is written.
    locks: bool,
}

/// Tables, and when they were found.
#[derive(Clone)]
struct Found {
    tables: Tables,
    at: Instant,
}

type Known = HashMap<String, Found>;

/// The tables that this process has met, by the databases that have them.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// An app with more databases looks at its tables more often.
const MOST: usize = 64;
const FRESH: Duration = Duration::from_secs(60);

/// What tells a database from others, and what the server is.
const WHERE: &str =
    "SELECT CONCAT_WS('|', DATABASE(), CURRENT_USER(), @@hostname, @@port, @@datadir), VERSION()";

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Transaction {
    /// The transaction behind this client, whose tables are looked at if they are new.
    pub async fn new(exchange: &Arc<Exchange>) -> Answer<Self> {
        Self::find(exchange, true).await
    }

    /// The same, whose tables are looked at again.
    pub async fn look(exchange: &Arc<Exchange>) -> Answer<Self> {
        Self::find(exchange, false).await
    }

    async fn find(exchange: &Arc<Exchange>, or_known: bool) -> Answer<Self> {
        let doing = "reading the schema";
        let replies = ask(exchange, vec![as_json(WHERE, false)], doing).await?;
        let [row] = replies.first().map_or(&[][..], Vec::as_slice) else { return Err(odd(doing)) };
        let text = |at| get::<String>(row, at).map_err(|_| odd(doing));
        let (mark, version) = (text(0)?, text(1)?);
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
        Self { exchange: Arc::clone(exchange), tables, is_new, locks: false }
    }

    /// Whether the ids of users are numbers.
    pub fn has_numbered_users(&self) -> bool {
        has_numbered_users(&self.tables.schema)
    }
}

impl Wire for Transaction {
    type Row = JsonRow;
    const UNITES: bool = false;

    fn tables(&self) -> Result<&Tables> {
        Ok(&self.tables)
    }

    async fn send(&mut self, pipeline: Pipeline<'_>) -> Answer<Vec<Vec<JsonRow>>> {
        let Pipeline { begin, statements, end, doing } = pipeline;
        if let Some(mode) = begin {
            self.locks = mode != Mode::Read;
        }
        // What decides is what is there now, not what the transaction saw when it began.
        let locks = self.locks && end.is_none();
        let texts = statements.iter().map(|statement: &Statement| as_json(statement, locks));
        let answer = ask(&self.exchange, texts.collect(), doing).await;
        if end == Some(End::Commit) {
            self.locks = false;
        }
        answer
    }

    /// What was read, and locked, is the app's transaction's.
    fn undo(&mut self) {}
}

async fn ask(
    exchange: &Exchange,
    statements: Vec<String>,
    doing: &'static str,
) -> Answer<Vec<Vec<JsonRow>>> {
    let asked = statements.len();
    let replies = exchange.ask(statements).await.map_err(|error| failure(&error, doing))?;
    if replies.len() != asked {
        return Err(odd(doing));
    }
    let row = |text: &String| serde_json::from_str(text).map_err(|_| odd(doing));
    replies.iter().map(|rows| rows.iter().map(row).collect()).collect()
}

/// What comes of the app's transaction. Nothing of it can be tried again here.
fn failure(error: &ClientError, doing: &'static str) -> Failure {
    let repeat = |message: String| {
        let message = format!("{message}; roll back and repeat the whole transaction");
        Failure::Refused(Error::DatabaseBusy { message })
    };
    let code = error.code.as_deref().unwrap_or_default();
    let Ok(number) = code.parse() else { return client_error(error, doing) };
    if ABOUT_SCHEMA.contains(&code) {
        known().clear();
    }
    match (ServerError { code: number, message: &error.message }).failure(doing) {
        Failure::Conflict(message) => repeat(message),
        Failure::Refused(Error::DatabaseBusy { message }) => repeat(message),
        Failure::Refused(Error::TransactionNoCollision) => {
            repeat("another transaction has taken the transaction number".to_owned())
        }
        other => other,
    }
}
