//! Shared code of the storage and engine tests.
#![cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "tests of SQLite use the rest"))]

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use media_credits::domain::call_options::CallOptions;
use media_credits::domain::charge::ChargeRequest;
use media_credits::domain::grant::NewGrant;
use media_credits::domain::options::RefundPolicy;
use media_credits::domain::plan::{Plan, Verb};
use media_credits::domain::table::TableName::{self, User};
use media_credits::domain::table::TaskKind::Media;
use media_credits::domain::task::{NewTask, TaskPatch};
use media_credits::domain::value::{Fields, Value};
use media_credits::engine::local::write;
use media_credits::engine::{Charging, Clock, Ids, Operation, Outcome, ReplySender, Share, Write};
use media_credits::error::Result;
use media_credits::storage::failure::Failure;
#[cfg(feature = "sqlite")]
use media_credits::storage::sqlite::{Database, Options, Place};
use media_credits::storage::store::Store;
#[cfg(feature = "sqlite")]
use media_credits::storage::times::TimestampUnit;
use media_credits::storage::{Filter, Row};

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn fields(pairs: &[(&str, Value)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// A ledger in memory with these users.
#[cfg(feature = "sqlite")]
pub(crate) fn ledger(users: &[&str], timestamp_unit: Option<TimestampUnit>) -> Result<Database> {
    let options = Options { timestamp_unit, ..Options::default() };
    let mut database = Database::create(&Place::Memory, options, &TableName::ALL)?;
    for user in users {
        add_user(&mut database, user)?;
    }
    Ok(database)
}

pub(crate) fn add_user(store: &mut dyn Store, id: &str) -> Result<()> {
    let email = format!("{id}@example.test");
    let row = [("id", text(id)), ("name", text(id)), ("email", text(&email))];
    change_row(store, Verb::Insert, (User, id), &row)
}

/// Writes a row that no request of the engine writes.
pub(crate) fn change_row(
    store: &mut dyn Store,
    verb: Verb,
    (table, id): (TableName, &str),
    row: &[(&str, Value)],
) -> Result<()> {
    let mut plan = Plan::new(id, table, id);
    plan.push(table, verb, id, fields(row));
    ready(store.write(&[&plan], 0)).map(drop).map_err(Failure::into_error)
}

/// The answer of a store that never waits.
pub(crate) fn ready<T>(answer: impl Future<Output = T>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}

pub(crate) fn grant(user: &str, credits: i64, expires_at_ms: Option<i64>) -> Write {
    let row = [
        ("userId", text(user)),
        ("credits", Value::Integer(credits)),
        ("expiresAt", Value::time_or_null(expires_at_ms)),
    ];
    Write::Grant(NewGrant::parse(fields(&row), &Fields::default()).expect("a grant"))
}

pub(crate) fn consume(user: &str, credits: i64) -> Write {
    let parameters = [("userId", text(user)), ("credits", Value::Integer(credits))];
    let request = ChargeRequest::parse(&fields(&parameters), &CallOptions::default());
    Write::Charge(Charging::Consume(request.expect("a charge")))
}

pub(crate) fn create_task(id: &str, user: &str, cost: i64) -> Write {
    Write::Charge(new_task(id, user, cost, &Fields::default()))
}

pub(crate) fn new_task(id: &str, user: &str, cost: i64, options: &Fields) -> Charging {
    let task = [
        ("isFreeTrial", Value::Bool(false)),
        ("id", text(id)),
        ("userId", text(user)),
        ("platform", text("youtube")),
        ("videoUrl", text("https://youtu.be/x")),
    ];
    let options = options.clone().into();
    let task = NewTask::parse(Media, fields(&task), Some(&Value::Integer(cost)), &options);
    Charging::Task(task.expect("a task"))
}

pub(crate) fn update_task(id: &str, patch: &[(&str, Value)]) -> Write {
    update_task_with(id, patch, &[])
}

pub(crate) fn update_task_with(
    id: &str,
    patch: &[(&str, Value)],
    options: &[(&str, Value)],
) -> Write {
    let (options, policy) = (fields(options), RefundPolicy::Source);
    let patch = TaskPatch::parse((Media, id.to_owned()), fields(patch), &options, policy);
    Write::UpdateTask(patch.expect("a patch"))
}

/// Makes one change at a time of the test's choice.
pub(crate) fn apply(ledger: &mut dyn Store, change: &Write, now_ms: i64) -> Result<Outcome> {
    write(ledger, change, Clock { now_ms, ids: &Ids::new() })
}

/// Sends an operation; the outcome comes through the receiver.
pub(crate) fn send(connection: &dyn Share, operation: Operation) -> Receiver<Result<Outcome>> {
    let (sender, receiver) = channel();
    connection.submit(operation, ReplySender::new(move |outcome| sender.send(outcome).unwrap()));
    receiver
}

pub(crate) fn run(connection: &dyn Share, operation: Operation) -> Result<Outcome> {
    send(connection, operation).recv().unwrap()
}

pub(crate) fn close(connection: impl Share) {
    let (sender, closed) = channel::<()>();
    Box::new(connection).close(Box::new(move || drop(sender)));
    let end = closed.recv_timeout(Duration::from_secs(30));
    assert_eq!(end, Err(RecvTimeoutError::Disconnected));
}

/// All credit rows of a user.
pub(crate) fn credits_of(user: &str) -> Filter {
    Filter { table: TableName::Credit, equal: vec![("user_id", user.to_owned())] }
}

/// A column of a row, by its name in JavaScript.
pub(crate) fn column<'a>(row: &'a Row, key: &str) -> &'a Value {
    let at = row.table.columns.iter().position(|column| column.key == key);
    &row.values[at.unwrap_or_else(|| panic!("no column {key}"))]
}

pub(crate) fn number(row: &Row, key: &str) -> i64 {
    match column(row, key) {
        Value::Integer(number) => *number,
        other => panic!("{key} is {other:?}"),
    }
}

pub(crate) fn is_active(row: &Row) -> bool {
    row.text("status") == Some("active")
}

pub(crate) fn time(row: &Row, key: &str) -> Option<i64> {
    match row.get(key)? {
        Value::TimeMs(time_ms) => Some(*time_ms),
        _ => None,
    }
}

/// The row of an outcome that has one.
pub(crate) fn row(outcome: Outcome) -> Row {
    outcome.row().cloned().unwrap_or_else(|| panic!("{outcome:?} has no row"))
}

/// The draws of a charge's row: grant and credits, in order.
pub(crate) fn draws_of(charge: &Row) -> Vec<(String, i64)> {
    let detail: serde_json::Value =
        serde_json::from_str(charge.text("consumedDetail").unwrap()).unwrap();
    detail
        .as_array()
        .unwrap()
        .iter()
        .map(|draw| {
            (
                draw["creditId"].as_str().unwrap().to_owned(),
                draw["creditsConsumed"].as_i64().unwrap(),
            )
        })
        .collect()
}
