//! A single request of each kind, with each kind of fault.

use std::time::Duration;

use media_credits::domain::call_options::CallOptions;
use media_credits::domain::grant::NewGrant;
use media_credits::domain::options::RefundPolicy;
use media_credits::domain::settle::Settlement;
use media_credits::domain::table::TaskKind::Media;
use media_credits::domain::task::StepCharge;
use media_credits::domain::value::{Fields, Value};
use media_credits::engine::{Outcome, Write};

use super::faults::{
    At, Fault, always, collision, conflict, ended, late, lost, once, other_tables, read_only,
    refused, taken_key, times, unanswered, unreachable,
};
use super::rows::{UNAVAILABLE, absent, written};
use super::server::Timeout;
use super::world::{AT_ONCE, LONG, World, told};
use crate::common::{close, consume, create_task, fields, grant, new_task, text, update_task};

/// The user's first balance, from which a task of 20 credits is charged.
const GRANTED: i64 = 1000;
const BEFORE: i64 = GRANTED - 20;

fn world(timeout: Timeout) -> World {
    World::new(&["u"], &[grant("u", GRANTED, None), create_task("old", "u", 20)], timeout)
}

fn keyed_grant() -> Write {
    let row = [
        ("userId", text("u")),
        ("credits", Value::Integer(50)),
        ("transactionNo", text("order-1")),
    ];
    let replay = fields(&[("replay", Value::Bool(true))]);
    Write::Grant(NewGrant::parse(fields(&row), &replay).unwrap())
}

fn step() -> Write {
    let charge = fields(&[("credits", Value::Integer(5))]);
    let patch = fields(&[("status", text("translating"))]);
    let step =
        StepCharge::parse((Media, "old".to_owned()), &charge, patch, &CallOptions::default());
    Write::StepCharge(step.unwrap())
}

fn settlement() -> Write {
    let (task, credits) = ((Media, "old".to_owned()), Value::Integer(12));
    let policy = RefundPolicy::Source;
    let options = CallOptions::default();
    Write::Settle(Settlement::of_task(task, Some(&credits), &options, policy).unwrap())
}

fn atomic_batch() -> Write {
    let Write::Charge(charge) = consume("u", 10) else { panic!("no charge") };
    Write::AtomicBatch(vec![charge, new_task("new", "u", 7, &Fields::default())])
}

