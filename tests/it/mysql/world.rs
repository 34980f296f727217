//! A database on the server, and calls to it.

use std::sync::mpsc::Receiver;
use std::time::{SystemTime, UNIX_EPOCH};

use media_credits::domain::paying::Paying;
use media_credits::domain::table::TableName;
use media_credits::engine::{Operation, Outcome, Read, Settings, Share, UserRead, Write};
use media_credits::error::Result;
use media_credits::storage::Row;
use media_credits::storage::books::UserRange;
use media_credits::storage::location::Location;
use media_credits::storage::mysql::Options;
use serde_json::Value as Json;

use crate::common::{credits_of, run, send};
use crate::mysql_server;

pub(super) struct World {
    pub(super) url: String,
    pub(super) connection: Box<dyn Share>,
}

pub(super) fn open(url: &str, options: Options) -> Box<dyn Share> {
    let mut settings = Settings::default();
    settings.mysql.database = options;
    settings.open(&Location::parse(url).unwrap()).unwrap()
}

pub(super) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

impl World {
    /// The tables as `createTables` makes them, changed by these statements, and these users.
    pub(super) fn new(name: &str, changes: &str, users: &[&str]) -> Self {
        Self::with(name, Options::default(), (changes, users))
    }

    pub(super) fn with(name: &str, options: Options, (changes, users): (&str, &[&str])) -> Self {
        let url = mysql_server::database(name);
        let connection = open(&url, options);
        run(&*connection, Operation::CreateTables(TableName::ALL.to_vec())).unwrap();
        let world = Self { url, connection };
        if !changes.is_empty() {
            world.sql(changes);
        }
        users.iter().for_each(|user| world.add_user(user));
        world
    }

    pub(super) fn sql(&self, statements: &str) -> Option<String> {
        mysql_server::sql(&self.url, statements)
    }

    pub(super) fn add_user(&self, id: &str) {
        self.sql(&format!("INSERT INTO `user` (id, name, email) VALUES ('{id}', '', UUID())"));
    }

    pub(super) fn write(&self, write: Write) -> Result<Outcome> {
        run(&*self.connection, Operation::Write(write))
    }

    pub(super) fn send(&self, write: Write) -> Receiver<Result<Outcome>> {
        send(&*self.connection, Operation::Write(write))
    }

    pub(super) fn read(&self, read: Read) -> Result<Outcome> {
        run(&*self.connection, Operation::Read(read))
    }

    /// The balance of a user. Checks the invariants.
    pub(super) fn balance(&self, user: &str) -> i64 {
        match self.read(Read::Audit(UserRange::User(user.to_owned()))).unwrap() {
            Outcome::Audited(audited) => assert_eq!(audited.findings, [], "{user}"),
            other => panic!("{other:?} is no audit"),
        }
        match self
            .read(Read::OfUser(user.to_owned(), UserRead::BalanceTotal(Paying::default())))
            .unwrap()
        {
            Outcome::Number(balance) => balance,
            other => panic!("{other:?} is no balance"),
        }
    }

    pub(super) fn credits(&self, user: &str) -> i64 {
        match self.read(Read::Count(credits_of(user))).unwrap() {
            Outcome::Number(count) => count,
            other => panic!("{other:?} is no number"),
        }
    }

    pub(super) fn find(&self, table: TableName, id: &str) -> Option<Row> {
        match self.read(Read::Find(table, id.to_owned())).unwrap() {
            Outcome::Row(row) => row,
            other => panic!("{other:?} is no row"),
        }
    }

    /// How often the engine has retried for this reason.
    pub(super) fn retries(&self, reason: &str) -> u64 {
        match run(&*self.connection, Operation::Stats).unwrap() {
            Outcome::Stats(Json::Object(stats)) => stats["retries"][reason].as_u64().unwrap(),
            other => panic!("{other:?} is no report"),
        }
    }
}

/// The outcome for a caller: `done`, or an error's code.
pub(super) fn told(outcome: &Result<Outcome>) -> &'static str {
    outcome.as_ref().map_or_else(|error| error.code(), |_| "done")
}
