//! The app's transaction on PostgreSQL.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::question::{Asked, Asking, Check, Checked, OTHER_TRANSACTION, Question, in_same};
use super::{ClientError, Exchange, client_error, odd, to_repeat};
use crate::domain::table::TableName;
use crate::error::{Error, Result};
use crate::storage::dialect::postgres::Statement;
use crate::storage::dialect::postgres::error::{ABOUT_SCHEMA, ServerError, UNIQUE_VIOLATION};
use crate::storage::dialect::postgres::ids::has_numbered_users;
use crate::storage::dialect::postgres::inline::inline;
use crate::storage::dialect::postgres::json::JsonRow;
use crate::storage::dialect::postgres::tables::Tables;
use crate::storage::dialect::postgres::wire::{End, Form, Mode, Pipeline, Wire};
use crate::storage::failure::{Answer, Failure};
use crate::storage::schema::quote;
use crate::storage::search_path::SearchPath;

/// The app's transaction, for one request.
pub struct Transaction {
    exchange: Arc<Exchange>,
    found: MarkedTables,
    /// The transaction's isolation and identity, from the first reply.
    seen: Option<Seen>,
    terms: Terms,
    /// Whether the schema was read for this request.
    pub is_new: bool,
    /// The mark of the tables, if they are not the expected ones.
    moved: Option<String>,
}

/// A call's requirements of its transaction.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The option or function that depends on rows which are not locked, if there is one.
    pub counting: Option<&'static str>,
    /// The schemas that must contain the tables.
    pub schemas: Option<SearchPath>,
}

/// The isolation and identity of a transaction.
#[derive(Debug, Clone)]
struct Seen {
    /// Its isolation level.
    isolation: String,
    /// Identifies the transaction.
    transaction: String,
}

/// A schema, with the marks that identify it.
#[derive(Debug, Clone)]
struct MarkedTables {
    tables: Tables,
    mark: String,
    /// Its version when it was read.
    version: String,
    /// The schemas that contain the tables.
    schemas: Vec<String>,
    /// When it was last found to be unchanged.
    seen: Instant,
}

impl MarkedTables {
    /// Checking the version takes as long as the query that it is sent with.
    const FRESH: Duration = Duration::from_secs(1);

    fn is_fresh(&self) -> bool {
        self.seen.elapsed() < Self::FRESH
    }
}

/// The tables that this process has read, by their marks.
static CACHE: LazyLock<Mutex<TablesCache>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct TablesCache {
    /// The tables of the last call, which the next one most likely uses too.
    latest: Option<MarkedTables>,
    all: HashMap<String, MarkedTables>,
}

impl TablesCache {
    /// With more databases, schemas or roles, tables are read more often.
    const MOST: usize = 64;

    fn lock() -> MutexGuard<'static, Self> {
        CACHE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&mut self, found: &MarkedTables) {
        if self.all.len() >= Self::MOST {
            self.all.clear();
        }
        self.all.insert(found.mark.clone(), found.clone());
        self.latest = Some(found.clone());
    }
}

impl Transaction {
    /// The transaction of this client. Reads the schema if it is not cached.
    pub async fn new(exchange: &Arc<Exchange>, terms: Terms) -> Answer<Self> {
        let latest = TablesCache::lock().latest.clone();
        match latest {
            Some(found) => Ok(Self::with(exchange, terms, found)),
            None => Self::look(exchange, terms).await,
        }
    }

    /// The same transaction with its actual tables, if they are not the expected ones; `None` if they are.
    pub async fn moved(&mut self) -> Option<Answer<Self>> {
        let mark = self.moved.take()?;
        let known = TablesCache::lock().all.get(&mark).cloned();
        Some(match known {
            Some(found) if found.is_fresh() => {
                TablesCache::lock().latest = Some(found.clone());
                let seen = self.seen.take();
                Ok(Self { seen, ..Self::with(&self.exchange, self.terms.clone(), found) })
            }
            _ => self.looked_again().await,
        })
    }

    /// The same transaction, after reading the schema again.
    pub async fn looked_again(&self) -> Answer<Self> {
        Self::look(&self.exchange, self.terms.clone()).await
    }

