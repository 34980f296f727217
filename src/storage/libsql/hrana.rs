//! Hrana 3 over HTTP: a pipeline of one batch, as JSON, and the server's reply
//! (<https://github.com/tursodatabase/libsql/blob/main/docs/HRANA_3_SPEC.md>).
//!
//! A stream lasts for one request: no state is kept across requests.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::storage::dialect::sqlite::Statement;
use crate::storage::dialect::sqlite::cell::Cell;
use crate::storage::dialect::sqlite::wire::OwnedRow;

/// The path of pipelines.
pub(super) const PIPELINE: &str = "/v3/pipeline";

/// Some servers omit the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A statement of a batch, and the condition for running it. Steps are counted from 0.
#[derive(Serialize)]
pub(super) struct Step<'s> {
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition>,
    stmt: Sent<'s>,
}

impl<'s> Step<'s> {
    /// A statement with its values. Functions can't be registered here.
    pub(super) fn new(condition: Option<Condition>, statement: &'s Statement<'s>) -> Self {
        let mut sql = statement.text.as_ref().into();
        if statement.text.contains("is_text(id)") {
            sql = Cow::Owned(statement.text.replace("is_text(id)", "typeof(id) = 'text'"));
        }
        Self { condition, stmt: Sent { sql, args: Args(&statement.values) } }
    }

    /// A command.
    pub(super) fn command(condition: Option<Condition>, sql: impl Into<Cow<'s, str>>) -> Self {
        Self { condition, stmt: Sent { sql: sql.into(), args: Args(&[]) } }
    }
}

/// The condition for running a step.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Condition {
    /// This step was run and succeeded.
    Ok { step: usize },
    /// This step was run and failed.
    Error { step: usize },
    /// The negation.
    Not { cond: Box<Condition> },
    /// All of these.
    And { conds: Vec<Condition> },
    /// No transaction is open.
    IsAutocommit,
}

impl Condition {
    pub(super) fn not(cond: Self) -> Self {
        Self::Not { cond: Box::new(cond) }
    }
}

#[derive(Serialize)]
struct Sent<'s> {
    sql: Cow<'s, str>,
    args: Args<'s>,
}

struct Args<'s>(&'s [Cell<'s>]);

impl Serialize for Args<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut args = serializer.serialize_seq(Some(self.0.len()))?;
        for cell in self.0 {
            args.serialize_element(&Arg(cell))?;
        }
        args.end()
    }
}

struct Arg<'s>(&'s Cell<'s>);

impl Serialize for Arg<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Cell::Null => map.serialize_entry("type", "null")?,
            Cell::Integer(number) => {
                map.serialize_entry("type", "integer")?;
                // JSON numbers hold only 53 bits in JavaScript.
                map.serialize_entry("value", &number.to_string())?;
            }
            Cell::Real(number) => {
                map.serialize_entry("type", "float")?;
                map.serialize_entry("value", number)?;
            }
            Cell::Text(text) => {
                map.serialize_entry("type", "text")?;
                map.serialize_entry("value", &String::from_utf8_lossy(text))?;
            }
            Cell::Blob(bytes) => {
                map.serialize_entry("type", "blob")?;
                map.serialize_entry("base64", &BASE64.encode(bytes))?;
            }
        }
        map.end()
    }
}

/// A pipeline with one batch, which then closes its stream.
pub(super) fn pipeline(steps: &[Step<'_>]) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Batch<'s> {
        steps: &'s [Step<'s>],
    }
    #[derive(Serialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Request<'s> {
        Batch { batch: Batch<'s> },
        Close,
    }
    #[derive(Serialize)]
    struct Pipeline<'s> {
        requests: [Request<'s>; 2],
    }
    serde_json::to_vec(&Pipeline {
        requests: [Request::Batch { batch: Batch { steps } }, Request::Close],
    })
}

/// An error of the server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ServerError {
    pub(super) message: String,
    #[serde(default)]
    pub(super) code: Option<String>,
}

/// The result of a step.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// Not run, because its condition was false.
    Skipped,
    Failed(ServerError),
    Done {
        rows: Vec<OwnedRow>,
        changes: u64,
    },
}

/// The results of each step of a batch, or the error of the whole batch; `None` if the body is not such a
/// reply.
pub(super) fn read(body: &[u8], steps: usize) -> Option<Result<Vec<Outcome>, ServerError>> {
    let answer: Pipeline<'_> = serde_json::from_slice(body).ok()?;
    let batch = match answer.results.into_iter().next()? {
        Reply { error: Some(error), .. } => return Some(Err(error)),
        Reply { response, .. } => response?.result?,
    };
    if batch.step_results.len() != steps || batch.step_errors.len() != steps {
        return None;
    }
    let outcomes = batch.step_results.into_iter().zip(batch.step_errors);
    outcomes.map(|(result, error)| read_step(result, error)).collect::<Option<Vec<_>>>().map(Ok)
}

fn read_step(result: Option<StepResult<'_>>, error: Option<ServerError>) -> Option<Outcome> {
    if let Some(error) = error {
        return Some(Outcome::Failed(error));
    }
    let Some(result) = result else { return Some(Outcome::Skipped) };
    let row = |cells: Vec<ReceivedCell<'_>>| cells.iter().map(read_cell).collect::<Option<_>>();
    let rows = result.rows.into_iter().map(row).collect::<Option<Vec<OwnedRow>>>()?;
    Some(Outcome::Done { rows, changes: result.affected_row_count })
}

