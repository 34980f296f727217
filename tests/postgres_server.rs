//! A PostgreSQL server for the tests of this binary. It starts when the first test asks for it.
//!
//! It is what `scripts/test-postgres.js` makes: TEST_DATABASE_URL when that is set, else a new server.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

struct Server {
    url: String,
    /// The server ends when the script's standard input does: with this process, however that ends.
    _script: Child,
}

/// The URL of the server's own database `postgres`, of a user who may create others. Each test makes one,
/// with a name that no other test has; on a server of somebody else's it also drops it.
pub(crate) fn url() -> &'static str {
    static SERVER: OnceLock<Server> = OnceLock::new();
    &SERVER.get_or_init(start).url
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
