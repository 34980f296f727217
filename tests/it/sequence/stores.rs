//! The stores, side by side. The engine's own functions call each of them, at a time of the test's choice.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use media_credits::domain::plan::{Plan, Verb};
use media_credits::domain::table::TableName;
use media_credits::engine::{
    Charging, Clock, Ids, Outcome, Read, Write, charge_each, local, remote,
};
use media_credits::error::Result;
use media_credits::storage::account::{Account, WantedAccount, Whose, in_draw_order};
use media_credits::storage::failure::{Answer, Failure};
use media_credits::storage::location::{Location, Place};
use media_credits::storage::server::Server;
use media_credits::storage::sqlite::{Database, Durability, Options};
use media_credits::storage::store::{LoadFacts, Store, Wanted};
use media_credits::storage::times::TimestampUnit::{self, Milliseconds, Seconds};
use media_credits::storage::{libsql, mysql, postgres};

use super::over_wire::Behind;
use crate::common::{add_user, change_row, ledger, ready, text};
use crate::libsql::server::Server as LibsqlServer;
use crate::memory::Memory;
use crate::mysql_server;
use crate::postgres_server;
use crate::servers::wait;

/// A store as the engine sees it, and changes by the app's own code.
pub(super) trait Subject {
    fn write(&mut self, change: &Write, now_ms: i64) -> Result<Outcome>;
    fn read(&mut self, question: &Read, now_ms: i64) -> Result<Outcome>;
    /// The outcomes of several reads, concurrently where that takes less time.
    fn read_all(&mut self, questions: &[Read], now_ms: i64) -> Vec<Result<Outcome>> {
        questions.iter().map(|question| self.read(question, now_ms)).collect()
    }
    /// Makes requests in one transaction, each accepted or refused separately.
    fn charge_each(&mut self, requests: &[&Charging], now_ms: i64) -> Result<Vec<Result<Outcome>>>;
    /// Writes any plan.
    fn write_plan(&mut self, plan: &Plan, now_ms: i64) -> Result<()>;
    /// Reads the facts for a change of accounts, and changes nothing.
    fn account(&mut self, wanted: &WantedAccount<'_>) -> Result<Account>;
    /// Deletes all rows, and adds these users.
    fn start(&mut self, users: &[&str]);
    /// The app's own code changes a status.
    fn set_status(&mut self, table: TableName, id: &str, status: &str);
}

/// Writes a plan in a transaction that has begun with some facts.
pub(super) async fn write_plan(store: &mut dyn Store, plan: &Plan, now_ms: i64) -> Answer<()> {
    let credits = [(plan.user_id.as_str(), 0)].into_iter().collect();
    store
        .charge_facts(&Wanted { credits, full_timeout: true, ..Wanted::default() }, now_ms)
        .await?;
    store.write(&[plan], now_ms).await.map(drop)
}

/// Reads accounts, and the same rows once more inside the transaction.
pub(super) async fn account(store: &mut dyn Store, of: &WantedAccount<'_>) -> Answer<Account> {
    let mut found = store.account(of).await?;
    if let Whose::User(user_id) = of.whose {
        let again = store.rows_of(user_id, &of.picks).await?;
        assert_eq!(again.len(), found.rows.len());
    }
    store.roll_back();
    in_draw_order(&mut found.rows);
    Ok(found)
}

/// Whether a user's rows are deleted with the user.
pub(super) const CLEAR_SQLITE: &str = r#"PRAGMA foreign_keys = ON; DELETE FROM "user";"#;

/// All of them. One SQLite file has times in milliseconds, one in seconds. `database` names the one on the server.
pub(super) fn all(folder: &Path, database: &str) -> Vec<(&'static str, Box<dyn Subject>)> {
    vec![
        ("memory", Box::new(InMemory::new())),
        ("SQLite", Box::new(OnSqlite::new(folder, Milliseconds))),
        ("SQLite, in seconds", Box::new(OnSqlite::new(folder, Seconds))),
        ("SQLite behind a wire", Box::new(Behind::new(folder))),
        ("PostgreSQL", Box::new(on_postgres(database))),
        ("MySQL", Box::new(on_mysql(database))),
        ("libSQL", Box::new(on_libsql())),
    ]
}

struct InMemory {
    memory: Memory,
    ids: Ids,
}

impl InMemory {
    fn new() -> Self {
        let declared = ledger(&[], None).unwrap();
        Self { memory: Memory::new(declared.schema().unwrap()), ids: Ids::new() }
    }
}

impl Subject for InMemory {
    fn write(&mut self, change: &Write, now_ms: i64) -> Result<Outcome> {
        local::write(&mut self.memory, change, Clock { now_ms, ids: &self.ids })
    }

