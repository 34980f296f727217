//! Transactions that conflict with each other, and with the app's own.

use std::time::{Duration, Instant};

use media_credits::engine::Operation;
use media_credits::storage::mysql::Options;

use super::world::{World, open, told};
use crate::common::{consume, create_task, grant, send, text, update_task};
use crate::mysql_server::connect;
use crate::servers::wait;

#[test]
fn several_processes_charge_and_refund_the_same_users() {
    let users = ["a", "b", "c"];
    let world = World::new("processes", "", &users);
    for user in users {
        // Several grants, so that a charge draws on more than one.
        for _ in 0..4 {
            world.write(grant(user, 30, None)).unwrap();
        }
    }
    // Engines of other processes share only the server with this one: to a process another URL is another
    // database.
    let others = [8, 9].map(|seconds| {
        open(&format!("{}?connect_timeout={seconds}", world.url), Options::default())
    });
    let engines = [&*world.connection, &*others[0], &*others[1]];
    let mut replies = Vec::new();
    for at in 0..60 {
        for (engine, connection) in engines.iter().enumerate() {
            let (user, id) = (users[at % 3], format!("{engine}-{at}"));
            replies.push(send(*connection, Operation::Write(create_task(&id, user, 1))));
            let change = update_task(&id, &[("status", text("failed"))]);
            replies.push(send(*connection, Operation::Write(change)));
            replies.push(send(*connection, Operation::Write(consume(user, 2))));
        }
    }
    for reply in replies {
        let outcome = reply.recv().unwrap();
        assert!(["done", "INSUFFICIENT_CREDITS"].contains(&told(&outcome)), "{outcome:?}");
    }
    for user in users {
        let charged = world.sql(&format!(
            "SELECT CAST(-SUM(credits) AS SIGNED) FROM credit \
             WHERE user_id = '{user}' AND transaction_type = 'consume' AND status = 'active'"
        ));
        let charged: i64 = charged.unwrap().parse().unwrap();
        assert_eq!(world.balance(user), 120 - charged, "{user}");
    }
}

#[test]
fn credits_that_the_app_draws_meanwhile_are_not_drawn_twice() {
    // With the foreign key a change of a grant waits for its user too.
    let changes = "ALTER TABLE credit DROP FOREIGN KEY credit_user_id_user_id_fk";
    let world = World::new("meanwhile", changes, &["u"]);
    world.write(grant("u", 10, None)).unwrap();
    // The app's own code locks only the grant, and draws on it.
    let charged = wait(async {
        let mut app = connect(&world.url).await;
        let draw = "START TRANSACTION; UPDATE credit SET remaining_credits = remaining_credits - 4";
        app.query(draw.to_owned()).await.unwrap();
        let charge = world.send(consume("u", 5));
        // The charge has read the grant, and waits for its lock.
        let waits = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() \
                     AND STATE = 'Updating' AND INFO LIKE '%remaining_credits%'";
        let began = Instant::now();
        loop {
            let answers = app.query(waits.to_owned()).await.unwrap();
            if answers[0].rows[0][0].as_deref() != Some(b"0") {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(10), "the charge does not wait");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        app.query("COMMIT".to_owned()).await.unwrap();
        charge.recv().unwrap()
    });
    charged.unwrap();
    assert_eq!(
        world.sql("SELECT remaining_credits FROM credit WHERE credits > 0"),
        Some("1".to_owned())
    );
    assert!(world.retries("conflicts") > 0);
}

#[test]
fn a_user_who_is_locked_elsewhere_is_waited_for_until_the_timeout() {
    let options = Options { busy_timeout: Duration::from_secs(1), ..Options::default() };
    let world = World::with("locked", options, ("", &["u", "v"]));
    world.write(grant("u", 10, None)).unwrap();
    world.write(grant("v", 10, None)).unwrap();
    wait(async {
        let mut app = connect(&world.url).await;
        let lock = "START TRANSACTION; SELECT id FROM `user` WHERE id = 'u' FOR UPDATE";
        app.query(lock.to_owned()).await.unwrap();
        assert_eq!(told(&world.write(consume("u", 1))), "DATABASE_BUSY");
        assert_eq!(told(&world.write(consume("v", 1))), "done");
        app.query("ROLLBACK".to_owned()).await.unwrap();
    });
    assert_eq!(told(&world.write(consume("u", 1))), "done");
    assert_eq!((world.balance("u"), world.balance("v")), (9, 9));
}

#[test]
fn a_server_that_accepts_no_writes_is_reported() {
    let world = World::new("read_only", "", &["u"]);
    world.write(grant("u", 10, None)).unwrap();
    // Only calls of this user wait: others continue.
    world.sql("CREATE TRIGGER refuse BEFORE INSERT ON credit FOR EACH ROW SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290, MESSAGE_TEXT = 'read-only'");
    let error = world.write(consume("u", 1)).unwrap_err();
    assert_eq!(error.code(), "DATABASE_ERROR");
    assert!(error.to_string().contains("takes writes"), "{error}");
    world.sql("DROP TRIGGER refuse");
    world.write(consume("u", 1)).unwrap();
    assert_eq!(world.balance("u"), 9);
}
