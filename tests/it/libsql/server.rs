//! A libSQL server for tests: it runs batches on a database in memory, and answers as a test demands.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use media_credits::domain::table::TableName;
use media_credits::storage::dialect::sqlite::schema::create_table;
use rusqlite::Connection;
use rusqlite::types::{Value, ValueRef};
use serde_json::{Value as Json, json};

/// The reply to a request.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// It is not run, and gets a status, a header and a body.
    Refused(u16, String, String),
    /// It is run, and its answer is lost: this comes in its place.
    Lost(u16, &'static str),
    /// The stream fails, or the batch at its first step, with a code.
    Stream(&'static str),
    Step(&'static str),
    /// It is run, and half of the answer comes.
    Cut,
    /// It is run, and this comes in place of the answer, whose body is given. Then the connection ends.
    Bytes(fn(&str) -> String),
    /// It is not run, and an answer begins that never ends.
    Endless,
    /// It is run, and the answer is this many meaningless bytes longer.
    Long(usize),
    /// It is not run, and there is no answer.
    Silence,
    /// Its transaction is undone before this step, which gets an error or not.
    Undone {
        before: usize,
        says: bool,
    },
}

/// Which requests get such replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Reads,
    Writes,
    All,
}

pub(crate) struct Server {
    pub(crate) url: String,
    database: Arc<Mutex<Connection>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    replies: Mutex<Option<(Which, VecDeque<Reply>)>>,
    reads: AtomicUsize,
    writes: AtomicUsize,
}

impl Server {
    /// One with the app's tables.
    pub(crate) fn new() -> Self {
        let database = Connection::open_in_memory().unwrap();
        for table in TableName::ALL {
            database.execute_batch(create_table(table)).unwrap();
        }
        Self::over(Arc::new(Mutex::new(database)))
    }

    /// Another one with the same database.
    pub(super) fn moved(&self) -> Self {
        Self::over(Arc::clone(&self.database))
    }

    fn over(database: Arc<Mutex<Connection>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<State>::default();
        let server = Self { url, database: Arc::clone(&database), state: Arc::clone(&state) };
        // The server ends with the test's process.
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (database, state) = (Arc::clone(&database), Arc::clone(&state));
                thread::spawn(move || serve(&socket.unwrap(), &database, &state));
            }
        });
        server
    }

    pub(crate) fn run(&self, sql: &str) {
        self.database.lock().unwrap().execute_batch(sql).unwrap();
    }

    /// From now on requests of a kind get these replies, and all are counted from zero.
    pub(super) fn arm(&self, which: Which, replies: impl IntoIterator<Item = Reply>) {
        *self.state.replies.lock().unwrap() = Some((which, replies.into_iter().collect()));
        self.state.reads.store(0, Ordering::Relaxed);
        self.state.writes.store(0, Ordering::Relaxed);
    }

    /// The number of requests.
    pub(super) fn count(&self, which: Which) -> usize {
        let counter = match which {
            Which::Reads => &self.state.reads,
            Which::Writes => &self.state.writes,
            Which::All => return self.count(Which::Reads) + self.count(Which::Writes),
        };
        counter.load(Ordering::Relaxed)
    }
}

impl State {
    /// Counts a request. Returns its reply, if that is not the normal one.
    fn next(&self, body: &str) -> Option<Reply> {
        let (kind, counter) = match body.contains("BEGIN IMMEDIATE") {
            true => (Which::Writes, &self.writes),
            false => (Which::Reads, &self.reads),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let mut replies = self.replies.lock().unwrap();
        let (which, replies) = replies.as_mut()?;
        if [kind, Which::All].contains(which) { replies.pop_front() } else { None }
    }
}

/// The requests of one connection, one after the other.
fn serve(socket: &TcpStream, database: &Mutex<Connection>, state: &State) {
    let mut reader = BufReader::new(socket);
    let mut writer = socket;
    while let Some(body) = read_request(&mut reader) {
        let reply = state.next(&body);
        let request: Json = serde_json::from_str(&body).unwrap();
        let steps = request["requests"][0]["batch"]["steps"].as_array().unwrap();
        let carried_out = || carry_out(&database.lock().unwrap(), steps, None).to_string();
        let (status, header, body) = match reply {
            None => (200, String::new(), carried_out()),
            Some(Reply::Refused(status, header, body)) => (status, header, body),
            Some(Reply::Lost(status, body)) => {
                carried_out();
                (status, String::new(), body.to_owned())
            }
            Some(Reply::Stream(code)) => {
                let error = json!({ "type": "error", "error": { "message": "no", "code": code } });
                (200, String::new(), json!({ "results": [error] }).to_string())
            }
            Some(Reply::Step(code)) => (200, String::new(), failed_at_once(steps, code)),
            Some(Reply::Cut) => {
                let body = carried_out();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                drop(writer.write_all(format!("{head}{}", &body[..body.len() / 2]).as_bytes()));
                drop(socket.shutdown(std::net::Shutdown::Both));
                return;
            }
            Some(Reply::Bytes(of)) => {
                drop(writer.write_all(of(&carried_out()).as_bytes()));
                drop(socket.shutdown(std::net::Shutdown::Both));
                return;
            }
            Some(Reply::Endless) => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
                let mut sent = writer.write_all(head);
                while sent.is_ok() {
                    thread::sleep(Duration::from_millis(20));
                    sent = writer.write_all(b" ");
                }
                return;
            }
            Some(Reply::Long(bytes)) => (200, String::new(), carried_out() + &" ".repeat(bytes)),
            Some(Reply::Undone { before, says }) => {
                let answer = carry_out(&database.lock().unwrap(), steps, Some((before, says)));
                (200, String::new(), answer.to_string())
            }
            Some(Reply::Silence) => return thread::sleep(Duration::from_secs(60)),
        };
        let head =
            format!("HTTP/1.1 {status} as told\r\n{header}content-length: {}\r\n\r\n", body.len());
        if writer
            .write_all(head.as_bytes())
            .and_then(|()| writer.write_all(body.as_bytes()))
            .is_err()
        {
            return;
        }
    }
}

