//! The outcome of a request whose libSQL server sends an unexpected answer: its code, and
//! that the call ends.

mod deadlines;
pub(crate) mod server;

use std::iter::{once, repeat_n};
use std::time::{Duration, Instant};

use media_credits::domain::paying::Paying;
use media_credits::engine::{Operation, Outcome, Read, Settings, Share, UserRead, libsql};
use media_credits::error::Result;
use media_credits::storage::libsql::Options;
use media_credits::storage::location::Location;

use self::server::Reply::{
    Bytes, Cut, Endless, Long, Lost, Refused, Silence, Step, Stream, Undone,
};
use self::server::{Reply, Server, Which};
use crate::common::{consume, grant, send};

const CONNECT: Duration = Duration::from_secs(1);
/// For a server that does not answer, and for one that is slow because the machine is busy.
const SILENT: Duration = Duration::from_secs(1);
const SLOW: Duration = Duration::from_secs(20);
const BUSY: Duration = Duration::from_millis(200);
/// More than fits into the longest of them.
const ALWAYS: usize = 2000;

fn connect(url: &str, statement_timeout: Duration) -> Box<dyn Share> {
    let database = Options {
        connect_timeout: CONNECT,
        statement_timeout,
        busy_timeout: BUSY,
        ..Options::default()
    };
    let libsql = libsql::Settings { database, ..libsql::Settings::default() };
    let settings = Settings { libsql, ..Settings::default() };
    settings.open(&Location::parse(url).unwrap()).unwrap()
}

fn run(connection: &dyn Share, operation: Operation) -> Result<Outcome> {
    send(connection, operation).recv_timeout(Duration::from_secs(60)).expect("an answer")
}

/// How many credits user `u` has.
fn balance(connection: &dyn Share) -> Result<i64> {
    let read = Read::OfUser("u".to_owned(), UserRead::BalanceTotal(Paying::default()));
    match run(connection, Operation::Read(read))? {
        Outcome::Number(balance) => Ok(balance),
        other => panic!("{other:?} is no balance"),
    }
}

