//! A transaction of the app's on PostgreSQL.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

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
    found: Found,
    /// Whether it has been seen that there is a transaction, and that the tables are those that were found.
    checked: bool,
    /// Whether the tables were looked at for this request.
    pub is_new: bool,
    /// What the tables are, if they are other ones.
    moved: Option<String>,
}

/// Tables, and what tells them from others.
#[derive(Debug, Clone)]
struct Found {
    tables: Tables,
    mark: String,
}

/// The tables that this process has met, by their marks.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Known {
    /// What the last call was about: the next one most likely is as well.
    latest: Option<Found>,
    all: HashMap<String, Found>,
}

impl Known {
    /// An app with more databases, schemas or roles looks at its tables more often.
    const MOST: usize = 64;

    fn lock() -> MutexGuard<'static, Self> {
        KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&mut self, found: &Found) {
        if self.all.len() >= Self::MOST {
            self.all.clear();
        }
        self.all.insert(found.mark.clone(), found.clone());
        self.latest = Some(found.clone());
    }
}

/// What a question comes back as.
#[derive(Deserialize)]
struct Asked {
    rows: Vec<Vec<JsonRow>>,
    /// Whether there is a transaction.
    within: Option<bool>,
    /// The mark of the tables.
    mark: Option<String>,
}

impl Transaction {
    /// The transaction behind this client, whose tables are looked at if they are new.
    pub async fn new(exchange: &Arc<Exchange>) -> Answer<Self> {
        let latest = Known::lock().latest.clone();
        match latest {
            Some(found) => Ok(Self::with(exchange, found, false)),
            None => Self::look(exchange).await,
        }
    }

    /// The same transaction, with the tables that were met in place of those that were expected. `None`: they are
    /// the expected ones.
    pub async fn moved(&mut self) -> Option<Answer<Self>> {
        let mark = self.moved.take()?;
        let known = Known::lock().all.get(&mark).cloned();
        Some(match known {
            Some(found) => {
                Known::lock().latest = Some(found.clone());
                Ok(Self::with(&self.exchange, found, true))
            }
            None => Self::look(&self.exchange).await,
        })
    }

    /// Whether the ids of users are numbers.
    pub fn has_numbered_users(&self) -> bool {
        has_numbered_users(&self.found.tables.schema)
    }

    fn with(exchange: &Arc<Exchange>, found: Found, checked: bool) -> Self {
        let exchange = Arc::clone(exchange);
        Self { exchange, found, checked, is_new: false, moved: None }
    }

    /// Looks at the tables, for all that follows.
    pub async fn look(exchange: &Arc<Exchange>) -> Answer<Self> {
        let doing = "reading the schema";
        let question = Question { statements: &Tables::look(), checks: true };
        let replies = exchange.ask(vec![question.text()]).await;
        let replies = replies.map_err(|error| failure(&error, doing))?;
        let [reply] = &replies[..] else { return Err(odd(doing)) };
        let answer = question.read(reply, doing)?;
        let (Some(true), Some(mark)) = (answer.within, answer.mark) else {
            return Err(Error::NotInTransaction.into());
        };
        let [columns, access] = &answer.rows[..] else { return Err(odd(doing)) };
        let found = Found { tables: Tables::read(columns, access)?, mark };
        Known::lock().remember(&found);
        Ok(Self { is_new: true, ..Self::with(exchange, found, true) })
    }

    /// Refuses what is no transaction, and tables that are not those that were found.
    fn check(&mut self, asked: &Asked) -> Answer<()> {
        if asked.within != Some(true) {
            return Err(Error::NotInTransaction.into());
        }
        self.checked = true;
        match &asked.mark {
            Some(mark) if *mark == self.found.mark => Ok(()),
            mark => {
                self.moved = Some(mark.clone().unwrap_or_default());
                Err(Error::Internal("the tables are other ones".to_owned()).into())
            }
        }
    }

    async fn write(
        &mut self,
        statements: &[Statement],
        doing: &'static str,
    ) -> Answer<Vec<Vec<JsonRow>>> {
        let texts = statements.iter().map(inline).collect();
        let replies = self.exchange.ask(texts).await.map_err(|error| failure(&error, doing))?;
        replies.iter().map(|reply| each(reply, doing)).collect()
    }

    async fn read(
        &mut self,
        statements: &[Statement],
        locks: bool,
        doing: &'static str,
    ) -> Answer<Vec<Vec<JsonRow>>> {
        // What is read behind a lock must see what was committed while it was waited for: a statement of its own.
        let (first, rest) = statements.split_at(if locks { 1 } else { statements.len() });
        let mut questions = vec![Question { statements: first, checks: !self.checked }];
        if !rest.is_empty() {
            questions.push(Question { statements: rest, checks: false });
        }
        let texts = questions.iter().map(Question::text).collect();
        let replies = self.exchange.ask(texts).await.map_err(|error| failure(&error, doing))?;
        let mut rows = Vec::with_capacity(statements.len());
        for (question, reply) in questions.iter().zip(&replies) {
            let answer = question.read(reply, doing)?;
            if question.checks {
                self.check(&answer)?;
            }
            rows.extend(answer.rows);
        }
        match rows.len() == statements.len() {
            true => Ok(rows),
            false => Err(odd(doing)),
        }
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

/// Statements that are asked as one.
struct Question<'s> {
    statements: &'s [Statement],
    /// Whether it is asked as well what there is: a transaction, and which tables.
    checks: bool,
}

impl Question<'_> {
    fn text(&self) -> String {
        if let Some(statement) = self.alone() {
            return rows_of(statement);
        }
        let check =
            if self.checks { include_str!("../dialect/postgres/sql/within_check.sql") } else { "" };
        let rows = rows_of_all(self.statements);
        format!("SELECT json_build_object('rows', {rows}{check})::text AS media_credits")
    }

    fn read(&self, reply: &[String], doing: &'static str) -> Answer<Asked> {
        if self.alone().is_some() {
            return Ok(Asked { rows: vec![each(reply, doing)?], within: None, mark: None });
        }
        let [text] = reply else { return Err(odd(doing)) };
        serde_json::from_str(text).map_err(|_| odd(doing))
    }

    /// The one statement whose rows come as they are: a server plans that in less time.
    fn alone(&self) -> Option<&Statement> {
        match self.statements {
            [statement] if !self.checks => Some(statement),
            _ => None,
        }
    }
}

/// Rows that come one by one.
fn each(reply: &[String], doing: &'static str) -> Answer<Vec<JsonRow>> {
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
        *Known::lock() = Known::default();
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