/// The body of the next request. `None`: the connection was closed.
fn read_request(reader: &mut impl BufRead) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(given) = line.strip_prefix("content-length:") {
            length = given.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

fn answer(results: Vec<Json>, errors: Vec<Json>) -> Json {
    let result = json!({ "step_results": results, "step_errors": errors });
    json!({ "results": [{ "type": "ok", "response": { "type": "batch", "result": result } }] })
}

fn failed_at_once(steps: &[Json], code: &str) -> String {
    let mut errors = vec![Json::Null; steps.len()];
    errors[0] = json!({ "message": "SQLite error: no", "code": code });
    answer(vec![Json::Null; steps.len()], errors).to_string()
}

fn carry_out(database: &Connection, steps: &[Json], undone: Option<(usize, bool)>) -> Json {
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for (at, step) in steps.iter().enumerate() {
        if let Some((_, says)) = undone.filter(|(before, _)| *before == at)
            && !database.is_autocommit()
        {
            database.execute_batch("ROLLBACK").unwrap();
            if says {
                results.push(Json::Null);
                errors.push(
                    json!({ "message": "Transaction timed-out", "code": "TRANSACTION_TIMEOUT" }),
                );
                continue;
            }
        }
        let is_met = match step.get("condition") {
            Some(condition) => holds(condition, database, &results, &errors),
            None => true,
        };
        let (result, error) = match is_met.then(|| run(database, &step["stmt"])) {
            Some(Ok(result)) => (result, Json::Null),
            Some(Err(error)) => {
                let message = format!("SQLite error: {error}");
                (Json::Null, json!({ "message": message, "code": "SQLITE_UNKNOWN" }))
            }
            None => (Json::Null, Json::Null),
        };
        results.push(result);
        errors.push(error);
    }
    // The stream is closed after each batch.
    if !database.is_autocommit() {
        database.execute_batch("ROLLBACK").unwrap();
    }
    answer(results, errors)
}

fn holds(condition: &Json, database: &Connection, results: &[Json], errors: &[Json]) -> bool {
    let at = || usize::try_from(condition["step"].as_u64().unwrap()).unwrap();
    let inner = |condition| holds(condition, database, results, errors);
    match condition["type"].as_str().unwrap() {
        "ok" => !results[at()].is_null(),
        "error" => !errors[at()].is_null(),
        "not" => !inner(&condition["cond"]),
        "and" => condition["conds"].as_array().unwrap().iter().all(inner),
        "is_autocommit" => database.is_autocommit(),
        other => panic!("no condition {other}"),
    }
}

fn run(database: &Connection, statement: &Json) -> rusqlite::Result<Json> {
    let mut prepared = database.prepare(statement["sql"].as_str().unwrap())?;
    for (at, value) in statement["args"].as_array().unwrap().iter().enumerate() {
        prepared.raw_bind_parameter(at + 1, bound(value))?;
    }
    let columns = prepared.column_count();
    let is_write = !prepared.readonly();
    let (mut rows, mut found) = (Vec::new(), prepared.raw_query());
    while let Some(row) = found.next()? {
        let cells = (0..columns).map(|at| row.get_ref(at).map(sent));
        rows.push(cells.collect::<rusqlite::Result<Vec<Json>>>()?);
    }
    let changes = if is_write { database.changes() } else { 0 };
    Ok(json!({ "cols": [], "rows": rows, "affected_row_count": changes }))
}

fn bound(value: &Json) -> Value {
    let text = || value["value"].as_str().unwrap();
    match value["type"].as_str().unwrap() {
        "null" => Value::Null,
        "integer" => text().parse::<i64>().unwrap().into(),
        "float" => value["value"].as_f64().unwrap().into(),
        "text" => text().to_owned().into(),
        other => panic!("no value of the kind {other}"),
    }
}

fn sent(cell: ValueRef<'_>) -> Json {
    match cell {
        ValueRef::Null => json!({ "type": "null" }),
        ValueRef::Integer(number) => json!({ "type": "integer", "value": number.to_string() }),
        ValueRef::Real(number) => json!({ "type": "float", "value": number }),
        ValueRef::Text(text) => {
            json!({ "type": "text", "value": std::str::from_utf8(text).unwrap() })
        }
        ValueRef::Blob(_) => panic!("no bytes are kept"),
    }
}