    fn charge_each(&mut self, requests: &[&Charging], now_ms: i64) -> Result<Vec<Result<Outcome>>> {
        let clock = Clock { now_ms, ids: &self.ids };
        ready(charge_each(&mut self.memory, requests, clock)).map_err(Failure::into_error)
    }

    fn read(&mut self, question: &Read, now_ms: i64) -> Result<Outcome> {
        local::read(&mut self.memory, question, now_ms)
    }

    fn write_plan(&mut self, plan: &Plan, now_ms: i64) -> Result<()> {
        ready(write_plan(&mut self.memory, plan, now_ms)).map_err(Failure::into_error)
    }

    fn account(&mut self, wanted: &WantedAccount<'_>) -> Result<Account> {
        ready(account(&mut self.memory, wanted)).map_err(Failure::into_error)
    }

    fn start(&mut self, users: &[&str]) {
        self.memory = Memory::new(self.memory.schema().unwrap());
        users.iter().for_each(|user| add_user(&mut self.memory, user).unwrap());
    }

    fn set_status(&mut self, table: TableName, id: &str, status: &str) {
        let status = [("status", text(status))];
        change_row(&mut self.memory, Verb::Update, (table, id), &status).unwrap();
    }
}

pub(super) fn start_sql(clear: &str, users: &[&str]) -> String {
    let add = |user: &&str| {
        format!(r#"INSERT INTO "user" (id, name, email) VALUES ('{user}', '{user}', '{user}');"#)
    };
    [clear.to_owned()].into_iter().chain(users.iter().map(add)).collect()
}

pub(super) fn status_sql(table: TableName, id: &str, status: &str) -> String {
    // A server may change a time along with a row.
    let set = format!("status = '{status}', updated_at = updated_at");
    format!(r#"UPDATE "{}" SET {set} WHERE id = '{id}'"#, table.sql())
}

struct OnSqlite {
    database: Database,
    ids: Ids,
    /// The app's own connection.
    app: rusqlite::Connection,
}

impl OnSqlite {
    fn new(folder: &Path, unit: TimestampUnit) -> Self {
        let path = folder.join(format!("{}.db", unit.as_str()));
        let options = Options {
            timestamp_unit: Some(unit),
            durability: Durability::Normal,
            ..Options::default()
        };
        let database = Database::create(&Place::File(path.clone()), options, &TableName::ALL);
        let app = rusqlite::Connection::open(path).unwrap();
        Self { database: database.unwrap(), ids: Ids::new(), app }
    }
}

impl OnSqlite {
    fn transact<T>(&mut self, change: impl FnOnce(&mut Database, &Ids) -> Result<T>) -> Result<T> {
        self.database.begin_write()?;
        let outcome = change(&mut self.database, &self.ids);
        match &outcome {
            Ok(_) => self.database.commit()?,
            Err(_) => self.database.rollback(),
        }
        outcome
    }
}

impl Subject for OnSqlite {
    fn write(&mut self, change: &Write, now_ms: i64) -> Result<Outcome> {
        self.transact(|database, ids| local::write(database, change, Clock { now_ms, ids }))
    }

    fn charge_each(&mut self, requests: &[&Charging], now_ms: i64) -> Result<Vec<Result<Outcome>>> {
        self.transact(|database, ids| {
            ready(charge_each(database, requests, Clock { now_ms, ids }))
                .map_err(Failure::into_error)
        })
    }

    fn write_plan(&mut self, plan: &Plan, now_ms: i64) -> Result<()> {
        let write = |database: &mut Database, _: &Ids| {
            ready(write_plan(database, plan, now_ms)).map_err(Failure::into_error)
        };
        self.transact(write)
    }

    fn read(&mut self, question: &Read, now_ms: i64) -> Result<Outcome> {
        self.database.begin_read()?;
        let outcome = local::read(&mut self.database, question, now_ms);
        self.database.commit()?;
        outcome
    }

    fn account(&mut self, wanted: &WantedAccount<'_>) -> Result<Account> {
        self.transact(|database, _| ready(account(database, wanted)).map_err(Failure::into_error))
    }

    fn start(&mut self, users: &[&str]) {
        self.app.execute_batch(&start_sql(CLEAR_SQLITE, users)).unwrap();
    }

    fn set_status(&mut self, table: TableName, id: &str, status: &str) {
        self.app.execute_batch(&status_sql(table, id, status)).unwrap();
    }
}

/// A server, and what runs the app's own statements there.
struct OnServer<S> {
    server: Arc<S>,
    ids: Ids,
    run: Box<dyn Fn(&str)>,
    /// The statement that deletes all rows.
    clear: &'static str,
}

fn on_postgres(database: &str) -> OnServer<postgres::Database> {
    let url = postgres_server::database(&format!("{database}_{}", std::process::id()));
    let Location::Postgres(location) = Location::parse(&url).unwrap() else {
        panic!("another storage");
    };
    let server = postgres::Database::new(&location, postgres::Options::default()).unwrap();
    let run = Box::new(move |sql: &str| drop(postgres_server::sql(&url, sql)));
    OnServer::new(server, run, r#"TRUNCATE "user" CASCADE;"#)
}

fn on_mysql(database: &str) -> OnServer<mysql::Database> {
    let url = mysql_server::database(database);
    let server = mysql_server::open(&url, mysql::Options::default());
    let run = Box::new(move |sql: &str| {
        drop(mysql_server::sql(&url, &format!("SET sql_mode = 'ANSI_QUOTES'; {sql}")));
    });
    // A user's rows are deleted with the user.
    OnServer::new(server, run, r#"DELETE FROM "user";"#)
}

fn on_libsql() -> OnServer<libsql::Database> {
    let app = LibsqlServer::new();
    let Location::Libsql(location) = Location::parse(&app.url).unwrap() else {
        panic!("another storage");
    };
    let server = libsql::Database::new(&location, libsql::Options::default()).unwrap();
    let run = Box::new(move |sql: &str| app.run(sql));
    // Its tables exist.
    OnServer { server: Arc::new(server), ids: Ids::new(), run, clear: CLEAR_SQLITE }
}

impl<S: Server> OnServer<S> {
    fn new(server: S, run: Box<dyn Fn(&str)>, clear: &'static str) -> Self {
        wait(server.create_tables(&TableName::ALL)).unwrap();
        Self { server: Arc::new(server), ids: Ids::new(), run, clear }
    }

    async fn session(&self) -> Answer<S::Session> {
        self.server.session(self.server.deadline(Instant::now())).await
    }

    /// Without locks, a request whose facts the app has changed since is made again.
    fn attempt<T>(&self, made: impl AsyncFn() -> Answer<T>) -> Result<T> {
        wait(async {
            match made().await {
                Err(Failure::Conflict(_)) if !S::LOCKS => made().await,
                outcome => outcome,
            }
        })
        .map_err(Failure::into_error)
    }
}

impl<S: Server> Subject for OnServer<S> {
    fn write(&mut self, change: &Write, now_ms: i64) -> Result<Outcome> {
        let clock = Clock { now_ms, ids: &self.ids };
        self.attempt(async || remote::write(&self.server, change, clock).await)
    }

    fn charge_each(&mut self, requests: &[&Charging], now_ms: i64) -> Result<Vec<Result<Outcome>>> {
        let clock = Clock { now_ms, ids: &self.ids };
        self.attempt(async || charge_each(&mut self.session().await?, requests, clock).await)
    }

    fn read(&mut self, question: &Read, now_ms: i64) -> Result<Outcome> {
        wait(remote::read(&self.server, question, now_ms)).map_err(Failure::into_error)
    }

    fn read_all(&mut self, questions: &[Read], now_ms: i64) -> Vec<Result<Outcome>> {
        let read = |question| remote::read(&self.server, question, now_ms);
        let answers = wait(futures_util::future::join_all(questions.iter().map(read)));
        answers.into_iter().map(|answer| answer.map_err(Failure::into_error)).collect()
    }

    fn write_plan(&mut self, plan: &Plan, now_ms: i64) -> Result<()> {
        self.attempt(async || write_plan(&mut self.session().await?, plan, now_ms).await)
    }

    fn account(&mut self, wanted: &WantedAccount<'_>) -> Result<Account> {
        self.attempt(async || account(&mut self.session().await?, wanted).await)
    }

    fn start(&mut self, users: &[&str]) {
        (self.run)(&start_sql(self.clear, users));
    }

    fn set_status(&mut self, table: TableName, id: &str, status: &str) {
        (self.run)(&status_sql(table, id, status));
    }
}