    /// Whether the ids of users are numbers.
    pub fn has_numbered_users(&self) -> bool {
        has_numbered_users(&self.found.tables.schema)
    }

    fn with(exchange: &Arc<Exchange>, terms: Terms, found: MarkedTables) -> Self {
        let exchange = Arc::clone(exchange);
        Self { exchange, found, seen: None, terms, is_new: false, moved: None }
    }

    /// Reads the schema, for all following requests.
    async fn look(exchange: &Arc<Exchange>, terms: Terms) -> Answer<Self> {
        let doing = "reading the schema";
        let statements = &Tables::look();
        let question = Question { statements, form: Asking::Together, check: Some(Check::Version) };
        let replies = exchange.ask(vec![question.text()]).await;
        let replies = replies.map_err(|error| failure(&error, doing))?;
        let [reply] = &replies[..] else { return Err(odd(doing)) };
        let Asked { rows, checked } = question.read(reply, doing)?;
        let Some(Checked { within: true, isolation, transaction, mark, version, schemas }) =
            checked
        else {
            return Err(Error::NotInTransaction.into());
        };
        let (Some(version), Some(schemas)) = (version, schemas) else { return Err(odd(doing)) };
        let [columns, access] = &rows[..] else { return Err(odd(doing)) };
        let tables = Tables::read(columns, access)?;
        let found = MarkedTables { tables, mark, version, schemas, seen: Instant::now() };
        TablesCache::lock().remember(&found);
        let seen = Some(Seen { isolation, transaction });
        Ok(Self { is_new: true, seen, ..Self::with(exchange, terms, found) })
    }

    /// Rejects a client without a transaction, and tables that are not the expected ones.
    fn check(&mut self, checked: Checked) -> Answer<()> {
        let Checked { within, isolation, transaction, mark, version, schemas } = checked;
        if !within {
            return Err(Error::NotInTransaction.into());
        }
        self.seen = Some(Seen { isolation, transaction });
        if mark != self.found.mark || version.as_ref().is_some_and(|now| *now != self.found.version)
        {
            let same = mark == self.found.mark;
            if same {
                TablesCache::lock().all.remove(&mark);
            }
            self.moved = Some(mark);
            return Err(Error::Internal("the tables are other ones".to_owned()).into());
        }
        if let Some(schemas) = schemas {
            self.found.schemas = schemas;
            self.found.seen = Instant::now();
            TablesCache::lock().remember(&self.found);
        }
        Ok(())
    }

    /// Rejects a transaction that does not meet the call's requirements.
    fn fits(&self) -> Result<()> {
        let Terms { counting, schemas } = &self.terms;
        // After waiting for a lock, it would still see the rows of an older snapshot.
        let old = self.seen.iter().find(|seen| !seen.isolation.starts_with("read "));
        if let Some((Seen { isolation, .. }, option)) = old.zip(*counting) {
            return Err(Error::OldSnapshot { option, isolation: isolation.clone() });
        }
        let Some(path) = schemas else { return Ok(()) };
        match self.found.schemas.iter().find(|schema| !path.names().contains(schema)) {
            Some(other) => Err(Error::SchemaMismatch {
                problem: format!(
                    "the transaction finds its tables in schema {}, but the connection uses {}",
                    quote(other),
                    path.sql()
                ),
                remedy: format!(
                    "Let the search_path of the app's client be {}, or connect without schema and DB_SCHEMA",
                    path.sql()
                ),
            }),
            None => Ok(()),
        }
    }

    async fn ask(&self, texts: Vec<String>, doing: &'static str) -> Answer<Vec<Vec<String>>> {
        self.exchange.ask(texts).await.map_err(|error| failure(&error, doing))
    }

    async fn write(
        &mut self,
        statements: &[Statement],
        doing: &'static str,
    ) -> Answer<Vec<Vec<JsonRow>>> {
        let Some(seen) = &self.seen else {
            return Err(Error::Internal("a write without a question".to_owned()).into());
        };
        let guard = in_same(&seen.transaction);
        let texts = statements.iter().map(|statement| inline(statement) + &guard).collect();
        let replies = self.ask(texts, doing).await?;
        let rows = |reply: &Vec<String>| match &reply[..] {
            [rows] => serde_json::from_str(rows).map_err(|_| odd(doing)),
            _ => Err(odd(doing)),
        };
        replies.iter().map(rows).collect()
    }

