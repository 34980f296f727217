//! Three stores, side by side: any sequence of requests has the same outcomes on each.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::time::UNIX_EPOCH;

use media_credits::domain;
use media_credits::domain::credits::Credits;
use media_credits::domain::options::RefundPolicy;
use media_credits::domain::settle::Settlement;
use media_credits::domain::table::TableName;
use media_credits::domain::table::TaskKind::Media;
use media_credits::domain::value::{Fields, Value};
use media_credits::engine::local::{read, write};
use media_credits::engine::{
    Clock, Connection, Ids, Operation, Outcome, Read, Reply, Settings, UserRead, Write,
};
use media_credits::error::{Detail, Error, Result};
use media_credits::storage::location::Location;
use media_credits::storage::store::LoadFacts;
use media_credits::storage::{Filter, Page, Row};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::{
    column, consume, credits_of, fields, grant, ledger, number, task_on_trial, text, update_task,
    update_task_with,
};
use crate::memory::Memory;
use crate::postgres_server::{database, sql};

/// A storage as its engine shows it, and a way to add what the engine does not make: users.
struct Storage {
    run: Box<dyn Fn(Operation) -> Result<Outcome>>,
    add_user: Box<dyn Fn(&str)>,
}

const ADD_USER: &str = r#"INSERT INTO "user" (id, name, email) VALUES ('#', '#', '#')"#;

impl Storage {
    fn open(url: &str, add_user: Box<dyn Fn(&str)>) -> Self {
        let location = Location::parse(url).unwrap();
        let connection = Connection::open(&location, &Settings::default()).unwrap();
        let run = move |operation| {
            let (sender, receiver) = channel();
            let reply = Reply::new(move |outcome| sender.send(outcome).unwrap());
            connection.submit(operation, reply);
            receiver.recv().unwrap()
        };
        run(Operation::CreateTables(TableName::ALL.to_vec())).unwrap();
        Self { run: Box::new(run), add_user }
    }

    fn memory() -> Self {
        let declared = ledger(&[], None).unwrap();
        let memory = Rc::new(RefCell::new(Memory::new(declared.schema().unwrap())));
        let ids = Ids::new();
        let run = {
            let memory = Rc::clone(&memory);
            move |operation| {
                let now_ms = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
                let store = &mut *memory.borrow_mut();
                match operation {
                    Operation::Write(change) => write(store, &change, Clock { now_ms, ids: &ids }),
                    Operation::Read(question) => read(store, &question, now_ms),
                    other => panic!("{other:?} is not for a store"),
                }
            }
        };
        let add_user = move |id: &str| memory.borrow_mut().add_user(id);
        Self { run: Box::new(run), add_user: Box::new(add_user) }
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
        (self.run)(operation)
    }

    /// What a request came to, without what no two storages have in common: ids and times.
    fn summary(&self, operation: Operation) -> String {
        match self.run(operation) {
            Ok(outcome) => summary(&outcome),
            Err(error) => format!("{} {:?}", error.code(), numbers(&error)),
        }
    }
}

fn summary(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Row(row) => format!("{:?}", row.as_ref().map(content)),
        Outcome::Replayed(row) => format!("replayed {}", content(row)),
        Outcome::Updated(row, refund) => {
            let refund = refund.as_ref().map(|refund| {
                let regranted = refund.regranted.as_ref().map(|regrant| regrant.credits);
                let skipped: Vec<_> =
                    refund.skipped.iter().map(|skip| (skip.credits, skip.reason)).collect();
                (refund.credits, refund.spendable, regranted, skipped)
            });
            format!("{} {refund:?}", content(row))
        }
        Outcome::Rows(rows) => {
            let mut contents: Vec<String> = rows.iter().map(content).collect();
            contents.sort();
            contents.join("\n")
        }
        Outcome::Quote(quote) => {
            let draws: Vec<_> = quote.draws.iter().map(|draw| draw.credits_consumed).collect();
            format!("{} {draws:?} {:?}", quote.available, quote.next_expiry)
        }
        Outcome::All(outcomes) => outcomes.iter().map(summary).collect::<Vec<_>>().join("; "),
        other => format!("{other:?}"),
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
        replay: bool,
        limits: Limits,
    },
    /// Tasks with these ids, all or none.
    Tasks {
        user: usize,
        ids: Vec<usize>,
        cost: i64,
        limits: Limits,
    },
    Update {
        id: usize,
        status: &'static str,
        only_if: Option<&'static str>,
        regrants: bool,
    },
    Further {
        id: usize,
        credits: i64,
        status: &'static str,
    },
    Settle {
        id: usize,
        credits: i64,
    },
    /// Gives back a part of the user's largest charge, or all of it.
    Refund {
        user: usize,
        credits: Option<i64>,
    },
    Charges {
        id: usize,
    },
    Quote {
        user: usize,
        credits: i64,
    },
    /// Hands a task the last charge of its user or of the other.
    Charge {
        id: usize,
        user: usize,
        status: &'static str,
    },
}