/// A user with 100 credits, and a connection that has read the tables.
fn world(statement_timeout: Duration) -> (Server, Box<dyn Share>) {
    let server = Server::new();
    server.run(r#"INSERT INTO "user" (id, name, email) VALUES ('u', 'u', 'u@example.test')"#);
    let connection = connect(&server.url, statement_timeout);
    run(connection.as_ref(), Operation::Write(grant("u", 100, None))).unwrap();
    assert_eq!(balance(connection.as_ref()).unwrap(), 100);
    (server, connection)
}

fn told<T>(outcome: &Result<T>) -> (&'static str, bool) {
    outcome.as_ref().map_or_else(|error| (error.code(), error.retryable()), |_| ("done", false))
}

/// A world for a server with these replies.
fn world_of(reply: &Reply) -> (Server, Box<dyn Share>) {
    world(if matches!(reply, Silence | Endless) { SILENT } else { SLOW })
}

fn refused(status: u16, body: &str) -> Reply {
    Refused(status, String::new(), body.to_owned())
}

fn too_many(seconds: u32) -> Reply {
    Refused(429, format!("retry-after: {seconds}\r\n"), String::new())
}

const INVALID_BATON: &str = r#"{"message":"Received an invalid baton","code":"INVALID_BATON"}"#;
const EXPIRED: &str = r#"{"message":"The stream has expired","code":"STREAM_EXPIRED"}"#;
const SHORT: &str = r#"{"results":[{"type":"ok","response":{"type":"batch","result":{"step_results":[],"step_errors":[]}}}]}"#;

/// Answers as servers and proxies write them, to the end and not.
const OF_HTTP_1_0: Reply = Bytes(|body| format!("HTTP/1.0 200 OK\r\n\r\n{body}"));
const AFTER_HINTS: Reply = Bytes(|body| {
    let length = body.len();
    format!(
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
    )
});
const CHUNKED: Reply = Bytes(|body| {
    let (begin, end) = body.split_at(body.len() / 2);
    let (first, second) = (begin.len(), end.len());
    format!("{CHUNKS}{first:x}\r\n{begin}\r\n{second:x}\r\n{end}\r\n0\r\n\r\n")
});
const CHUNK_IS_MISSING: Reply = Bytes(|body| format!("{CHUNKS}{:x}\r\n{body}\r\n", body.len()));
const OTHER_PROTOCOL: Reply = Bytes(|_| "SSH-2.0-OpenSSH_9.2\r\n".to_owned());
const NOTHING: Reply = Bytes(|_| String::new());
const CHUNKS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const MIB: usize = 1 << 20;

const DONE: (&str, bool) = ("done", false);
const BUSY_CODE: (&str, bool) = ("DATABASE_BUSY", true);
const UNAVAILABLE: (&str, bool) = ("DATABASE_UNAVAILABLE", true);
const UNUSABLE: (&str, bool) = ("DATABASE_UNAVAILABLE", false);
const ERROR: (&str, bool) = ("DATABASE_ERROR", false);
const UNKNOWN: (&str, bool) = ("OUTCOME_UNKNOWN", false);

/// Replies, how often they come; the outcome for a caller, the number of requests, and for how long it is tried at the
/// least.
type Row = (Reply, usize, (&'static str, bool), Option<usize>, Duration);

#[test]
fn a_charge_is_written_once_or_not_at_all_and_its_caller_knows_which() {
    let at_once = Duration::ZERO;
    let rows: Vec<Row> = vec![
        (refused(400, INVALID_BATON), 1, DONE, Some(2), at_once),
        (refused(400, EXPIRED), 1, DONE, Some(2), at_once),
        (refused(400, EXPIRED), ALWAYS, UNKNOWN, None, CONNECT),
        (Stream("STREAM_EXPIRED"), 1, DONE, Some(2), at_once),
        (Stream("RESPONSE_TOO_LARGE"), 1, ERROR, Some(1), at_once),
        (Step("SQLITE_BUSY"), 1, DONE, Some(2), at_once),
        (Step("SQLITE_BUSY"), ALWAYS, BUSY_CODE, None, BUSY),
        (Step("TRANSACTION_TIMEOUT"), 1, DONE, Some(2), at_once),
        (Step("SQLITE_READONLY"), 1, ERROR, Some(1), at_once),
        (too_many(0), 1, DONE, Some(2), at_once),
        (too_many(60), ALWAYS, UNAVAILABLE, Some(1), at_once),
        (refused(401, ""), ALWAYS, UNUSABLE, Some(1), at_once),
        (refused(404, ""), ALWAYS, UNUSABLE, Some(1), at_once),
        (refused(502, "Bad Gateway"), 1, DONE, Some(2), at_once),
        (refused(502, "Bad Gateway"), ALWAYS, UNKNOWN, None, CONNECT),
        (Lost(502, "Bad Gateway"), 1, DONE, Some(2), at_once),
        (Lost(200, "<html>"), 1, DONE, Some(2), at_once),
        (Lost(200, SHORT), 1, DONE, Some(2), at_once),
        (refused(200, "<html>"), ALWAYS, UNKNOWN, None, CONNECT),
        (Cut, 1, DONE, Some(2), at_once),
        (OF_HTTP_1_0, 1, DONE, Some(1), at_once),
        (AFTER_HINTS, 1, DONE, Some(1), at_once),
        (CHUNKED, 1, DONE, Some(1), at_once),
        (CHUNK_IS_MISSING, 1, DONE, Some(2), at_once),
        (OTHER_PROTOCOL, 1, DONE, Some(2), at_once),
        (NOTHING, 1, DONE, Some(2), at_once),
        (refused(429, ""), ALWAYS, UNAVAILABLE, Some(1), at_once),
        (refused(503, ""), 1, DONE, Some(2), at_once),
        (Endless, 1, UNKNOWN, Some(1), SILENT),
        (Long(11 * MIB), 1, DONE, Some(1), at_once),
        (Long(65 * MIB), 1, DONE, None, at_once),
        (Silence, 1, UNKNOWN, Some(1), SILENT),
    ];
    for (reply, times, expected, writes, at_least) in rows {
        let (server, connection) = world_of(&reply);
        let said = format!("{reply:?} {times} times");
        server.arm(Which::Writes, repeat_n(reply, times));
        let began = Instant::now();
        let outcome = run(connection.as_ref(), Operation::Write(consume("u", 10)));
        assert!(began.elapsed() >= at_least, "{said}");
        assert_eq!(told(&outcome), expected, "{said}: {outcome:?}");
        if let Some(writes) = writes {
            assert_eq!(server.count(Which::Writes), writes, "{said}");
        }
        server.arm(Which::Writes, []);
        let left = if expected == DONE { 90 } else { 100 };
        assert_eq!(balance(connection.as_ref()).unwrap(), left, "{said}");
    }
}

/// The server runs the following steps outside a transaction.
#[test]
fn a_transaction_that_the_server_undoes_between_two_steps_is_written_as_a_whole_or_not_at_all() {
    /// A charge has fewer steps.
    const STEPS: usize = 14;
    for (before, says) in (1..STEPS).flat_map(|before| [(before, true), (before, false)]) {
        let (server, connection) = world(SLOW);
        let said = format!("before step {before}, says so: {says}");
        server.arm(Which::Writes, once(Undone { before, says }));
        let outcome = run(connection.as_ref(), Operation::Write(consume("u", 10)));
        assert_eq!(told(&outcome), DONE, "{said}: {outcome:?}");
        let writes = server.count(Which::Writes);
        assert!((1..=2).contains(&writes), "{said}: {writes}");
        assert_eq!(balance(connection.as_ref()).unwrap(), 90, "{said}");
    }
}

#[test]
fn a_read_is_repeated_once_or_its_caller_gets_the_cause() {
    let rows = [
        // the reply, how often it comes; the outcome for a caller, and the number of requests
        (refused(400, EXPIRED), 1, DONE, 2),
        (refused(400, EXPIRED), ALWAYS, UNAVAILABLE, 2),
        (refused(400, INVALID_BATON), 1, DONE, 2),
        (Step("SQLITE_BUSY"), 1, DONE, 2),
        (too_many(0), 1, DONE, 2),
        (too_many(60), 1, UNAVAILABLE, 1),
        (refused(401, ""), ALWAYS, UNUSABLE, 1),
        (refused(502, ""), 1, DONE, 2),
        (refused(502, ""), ALWAYS, UNAVAILABLE, 2),
        (refused(200, "<html>"), ALWAYS, UNAVAILABLE, 2),
        (Cut, 1, DONE, 2),
        (CHUNKED, 1, DONE, 1),
        (CHUNK_IS_MISSING, 1, DONE, 2),
        (OTHER_PROTOCOL, ALWAYS, UNAVAILABLE, 2),
        (Endless, 1, UNAVAILABLE, 1),
        (Long(11 * MIB), 1, DONE, 1),
        (Long(65 * MIB), 1, ERROR, 1),
        (Silence, 1, UNAVAILABLE, 1),
    ];
    for (reply, times, expected, reads) in rows {
        let (server, connection) = world_of(&reply);
        let said = format!("{reply:?} {times} times");
        server.arm(Which::Reads, repeat_n(reply, times));
        let outcome = balance(connection.as_ref());
        assert_eq!((told(&outcome), server.count(Which::Reads)), (expected, reads), "{said}");
    }
}

#[test]
fn redirects_are_followed_but_not_in_a_circle() {
    for status in [307, 308] {
        let (server, connection) = world(SLOW);
        let other = server.moved();
        let to =
            |url: &str| Refused(status, format!("location: {url}/v3/pipeline\r\n"), String::new());
        server.arm(Which::Writes, once(to(&other.url)));
        for left in [90, 80] {
            run(connection.as_ref(), Operation::Write(consume("u", 10))).unwrap();
            assert_eq!(balance(connection.as_ref()).unwrap(), left);
        }
        assert_eq!((server.count(Which::Writes), other.count(Which::Writes)), (1, 2));

        other.arm(Which::Writes, repeat_n(to(&other.url), ALWAYS));
        let outcome = run(connection.as_ref(), Operation::Write(consume("u", 10)));
        assert_eq!(told(&outcome), UNUSABLE, "{outcome:?}");
        assert_eq!(other.count(Which::Writes), 6);
    }
}

/// The address that a server had redirected to may be wrong again later.
#[test]
fn a_database_that_has_moved_back_is_found() {
    for reply in [refused(404, ""), refused(401, ""), refused(502, ""), OTHER_PROTOCOL] {
        let (server, connection) = world(SLOW);
        let other = server.moved();
        let to = format!("location: {}/v3/pipeline\r\n", other.url);
        server.arm(Which::Writes, once(Refused(307, to, String::new())));
        let charge = || run(connection.as_ref(), Operation::Write(consume("u", 10)));
        charge().unwrap();
        assert_eq!(other.count(Which::Writes), 1);
        let said = format!("{reply:?}");
        other.arm(Which::All, repeat_n(reply, ALWAYS));
        let outcome = balance(connection.as_ref());
        assert!([DONE, UNUSABLE].contains(&told(&outcome)), "{said}: {outcome:?}");
        charge().unwrap();
        assert_eq!(balance(connection.as_ref()).unwrap(), 80, "{said}");
    }
}

/// The second attempt is refused, and it is not known whether the first one was written.
#[test]
fn a_write_whose_answer_is_lost_is_found_although_its_repetition_is_refused() {
    let nowhere = "location: http://127.0.0.1:1/v3/pipeline\r\n".to_owned();
    for refusal in [
        refused(401, ""),
        refused(403, ""),
        refused(404, ""),
        refused(413, ""),
        refused(429, ""),
        Refused(307, nowhere, String::new()),
        Step("SQLITE_BUSY"),
        Step("SQLITE_READONLY"),
    ] {
        for (first, expected, left) in [(Lost(502, ""), DONE, 90), (refused(502, ""), UNKNOWN, 100)]
        {
            let (server, connection) = world(SLOW);
            let said = format!("{first:?}, then {refusal:?}");
            server.arm(Which::Writes, once(first).chain(repeat_n(refusal.clone(), ALWAYS)));
            let outcome = run(connection.as_ref(), Operation::Write(consume("u", 10)));
            assert_eq!(told(&outcome), expected, "{said}: {outcome:?}");
            server.arm(Which::Writes, []);
            assert_eq!(balance(connection.as_ref()).unwrap(), left, "{said}");
        }
    }
}

#[test]
fn a_host_that_does_not_exist_is_unavailable() {
    let connection = connect("libsql://nowhere.invalid", SLOW);
    let began = Instant::now();
    let outcome = run(connection.as_ref(), Operation::Write(consume("u", 10)));
    assert_eq!(told(&outcome), UNAVAILABLE, "{outcome:?}");
    assert!(began.elapsed() < SLOW);
}

#[test]
fn many_charges_whose_lock_another_client_holds_are_busy() {
    let (server, connection) = world(SLOW);
    server.arm(Which::Writes, repeat_n(Step("SQLITE_BUSY"), ALWAYS));
    let charge = |_| send(connection.as_ref(), Operation::Write(consume("u", 10)));
    let replies: Vec<_> = (0..8).map(charge).collect();
    for reply in replies {
        let outcome = reply.recv_timeout(Duration::from_secs(60)).expect("an answer");
        assert_eq!(told(&outcome), BUSY_CODE, "{outcome:?}");
    }
    server.arm(Which::Writes, []);
    assert_eq!(balance(connection.as_ref()).unwrap(), 100);
}
