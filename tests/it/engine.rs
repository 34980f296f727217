//! The engine's threads over SQLite's files: group commit, batches, a full queue, closing. What the engine does over any
//! store is in `sequence/` and `ledger.rs`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use media_credits::domain::paying::Paying;
use media_credits::domain::table::TableName;
use media_credits::engine::sqlite::{Connection, Settings};
use media_credits::engine::{Operation, Outcome, Read, Share, UserRead};
use media_credits::error::Error;
use media_credits::storage::location::Place;
use media_credits::storage::sqlite::Durability;
use rusqlite::Connection as Raw;

use crate::common::{close, consume, create_task, grant, run, send, text, update_task};

fn connect(path: &Path, settings: Settings) -> Connection {
    Connection::open(&Place::File(path.to_owned()), settings).unwrap()
}

fn balance(connection: &Connection) -> i64 {
    match run(
        connection,
        Operation::Read(Read::OfUser("u".into(), UserRead::BalanceTotal(Paying::default()))),
    )
    .unwrap()
    {
        Outcome::Number(balance) => balance,
        other => panic!("{other:?}"),
    }
}

/// A file with a user who has this many credits.
fn database(folder: &Path, credits: i64, settings: Settings) -> Connection {
    let path = folder.join("local.db");
    let connection = connect(&path, settings);
    run(&connection, Operation::CreateTables(TableName::ALL.to_vec())).unwrap();
    Raw::open(&path)
        .unwrap()
        .execute_batch("INSERT INTO user (id, name, email) VALUES ('u', 'u', 'u@example.test')")
        .unwrap();
    run(&connection, Operation::Write(grant("u", credits, None))).unwrap();
    connection
}

/// Holds the write lock of the file, so that requests gather in one batch.
fn lock(folder: &Path) -> Raw {
    let raw = Raw::open(folder.join("local.db")).unwrap();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    raw
}

#[test]
fn a_request_that_fails_half_way_does_not_affect_its_batch() {
    let folder = tempfile::tempdir().unwrap();
    let connection = database(folder.path(), 1000, Settings::default());
    // It fails after the charge was written: the batch must be undone, and its other requests must succeed.
    Raw::open(folder.path().join("local.db"))
        .unwrap()
        .execute_batch(
            "CREATE TRIGGER bad BEFORE INSERT ON media_tasks WHEN NEW.id LIKE 'bad%'
             BEGIN SELECT RAISE(ABORT, 'no bad tasks'); END",
        )
        .unwrap();
    let blocker = lock(folder.path());
    let outcomes: Vec<_> = (0..40)
        .map(|at| {
            let id = if at % 10 == 3 { format!("bad{at}") } else { format!("good{at}") };
            send(&connection, Operation::Write(create_task(&id, "u", 10)))
        })
        .collect();
    drop(blocker);
    for (at, outcome) in outcomes.into_iter().enumerate() {
        match outcome.recv().unwrap() {
            Ok(_) => assert_ne!(at % 10, 3),
            Err(Error::Database { message, database_code, retryable, .. }) => {
                assert_eq!(at % 10, 3);
                assert_eq!(message, "no bad tasks");
                assert!(database_code.starts_with("SQLITE_CONSTRAINT"), "{database_code}");
                assert!(!retryable);
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(balance(&connection), 1000 - 36 * 10);
    close(connection);
}

/// The number of commits in the write-ahead log: frames that end a transaction contain how large the
/// database is then (<https://sqlite.org/fileformat2.html#the_write_ahead_log>).
fn commits(folder: &Path) -> usize {
    let log = std::fs::read(folder.join("local.db-wal")).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let frame = 24 + number(8) as usize;
    let salt = &log[16..24];
    let frames =
        (32..=log.len() - frame).step_by(frame).take_while(|at| &log[at + 8..at + 16] == salt);
    frames.filter(|at| number(at + 4) != 0).count()
}

#[test]
fn waiting_requests_share_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let connection = database(folder.path(), 1000, Settings::default());
    let blocker = lock(folder.path());
    let before = commits(folder.path());
    let outcomes: Vec<_> =
        (0..100).map(|_| send(&connection, Operation::Write(consume("u", 1)))).collect();
    drop(blocker);
    for outcome in outcomes {
        outcome.recv().unwrap().unwrap();
    }
    // The writer may have taken the first request before the others arrived, and on a busy machine it ends a
    // batch that takes too long.
    let commits = commits(folder.path()) - before;
    assert!((1..=20).contains(&commits), "100 charges made {commits} commits");
    assert_eq!(balance(&connection), 900);
    close(connection);
}

#[test]
fn a_full_queue_refuses_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { max_queue: 8, ..Settings::default() };
    let connection = database(folder.path(), 1000, settings);
    let blocker = lock(folder.path());
    let outcomes: Vec<_> =
        (0..500).map(|_| send(&connection, Operation::Write(consume("u", 1)))).collect();
    drop(blocker);
    let outcomes: Vec<_> = outcomes.into_iter().map(|outcome| outcome.recv().unwrap()).collect();
    let refused: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(refused.iter().all(|error| error.code() == "OVERLOADED" && error.retryable()));
    // The writer may have taken up to two batches while the queue was being filled.
    assert!(refused.len() >= 500 - 3 * 8, "only {} were refused", refused.len());
    let done = i64::try_from(outcomes.len() - refused.len()).unwrap();
    assert!(done >= 8);
    assert_eq!(balance(&connection), 1000 - done);
    close(connection);
}

#[test]
fn a_lock_that_is_held_for_too_long_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.database.busy_timeout = Duration::from_millis(50);
    let connection = database(folder.path(), 1000, settings);
    let blocker = lock(folder.path());
    let error = run(&connection, Operation::Write(consume("u", 1))).unwrap_err();
    assert_eq!(error.code(), "DATABASE_BUSY");
    assert!(error.retryable());
    // Reads don't wait for the lock.
    assert_eq!(balance(&connection), 1000);
    drop(blocker);
    run(&connection, Operation::Write(consume("u", 1))).unwrap();
    assert_eq!(balance(&connection), 999);
    close(connection);
}

