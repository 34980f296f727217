//! From an outcome to a reply's JSON text.

use serde_json::{Map, Value as Json, json};

use super::wire::{write_text, write_value};
use crate::domain::refund::Refund;
use crate::domain::value::Value;
use crate::engine::Outcome;
use crate::error::{Detail, Error, Result};
use crate::storage::Row;

/// The longest text that JavaScript's strings hold: 2^29 − 24 characters.
const LONGEST_REPLY: usize = (1 << 29) - 24;

/// Writes a reply that JavaScript can hold.
pub(super) fn reply(outcome: &Result<Outcome>) -> String {
    let text = write(outcome);
    if text.len() <= LONGEST_REPLY {
        return text;
    }
    write(&Err(Error::InvalidArgument {
        name: "limit".to_owned(),
        expected: "small enough for all rows to fit into one JavaScript string".to_owned(),
        given: format!("rows of {} bytes", text.len()),
    }))
}

/// Writes a reply: `{"row":…}`, `{"rows":[…]}`, `{"value":…}` or `{"error":{…}}`.
fn write(outcome: &Result<Outcome>) -> String {
    const USUAL: usize = 1024;
    let mut out = String::with_capacity(USUAL);
    match outcome {
        Ok(Outcome::Done) => out.push_str("{}"),
        Ok(Outcome::Bool(value)) => value_reply(&mut out, json!(value)),
        Ok(Outcome::Number(value)) => value_reply(&mut out, json!(value)),
        Ok(Outcome::Row(None)) => out.push_str(r#"{"row":null}"#),
        Ok(Outcome::Row(Some(row))) => row_reply(&mut out, row, None),
        Ok(Outcome::Updated(row, refund)) => row_reply(&mut out, row, refund.as_ref()),
        Ok(Outcome::Rows(rows)) => rows_reply(&mut out, rows, None),
        Ok(Outcome::Page(rows, total, page)) => {
            let page = json!({ "total": total, "page": page.page, "limit": page.limit });
            rows_reply(&mut out, rows, Some(&page));
        }
        Ok(Outcome::Diagnostics(found)) => {
            out.push_str(r#"{"value":"#);
            write_object(&mut out, found.iter().map(|(name, value)| (*name, value)));
            out.push('}');
        }
        Err(error) => error_reply(&mut out, error),
    }
    out
}

fn value_reply(out: &mut String, value: Json) {
    out.push_str(r#"{"value":"#);
    out.push_str(&value.to_string());
    out.push('}');
}

fn row_reply(out: &mut String, row: &Row, refund: Option<&Refund>) {
    out.push_str(r#"{"row":"#);
    write_row(out, row);
    if let Some(refund) = refund {
        let skipped: Vec<Json> = refund
            .skipped
            .iter()
            .map(|skipped| {
                json!({
                    "creditId": skipped.grant_id,
                    "credits": skipped.credits,
                    "reason": skipped.reason.as_str(),
                })
            })
            .collect();
        let refund = json!({
            "credits": refund.credits,
            "spendable": refund.spendable,
            "skipped": skipped,
        });
        out.push_str(r#","refund":"#);
        out.push_str(&refund.to_string());
    }
    out.push('}');
}

fn rows_reply(out: &mut String, rows: &[Row], page: Option<&Json>) {
    out.push_str(r#"{"rows":["#);
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_row(out, row);
    }
    out.push(']');
    if let Some(page) = page {
        out.push_str(r#","page":"#);
        out.push_str(&page.to_string());
    }
    out.push('}');
}

fn write_row(out: &mut String, row: &Row) {
    let keys = row.table.columns.iter().map(|column| column.key.as_str());
    write_object(out, keys.zip(&row.values));
}

fn write_object<'a>(out: &mut String, fields: impl Iterator<Item = (&'a str, &'a Value)>) {
    out.push('{');
    for (at, (key, value)) in fields.enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_text(out, key);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

fn error_reply(out: &mut String, error: &Error) {
    let details: Map<String, Json> = error
        .details()
        .into_iter()
        .map(|(name, detail)| {
            let detail = match detail {
                Detail::Text(text) => Json::from(text),
                Detail::Number(number) => Json::from(number),
            };
            (name.to_owned(), detail)
        })
        .collect();
    let error = json!({
        "code": error.code(),
        "message": error.to_string(),
        "retryable": error.retryable(),
        "details": details,
    });
    out.push_str(r#"{"error":"#);
    out.push_str(&error.to_string());
    out.push('}');
}
