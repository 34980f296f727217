//! The app's transaction on SQLite.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::Value as Json;

use super::{ClientError, Exchange, client_error, odd};
use crate::domain::hex::from_hex;
use crate::error::{Error, Result, Wait};
use crate::storage::dialect::sqlite::Statement;
use crate::storage::dialect::sqlite::cell::{Cell, SelectedRow as _};
use crate::storage::dialect::sqlite::error::error as error_of;
use crate::storage::dialect::sqlite::inline::inline;
use crate::storage::dialect::sqlite::look::Look;
use crate::storage::dialect::sqlite::wire::{Change, FutureRows, OwnedRow, Wire};
use crate::storage::failure::{Answer, Failure};
use crate::storage::schema::Schema;
use crate::storage::times::TimestampUnit;

/// The app's transaction, for one request.
pub struct Transaction {
    exchange: Arc<Exchange>,
    schema: Arc<Schema>,
}

/// The schemas that this process has read, by their marks.
static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Schema>>>> = LazyLock::new(Mutex::default);

/// With more databases, schemas are read more often.
const MOST_KNOWN: usize = 64;

fn known() -> MutexGuard<'static, HashMap<String, Arc<Schema>>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Transaction {
    /// The transaction of this client. Reads the schema if it is not cached.
    pub async fn new(exchange: &Arc<Exchange>, unit: Option<TimestampUnit>) -> Answer<Self> {
        let doing = "reading the schema";
        let mark = mark_of(&ask(exchange, &[Statement::new(MARK, [])], doing).await?, doing)?;
        // Connections may use different units for the same file.
        let mark = mark.map(|mark| format!("{unit:?}\n{mark}"));
        let found = mark.as_ref().and_then(|mark| known().get(mark).cloned());
        let schema = match found {
            Some(schema) => schema,
            None => {
                let schema = Arc::new(look(exchange, unit).await?);
                if let Some(mark) = mark {
                    let mut known = known();
                    if known.len() >= MOST_KNOWN {
                        known.clear();
                    }
                    known.insert(mark, Arc::clone(&schema));
                }
                schema
            }
        };
        Ok(Self { exchange: Arc::clone(exchange), schema })
    }
}

/// Identifies the tables of a database: its file, and their declarations. An in-memory database has no mark,
/// since another one with the same declarations may use another unit of times.
const MARK: &str = include_str!("../dialect/sqlite/sql/within_mark.sql");

fn mark_of(answers: &[Vec<OwnedRow>], doing: &'static str) -> Answer<Option<String>> {
    #[derive(Deserialize)]
    struct Mark {
        file: Option<String>,
        tables: Option<String>,
    }
    let row = answers.first().and_then(|rows| rows.first());
    let text = row.and_then(|row| row.cell(0).into_text());
    let mark = text.and_then(|text| serde_json::from_str(&text).ok());
    let Mark { file, tables } = mark.ok_or_else(|| odd(doing))?;
    Ok(file.zip(tables).map(|(file, tables)| format!("{file}\n{tables}")))
}

async fn look(exchange: &Arc<Exchange>, unit: Option<TimestampUnit>) -> Answer<Schema> {
    let answers = ask(exchange, &Look::questions(), "reading the schema").await?;
    let mut look = Look::read(&answers, unit);
    let samples = look.samples();
    let answers = match samples.is_empty() {
        true => Vec::new(),
        false => ask(exchange, &samples, "looking for the unit of timestamps").await?,
    };
    Ok(look.finish(&answers)?)
}

