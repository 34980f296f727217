//! The engine's own rate, without Node: tasks with a charge per second, for a constant number of concurrent
//! requests.
//!
//! ```sh
//! cargo bench --bench engine -- --callers 64 --rows 10000 --seconds 5
//! ```
//!
//! `--rows` is the number of existing credit rows; `--grants` the number of grants per user; `--durability
//! normal`; `--dir` the folder of the file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use media_credits::domain::call_options::CallOptions;
use media_credits::domain::table::TableName;
use media_credits::domain::table::TaskKind;
use media_credits::domain::task::NewTask;
use media_credits::domain::value::{Fields, Value};
use media_credits::engine::sqlite::{Connection, Settings};
use media_credits::engine::{Charging, Operation, ReplySender, Share, Write};
use media_credits::storage::location::Place;
use media_credits::storage::sqlite::Durability;
use rusqlite::params;

const USERS: u64 = 1000;

fn main() {
    let option = |name: &str, default: u64| -> u64 {
        argument(name).map_or(default, |value| value.parse().expect("a number"))
    };
    let callers = option("--callers", 64);
    let rows = option("--rows", 10_000);
    let grants = option("--grants", 5);
    let seconds = option("--seconds", 5);
    let mut settings = Settings::default();
    if argument("--durability").as_deref() == Some("normal") {
        settings.database.durability = Durability::Normal;
    }
    let folder = match argument("--dir") {
        Some(folder) => tempfile::tempdir_in(folder).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let path = folder.path().join("bench.db");
    let connection = Connection::open(&Place::File(path.clone()), settings).unwrap();
    let (sender, made) = channel();
    connection.submit(
        Operation::CreateTables(TableName::ALL.to_vec()),
        ReplySender::new(move |outcome| sender.send(outcome).unwrap()),
    );
    made.recv().unwrap().unwrap();
    seed(&path, grants, rows);

    let Measured { rate, writer_us } =
        run(Arc::new(connection), callers, Duration::from_secs(seconds));
    println!(
        "{rate:.0} tasks/s, {writer_us:.1} us of the writer's processor time each: \
         {callers} callers, {rows} credit rows, {grants} grants a user, {:?}",
        settings.database.durability
    );
}

struct Measured {
    rate: f64,
    writer_us: f64,
}

/// The CPU time of the writer's thread, which other load on the machine affects least. Zero without /proc.
fn writer_time() -> Duration {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let used_ns = threads.filter_map(|thread| {
        let folder = thread.ok()?.path();
        let name = std::fs::read_to_string(folder.join("comm")).ok()?;
        let times = std::fs::read_to_string(folder.join("schedstat")).ok()?;
        let used_ns = times.split(' ').next()?.parse::<u64>().ok()?;
        (name.trim() == "credits-writer").then_some(used_ns)
    });
    Duration::from_nanos(used_ns.sum())
}

fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

/// Users with grants that don't run out, and old charges up to the number of rows.
fn seed(path: &Path, grants: u64, rows: u64) {
    let mut raw = rusqlite::Connection::open(path).unwrap();
    let transaction = raw.transaction().unwrap();
    {
        let mut user =
            transaction.prepare("INSERT INTO user (id, name, email) VALUES (?1, ?1, ?1)").unwrap();
        let mut credit = transaction
            .prepare(
                "INSERT INTO credit (id, user_id, transaction_no, transaction_type, credits,
                                     remaining_credits, status, expires_at, consumed_detail)
                 VALUES (?1, ?2, ?1, ?3, ?4, ?5, 'active', ?6, ?7)",
            )
            .unwrap();
        let detail = r#"[{"creditId":"x","transactionNo":"1","expiresAt":null,"creditsToConsume":10,"creditsConsumed":10,"creditsBefore":100,"creditsAfter":90,"batchSize":1000,"batchNo":1}]"#;
        for id in 0..USERS {
            user.execute([format!("user-{id}")]).unwrap();
        }
        for at in 0..rows.max(USERS * grants) {
            let user = format!("user-{}", at % USERS);
            let id = uuid::Uuid::from_u64_pair(scatter(at), at).to_string();
            let expires_at = 4_000_000_000_000_i64 + i64::try_from(at).unwrap();
            if at < USERS * grants {
                credit
                    .execute(params![
                        id,
                        user,
                        "grant",
                        1_000_000,
                        1_000_000,
                        expires_at,
                        None::<&str>
                    ])
                    .unwrap();
            } else {
                credit.execute(params![id, user, "consume", -10, 0, None::<i64>, detail]).unwrap();
            }
        }
    }
    transaction.commit().unwrap();
}

/// Ids in random order, like an app's UUIDs.
fn scatter(at: u64) -> u64 {
    at.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

struct Load {
    connection: Arc<Connection>,
    done: AtomicU64,
    next: AtomicU64,
    stop: AtomicBool,
}

/// Keeps `callers` requests running: each reply sends the next request.
fn run(connection: Arc<Connection>, callers: u64, time: Duration) -> Measured {
    const WARM_UP: Duration = Duration::from_secs(1);
    let load = Arc::new(Load {
        connection,
        done: AtomicU64::new(0),
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    });
    for _ in 0..callers {
        submit(Arc::clone(&load));
    }
    std::thread::sleep(WARM_UP);
    let (start, before) = (Instant::now(), load.done.load(Ordering::Relaxed));
    let used_before = writer_time();
    std::thread::sleep(time);
    let done = (load.done.load(Ordering::Relaxed) - before) as f64;
    let rate = done / start.elapsed().as_secs_f64();
    let writer_us = (writer_time() - used_before).as_secs_f64() * 1e6 / done;
    load.stop.store(true, Ordering::Relaxed);
    while Arc::strong_count(&load) > 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
    Measured { rate, writer_us }
}

fn submit(load: Arc<Load>) {
    let at = load.next.fetch_add(1, Ordering::Relaxed);
    let id = uuid::Uuid::from_u64_pair(scatter(at), !at).to_string();
    let fields = [
        ("id", id),
        ("userId", format!("user-{}", scatter(at) % USERS)),
        ("platform", "youtube".to_owned()),
        ("videoUrl", "https://youtu.be/dQw4w9WgXcQ".to_owned()),
        ("outputType", "subtitle".to_owned()),
    ];
    let fields: Fields =
        fields.into_iter().map(|(name, text)| (name.to_owned(), Value::Text(text))).collect();
    let task = {
        let cost = Value::Integer(10);
        NewTask::parse(TaskKind::Media, fields, Some(&cost), &CallOptions::default()).unwrap()
    };
    let connection = Arc::clone(&load.connection);
    let reply = ReplySender::new(move |outcome| {
        outcome.unwrap();
        load.done.fetch_add(1, Ordering::Relaxed);
        if !load.stop.load(Ordering::Relaxed) {
            submit(load);
        }
    });
    connection.submit(Operation::Write(Write::Charge(Charging::Task(task))), reply);
}
