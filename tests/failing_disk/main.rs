//! A disk that fails at its n-th write or sync, for each n: a request is either acknowledged and
//! there, or rejected and not there, and the engine works again as soon as the disk does.
//!
//! SQLite is linked into this binary, so the binary's own `write`, `fsync` and so on are the ones that
//! it calls. That would disturb other tests, so this is a separate binary.
#![cfg(all(target_os = "linux", target_pointer_width = "64", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../it/common.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod common;

use std::path::Path;
use std::sync::mpsc::channel;

use media_credits::domain::paying::Paying;
use media_credits::domain::table::TableName;
use media_credits::engine::sqlite::{Connection, Settings};
use media_credits::engine::{Operation, Outcome, Read, ReplySender, Share, UserRead};
use media_credits::error::{Error, Result};
use media_credits::storage::location::Place;
use media_credits::storage::sqlite::JournalMode;
use rusqlite::Connection as Raw;

use common::{close, create_task, grant, run, send};
use disk::{Call, Disk, Fault};
use request::Request::{self, Charge, Fail, Grant, Task};

mod disk;
mod request;

/// The cost of each task of the template.
const OLD_COST: i64 = 10;
const OLD_TASKS: [&str; 3] = ["old0", "old1", "old2"];

/// Requests that are sent together share a transaction.
const WORKLOAD: [&[Request]; 4] = [
    &[Task { id: "a", cost: 10 }],
    &[
        Task { id: "b", cost: 7 },
        Task { id: "c", cost: 31 },
        Charge { number: "charge1", credits: 5 },
        Fail { id: "old0" },
        Task { id: "d", cost: 0 },
    ],
    &[Fail { id: "old1" }],
    &[
        Fail { id: "old2" },
        Grant { id: "grant1", credits: 50 },
        Charge { number: "charge2", credits: 23 },
        Task { id: "e", cost: 9 },
    ],
];

/// The outcome of each request, in order.
type Outcomes = Vec<(Request, Result<Outcome>)>;

/// Sends requests while the writer waits in a reply, so that it then takes them all at once.
fn together(connection: &Connection, requests: &[Request]) -> Outcomes {
    let (replying, writer_waits) = channel::<()>();
    let (sent, all_sent) = channel::<()>();
    let wait = move |_| {
        replying.send(()).unwrap();
        all_sent.recv().unwrap_err();
    };
    connection.submit(Operation::Diagnose, ReplySender::new(wait));
    writer_waits.recv().unwrap();
    let replies: Vec<_> =
        requests.iter().map(|request| send(connection, request.operation())).collect();
    drop(sent);
    let outcomes = replies.iter().map(|reply| reply.recv().unwrap());
    requests.iter().copied().zip(outcomes).collect()
}

/// How else the file is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// A write-ahead log, and no other process that has the file open.
    Log,
    /// A caller reads through the same engine, so the log's index outlives the writer's connection.
    LogWithReader,
    /// Another connection checkpoints the log after each batch.
    LogWithCheckpoints,
    /// The engine turns the log on.
    TurningLogOn,
    /// A rollback journal.
    Journal,
}

use Scenario::{Journal, Log, LogWithCheckpoints, LogWithReader, TurningLogOn};

impl Scenario {
    /// A journal needs three writes for each page: half of the work has as many calls as all of it
    /// with a log.
    fn workload(self) -> &'static [&'static [Request]] {
        if self == Journal { &WORKLOAD[..2] } else { &WORKLOAD }
    }

    fn settings(self) -> Settings {
        let mut settings = Settings::default();
        if self == Journal {
            settings.database.journal_mode = JournalMode::Keep;
        }
        settings
    }
}

/// When the disk works again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// While the engine runs.
    Mended,
    /// After it was closed. It fails from the first request on.
    Closed,
    /// After it was closed. It fails only while the engine is closed.
    Closing,
}

const FILE: &str = "local.db";

fn connect(folder: &Path, settings: Settings) -> Connection {
    Connection::open(&Place::File(folder.join(FILE)), settings).unwrap()
}

/// A closed database with a user, grants, and tasks that can fail.
fn template(scenario: Scenario) -> Disk {
    let disk = Disk::new();
    let mut settings = scenario.settings();
    if scenario == TurningLogOn {
        settings.database.journal_mode = JournalMode::Keep;
    }
    let connection = connect(disk.path(), settings);
    run(&connection, Operation::CreateTables(TableName::ALL.to_vec())).unwrap();
    Raw::open(disk.path().join(FILE))
        .unwrap()
        .execute_batch("INSERT INTO user (id, name, email) VALUES ('u', 'u', 'u@example.test')")
        .unwrap();
    // Small enough that most charges draw on several.
    for _ in 0..GRANTS {
        run(&connection, Operation::Write(grant("u", GRANTED, None))).unwrap();
    }
    for id in OLD_TASKS {
        run(&connection, Operation::Write(create_task(id, "u", OLD_COST))).unwrap();
    }
    close(connection);
    disk
}

