//! A transaction of the app's on PostgreSQL.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ClientError, Exchange, client_error, odd};
use crate::error::{Error, Result};
use crate::storage::dialect::postgres::Statement;
use crate::storage::dialect::postgres::error::{ABOUT_SCHEMA, ServerError};
use crate::storage::dialect::postgres::ids::has_numbered_users;
use crate::storage::dialect::postgres::inline::inline;
use crate::storage::dialect::postgres::json::{JsonRow, rows_of, rows_of_all};
use crate::storage::dialect::postgres::tables::Tables;
use crate::storage::dialect::postgres::wire::{End, Form, Mode, Pipeline, Wire};
use crate::storage::failure::{Answer, Failure};

/// The app's transaction, for one request.
pub struct Transaction {
    exchange: Arc<Exchange>,
    found: MarkedTables,
    /// Whether it has been seen that there is a transaction, and that the tables are those that were found.
    checked: bool,
    /// Whether the tables were looked at for this request.
    pub is_new: bool,
    /// The mark of the tables, if they are other ones.
    moved: Option<String>,
}

/// Tables, and what tells them from others.
#[derive(Debug, Clone)]
struct MarkedTables {
    tables: Tables,
    mark: String,
    /// What they were when they were looked at.
    version: String,
    /// When they were last seen to be of this version.
    seen: Instant,
}

impl MarkedTables {
    /// Asking for the version takes a server as long as the question that it goes with.
    const FRESH: Duration = Duration::from_secs(1);

    fn is_fresh(&self) -> bool {
        self.seen.elapsed() < Self::FRESH
    }
}

/// The tables that this process has met, by their marks.
static CACHE: LazyLock<Mutex<TablesCache>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct TablesCache {
    /// What the last call was about: the next one most likely is as well.
    latest: Option<MarkedTables>,
    all: HashMap<String, MarkedTables>,
}

impl TablesCache {
    /// An app with more databases, schemas or roles looks at its tables more often.
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

/// Rows, and what was checked with them.
struct Asked {
    rows: Vec<Vec<JsonRow>>,
    checked: Option<Checked>,
}

/// What there is.
#[derive(Deserialize)]
struct Checked {
    /// Whether there is a transaction.
    within: bool,
    /// The mark of the tables.
    mark: String,
    /// Their version, if it was asked for.
    version: Option<String>,
}

impl Transaction {
    /// The transaction behind this client, whose tables are looked at if they are new.
    pub async fn new(exchange: &Arc<Exchange>) -> Answer<Self> {
        let latest = TablesCache::lock().latest.clone();
        match latest {
            Some(found) => Ok(Self::with(exchange, found, false)),
            None => Self::look(exchange).await,
        }
    }

    /// The same transaction, with the tables that were met in place of those that were expected. `None`: they are
    /// the expected ones.
    pub async fn moved(&mut self) -> Option<Answer<Self>> {
        let mark = self.moved.take()?;
        let known = TablesCache::lock().all.get(&mark).cloned();
        Some(match known {
            Some(found) if found.is_fresh() => {
                TablesCache::lock().latest = Some(found.clone());
                Ok(Self::with(&self.exchange, found, true))
            }
            _ => Self::look(&self.exchange).await,
        })
    }

    /// Whether the ids of users are numbers.
    pub fn has_numbered_users(&self) -> bool {
        has_numbered_users(&self.found.tables.schema)
    }

    fn with(exchange: &Arc<Exchange>, found: MarkedTables, checked: bool) -> Self {
        let exchange = Arc::clone(exchange);
        Self { exchange, found, checked, is_new: false, moved: None }
    }

    /// Looks at the tables, for all that follows.
    pub async fn look(exchange: &Arc<Exchange>) -> Answer<Self> {
        let doing = "reading the schema";
        let statements = &Tables::look();
        let question = Question { statements, form: Asking::Together, check: Some(Check::Version) };
        let replies = exchange.ask(vec![question.text()]).await;
        let replies = replies.map_err(|error| failure(&error, doing))?;
        let [reply] = &replies[..] else { return Err(odd(doing)) };
        let Asked { rows, checked } = question.read(reply, doing)?;
        let Some(Checked { within: true, mark, version: Some(version) }) = checked else {
            return Err(Error::NotInTransaction.into());
        };
        let [columns, access] = &rows[..] else { return Err(odd(doing)) };
        let tables = Tables::read(columns, access)?;
        let found = MarkedTables { tables, mark, version, seen: Instant::now() };
        TablesCache::lock().remember(&found);
        Ok(Self { is_new: true, ..Self::with(exchange, found, true) })
    }

    /// Refuses what is no transaction, and tables that are not those that were found.
    fn check(&mut self, checked: Checked) -> Answer<()> {
        let Checked { within, mark, version } = checked;
        if !within {
            return Err(Error::NotInTransaction.into());
        }
        self.checked = true;
        if mark != self.found.mark || version.as_ref().is_some_and(|now| *now != self.found.version)
        {
            let same = mark == self.found.mark;
            if same {
                TablesCache::lock().all.remove(&mark);
            }
            self.moved = Some(mark);
            return Err(Error::Internal("the tables are other ones".to_owned()).into());
        }
        if version.is_some() {
            self.found.seen = Instant::now();
            TablesCache::lock().remember(&self.found);
        }
        Ok(())
    }