fn read_cell(cell: &ReceivedCell<'_>) -> Option<Cell<'static>> {
    let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
    Some(match (cell.kind, cell.value) {
        ("null", _) => Cell::Null,
        ("integer", Some(raw)) => raw.get().trim_matches('"').parse::<i64>().ok()?.into(),
        // JSON has no infinity.
        ("float", None) => f64::INFINITY.into(),
        ("float", Some(raw)) => match raw.get() {
            "null" => f64::INFINITY.into(),
            number => number.parse::<f64>().ok()?.into(),
        },
        ("text", Some(raw)) => text(raw)?.into(),
        ("blob", _) => Cell::Blob(BASE64.decode(cell.base64?).ok()?.into()),
        _ => return None,
    })
}

#[derive(Deserialize)]
struct Pipeline<'a> {
    #[serde(borrow)]
    results: Vec<Reply<'a>>,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    response: Option<Response<'a>>,
    error: Option<ServerError>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    result: Option<BatchResult<'a>>,
}

#[derive(Deserialize)]
struct BatchResult<'a> {
    #[serde(borrow)]
    step_results: Vec<Option<StepResult<'a>>>,
    step_errors: Vec<Option<ServerError>>,
}

#[derive(Deserialize)]
struct StepResult<'a> {
    #[serde(borrow)]
    rows: Vec<Vec<ReceivedCell<'a>>>,
    #[serde(default)]
    affected_row_count: u64,
}

#[derive(Deserialize)]
struct ReceivedCell<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    base64: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_as_it_is_sent() {
        let statement = Statement::new(
            "SELECT ?, ?, ?, ?, ? WHERE is_text(id)",
            [
                Cell::Null,
                i64::MAX.into(),
                1.5.into(),
                "it's".into(),
                Cell::Blob(vec![0, 255].into()),
            ],
        );
        let steps = [
            Step::command(None, "BEGIN IMMEDIATE"),
            Step::new(Some(Condition::Ok { step: 0 }), &statement),
            Step::command(
                Some(Condition::And {
                    conds: vec![
                        Condition::not(Condition::Ok { step: 1 }),
                        Condition::not(Condition::IsAutocommit),
                    ],
                }),
                "ROLLBACK",
            ),
        ];
        let sent: serde_json::Value = serde_json::from_slice(&pipeline(&steps).unwrap()).unwrap();
        let expected = serde_json::json!({ "requests": [
            { "type": "batch", "batch": { "steps": [
                { "stmt": { "sql": "BEGIN IMMEDIATE", "args": [] } },
                {
                    "condition": { "type": "ok", "step": 0 },
                    "stmt": {
                        "sql": "SELECT ?, ?, ?, ?, ? WHERE typeof(id) = 'text'",
                        "args": [
                            { "type": "null" },
                            { "type": "integer", "value": "9223372036854775807" },
                            { "type": "float", "value": 1.5 },
                            { "type": "text", "value": "it's" },
                            { "type": "blob", "base64": "AP8=" },
                        ],
                    },
                },
                {
                    "condition": { "type": "and", "conds": [
                        { "type": "not", "cond": { "type": "ok", "step": 1 } },
                        { "type": "not", "cond": { "type": "is_autocommit" } },
                    ] },
                    "stmt": { "sql": "ROLLBACK", "args": [] },
                },
            ] } },
            { "type": "close" },
        ] });
        assert_eq!(sent, expected);
    }

    #[test]
    fn replies_of_a_server_are_parsed() {
        let done = |rows| Outcome::Done { rows, changes: 1 };
        let failed = |message: &str, code: Option<&str>| ServerError {
            message: message.to_owned(),
            code: code.map(str::to_owned),
        };
        let batch = |results: &str, errors: &str| {
            format!(
                r#"{{"results":[{{"type":"ok","response":{{"type":"batch","result":{{"step_results":[{results}],"step_errors":[{errors}]}}}}}}]}}"#
            )
        };
        let row = r#"{"cols":[],"rows":[[{"type":"null"},{"type":"integer","value":"-5"},{"type":"float","value":5.0},{"type":"float","value":null},{"type":"text","value":"a\n\u00e4"},{"type":"blob","base64":"AP8"}]],"affected_row_count":1}"#;
        let cells = vec![
            Cell::Null,
            (-5).into(),
            5.0.into(),
            f64::INFINITY.into(),
            "a\nä".to_owned().into(),
            Cell::Blob(vec![0, 255].into()),
        ];
        let no = r#"{"message":"no","code":"SQLITE_BUSY"}"#;
        let rows = [
            (batch(row, "null"), Some(Ok(vec![done(vec![cells])]))),
            (batch("null", "null"), Some(Ok(vec![Outcome::Skipped]))),
            (batch("null", no), Some(Ok(vec![Outcome::Failed(failed("no", Some("SQLITE_BUSY")))]))),
            (
                r#"{"results":[{"type":"error","error":{"message":"gone"}}]}"#.to_owned(),
                Some(Err(failed("gone", None))),
            ),
            (batch("", ""), None),
            (batch(&format!("{row},{row}"), "null,null"), None),
            (batch(&row.replace("\"-5\"", "\"x\""), "null"), None),
            (batch(&row.replace("blob", "other"), "null"), None),
            (r#"{"results":[]}"#.to_owned(), None),
            ("<html>".to_owned(), None),
        ];
        for (body, expected) in rows {
            assert_eq!(read(body.as_bytes(), 1), expected, "{body}");
        }
    }
}
