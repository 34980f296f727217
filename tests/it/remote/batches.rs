//! Many concurrent callers, with each kind of fault.

use std::sync::mpsc::{TryRecvError, channel};
use std::time::Duration;

use media_credits::domain::value::Value;
use media_credits::engine::{Share, Write};

use super::faults::{
    At, always, bug, collision, conflict, ended, late, lost, once, other_tables, read_only, silent,
    taken_key, times, unanswered, unreachable,
};
use super::rows::{UNAVAILABLE, absent, written};
use super::server::Timeout;
use super::world::{AT_ONCE, LONG, MAX_QUEUE, WORKERS, World, told};
use crate::common::{close, consume, create_task, fields, grant, new_task};

const USERS: [&str; 8] = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "poor"];
const GRANTED: i64 = 1000;
const COST: i64 = 10;
/// The number of requests of each user except the one without credits, who has one: as many as a batch holds.
const EACH: usize = 9;
const PAYERS: usize = 7 * EACH;

fn world(timeout: Timeout) -> World {
    let grants: Vec<Write> = USERS[..7].iter().map(|user| grant(user, GRANTED, None)).collect();
    World::new(&USERS, &grants, timeout)
}

/// Charges and new tasks, and one that can't be paid among them.
fn writes() -> Vec<Write> {
    let charge = |at: usize| match at % 2 {
        0 => consume(USERS[at % 7], COST),
        _ => create_task(&format!("task {at}"), USERS[at % 7], COST),
    };
    let mut writes: Vec<Write> = (0..PAYERS).map(charge).collect();
    writes.insert(40, consume("poor", COST));
    writes
}

/// The outcomes for callers with and without enough credits; how often a batch was split, a request had a conflict, and a
/// connection was lost.
type Row = super::rows::Row<3>;

const DONE: [&str; 2] = ["done", "INSUFFICIENT_CREDITS"];
/// The refusal was caused by other requests, which may be undone.
const WRITTEN: [&str; 2] = ["done", "DATABASE_UNAVAILABLE"];
const UNKNOWN: [&str; 2] = ["OUTCOME_UNKNOWN", "DATABASE_UNAVAILABLE"];
/// A batch that failed, and each request of it that pays.
const APART: usize = 1 + PAYERS;

const PASSES: &[Row] = &[
    written(&[], DONE, 1, [0, 0, 0]),
    absent(&[once(At::Session, unreachable)], UNAVAILABLE, 0, [0, 0, 0]),
    written(&[once(At::Session, lost)], DONE, PAYERS, [1, 0, 0]),
    written(&[once(At::Question, conflict)], DONE, PAYERS, [1, 0, 0]),
    written(&[once(At::Commit, conflict)], DONE, APART, [1, 0, 0]),
    written(&[times(3, At::Commit, conflict)], DONE, APART + 2, [1, 2, 0]),
    written(&[once(At::Commit, collision)], DONE, APART, [1, 0, 0]),
    written(&[times(2, At::Commit, lost)], DONE, APART + 1, [1, 0, 1]),
    written(&[once(At::Commit, ended)], DONE, APART, [1, 0, 0]),
    absent(&[once(At::Commit, silent)], UNAVAILABLE, 1, [0, 0, 0]),
    written(&[times(2, At::Commit, read_only)], DONE, APART + 1, [1, 0, 1]),
    written(&[once(At::Commit, taken_key)], DONE, APART, [1, 0, 0]),
    written(&[once(At::Commit, other_tables)], DONE, APART, [1, 0, 0]),
    absent(&[once(At::Commit, unanswered)], UNAVAILABLE, 1, [0, 0, 0]),
    written(&[once(At::Committed, unanswered)], WRITTEN, 1, [0, 0, 0]),
    written(&[once(At::Committed, unanswered), times(80, At::Look, ended)], WRITTEN, 1, [0, 0, 0]),
];

const STAYS: &[Row] = &[
    written(&[once(At::Committed, unanswered), always(At::Look, lost)], UNKNOWN, 1, [0, 0, 0]),
    absent(&[once(At::Commit, unanswered), always(At::Look, lost)], UNKNOWN, 1, [0, 0, 0]),
];

