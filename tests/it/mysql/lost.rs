//! Commits that are not answered, behind a proxy that cuts connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use media_credits::engine::Operation;
use media_credits::storage::mysql::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::world::{World, open, told};
use crate::common::{consume, create_task, grant, run, send, text, update_task};
use crate::servers::runtime;

/// What happens to the next command that contains a COMMIT.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Cut {
    Never,
    /// The server does not get it.
    Before,
    /// Its answer is lost.
    After,
    /// The server gets all of it except the end.
    Within,
}

/// A proxy in front of a server, with its own port.
struct Proxy {
    port: u16,
    cut: Arc<AtomicU8>,
}

impl Proxy {
    fn to(server: &str) -> Self {
        let cut = Arc::new(AtomicU8::new(Cut::Never as u8));
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (server, cuts) = (server.to_owned(), Arc::clone(&cut));
        runtime().spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, cuts) = (server.clone(), Arc::clone(&cuts));
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        pass(client, server, &cuts).await;
                    }
                });
            }
        });
        Self { port, cut }
    }

    fn cut_once(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }
}

/// Until one side ends, or the proxy cuts.
async fn pass(client: TcpStream, server: TcpStream, cuts: &AtomicU8) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut bytes = vec![0; 1 << 20];
    while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
        let command = &bytes[..count];
        let commits = command.windows(7).any(|word| word == b"\nCOMMIT");
        let cut = if commits { cuts.swap(Cut::Never as u8, Ordering::SeqCst) } else { 0 };
        if cut == Cut::After as u8 || cut == Cut::Within as u8 {
            // The answer is dropped.
            back.abort();
            let sent = if cut == Cut::Within as u8 { count - 3 } else { count };
            to_server.write_all(&command[..sent]).await.unwrap();
            // The server runs what it has received before it sees that the client has disconnected.
            to_server.shutdown().await.unwrap();
            return;
        }
        if cut == Cut::Before as u8 || to_server.write_all(command).await.is_err() {
            break;
        }
    }
    back.abort();
}

/// A ledger, and an engine that reaches it through a proxy.
fn through_a_proxy(name: &str) -> (World, Proxy) {
    let mut world = World::new(name, "", &["u", "v"]);
    for user in ["u", "v"] {
        world.write(grant(user, 10, None)).unwrap();
    }
    let (login, place) = world.url.split_once('@').unwrap();
    let (server, database) = place.split_once('/').unwrap();
    let proxy = Proxy::to(server);
    // The proxy must see what is sent.
    let url = format!("{login}@127.0.0.1:{}/{database}?ssl-mode=DISABLED", proxy.port);
    world.connection = open(&url, Options::default());
    assert_eq!(world.balance("u"), 10);
    (world, proxy)
}

#[test]
fn a_commit_that_is_not_answered_is_looked_for() {
    let (world, proxy) = through_a_proxy("lost_commits");
    let rows = [
        // where the connection is cut; the outcome for the caller, and what is left
        (Cut::After, "done", 9),
        (Cut::Before, "DATABASE_UNAVAILABLE", 9),
        (Cut::Within, "DATABASE_UNAVAILABLE", 9),
        (Cut::Never, "done", 8),
    ];
    for (cut, expected, left) in rows {
        proxy.cut_once(cut);
        assert_eq!(told(&world.write(consume("u", 1))), expected);
        assert_eq!(world.balance("u"), left);
    }
}

#[test]
fn a_batch_whose_commit_is_not_answered_is_written_once() {
    let (world, proxy) = through_a_proxy("lost_batches");
    for cut in [Cut::After, Cut::Before] {
        let left = [world.balance("u"), world.balance("v")];
        proxy.cut_once(cut);
        let charges: Vec<_> = (0..6)
            .map(|at| {
                (
                    ["u", "v"][at % 2],
                    send(&*world.connection, Operation::Write(consume(["u", "v"][at % 2], 1))),
                )
            })
            .collect();
        let mut done = [0, 0];
        for (user, charge) in charges {
            let outcome = charge.recv().unwrap();
            assert!(["done", "DATABASE_UNAVAILABLE"].contains(&told(&outcome)), "{outcome:?}");
            done[usize::from(user == "v")] += i64::from(outcome.is_ok());
        }
        assert_eq!(proxy.cut.load(Ordering::SeqCst), Cut::Never as u8, "it has cut");
        assert_eq!(
            [world.balance("u"), world.balance("v")],
            [left[0] - done[0], left[1] - done[1]]
        );
    }
}

#[test]
fn a_refund_whose_commit_is_not_answered_is_written_once() {
    let (world, proxy) = through_a_proxy("lost_refunds");
    for (cut, expected) in [(Cut::After, "OUTCOME_UNKNOWN"), (Cut::Before, "OUTCOME_UNKNOWN")] {
        let id = format!("task {}", cut as u8);
        world.write(create_task(&id, "u", 4)).unwrap();
        proxy.cut_once(cut);
        let fail = update_task(&id, &[("status", text("failed"))]);
        assert_eq!(told(&world.write(fail.clone())), expected);
        // The repeated call refunds what was not refunded.
        world.write(fail).unwrap();
        assert_eq!(world.balance("u"), 10);
    }
}

#[test]
fn connections_that_are_dead_are_replaced() {
    let (world, _proxy) = through_a_proxy("dead_connections");
    let killed = world.sql(
        "SELECT GROUP_CONCAT(ID) FROM information_schema.PROCESSLIST \
         WHERE DB = DATABASE() AND ID <> CONNECTION_ID()",
    );
    for id in killed.unwrap().split(',') {
        world.sql(&format!("KILL {id}"));
    }
    assert_eq!(told(&run(&*world.connection, Operation::Write(consume("u", 1)))), "done");
    assert_eq!(world.balance("u"), 9);
}