    async fn ask(&self, texts: Vec<String>, doing: &'static str) -> Answer<Vec<Vec<String>>> {
        self.exchange.ask(texts).await.map_err(|error| failure(&error, doing))
    }

    async fn write(
        &mut self,
        statements: &[Statement],
        doing: &'static str,
    ) -> Answer<Vec<Vec<JsonRow>>> {
        let replies = self.ask(statements.iter().map(inline).collect(), doing).await?;
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
        let check = match self.checked {
            true => None,
            false if self.found.is_fresh() => Some(Check::Mark),
            false => Some(Check::Version),
        };
        // What is read behind a lock must see what was committed while it was waited for: a statement of its own.
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
                    // It comes with a row, of which there is none.
                    None => self.ask_alone(check, doing).await?,
                };
                self.check(checked)?;
            }
            rows.extend(answer.rows);
        }
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

    /// What was read, and locked, is the app's transaction's.
    fn undo(&mut self) {}

    async fn look_again(&mut self) -> Answer<()> {
        self.found = Self::look(&self.exchange).await?.found;
        Ok(())
    }
}

/// What is asked besides: whether there is a transaction, and which tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// By what tells them from others.
    Mark,
    /// And by their version.
    Version,
}

impl Check {
    fn text(self) -> String {
        let mark = include_str!("../dialect/postgres/sql/within_check.sql");
        match self {
            Self::Mark => mark.to_owned(),
            Self::Version => {
                format!("{mark}, {}", include_str!("../dialect/postgres/sql/within_version.sql"))
            }
        }
    }
}

/// How statements are asked as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// One alone, whose rows come one by one: a server plans that in less time.
    Rows,
    /// In one row.
    Together,
}

/// Statements that are asked as one.
struct Question<'s> {
    statements: &'s [Statement],
    form: Asking,
    check: Option<Check>,
}

/// One row of [`Asking::Rows`], and what was checked with it.
#[derive(Deserialize)]
struct CheckedRow {
    row: JsonRow,
    #[serde(flatten)]
    checked: Checked,
}

/// The row of [`Asking::Together`].
#[derive(Deserialize)]
struct AllRows {
    rows: Vec<Vec<JsonRow>>,
    #[serde(flatten)]
    checked: Option<Checked>,
}

impl Question<'_> {
    fn text(&self) -> String {
        let check = self.check.map_or_else(String::new, |check| format!(", {}", check.text()));
        match (self.form, self.statements) {
            (Asking::Rows, [statement]) if self.check.is_none() => rows_of(statement),
            (Asking::Rows, [statement]) => format!(
                "SELECT json_build_object('row', asked{check})::text AS media_credits FROM ({}) AS asked",
                inline(statement)
            ),
            (_, statements) => {
                let rows = rows_of_all(statements);
                format!("SELECT json_build_object('rows', {rows}{check})::text AS media_credits")
            }
        }
    }

    fn read(&self, reply: &[String], doing: &'static str) -> Answer<Asked> {
        match self.form {
            Asking::Rows if self.check.is_none() => {
                Ok(Asked { rows: vec![each(reply, doing)?], checked: None })
            }
            Asking::Rows => {
                let mut asked = Asked { rows: vec![Vec::new()], checked: None };
                for CheckedRow { row, checked } in each(reply, doing)? {
                    asked.rows[0].push(row);
                    asked.checked = Some(checked);
                }
                Ok(asked)
            }
            Asking::Together => {
                let [text] = reply else { return Err(odd(doing)) };
                let all: AllRows = serde_json::from_str(text).map_err(|_| odd(doing))?;
                Ok(Asked { rows: all.rows, checked: all.checked })
            }
        }
    }
}

/// Rows that come one by one.
fn each<R: DeserializeOwned>(reply: &[String], doing: &'static str) -> Answer<Vec<R>> {
    reply.iter().map(|row| serde_json::from_str(row).map_err(|_| odd(doing))).collect()
}

/// What comes of the app's transaction. Nothing of it can be tried again here.
fn failure(error: &ClientError, doing: &'static str) -> Failure {
    let repeat = |message: String| {
        let message = format!("{message}; roll back and repeat the whole transaction");
        Failure::Refused(Error::DatabaseBusy { message })
    };
    let Some(code) = error.code.as_deref().filter(|code| is_sqlstate(code)) else {
        return client_error(error, doing);
    };
    if ABOUT_SCHEMA.contains(&code) {
        *TablesCache::lock() = TablesCache::default();
    }
    let (table, constraint) = (error.table.as_deref(), error.constraint.as_deref());
    let error =
        ServerError { code, message: &error.message, table, constraint, ends_session: false };
    match error.failure(doing) {
        Failure::Conflict(message) => repeat(message),
        Failure::Refused(Error::DatabaseBusy { message }) => repeat(message),
        Failure::Refused(Error::TransactionNoCollision) => {
            repeat("another transaction has taken the transaction number".to_owned())
        }
        other => other,
    }
}

fn is_sqlstate(code: &str) -> bool {
    code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}