#[test]
fn each_of_many_requests_is_made_once_or_not_at_all_and_its_caller_is_told_which() {
    for (rows, timeout) in [(PASSES, LONG), (STAYS, AT_ONCE)] {
        for row in rows {
            let world = world(timeout);
            let outcomes = world.pile_up(writes(), row.faults);
            let commits = world.reached(At::Commit);
            let retries =
                ["oneByOne", "conflicts", "lostConnections"].map(|reason| world.retries(reason));
            let mut all_told: Vec<&str> = outcomes.iter().map(told).collect();
            let poor = all_told.remove(40);
            all_told.dedup();
            let met = (all_told, poor, commits, retries);
            let expected = (vec![row.told[0]], row.told[1], row.commits, row.retries);
            assert_eq!(met, expected, "{:?}", row.faults);

            let each = i64::try_from(EACH).unwrap() * COST;
            let balance = if row.written { GRANTED - each } else { GRANTED };
            for user in &USERS[..7] {
                assert_eq!(world.balance(user), balance, "{user}, {:?}", row.faults);
            }
            assert_eq!(world.balance("poor"), 0);
            assert_eq!(world.stats()["batches"]["largestSize"], PAYERS + 1);
            close(world.connection);
        }
    }
}

#[test]
fn a_bug_in_one_request_does_not_stop_those_behind_it() {
    let world = world(LONG);
    let busy = world.block();
    let first = world.send_and_wait(consume("u0", COST), 1);
    // They wait for their user, whom a batch has locked.
    let others: Vec<_> = (0..3).map(|_| world.send(consume("u0", COST))).collect();
    world.arm(&[once(At::Commit, bug)]);
    drop(busy);
    assert_eq!(told(&first.recv().unwrap()), "INTERNAL");
    for other in others {
        let outcome = other.recv_timeout(Duration::from_secs(30)).expect("an answer");
        assert_eq!(told(&outcome), "done");
    }
    assert_eq!(world.balance("u0"), GRANTED - 3 * COST);
    close(world.connection);
}

#[test]
fn a_request_that_waited_in_the_queue_until_its_deadline_is_not_started() {
    const SHORT: Duration = Duration::from_millis(500);
    let world = world(Timeout { connect: SHORT, answer: SHORT });
    let busy = world.block();
    let hang: Vec<_> =
        (1..=WORKERS).map(|at| world.send_and_wait(consume(USERS[at], COST), at)).collect();
    let behind: Vec<_> = (0..8).map(|_| world.send(consume("u0", COST))).collect();
    std::thread::sleep(SHORT * 2);
    drop(busy);
    for reply in hang {
        assert_eq!(told(&reply.recv().unwrap()), "done");
    }
    for reply in behind {
        let error = reply.recv().unwrap().unwrap_err();
        assert_eq!((error.code(), error.retryable()), ("DATABASE_BUSY", true));
        assert!(
            error.to_string().contains("waited too long for other calls of this process"),
            "{error}"
        );
    }
    assert_eq!(world.reached(At::Commit), WORKERS);
    assert_eq!(world.balance("u0"), GRANTED);
    close(world.connection);
}

#[test]
fn a_request_of_a_batch_that_ends_after_its_deadline_is_not_started_again() {
    const SHORT: Duration = Duration::from_millis(500);
    let world = world(Timeout { connect: SHORT, answer: SHORT });
    world.write(&create_task("old", "u0", COST)).unwrap();
    let replay = fields(&[("replay", Value::Bool(true))]);
    let again = Write::Charge(new_task("old", "u0", COST, &replay));
    let outcomes = world.pile_up(vec![again, consume("u1", COST)], &[late(At::Commit)]);
    assert_eq!(outcomes.iter().map(told).collect::<Vec<_>>(), ["DATABASE_BUSY", "done"]);
    assert_eq!(world.balance("u0"), GRANTED - COST);
    close(world.connection);
}

#[test]
fn closing_finishes_what_was_accepted_and_a_full_queue_takes_no_more() {
    let world = world(LONG);
    let busy = world.block();
    let replies: Vec<_> = (0..MAX_QUEUE).map(|_| world.send(consume("u0", 1))).collect();
    let refused = world.send(consume("u0", 1)).recv().unwrap();
    assert_eq!(told(&refused), "OVERLOADED");
    let queue = &world.stats()["queue"];
    assert_eq!(queue["overloaded"], 1);
    assert_eq!(queue["capacity"], MAX_QUEUE);

    let (sender, closed) = channel::<()>();
    let World { connection, .. } = world;
    Box::new(connection).close(Box::new(move || drop(sender)));
    assert_eq!(closed.try_recv(), Err(TryRecvError::Empty));
    drop(busy);
    for reply in replies {
        assert_eq!(told(&reply.recv().unwrap()), "done");
    }
    closed.recv().unwrap_err();
}
