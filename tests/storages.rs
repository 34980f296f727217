//! Both storages, side by side: any sequence of requests has the same outcomes on each.

use std::sync::mpsc::channel;

use media_credits::domain::value::Value;
use media_credits::engine::{Connection, Operation, Outcome, Read, Reply, Settings, Write};
use media_credits::error::{Detail, Error, Result};
use media_credits::storage::location::Location;
use media_credits::storage::{Page, Row};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::{column, consume, create_task, credits_of, grant, number, text, update_task};
use crate::postgres_server::{database, sql};

/// A storage as its engine shows it, and a way to add what the engine does not make: users.
struct Storage {
    connection: Connection,
    add_user: Box<dyn Fn(&str)>,
}

const ADD_USER: &str = r#"INSERT INTO "user" (id, name, email) VALUES ('#', '#', '#')"#;

impl Storage {
    fn open(url: &str, add_user: Box<dyn Fn(&str)>) -> Self {
        let location = Location::parse(url).unwrap();
        let connection = Connection::open(&location, &Settings::default()).unwrap();
        let storage = Self { connection, add_user };
        storage.run(Operation::CreateTables).unwrap();
        storage
    }

    fn sqlite(folder: &std::path::Path) -> Self {
        let path = folder.join("local.db");
        let url = format!("file:{}", path.display());
        let add_user = move |id: &str| {
            let raw = rusqlite::Connection::open(&path).unwrap();
            raw.execute_batch(&ADD_USER.replace('#', id)).unwrap();
        };
        Self::open(&url, Box::new(add_user))
    }

    fn postgres() -> Self {
        let url = database(&format!("storages_{}", std::process::id()));
        let add_user = {
            let url = url.clone();
            move |id: &str| drop(sql(&url, &ADD_USER.replace('#', id)))
        };
        Self::open(&url, Box::new(add_user))
    }

    fn run(&self, operation: Operation) -> Result<Outcome> {
        let (sender, receiver) = channel();
        let reply = Reply::new(move |outcome| sender.send(outcome).unwrap());
        self.connection.submit(operation, reply);
        receiver.recv().unwrap()
    }

