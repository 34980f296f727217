//! A PostgreSQL server for the tests of this binary, which starts when the first test asks for it, and
//! databases on it.
//!
//! It is what `scripts/test-postgres.js` makes: TEST_DATABASE_URL when that is set, else a new server.

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tokio::runtime::Runtime;
use tokio_postgres::{NoTls, SimpleQueryMessage};

struct Server {
    url: String,
    /// The server ends when the script's standard input does: with this process, however that ends.
    _script: Child,
}

/// The URL of the server's own database `postgres`, of a user who may create others.
pub(crate) fn url() -> &'static str {
    static SERVER: OnceLock<Server> = OnceLock::new();
    &SERVER.get_or_init(start).url
}

/// The URL of a new database. No other test may ask for this name.
pub(crate) fn database(name: &str) -> String {
    sql(url(), &format!("DROP DATABASE IF EXISTS {name}"));
    sql(url(), &format!("CREATE DATABASE {name}"));
    let (server, _) = url().rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

/// Runs one statement. The first value of its first row, as text.
pub(crate) fn sql(url: &str, statement: &str) -> Option<String> {
    wait(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(statement).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
        messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
    })
}

/// Runs a future to its end.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap()).block_on(future)
}

fn start() -> Server {
    let mut script = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/test-postgres.js"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Node runs scripts/test-postgres.js");
    let mut url = String::new();
    let mut output = BufReader::new(script.stdout.take().expect("a pipe"));
    output.read_line(&mut url).expect("a line");
    assert!(!url.is_empty(), "scripts/test-postgres.js says above why there is no server");
    Server { url: url.trim_end().to_owned(), _script: script }
}