/// The limits of a plan, with which a task is created.
#[derive(Debug, Clone)]
struct Limits {
    active: Option<i64>,
    /// A free trial, of so many.
    trials: Option<i64>,
}

impl Limits {
    fn options(&self, replay: bool) -> Fields {
        let limit = |limit: Option<i64>| limit.map_or(Value::Null, Value::Integer);
        fields(&[
            ("replay", Value::Bool(replay)),
            ("maxActive", limit(self.active)),
            ("freeTrialLimit", limit(self.trials)),
        ])
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    (prop::option::of(0..4_i64), prop::option::weighted(0.3, 0..4_i64))
        .prop_map(|(active, trials)| Limits { active, trials })
}

const USERS: [&str; 3] = ["ada", "bob", "nobody"];

fn step() -> impl Strategy<Value = Step> {
    let user = 0..USERS.len();
    let id = 0..8_usize;
    let status = prop::sample::select(vec!["processing", "translating", "failed", "completed"]);
    prop_oneof![
        3 => (user.clone(), 1..60_i64, prop::option::of(-1..9_i64))
            .prop_map(|(user, credits, days)| Step::Grant { user, credits, days }),
        3 => (user.clone(), 1..80_i64).prop_map(|(user, credits)| Step::Consume { user, credits }),
        4 => (user.clone(), id.clone(), 0..4_i64, any::<bool>(), limits())
            .prop_map(|(user, id, cost, replay, limits)| {
                Step::Task { user, id, cost: cost * 15, replay, limits }
            }),
        1 => (user.clone(), prop::collection::vec(id.clone(), 0..4), 0..30_i64, limits())
            .prop_map(|(user, ids, cost, limits)| Step::Tasks { user, ids, cost, limits }),
        4 => (id.clone(), status.clone(), prop::option::of(status.clone()), any::<bool>())
            .prop_map(|(id, status, only_if, regrants)| {
                Step::Update { id, status, only_if, regrants }
            }),
        2 => (id.clone(), 0..40_i64, status.clone())
            .prop_map(|(id, credits, status)| Step::Further { id, credits, status }),
        2 => (id.clone(), 0..40_i64).prop_map(|(id, credits)| Step::Settle { id, credits }),
        1 => (user.clone(), prop::option::of(1..40_i64))
            .prop_map(|(user, credits)| Step::Refund { user, credits }),
        1 => id.clone().prop_map(|id| Step::Charges { id }),
        1 => (user.clone(), 1..80_i64).prop_map(|(user, credits)| Step::Quote { user, credits }),
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
            Self::Task { user, id, cost, replay, limits } => {
                let (options, trial) = (limits.options(*replay), limits.trials.is_some());
                Write::Charge(task_on_trial(&task(id), &name(user), *cost, trial, &options))
            }
            Self::Tasks { user, ids, cost, limits } => {
                let (options, trial) = (limits.options(true), limits.trials.is_some());
                let one = |id| task_on_trial(&task(id), &name(user), *cost, trial, &options);
                Write::AtomicBatch(ids.iter().map(one).collect())
            }
            Self::Update { id, status, only_if, regrants } => {
                let days = Value::Json(r#"{"regrantDays":7}"#.to_owned());
                let policy = if *regrants { days } else { text("source") };
                let only_if = only_if.map(|status| ("ifStatus", text(status)));
                let options: Vec<_> =
                    [("refundPolicy", policy)].into_iter().chain(only_if).collect();
                update_task_with(&task(id), &[("status", text(status))], &options)
            }
            Self::Further { id, credits, status } => {
                let charge = fields(&[("credits", Value::Integer(*credits))]);
                let patch = fields(&[("status", text(status))]);
                match domain::task::StepCharge::parse(
                    Media,
                    task(id),
                    &charge,
                    patch,
                    &Fields::default(),
                ) {
                    Ok(step) => Write::StepCharge(step),
                    Err(_) => return list_credits(&name(&0)),
                }
            }
            Self::Settle { id, credits } => {
                let (credits, none) = (Value::Integer(*credits), Fields::default());
                let policy = RefundPolicy::Source;
                let settled = Settlement::of_task(Media, task(id), Some(&credits), &none, policy);
                Write::Settle(settled.unwrap())
            }
            Self::Refund { user, credits } => {
                let charge = last_charge(storage, &name(user)).unwrap_or_else(|| "none".to_owned());
                let (credits, none) = (credits.map(Value::Integer), Fields::default());
                let policy = RefundPolicy::Source;
                let refund = Settlement::of_charge(charge, credits.as_ref(), &none, policy);
                Write::Settle(refund.unwrap())
            }
            Self::Charges { id } => return Operation::Read(Read::TaskCharges(Media, task(id))),
            Self::Quote { user, credits } => {
                let credits = Credits::parse("credits", Some(&Value::Integer(*credits))).unwrap();
                return Operation::Read(Read::OfUser(name(user), UserRead::Quote(credits)));
            }
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
    Operation::Read(Read::List(credits_of(user), Page::whole(1, 1000)))
}

/// What left a user's grants less what active charges drew, and whether each grant holds between
/// nothing and what was granted.
fn accounts(storage: &Storage, user: &str) -> (i64, bool) {
    let Ok(Outcome::Rows(rows)) = storage.run(list_credits(user)) else { panic!("no rows") };
    let (mut difference, mut sound) = (0, true);
    for row in &rows {
        let (credits, remaining) = (number(row, "credits"), number(row, "remainingCredits"));
        if row.text("transactionType") == Some("grant") {
            difference += credits - remaining;
            sound &= (0..=credits).contains(&remaining);
        } else if row.text("status") == Some("active") {
            let draws = row.as_charge().draws().unwrap();
            let drawn: i64 = draws.iter().map(|draw| draw.credits_consumed).sum();
            sound &= drawn == -credits;
            difference -= drawn;
        }
    }
    (difference, sound)
}

/// How many free trials the user has used, and how many tasks that took one have not failed.
fn trials(storage: &Storage, user: &str) -> (i64, usize) {
    let find = Operation::Read(Read::Find(TableName::User, user.to_owned()));
    let used = match storage.run(find) {
        Ok(Outcome::Row(row)) => row.map_or(0, |row| number(&row, "freeTrialUsed")),
        other => panic!("{other:?}"),
    };
    let filter = Filter { table: TableName::Tasks(Media), ..credits_of(user) };
    let list = Operation::Read(Read::List(filter, Page::whole(1, 1000)));
    let Ok(Outcome::Rows(tasks)) = storage.run(list) else { panic!("no rows") };
    let counts = |task: &&Row| {
        *column(task, "isFreeTrial") == Value::Bool(true) && task.text("status") != Some("failed")
    };
    (used, tasks.iter().filter(counts).count())
}

#[test]
fn any_sequence_has_the_same_outcomes_on_each() {
    const NOW_MS: i64 = 4_102_444_800_000; // 2100: far enough for a day more or less.
    let folder = tempfile::tempdir().unwrap();
    let storages = [Storage::memory(), Storage::sqlite(folder.path()), Storage::postgres()];
    let cases = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 40, ..Config::default() });
    let steps = prop::collection::vec(step(), 1..40);
    let outcome = runner.run(&steps, |steps| {
        let case = cases.replace(cases.get() + 1).to_string();
        for storage in &storages {
            USERS[..2].iter().for_each(|user| (storage.add_user)(&format!("{user}-{case}")));
        }
        for step in &steps {
            let [memory, others @ ..] = storages
                .each_ref()
                .map(|storage| storage.summary(step.operation(storage, &case, NOW_MS)));
            others.iter().try_for_each(|other| {
                prop_assert_eq!(&memory, other, "{:?}", step);
                Ok(())
            })?;
        }
        for user in USERS {
            let user = format!("{user}-{case}");
            for question in [
                Operation::Read(Read::OfUser(user.clone(), UserRead::BalanceTotal)),
                list_credits(&user),
            ] {
                let [memory, others @ ..] =
                    storages.each_ref().map(|storage| storage.summary(question.clone()));
                prop_assert!(others.iter().all(|other| *other == memory), "{memory} {others:?}");
            }
            for storage in &storages {
                prop_assert_eq!(accounts(storage, &user), (0, true), "{}", user);
            }
            let [memory, others @ ..] = storages.each_ref().map(|storage| trials(storage, &user));
            prop_assert_eq!([memory, memory], others, "{}", user);
            // Those whose further step has failed are used, and none any more.
            prop_assert!(memory.0 >= i64::try_from(memory.1).unwrap(), "{} {:?}", user, memory);
        }
        Ok(())
    });
    outcome.unwrap();
}
