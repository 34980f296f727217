//! A client, and a fake server with given replies.

mod answers;
mod login;
mod properties;
mod rsa;
mod tls;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Runtime;

use super::*;

const NONCE: &[u8; 20] = b"twenty bytes of luck";

/// The capabilities of MySQL 8 and MariaDB 10, except for encryption.
const ABILITIES: u32 = !(1 << 11);
const WITH_ENCRYPTION: u32 = ABILITIES | 1 << 11;
const WITH_EOF: u32 = ABILITIES & !(1 << 24);

fn settings(password: &str) -> Settings {
    Settings {
        host: Host::Tcp { host: "db".to_owned(), port: 3306 },
        user: "app".to_owned(),
        password: Some(password.to_owned()),
        database: Some("shop".to_owned()),
        encryption: None,
        connect_timeout: Duration::from_secs(5),
        may_send_password: true,
    }
}

/// The same, on a connection that can't be read by others.
fn local_settings(password: &str) -> Settings {
    Settings { host: Host::Unix(PathBuf::from("/run/db.sock")), ..settings(password) }
}

/// Runs a future to completion.
fn wait<F: Future>(future: F) -> F::Output {
    Runtime::new().unwrap().block_on(async {
        tokio::time::timeout(Duration::from_secs(60), future).await.expect("it ends")
    })
}

fn greeting(abilities: u32, plugin: &str) -> Vec<u8> {
    let [a, b, c, d] = abilities.to_le_bytes();
    let mut greeting = vec![10];
    greeting.extend_from_slice(b"5.5.5-10.11.14-MariaDB-log\0");
    greeting.extend_from_slice(&7_u32.to_le_bytes());
    greeting.extend_from_slice(&NONCE[..8]);
    greeting.extend_from_slice(&[0, a, b, 45, 2, 0, c, d, 21]);
    greeting.extend_from_slice(&[0; 10]);
    greeting.extend_from_slice(&NONCE[8..]);
    greeting.push(0);
    greeting.extend_from_slice(plugin.as_bytes());
    greeting.push(0);
    greeting
}

fn ok(affected_rows: u8, status: u8) -> Vec<u8> {
    vec![0, affected_rows, 0, status, 0, 0, 0]
}

/// The end of rows if the server sends an OK packet.
fn ok_of_rows(status: u8) -> Vec<u8> {
    vec![0xFE, 0, 0, status, 0, 0, 0]
}

fn eof(status: u8) -> Vec<u8> {
    vec![0xFE, 0, 0, status, 0]
}

fn error(code: u16, state: &str, message: &str) -> Vec<u8> {
    [&[0xFF][..], &code.to_le_bytes(), state.as_bytes(), message.as_bytes()].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn column(name: &str) -> Vec<u8> {
    let names = ["def", "shop", "t", "t", name, name].map(text).concat();
    [&names[..], &[12, 45, 0, 4, 0, 0, 0, 253, 1, 0, 0, 0, 0]].concat()
}

/// Messages as packets; the first has this sequence number.
fn packets(first: u8, messages: &[Vec<u8>]) -> Vec<u8> {
    let numbered = messages.iter().zip(first..);
    let packets = numbered.map(|(message, number)| {
        let [low, middle, high, ..] = message.len().to_le_bytes();
        [&[low, middle, high, number][..], message].concat()
    });
    packets.collect::<Vec<_>>().concat()
}

/// The server's end of a connection.
struct Server<S = DuplexStream>(S);

impl<S: AsyncRead + AsyncWrite + Unpin> Server<S> {
    async fn send(&mut self, first: u8, messages: &[Vec<u8>]) {
        self.0.write_all(&packets(first, messages)).await.unwrap();
    }

    /// The client's next packet, and its sequence number.
    async fn receive(&mut self) -> (u8, Vec<u8>) {
        let [low, middle, high, number] = self.0.read_u32().await.unwrap().to_be_bytes();
        let mut message = vec![0; u32::from_le_bytes([low, middle, high, 0]) as usize];
        self.0.read_exact(&mut message).await.unwrap();
        (number, message)
    }

    /// Accepts the client's login.
    async fn let_in(&mut self, abilities: u32) {
        self.send(0, &[greeting(abilities, "mysql_native_password")]).await;
        let (number, _) = self.receive().await;
        self.send(number + 1, &[ok(0, 2)]).await;
    }
}

/// A logged-in client of a server with these capabilities, and the server.
async fn connected(abilities: u32) -> (Client, Server) {
    let (ours, theirs) = duplex(1 << 20);
    let mut server = Server(theirs);
    let settings = settings("secret");
    let (client, ()) =
        join(Client::begin(Box::new(ours), &settings), server.let_in(abilities)).await;
    (client.unwrap(), server)
}

/// The result of a query to a server with these capabilities and replies.
fn answer(abilities: u32, messages: &[Vec<u8>]) -> (Answer<Vec<ResultSet>>, Client) {
    wait(async {
        let (mut client, mut server) = connected(abilities).await;
        let serve = async {
            server.receive().await;
            server.send(1, messages).await;
            // If the client waits for more, it gets an error.
            drop(server);
        };
        let (answer, ()) = join(client.query("SELECT 1".to_owned()), serve).await;
        (answer, client)
    })
}
