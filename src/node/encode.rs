//! Encodes an outcome as a reply's JSON text.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::wire::{write_text, write_value};
use crate::domain::grant::{Grant, total_remaining};
use crate::domain::quote::next_expiry;
use crate::domain::refund::Refund;
use crate::domain::regrant::Regrant;
use crate::domain::renewal::Carried;
use crate::domain::repair::{Fix, as_json, is_repairable};
use crate::domain::revocation::Standing;
use crate::domain::settle::Difference;
use crate::domain::statement::{AccountStatement, task_of};
use crate::domain::value::Value;
use crate::engine::{Audited, Moved, Outcome};
use crate::error::{Detail, Error, Result};
use crate::storage::Row;

/// The maximum length of a string in JavaScript: 2^29 − 24 characters.
const LONGEST_REPLY: usize = (1 << 29) - 24;

/// Encodes a reply, if a JavaScript string can hold it.
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

/// Encodes a reply: `{"row":…}`, `{"rows":[…]}`, `{"all":[…]}`, `{"value":…}` or `{"error":{…}}`.
fn write(outcome: &Result<Outcome>) -> String {
    const USUAL: usize = 1024;
    let mut out = String::with_capacity(USUAL);
    match outcome {
        Ok(outcome) => write_outcome(&mut out, outcome),
        Err(error) => error_reply(&mut out, error),
    }
    out
}

