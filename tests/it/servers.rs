//! Servers that scripts start for the tests of this binary.

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tokio::runtime::Runtime;

/// A server, until this process ends.
pub(crate) struct Server {
    pub(crate) url: String,
    /// The server ends when the script's standard input does: with this process, however that ends.
    _script: Child,
}

impl Server {
    /// Starts what a script of `scripts/` starts.
    pub(crate) fn start(script: &str) -> Self {
        let mut child = Command::new("node")
            .arg(format!("{}/scripts/{script}", env!("CARGO_MANIFEST_DIR")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node runs the script");
        let mut url = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        output.read_line(&mut url).expect("a line");
        assert!(!url.is_empty(), "scripts/{script} says above why there is no server");
        Self { url: url.trim_end().to_owned(), _script: child }
    }
}

/// Runs a future to its end.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

/// What runs them.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}