    async fn read(
        &mut self,
        statements: &[Statement],
        locks: bool,
        doing: &'static str,
    ) -> Answer<Vec<Vec<JsonRow>>> {
        let check = match self.seen {
            Some(_) => None,
            None if self.found.is_fresh() => Some(Check::Mark),
            None => Some(Check::Version),
        };
        // After waiting for a lock, only a separate statement sees what was committed meanwhile.
        let (first, rest) = statements.split_at(if locks { 1 } else { statements.len() });
        let form = if locks || check.is_none() && first.len() == 1 {
            Asking::Rows
        } else {
            Asking::Together
        };
        let mut questions = vec![Question { statements: first, form, check }];
        if !rest.is_empty() {
            let form = if rest.len() == 1 { Asking::Rows } else { Asking::Together };
            questions.push(Question { statements: rest, form, check: None });
        }
        let replies = self.ask(questions.iter().map(Question::text).collect(), doing).await?;
        let mut rows = Vec::with_capacity(statements.len());
        for (question, reply) in questions.iter().zip(&replies) {
            let answer = question.read(reply, doing)?;
            if let Some(check) = question.check {
                let checked = match answer.checked {
                    Some(checked) => checked,
                    // The check is returned with a row, but there is none.
                    None => self.ask_alone(check, doing).await?,
                };
                self.check(checked)?;
            }
            rows.extend(answer.rows);
        }
        self.fits()?;
        match rows.len() == statements.len() {
            true => Ok(rows),
            false => Err(odd(doing)),
        }
    }

    async fn ask_alone(&self, check: Check, doing: &'static str) -> Answer<Checked> {
        let question = Question { statements: &[], form: Asking::Together, check: Some(check) };
        let replies = self.ask(vec![question.text()], doing).await?;
        let [reply] = &replies[..] else { return Err(odd(doing)) };
        question.read(reply, doing)?.checked.ok_or_else(|| odd(doing))
    }
}

impl Wire for Transaction {
    type Row = JsonRow;
    const WRITTEN: Form = Form::Json;

    fn tables(&self) -> Result<&Tables> {
        Ok(&self.found.tables)
    }

    async fn send(&mut self, pipeline: Pipeline<'_>) -> Answer<Vec<Vec<JsonRow>>> {
        let Pipeline { begin, statements, end, doing } = pipeline;
        if end == Some(End::Commit) {
            return self.write(statements, doing).await;
        }
        let locks = matches!(begin, Some(Mode::Write | Mode::WriteShortWait));
        self.read(statements, locks, doing).await
    }

    /// What was read and locked belongs to the app's transaction.
    fn undo(&mut self) {}

    async fn look_again(&mut self) -> Answer<()> {
        self.found = self.looked_again().await?.found;
        Ok(())
    }
}

/// The failure of the app's transaction. It can't be retried here.
fn failure(error: &ClientError, doing: &'static str) -> Failure {
    let Some(code) = error.code.as_deref().filter(|code| is_sqlstate(code)) else {
        return client_error(error, doing);
    };
    if ABOUT_SCHEMA.contains(&code) {
        *TablesCache::lock() = TablesCache::default();
    }
    if code == OTHER_TRANSACTION {
        return Failure::Refused(Error::NotInTransaction);
    }
    let (table, constraint) = (error.table.as_deref(), error.constraint.as_deref());
    let is_ours = table.is_none_or(|table| TableName::ALL.iter().any(|ours| ours.sql() == table));
    // The key was looked up before and did not exist: another transaction was faster, or the snapshot is old.
    if code == UNIQUE_VIOLATION
        && is_ours
        && matches!(error.key.as_deref(), Some("id" | "transaction_no"))
    {
        return to_repeat(Failure::Conflict(error.message.clone()));
    }
    let error =
        ServerError { code, message: &error.message, table, constraint, ends_session: false };
    to_repeat(error.failure(doing))
}

fn is_sqlstate(code: &str) -> bool {
    code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}