const GRANTS: i64 = 20;
const GRANTED: i64 = 8;

/// The remaining credits of all grants in the template.
fn left_in_template() -> i64 {
    GRANTS * GRANTED - OLD_TASKS.len() as i64 * OLD_COST
}

/// Copies what a process that dies now would leave behind: not the log's index, which SQLite makes
/// anew.
fn copy(from: &Path, to: &Path) {
    for name in [FILE, "local.db-wal", "local.db-journal"] {
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

/// What is known about a rejected request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rejected {
    /// Nothing of it was written.
    IsAbsent,
    /// The disk had failed before this could be made sure: it was written or not.
    MayBeThere,
}

/// Opens the database again and compares it with the outcomes for the callers. Returns how many
/// rejected requests were written anyway.
fn check(folder: &Path, outcomes: &Outcomes, rejected: Rejected, context: &str) -> usize {
    let raw = Raw::open(folder.join(FILE)).unwrap();
    let integrity: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok", "{context}");

    let mut expected_left = left_in_template();
    let mut there_all_the_same = 0;
    for (request, outcome) in outcomes {
        let there = request.is_in(&raw);
        match outcome {
            Ok(_) => assert!(there, "{context}: {request:?} was acknowledged and is not there"),
            Err(error) if there => {
                let allowed = rejected == Rejected::MayBeThere;
                assert!(allowed, "{context}: {request:?} is there in spite of {error}");
                there_all_the_same += 1;
            }
            Err(_) => {}
        }
        if there {
            expected_left += request.gain();
        }
    }
    let number = |sql: &str| -> i64 { raw.query_row(sql, [], |row| row.get(0)).unwrap() };
    let left = number("SELECT sum(remaining_credits) FROM credit WHERE transaction_type = 'grant'");
    assert_eq!(left, expected_left, "{context}: what is left of the grants");
    assert_eq!(
        number(
            "SELECT sum(credits) - sum(remaining_credits) FROM credit WHERE transaction_type = 'grant'"
        ),
        number(
            "SELECT ifnull(sum(draw.value ->> 'creditsConsumed'), 0)
             FROM credit, json_each(consumed_detail) AS draw
             WHERE transaction_type = 'consume' AND status = 'active'"
        ),
        "{context}: what left the grants was drawn by active charges"
    );
    let violations = [
        "SELECT count(*) FROM credit WHERE transaction_type = 'grant'
         AND remaining_credits NOT BETWEEN 0 AND credits",
        "SELECT count(*) FROM credit WHERE transaction_type = 'consume'
         AND transaction_no NOT LIKE 'charge%'
         AND id NOT IN (SELECT credit_id FROM media_tasks WHERE credit_id IS NOT NULL)",
        "SELECT count(*) FROM media_tasks JOIN credit ON credit.id = credit_id
         WHERE media_tasks.status = 'failed' AND credit.status = 'active'",
    ];
    for sql in violations {
        assert_eq!(number(sql), 0, "{context}: {sql}");
    }
    there_all_the_same
}

/// Makes all requests. A rejected caller must get the cause, and a retryable error.
fn work(connection: &Connection, scenario: Scenario, folder: &Path) -> Outcomes {
    let mut outcomes = Vec::new();
    for requests in scenario.workload() {
        outcomes.extend(together(connection, requests));
        if scenario == LogWithCheckpoints
            && let Ok(raw) = Raw::open(folder.join(FILE))
        {
            // The disk may fail here too, for the other connection.
            let _ = raw.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
    }
    for (request, outcome) in &outcomes {
        match outcome {
            Ok(outcome) => check_reply(*request, outcome),
            Err(Error::Database { database_code, retryable, .. }) => {
                let codes = ["SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CANTOPEN"];
                let known = codes.iter().any(|code| database_code.starts_with(code));
                assert!(known && *retryable, "{request:?}: {database_code}");
            }
            Err(error) => panic!("{request:?}: {error:?}"),
        }
    }
    outcomes
}

/// A task that fails is refunded exactly once.
fn check_reply(request: Request, outcome: &Outcome) {
    if let Fail { .. } = request {
        match outcome {
            Outcome::Updated(_, Some(refund)) => {
                assert_eq!(refund.credits, OLD_COST, "{request:?}")
            }
            other => panic!("{request:?}: {other:?}"),
        }
    }
}

/// The results of the runs of one test.
#[derive(Debug, Default)]
struct Tally {
    /// In how many the disk failed.
    runs: usize,
    /// How many requests were rejected.
    rejected: usize,
    /// How many of them were written after a crash, or a close, before the disk works again.
    undecided: usize,
}

/// What one run tries.
#[derive(Debug, Clone, Copy)]
struct Case {
    scenario: Scenario,
    ending: Ending,
    fault: Fault,
}

/// One run. Whether the disk failed in it.
fn survives(template: &Path, case: Case, tally: &mut Tally) -> bool {
    let context = &format!("{case:?}");
    let Case { scenario, ending, fault } = case;
    let disk = Disk::new();
    let folder = disk.path();
    copy(template, folder);
    let connection = connect(folder, scenario.settings());
    if scenario == LogWithReader {
        run(
            &connection,
            Operation::Read(Read::OfUser("u".into(), UserRead::BalanceTotal(Paying::default()))),
        )
        .unwrap();
    }

    if ending != Ending::Closing {
        disk.arm(fault);
    }
    let mut outcomes = work(&connection, scenario, folder);
    tally.rejected += outcomes.iter().filter(|(_, outcome)| outcome.is_err()).count();
    if ending == Ending::Closing {
        disk.arm(fault);
    }

    // A disk that failed once works again: the engine has made sure before it replied. On one that continues
    // to fail, a commit whose sync failed stays in the log, and this can't be avoided.
    let undecided = |failed| match failed {
        Some(Call::Sync) if fault.lasting && scenario != Journal => Rejected::MayBeThere,
        _ => Rejected::IsAbsent,
    };
    let failed;
    if ending == Ending::Mended {
        let crash = disk.beside("crash");
        copy(folder, &crash);
        failed = disk.mend();
        tally.undecided += check(&crash, &outcomes, undecided(failed), context);
        let after = Task { id: "after", cost: 2 };
        let outcome = run(&connection, after.operation());
        assert!(outcome.is_ok(), "{context}: {outcome:?}");
        outcomes.push((after, outcome));
        if fault.lasting {
            // With this commit the engine has made sure here too.
            let crash = disk.beside("later");
            copy(folder, &crash);
            check(&crash, &outcomes, Rejected::IsAbsent, context);
        }
        for (request, outcome) in outcomes.iter_mut().filter(|(_, outcome)| outcome.is_err()) {
            *outcome = run(&connection, request.operation());
            let reply = outcome.as_ref().unwrap_or_else(|error| {
                panic!("{context}: {request:?} was tried again: {error:?}");
            });
            check_reply(*request, reply);
        }
        close(connection);
        check(folder, &outcomes, Rejected::IsAbsent, context);
    } else {
        close(connection);
        failed = disk.mend();
        tally.undecided += check(folder, &outcomes, undecided(failed), context);
    }
    if failed.is_none() || ending == Ending::Closing {
        assert!(outcomes.iter().all(|(_, outcome)| outcome.is_ok()), "{context}: {outcomes:?}");
    }
    tally.runs += usize::from(failed.is_some());
    failed.is_some()
}

fn survives_every(scenario: Scenario, ending: Ending) {
    let template = template(scenario);
    // The effect of a single failure while the engine runs does not depend on how the engine ends.
    let lasting = if ending == Ending::Closed { &[true][..] } else { &[false, true] };
    for &lasting in lasting {
        for errno in [libc::EIO, libc::ENOSPC] {
            let mut tally = Tally::default();
            for at in 1.. {
                let fault = Fault { at, lasting, errno };
                let case = Case { scenario, ending, fault };
                if !survives(template.path(), case, &mut tally) {
                    break;
                }
            }
            println!("{scenario:?}, {ending:?}, lasting {lasting}, errno {errno}: {tally:?}");
            assert!(tally.runs > 0, "the disk never failed");
        }
    }
}

#[test]
fn sqlite_writes_through_this_disk() {
    for scenario in [Log, Journal] {
        // It makes a database, uses it, and closes it.
        let calls = template(scenario).calls();
        for call in [Call::Write, Call::Sync, Call::Deletion] {
            assert!(calls.contains(&call), "{call:?}");
        }
        assert_eq!(calls.contains(&Call::Truncation), scenario == Log);
    }
}

#[test]
fn a_log_survives() {
    survives_every(Log, Ending::Mended);
}

#[test]
fn a_log_beside_a_reader_survives() {
    survives_every(LogWithReader, Ending::Mended);
}

#[test]
fn a_log_that_is_checkpointed_survives() {
    survives_every(LogWithCheckpoints, Ending::Mended);
}

#[test]
fn turning_the_log_on_survives() {
    survives_every(TurningLogOn, Ending::Mended);
}

#[test]
fn a_journal_survives() {
    survives_every(Journal, Ending::Mended);
}

#[test]
fn closing_a_log_survives() {
    survives_every(Log, Ending::Closing);
    survives_every(Log, Ending::Closed);
}

#[test]
fn closing_a_journal_survives() {
    survives_every(Journal, Ending::Closed);
}