    /// What a request came to, without what no two storages have in common: ids and times.
    fn summary(&self, operation: Operation) -> String {
        match self.run(operation) {
            Ok(Outcome::Row(row)) => format!("{:?}", row.map(|row| content(&row))),
            Ok(Outcome::Updated(row, refund)) => format!("{} {refund:?}", content(&row)),
            Ok(Outcome::Rows(rows)) => {
                let mut contents: Vec<String> = rows.iter().map(content).collect();
                contents.sort();
                contents.join("\n")
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("{} {:?}", error.code(), numbers(&error)),
        }
    }
}

/// What an error says in numbers. Ids differ.
fn numbers(error: &Error) -> Vec<(&'static str, Detail)> {
    let is_number = |detail: &Detail| matches!(detail, Detail::Number(_));
    error.details().into_iter().filter(|(_, detail)| is_number(detail)).collect()
}

/// A row but for its names and times; of a charge's draws their numbers alone.
fn content(row: &Row) -> String {
    const NAMES: [&str; 4] = ["id", "creditId", "transactionNo", "metadata"];
    let mut parts = Vec::new();
    for column in &row.table.columns {
        let value = self::column(row, &column.key);
        if NAMES.contains(&column.key.as_str()) || matches!(value, Value::TimeMs(_)) {
            continue;
        }
        parts.push(match column.key.as_str() {
            "consumedDetail" if *value != Value::Null => {
                let items: Vec<serde_json::Value> =
                    serde_json::from_str(row.text("consumedDetail").unwrap()).unwrap();
                let number = |item: &serde_json::Value, key: &str| item[key].as_i64().unwrap();
                let drawn = |item| (number(item, "creditsConsumed"), number(item, "creditsAfter"));
                format!("drew {:?}", items.iter().map(drawn).collect::<Vec<_>>())
            }
            key => format!("{key} {value:?}"),
        });
    }
    parts.sort();
    parts.join(", ")
}

#[derive(Debug, Clone)]
enum Step {
    Grant {
        user: usize,
        credits: i64,
        days: Option<i64>,
    },
    Consume {
        user: usize,
        credits: i64,
    },
    Task {
        user: usize,
        id: usize,
        cost: i64,
    },
    Update {
        id: usize,
        status: &'static str,
    },
    /// Hands a task the last charge of its user or of the other.
    Charge {
        id: usize,
        user: usize,
        status: &'static str,
    },
}

const USERS: [&str; 3] = ["ada", "bob", "nobody"];

fn step() -> impl Strategy<Value = Step> {
    let user = 0..USERS.len();
    let id = 0..8_usize;
    let status = prop::sample::select(vec!["processing", "failed", "completed"]);
    prop_oneof![
        3 => (user.clone(), 1..60_i64, prop::option::of(-1..9_i64))
            .prop_map(|(user, credits, days)| Step::Grant { user, credits, days }),
        3 => (user.clone(), 1..80_i64).prop_map(|(user, credits)| Step::Consume { user, credits }),
        4 => (user.clone(), id.clone(), 0..60_i64)
            .prop_map(|(user, id, cost)| Step::Task { user, id, cost }),
        4 => (id.clone(), status.clone()).prop_map(|(id, status)| Step::Update { id, status }),
        2 => (id, user, status).prop_map(|(id, user, status)| Step::Charge { id, user, status }),
    ]
}

impl Step {
    fn operation(&self, storage: &Storage, case: &str, now_ms: i64) -> Operation {
        const DAY_MS: i64 = 86_400_000;
        let name = |user: &usize| format!("{}-{case}", USERS[*user]);
        let task = |id: &usize| format!("task-{id}-{case}");
        let write: Write = match self {
            Self::Grant { user, credits, days } => {
                let expires_at_ms = days.map(|days| now_ms + days * DAY_MS);
                grant(&name(user), *credits, expires_at_ms)
            }
            Self::Consume { user, credits } => consume(&name(user), *credits),
            Self::Task { user, id, cost } => create_task(&task(id), &name(user), *cost),
            Self::Update { id, status } => update_task(&task(id), &[("status", text(status))]),
            Self::Charge { id, user, status } => {
                let charge = last_charge(storage, &name(user)).map_or(Value::Null, Value::Text);
                update_task(&task(id), &[("status", text(status)), ("creditId", charge)])
            }
        };
        Operation::Write(write)
    }
}

/// The user's largest charge, so that both storages take the same one. `None` if two are as large.
fn last_charge(storage: &Storage, user: &str) -> Option<String> {
    let Ok(Outcome::Rows(rows)) = storage.run(list_credits(user)) else { panic!("no rows") };
    let mut charges: Vec<(i64, String)> = rows
        .iter()
        .filter(|row| row.text("transactionType") == Some("consume"))
        .map(|row| (number(row, "credits"), row.text("id").unwrap().to_owned()))
        .collect();
    charges.sort();
    match charges.as_slice() {
        [(credits, _), (same, _), ..] if credits == same => None,
        [(_, id), ..] => Some(id.clone()),
        [] => None,
    }
}

fn list_credits(user: &str) -> Operation {
    Operation::Read(Read::List(credits_of(user), Page { page: 1, limit: 1000 }))
}

#[test]
fn any_sequence_has_the_same_outcomes_on_both() {
    const NOW_MS: i64 = 4_102_444_800_000; // 2100: far enough for a day more or less.
    let folder = tempfile::tempdir().unwrap();
    let storages = [Storage::sqlite(folder.path()), Storage::postgres()];
    let cases = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 40, ..Config::default() });
    let steps = prop::collection::vec(step(), 1..40);
    let outcome = runner.run(&steps, |steps| {
        let case = cases.replace(cases.get() + 1).to_string();
        for storage in &storages {
            USERS[..2].iter().for_each(|user| (storage.add_user)(&format!("{user}-{case}")));
        }
        for step in &steps {
            let [sqlite, postgres] = storages
                .each_ref()
                .map(|storage| storage.summary(step.operation(storage, &case, NOW_MS)));
            prop_assert_eq!(sqlite, postgres, "{:?}", step);
        }
        for user in USERS {
            let user = format!("{user}-{case}");
            for question in [Operation::Read(Read::Balance(user.clone())), list_credits(&user)] {
                let [sqlite, postgres] =
                    storages.each_ref().map(|storage| storage.summary(question.clone()));
                prop_assert_eq!(sqlite, postgres);
            }
        }
        Ok(())
    });
    outcome.unwrap();
}