fn write_outcome(out: &mut String, outcome: &Outcome) {
    match outcome {
        Outcome::Done => out.push_str("{}"),
        Outcome::Bool(value) => value_reply(out, &json!(value)),
        Outcome::Number(value) => value_reply(out, &json!(value)),
        Outcome::Row(None) => out.push_str(r#"{"row":null}"#),
        Outcome::Row(Some(row)) => row_reply(out, row, &[]),
        Outcome::Replayed(row) => row_reply(out, row, &[("replayed", json!(true))]),
        Outcome::Updated(row, None) => row_reply(out, row, &[]),
        Outcome::Updated(row, Some(refund)) => {
            row_reply(out, row, &[("refund", refund_json(refund))]);
        }
        Outcome::TopUp { row: Some(row), replayed, .. } => {
            let mut more = vec![("claimed", json!(true))];
            more.extend(replayed.then(|| ("replayed", json!(true))));
            row_reply(out, row, &more);
        }
        Outcome::TopUp { row: None, declined, .. } => {
            let declined = declined.as_ref().map(|declined| {
                json!({
                    "claimed": false,
                    "reason": declined.reason,
                    "balance": declined.balance,
                    "retryAt": declined.retry_at_ms,
                })
            });
            value_reply(out, &declined.unwrap_or(Json::Null));
        }
        Outcome::Settled(row, Difference { refund, collected, uncollected }) => {
            let collected = ("collected", json!(collected));
            let uncollected = ("uncollected", json!(uncollected));
            row_reply(out, row, &[("refund", refund_json(refund)), collected, uncollected]);
        }
        Outcome::All(outcomes) => {
            out.push_str(r#"{"all":"#);
            write_list(out, outcomes, write_outcome);
            out.push('}');
        }
        Outcome::Renewed(row, Carried { carried, written_off, moved }) => {
            let carried = json!({ "carried": carried, "writtenOff": written_off });
            let moved = moved_json(&Moved::of(Some(row), *moved));
            row_reply(out, row, &[("rollover", carried), ("moved", moved)]);
        }
        Outcome::Standing { standing, replayed, moved } => {
            let (standing, moved) = (standing_json(*standing, *replayed), moved_json(moved));
            write!(out, r#"{{"value":{standing},"moved":{moved}}}"#).ok();
        }
        Outcome::Grant(row, moved) => row_reply(out, row, &[("moved", moved_json(moved))]),
        Outcome::Quote(quote) => {
            let draws = quote.draws.iter().map(|draw| {
                json!({
                    "creditId": draw.credit_id,
                    "transactionNo": draw.transaction_no,
                    "credits": draw.credits_consumed,
                    "expiresAt": draw.expires_at,
                })
            });
            let quoted = json!({
                "sufficient": quote.is_sufficient(),
                "required": quote.required,
                "available": quote.available,
                "draws": draws.collect::<Vec<_>>(),
                "nextExpiry": expiry_json(quote.next_expiry),
            });
            value_reply(out, &quoted);
        }
        Outcome::Balance(grants, held) => value_reply(out, &balance_json(grants, *held)),
        Outcome::Statement(statement, rows) => {
            value_reply(out, &statement_json(statement, rows));
        }
        Outcome::Expiring(users, cursor) => {
            let users = users.iter().map(|user| {
                json!({
                    "userId": user.user_id,
                    "credits": user.credits,
                    "grants": user.grants,
                    "expiresAt": user.first_ms,
                })
            });
            let users: Vec<Json> = users.collect();
            value_reply(out, &json!({ "users": users, "cursor": cursor }));
        }
        Outcome::Audited(audited) => value_reply(out, &audited_json(audited)),
        Outcome::Fixes(fixes) => value_reply(out, &fixes_json(fixes)),
        Outcome::Rows(rows) => rows_reply(out, rows, None),
        Outcome::RowsOfUsers(rows, users) => {
            out.push_str(r#"{"rows":"#);
            write_list(out, rows, write_row);
            out.push_str(r#","users":"#);
            write_list(out, users, write_row);
            out.push('}');
        }
        Outcome::Page(rows, total, page) => {
            let page = json!({ "total": total, "page": page.page, "limit": page.limit });
            rows_reply(out, rows, Some(&page));
        }
        Outcome::Diagnostics(found) => {
            out.push_str(r#"{"value":"#);
            write_object(out, found.iter().map(|(name, value)| (*name, value)));
            out.push('}');
        }
        Outcome::Stats(stats) => value_reply(out, stats),
    }
}

/// The state of an order after a revocation.
fn standing_json(standing: Standing, replayed: bool) -> Json {
    let Standing { revoked, spent, outstanding, remaining } = standing;
    let mut told = json!({
        "revoked": revoked, "spent": spent, "outstanding": outstanding, "remaining": remaining,
    });
    if replayed {
        told["replayed"] = true.into();
    }
    told
}

fn moved_json(moved: &Moved) -> Json {
    let user_id = match &moved.user_id {
        Value::Integer(number) => Json::from(*number),
        value => value.as_text().into(),
    };
    json!({ "userId": user_id, "credits": moved.credits })
}

fn value_reply(out: &mut String, value: &Json) {
    out.push_str(r#"{"value":"#);
    out.push_str(&value.to_string());
    out.push('}');
}

/// A row with additional properties.
fn row_reply(out: &mut String, row: &Row, more: &[(&str, Json)]) {
    out.push_str(r#"{"row":"#);
    write_row(out, row);
    for (name, value) in more {
        out.push(',');
        write_text(out, name);
        out.push(':');
        out.push_str(&value.to_string());
    }
    out.push('}');
}

fn refund_json(refund: &Refund) -> Json {
    let skipped = refund.skipped.iter().map(|skipped| {
        json!({
            "creditId": skipped.grant_id,
            "credits": skipped.credits,
            "reason": skipped.reason.as_str(),
        })
    });
    let mut json = json!({
        "credits": refund.credits,
        "spendable": refund.spendable,
        "skipped": skipped.collect::<Vec<_>>(),
    });
    if let Some(regranted) = regranted_json(&refund.regranted) {
        json["regranted"] = regranted;
    }
    json
}

/// The first new grant with the sum of the credits, and a list if there are several.
fn regranted_json(regranted: &[Regrant]) -> Option<Json> {
    let first = regranted.first()?;
    let of_one =
        |regrant: &Regrant| json!({ "creditId": regrant.grant_id, "credits": regrant.credits });
    let mut json = of_one(first);
    json["expiresAt"] = first.expires_at_ms.into();
    if regranted.len() > 1 {
        json["credits"] = regranted.iter().map(|regrant| regrant.credits).sum::<i64>().into();
        json["grants"] = regranted.iter().map(of_one).collect();
    }
    Some(json)
}

fn expiry_json(next_expiry: Option<(i64, i64)>) -> Json {
    match next_expiry {
        Some((expires_at_ms, credits)) => {
            json!({ "expiresAt": expires_at_ms, "credits": credits })
        }
        None => Json::Null,
    }
}

fn balance_json(grants: &[Grant], held: i64) -> Json {
    let list = grants.iter().map(|grant| {
        json!({
            "creditId": grant.id,
            "transactionNo": grant.transaction_no,
            "remaining": grant.remaining,
            "granted": grant.credits,
            "expiresAt": grant.expires_at_ms,
        })
    });
    json!({
        "credits": total_remaining(grants),
        "held": held,
        "grants": list.collect::<Vec<_>>(),
        "nextExpiry": expiry_json(next_expiry(grants)),
    })
}

fn statement_json(statement: &AccountStatement, rows: &[Row]) -> Json {
    let rows: HashMap<&str, &Row> =
        rows.iter().filter_map(|row| Some((row.text("id")?, row))).collect();
    let entries = statement.entries.iter().map(|entry| {
        let row = rows.get(entry.credit_id.as_str());
        let text = |key| row.and_then(|row| row.text(key));
        let task = task_of(entry).map(|(kind, id)| json!({ "kind": kind, "id": id }));
        json!({
            "type": entry.kind.as_str(),
            "at": entry.at_ms,
            "credits": entry.credits,
            "balance": entry.balance,
            "creditId": entry.credit_id,
            "transactionNo": text("transactionNo"),
            "scene": text("transactionScene"),
            "description": text("description"),
            "task": task,
        })
    });
    let unreadable = statement.unreadable.iter().map(|value| {
        json!({
            "creditId": value.row.1,
            "field": value.field,
            "found": value.found,
            "leftOut": value.left_out.is_some(),
        })
    });
    let mut json = json!({
        "openingBalance": statement.opening_balance,
        "entries": entries.collect::<Vec<_>>(),
        "cursor": statement.next,
    });
    if !statement.unreadable.is_empty() {
        json["unreadable"] = unreadable.collect();
    }
    json
}

fn audited_json(audited: &Audited) -> Json {
    let findings = audited.findings.iter().map(|finding| {
        let rows = finding.rows.iter().map(|(table, id)| json!({ "table": table.sql(), "id": id }));
        let numbers =
            finding.numbers.iter().map(|(name, number)| ((*name).to_owned(), json!(number)));
        json!({
            "kind": finding.kind.as_str(),
            "userId": finding.user_id,
            "rows": rows.collect::<Vec<_>>(),
            "numbers": numbers.collect::<Map<_, _>>(),
            "message": finding.message,
        })
    });
    let repairable = audited.findings.iter().filter(|finding| is_repairable(finding.kind));
    json!({
        "findings": findings.collect::<Vec<_>>(),
        "repairable": repairable.map(|finding| &finding.user_id).collect::<HashSet<_>>(),
        "users": audited.users,
        "rows": audited.credit_rows,
        "next": audited.next,
    })
}

fn fixes_json(fixes: &[Fix]) -> Json {
    let fixes = fixes.iter().map(|fix| {
        json!({
            "kind": fix.kind.as_str(),
            "userId": fix.user_id,
            "table": "credit",
            "id": fix.credit_id,
            "column": fix.column,
            "before": as_json(&fix.before),
            "after": as_json(&fix.after),
            "message": fix.message,
        })
    });
    fixes.collect()
}

fn rows_reply(out: &mut String, rows: &[Row], page: Option<&Json>) {
    out.push_str(r#"{"rows":"#);
    write_list(out, rows, write_row);
    if let Some(page) = page {
        out.push_str(r#","page":"#);
        out.push_str(&page.to_string());
    }
    out.push('}');
}

fn write_list<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
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
                Detail::TimeMs(time_ms) => Json::from(time_ms),
            };
            (name.to_owned(), detail)
        })
        .collect();
    let error = json!({
        "code": error.code(),
        "message": error.to_string(),
        "retryable": error.retryable(),
        "family": error.family().as_str(),
        "details": details,
    });
    out.push_str(r#"{"error":"#);
    out.push_str(&error.to_string());
    out.push('}');
}