/// A request, by how much it raises the balance, and whether it adds a row by which it can be found.
fn requests() -> [(&'static str, Write, i64, bool); 7] {
    [
        ("a charge", consume("u", 10), -10, true),
        ("a new task", create_task("new", "u", 10), -10, true),
        ("an atomic batch", atomic_batch(), -17, true),
        ("a grant", keyed_grant(), 50, true),
        ("a step", step(), -5, true),
        ("a settlement", settlement(), 8, false),
        ("a failure", update_task("old", &[("status", text("failed"))]), 20, false),
    ]
}

/// The outcome for a caller, if a row tells whether it was written, and if none does; how often the engine counts a conflict,
/// and a lost connection.
type Row = super::rows::Row<2>;

const DONE: [&str; 2] = ["done", "done"];
const UNKNOWN: [&str; 2] = ["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN"];
const ERROR: [&str; 2] = ["DATABASE_ERROR", "DATABASE_ERROR"];
const NOT_WRITTEN: [&str; 2] = ["DATABASE_UNAVAILABLE", "OUTCOME_UNKNOWN"];
const WRITTEN: [&str; 2] = ["done", "OUTCOME_UNKNOWN"];

/// Faults that pass, with a long timeout.
const PASSES: &[Row] = &[
    written(&[], DONE, 1, [0, 0]),
    written(&[once(At::Session, lost)], DONE, 1, [0, 1]),
    absent(&[once(At::Session, unreachable)], UNAVAILABLE, 0, [0, 0]),
    written(&[times(2, At::Question, conflict)], DONE, 1, [2, 0]),
    written(&[once(At::Question, lost), once(At::Commit, conflict)], DONE, 2, [1, 1]),
    written(&[times(3, At::Commit, conflict)], DONE, 4, [3, 0]),
    written(&[once(At::Commit, collision)], DONE, 2, [1, 0]),
    written(&[once(At::Commit, lost)], DONE, 2, [0, 1]),
    absent(&[times(2, At::Commit, lost)], UNAVAILABLE, 2, [0, 1]),
    written(&[once(At::Commit, ended)], DONE, 2, [0, 1]),
    absent(&[times(2, At::Commit, ended)], UNAVAILABLE, 2, [0, 1]),
    written(&[times(3, At::Commit, read_only)], DONE, 4, [0, 3]),
    written(&[once(At::Commit, taken_key)], DONE, 2, [0, 0]),
    absent(&[times(2, At::Commit, taken_key)], ERROR, 2, [0, 0]),
    absent(&[once(At::Commit, refused)], ERROR, 1, [0, 0]),
    absent(&[once(At::Commit, unanswered)], NOT_WRITTEN, 1, [0, 0]),
    written(&[once(At::Committed, unanswered)], WRITTEN, 1, [0, 0]),
    written(&[once(At::Committed, unanswered), times(2, At::Look, lost)], WRITTEN, 1, [0, 0]),
    absent(
        &[once(At::Commit, unanswered), once(At::Look, conflict), once(At::Look, unreachable)],
        NOT_WRITTEN,
        1,
        [0, 0],
    ),
    written(&[once(At::Committed, unanswered), once(At::Look, refused)], UNKNOWN, 1, [0, 0]),
];

/// Faults that do not pass, for callers that do not wait.
const STAYS: &[Row] = &[
    absent(&[always(At::Commit, read_only)], ERROR, 2, [0, 1]),
    absent(&[once(At::Commit, unanswered), always(At::Look, lost)], UNKNOWN, 1, [0, 0]),
    written(&[once(At::Committed, unanswered), always(At::Look, lost)], UNKNOWN, 1, [0, 0]),
    // The longest time for which a request with a long timeout is retried.
    absent(&[always(At::Commit, conflict)], ["DATABASE_BUSY", "DATABASE_BUSY"], 10, [9, 0]),
];

#[test]
fn a_request_is_written_once_or_not_at_all_and_its_caller_knows_which() {
    for (rows, timeout) in [(PASSES, LONG), (STAYS, AT_ONCE)] {
        for row in rows {
            for (name, write, credits, has_witness) in requests() {
                let world = world(timeout);
                world.arm(row.faults);
                let outcome = world.write(&write);
                let commits = world.reached(At::Commit);
                let retries = ["conflicts", "lostConnections"].map(|it| world.retries(it));
                let told = told(&outcome);
                let met = (told, commits, retries, world.balance("u"));

                let expected = row.told[usize::from(!has_witness)];
                let balance = if row.written { BEFORE + credits } else { BEFORE };
                let expected = (expected, row.commits, row.retries, balance);
                assert_eq!(met, expected, "{name}, {:?}", row.faults);
                close(world.connection);
            }
        }
    }
}

#[test]
fn a_step_that_was_written_returns_its_task_or_outcome_unknown() {
    let rows: [(&[Fault], _, _); 4] = [
        // the fault when the task is read after its charge was found; the outcome for the caller
        (&[], LONG, "done"),
        (&[times(2, At::Find, lost)], LONG, "done"),
        (&[always(At::Find, lost)], AT_ONCE, "OUTCOME_UNKNOWN"),
        (&[always(At::Find, refused)], AT_ONCE, "OUTCOME_UNKNOWN"),
    ];
    for (faults, timeout, expected) in rows {
        let world = world(timeout);
        world.arm(&[&[once(At::Committed, unanswered)], faults].concat());
        let outcome = world.write(&step());
        assert_eq!(told(&outcome), expected, "{faults:?}");
        if let Ok(outcome) = outcome {
            let Outcome::Row(Some(task)) = outcome else { panic!("{outcome:?} is no task") };
            assert_eq!(task.text("status"), Some("translating"));
        }
        assert_eq!(world.balance("u"), BEFORE - 5);
        close(world.connection);
    }
}

#[test]
fn a_call_after_outcome_unknown_with_the_same_key_returns_what_was_written() {
    let world = world(AT_ONCE);
    world.arm(&[once(At::Committed, unanswered), always(At::Look, lost)]);
    assert_eq!(told(&world.write(&keyed_grant())), "OUTCOME_UNKNOWN");
    world.arm(&[]);
    let again = world.write(&keyed_grant()).unwrap();
    assert!(matches!(again, Outcome::Replayed(_)), "{again:?}");
    assert_eq!(world.balance("u"), BEFORE + 50);
    close(world.connection);
}

#[test]
fn tables_that_changed_are_not_read_again_after_the_deadline() {
    const SHORT: Duration = Duration::from_millis(500);
    let world = world(Timeout { connect: SHORT, answer: SHORT });
    assert_eq!(world.balance("u"), BEFORE);
    world.arm(&[late(At::Question), once(At::Commit, other_tables)]);
    assert_eq!(told(&world.write(&consume("u", 10))), "DATABASE_ERROR");
    assert_eq!(world.reached(At::Commit), 1);
    close(world.connection);
}

#[test]
fn tables_that_changed_are_read_again_once() {
    for (faults, expected, changes) in [
        ([once(At::Commit, other_tables)], "done", 1),
        ([times(2, At::Commit, other_tables)], "DATABASE_ERROR", 1),
    ] {
        let world = world(LONG);
        // The engine has read the tables.
        assert_eq!(world.balance("u"), BEFORE);
        world.arm(&faults);
        assert_eq!(told(&world.write(&consume("u", 10))), expected);
        assert_eq!(world.reached(At::Commit), 2);
        assert_eq!(world.retries("schemaChanges"), changes);
        close(world.connection);
    }
}