#[test]
fn closing_finishes_what_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let connection = database(folder.path(), 1000, Settings::default());
    let blocker = lock(folder.path());
    let outcomes: Vec<_> =
        (0..50).map(|_| send(&connection, Operation::Write(consume("u", 1)))).collect();
    let (sender, closed) = channel::<()>();
    Box::new(connection).close(Box::new(move || drop(sender)));
    drop(blocker);
    for outcome in outcomes {
        outcome.recv().unwrap().unwrap();
    }
    closed.recv().unwrap_err();
    // The last connection of all is closed, so SQLite has put the log back into the file.
    assert!(!folder.path().join("local.db-wal").exists());
    let again = connect(&folder.path().join("local.db"), Settings::default());
    assert_eq!(balance(&again), 950);
    close(again);
}

#[test]
fn connections_to_one_file_share_an_engine_and_the_last_one_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = database(folder.path(), 1000, Settings::default());
    let second = connect(&folder.path().join(".").join("local.db"), Settings::default());
    run(&second, Operation::Write(consume("u", 1))).unwrap();
    close(first);
    assert_eq!(balance(&second), 999);
    assert!(folder.path().join("local.db-wal").exists());
    close(second);
    assert!(!folder.path().join("local.db-wal").exists());
}

#[test]
fn each_connection_has_its_own_database_in_memory() {
    let connections: Vec<_> =
        (0..2).map(|_| Connection::open(&Place::Memory, Settings::default()).unwrap()).collect();
    run(&connections[0], Operation::CreateTables(TableName::ALL.to_vec())).unwrap();
    run(&connections[0], Operation::CreateTables(TableName::ALL.to_vec())).unwrap();
    assert_eq!(balance(&connections[0]), 0);
    let missing = run(
        &connections[1],
        Operation::Read(Read::OfUser("u".into(), UserRead::BalanceTotal(Paying::default()))),
    )
    .unwrap_err();
    assert_eq!(missing.code(), "SCHEMA_MISMATCH");
    connections.into_iter().for_each(close);
}

#[test]
fn a_schema_that_is_repaired_needs_no_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("local.db");
    let connection = connect(&path, Settings::default());
    let ask = || run(&connection, Operation::Write(consume("u", 1)));
    assert_eq!(ask().unwrap_err().code(), "SCHEMA_MISMATCH");
    Raw::open(&path)
        .unwrap()
        .execute_batch(concat!(
            include_str!("../../src/storage/dialect/sqlite/sql/create_user.sql"),
            include_str!("../../src/storage/dialect/sqlite/sql/create_credit.sql"),
        ))
        .unwrap();
    assert_eq!(ask().unwrap_err().code(), "USER_NOT_FOUND");
    close(connection);
}

#[test]
fn the_log_starts_over_beside_constant_readers() {
    const TEXT: usize = 400_000; // 100 pages
    const UPDATES: usize = 500;
    const PAGE_IN_LOG: u64 = 4096 + 24;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.database.durability = Durability::Normal;
    let connection = database(folder.path(), 1000, settings);
    run(&connection, Operation::Write(create_task("t", "u", 10))).unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let readers = {
        let (path, stop) = (folder.path().join("local.db"), Arc::clone(&stop));
        std::thread::spawn(move || read_without_a_break(&path, &stop))
    };
    let log = folder.path().join("local.db-wal");
    let mut longest = 0;
    for at in 100..100 + UPDATES {
        let long = text(&at.to_string().repeat(TEXT / 3));
        let update = update_task("t", &[("subtitleRaw", long)]);
        run(&connection, Operation::Write(update)).unwrap();
        longest = longest.max(std::fs::metadata(&log).unwrap().len());
    }
    stop.store(true, Ordering::Relaxed);
    let snapshots = readers.join().unwrap();

    assert!(snapshots > 10, "{snapshots} snapshots");
    // 50,000 pages were written; at 25,000 a checkpoint is due, and from 5,000 later on the writer waits for
    // readers, every 1,000 pages.
    assert!(longest / PAGE_IN_LOG < 35_000, "{longest} bytes");
    close(connection);
}

/// Two readers, each of which begins before the other ends. Returns how many snapshots they saw.
fn read_without_a_break(path: &Path, stop: &AtomicBool) -> usize {
    let begin = |reader: &Raw| {
        reader.execute_batch("BEGIN; SELECT count(*) FROM media_tasks").unwrap();
    };
    let readers = [Raw::open(path).unwrap(), Raw::open(path).unwrap()];
    begin(&readers[0]);
    let mut snapshots = 1;
    while !stop.load(Ordering::Relaxed) {
        begin(&readers[snapshots % 2]);
        snapshots += 1;
        std::thread::sleep(Duration::from_millis(1));
        readers[snapshots % 2].execute_batch("COMMIT").unwrap();
    }
    snapshots
}
