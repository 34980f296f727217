//! SQLite behind a wire: each statement is one text without parameters, as an app's client gets it.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, Mutex};

use media_credits::domain::plan::Plan;
use media_credits::domain::table::TableName;
use media_credits::engine::{Charging, Clock, Ids, Outcome, Read, Write, charge_each, local};
use media_credits::error::{Error, Result};
use media_credits::storage::account::{Account, WantedAccount};
use media_credits::storage::dialect::sqlite::Statement;
use media_credits::storage::dialect::sqlite::cell::Cell;
use media_credits::storage::dialect::sqlite::inline::inline;
use media_credits::storage::dialect::sqlite::over_wire::OverWire;
use media_credits::storage::dialect::sqlite::wire::{Change, FutureRows, OwnedRow, Wire};
use media_credits::storage::failure::Failure;
use media_credits::storage::schema::Schema;
use media_credits::storage::sqlite::{Database, Options, Place};
use media_credits::storage::store::LoadFacts;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::stores::{CLEAR_SQLITE, Subject, account, start_sql, status_sql, write_plan};
use crate::common::ready;

pub(super) struct Behind {
    connection: Arc<Mutex<Connection>>,
    store: OverWire,
    ids: Ids,
}

/// Runs texts on a separate connection.
struct Texts {
    connection: Arc<Mutex<Connection>>,
    schema: Schema,
}

impl Texts {
    fn rows(&self, text: &str) -> rusqlite::Result<Vec<OwnedRow>> {
        let connection = self.connection.lock().unwrap();
        let mut statement = connection.prepare(text)?;
        let columns = statement.column_count();
        let read = |row: &rusqlite::Row<'_>| {
            (0..columns).map(|at| row.get(at).map(cell)).collect::<rusqlite::Result<OwnedRow>>()
        };
        statement.query_map([], read)?.collect()
    }
}

fn cell(value: Value) -> Cell<'static> {
    match value {
        Value::Null => Cell::Null,
        Value::Integer(number) => number.into(),
        Value::Real(number) => number.into(),
        Value::Text(text) => text.into(),
        Value::Blob(bytes) => Cell::Blob(Cow::Owned(bytes)),
    }
}

fn failed(error: &rusqlite::Error) -> Failure {
    Failure::Refused(Error::Internal(error.to_string()))
}

impl Wire for Texts {
    fn schema(&self) -> Result<&Schema> {
        Ok(&self.schema)
    }

    fn ask<'a>(&'a mut self, statements: &'a [Statement<'a>], _: &'static str) -> FutureRows<'a> {
        Box::pin(async move {
            let ask = |statement: &Statement<'_>| {
                self.rows(&inline(statement)).map_err(|error| failed(&error))
            };
            statements.iter().map(ask).collect()
        })
    }

    fn change<'a>(
        &'a mut self,
        changes: &'a [Change<'a>],
        then: &'a [Statement<'a>],
    ) -> FutureRows<'a> {
        Box::pin(async move {
            for Change { statement, rows: planned, what } in changes {
                let text = format!("{} RETURNING 1", inline(statement));
                let rows = self.rows(&text).map_err(|error| failed(&error))?;
                if rows.len() != *planned {
                    return Err(
                        Error::Internal(format!("{what} changed {} rows", rows.len())).into()
                    );
                }
            }
            self.ask(then, "reading").await
        })
    }

    fn undo(&mut self) {}
}

impl Behind {
    pub(super) fn new(folder: &Path) -> Self {
        let path = folder.join("behind.db");
        let place = Place::File(path.clone());
        let database = Database::create(&place, Options::default(), &TableName::ALL).unwrap();
        let schema = database.schema().unwrap().clone();
        let connection = Arc::new(Mutex::new(Connection::open(path).unwrap()));
        let store = OverWire::new(Texts { connection: Arc::clone(&connection), schema });
        Self { connection, store, ids: Ids::new() }
    }

    fn run(&self, sql: &str) {
        self.connection.lock().unwrap().execute_batch(sql).unwrap();
    }

    /// A transaction of the app, which it commits if the call is accepted.
    fn transact<T>(&mut self, work: impl FnOnce(&mut OverWire, &Ids) -> Result<T>) -> Result<T> {
        self.run("BEGIN IMMEDIATE");
        let outcome = work(&mut self.store, &self.ids);
        let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
        self.run(end);
        outcome
    }
}

impl Subject for Behind {
    fn write(&mut self, change: &Write, now_ms: i64) -> Result<Outcome> {
        self.transact(|store, ids| local::write(store, change, Clock { now_ms, ids }))
    }

    fn charge_each(&mut self, requests: &[&Charging], now_ms: i64) -> Result<Vec<Result<Outcome>>> {
        self.transact(|store, ids| {
            ready(charge_each(store, requests, Clock { now_ms, ids })).map_err(Failure::into_error)
        })
    }

    fn read(&mut self, question: &Read, now_ms: i64) -> Result<Outcome> {
        self.transact(|store, _| local::read(store, question, now_ms))
    }

    fn write_plan(&mut self, plan: &Plan, now_ms: i64) -> Result<()> {
        let write = |store: &mut OverWire, _: &Ids| {
            ready(write_plan(store, plan, now_ms)).map_err(Failure::into_error)
        };
        self.transact(write)
    }

    fn account(&mut self, wanted: &WantedAccount<'_>) -> Result<Account> {
        self.transact(|store, _| ready(account(store, wanted)).map_err(Failure::into_error))
    }

    fn start(&mut self, users: &[&str]) {
        self.run(&start_sql(CLEAR_SQLITE, users));
    }

    fn set_status(&mut self, table: TableName, id: &str, status: &str) {
        let text = status_sql(table, id, status);
        self.run(&text);
    }
}
