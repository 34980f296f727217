//! The longest duration of a call, whatever it waits for.

use std::iter::repeat_n;
use std::time::Instant;

use media_credits::domain::paying::Paying;
use media_credits::engine::{Operation, Read, UserRead};

use super::server::Reply::Silence;
use super::server::Which;
use super::{ALWAYS, BUSY_CODE, CONNECT, SILENT, UNAVAILABLE, UNKNOWN, balance, run, told, world};
use crate::common::{consume, grant, send};

const USERS: [&str; 8] = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"];

/// Each wait has its own timeout: for a turn, for the reads, for the write, for a probe of the server, for the search
/// for the row, and again for each half of a batch.
#[test]
fn the_waits_of_a_call_end_by_one_deadline() {
    for silent in [Which::Writes, Which::All] {
        let (server, connection) = world(SILENT);
        let charge = |user: &str| Operation::Write(consume(user, 10));
        for user in USERS {
            server.run(&format!(
                r#"INSERT INTO "user" (id, name, email) VALUES ('{user}', 'u', '{user}@example.test')"#
            ));
            run(connection.as_ref(), Operation::Write(grant(user, 100, None))).unwrap();
            // The process has cached the grants of half of them.
            if user < "u4" {
                run(connection.as_ref(), charge(user)).unwrap();
            }
        }
        server.arm(silent, repeat_n(Silence, ALWAYS));
        let began = Instant::now();
        let charges = ["u"].into_iter().chain(USERS).cycle().take(36).map(charge);
        let question = || UserRead::BalanceTotal(Paying::default());
        let reads = (0..4).map(|_| Operation::Read(Read::OfUser("u".to_owned(), question())));
        let all = charges.chain(reads).map(|operation| send(connection.as_ref(), operation));
        let replies: Vec<_> = all.collect();
        for (at, reply) in replies.into_iter().enumerate() {
            let outcome = reply.recv().expect("an answer");
            let took = began.elapsed();
            assert!(took < 2 * (SILENT + CONNECT), "{silent:?}, call {at}: {took:?}, {outcome:?}");
            if outcome.is_err() {
                let told = told(&outcome);
                assert!([BUSY_CODE, UNKNOWN, UNAVAILABLE].contains(&told), "{outcome:?}");
            }
        }
        server.arm(Which::All, []);
        assert_eq!(balance(connection.as_ref()).unwrap(), 100, "{silent:?}");
        run(connection.as_ref(), charge("u")).unwrap();
    }
}