/// Runs statements. Returns the rows of each.
async fn ask(
    exchange: &Exchange,
    statements: &[Statement<'_>],
    doing: &'static str,
) -> Answer<Vec<Vec<OwnedRow>>> {
    run(exchange, statements.iter().map(inline).collect(), doing).await
}

async fn run(
    exchange: &Exchange,
    texts: Vec<String>,
    doing: &'static str,
) -> Answer<Vec<Vec<OwnedRow>>> {
    let most = texts.len();
    let replies = exchange.ask(texts).await.map_err(|error| failure(&error, doing))?;
    let read = |rows: Vec<String>| rows.iter().map(|row| read_row(row, doing)).collect();
    let rows = replies.into_iter().map(read).collect::<Answer<Vec<_>>>()?;
    if rows.len() == most { Ok(rows) } else { Err(odd(doing)) }
}

/// A row from JavaScript: a JSON array of its values, with a BLOB as `{"$bytes":"00ff"}`.
fn read_row(row: &str, doing: &'static str) -> Answer<OwnedRow> {
    let values: Vec<Json> = serde_json::from_str(row).map_err(|_| odd(doing))?;
    let cell = |value: Json| match value {
        Json::Null => Some(Cell::Null),
        Json::Bool(value) => Some(i64::from(value).into()),
        Json::Number(number) => {
            number.as_i64().map(Cell::from).or_else(|| number.as_f64().map(Cell::from))
        }
        Json::String(text) => Some(text.into()),
        Json::Object(object) => match object.get("$bytes") {
            Some(Json::String(hex)) => from_hex(hex).map(|bytes| Cell::Blob(bytes.into())),
            _ => object.get("$integer")?.as_str()?.parse::<i64>().ok().map(Cell::from),
        },
        Json::Array(_) => None,
    };
    values.into_iter().map(|value| cell(value).ok_or_else(|| odd(doing))).collect()
}

impl Wire for Transaction {
    fn schema(&self) -> Result<&Schema> {
        Ok(&self.schema)
    }

    fn ask<'a>(
        &'a mut self,
        statements: &'a [Statement<'a>],
        doing: &'static str,
    ) -> FutureRows<'a> {
        Box::pin(async move { ask(&self.exchange, statements, doing).await })
    }

    fn change<'a>(
        &'a mut self,
        changes: &'a [Change<'a>],
        then: &'a [Statement<'a>],
    ) -> FutureRows<'a> {
        Box::pin(async move {
            let written =
                |change: &Change<'_>| format!("{} RETURNING 1", inline(&change.statement));
            let texts = changes.iter().map(written).chain(then.iter().map(inline)).collect();
            let made = run(&self.exchange, texts, "writing").await.and_then(|mut rows| {
                let replies = rows.split_off(changes.len());
                let mut made = changes.iter().zip(&rows);
                made.try_for_each(|(change, rows)| as_planned(rows.len(), change))?;
                Ok(replies)
            });
            if made.is_err() {
                self.exchange.undo_writes().await;
            }
            made
        })
    }

    /// What was read belongs to the app's transaction.
    fn undo(&mut self) {}
}

/// Rejects another number of changed rows than planned. The facts were loaded in this transaction, so a
/// trigger of the app must be the cause.
fn as_planned(changes: usize, &Change { rows, what, .. }: &Change<'_>) -> Answer<()> {
    if changes == rows {
        return Ok(());
    }
    Err(Failure::Refused(Error::Database {
        doing: "writing",
        database_code: "SQLITE_DONE".to_owned(),
        message: format!(
            "{what} changed {changes} rows instead of {rows}; roll back, and look for a trigger that stops it"
        ),
        retryable: false,
    }))
}

/// The failure of the app's transaction. It can't be retried here.
fn failure(error: &ClientError, doing: &'static str) -> Failure {
    let Some(code) = error.code.as_deref().filter(|code| code.starts_with("SQLITE_")) else {
        return client_error(error, doing);
    };
    Failure::Refused(match error_of(code.to_owned(), error.message.clone(), doing) {
        Error::DatabaseBusy { wait, message } => Error::DatabaseBusy {
            wait,
            message: format!(
                "{message}; a transaction that may write must begin so (BEGIN IMMEDIATE); roll back and repeat it"
            ),
        },
        Error::TransactionNoCollision => Error::DatabaseBusy {
            wait: Wait::Conflict,
            message:
                "another transaction has taken the transaction number; repeat the whole transaction"
                    .to_owned(),
        },
        other => other,
    })
}
