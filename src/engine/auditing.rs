//! Audits, statements and repairs: the parts that all stores share.

use std::collections::HashMap;

use super::outcome::Audited;
use crate::domain::audit::{Audit, Owners};
use crate::domain::books::RowId;
use crate::domain::repair::{Fix, fixes};
use crate::domain::statement::{AccountStatement, Query, statement};
use crate::domain::value::Value;
use crate::storage::Row;
use crate::storage::books::BooksPage;

/// Builds a page of a user's statement from the account, if there is one.
pub(super) fn write_statement(
    page: &BooksPage,
    user_id: &str,
    query: &Query,
    now_ms: i64,
) -> AccountStatement {
    let books = page.of(user_id);
    books.map(|books| statement(books, query, now_ms)).unwrap_or_default()
}

/// Prepares the audits of these accounts.
pub(super) fn audits(page: &BooksPage) -> Vec<Audit<'_>> {
    page.books.iter().map(Audit::of).collect()
}

/// The rows that these accounts refer to but do not contain.
pub(super) fn named_elsewhere(audits: &[Audit<'_>]) -> Vec<RowId> {
    audits.iter().flat_map(Audit::named_elsewhere).collect()
}

/// The possible repairs of these accounts.
pub(super) fn fixes_of(page: &BooksPage, now_ms: i64) -> Vec<Fix> {
    page.books.iter().flat_map(|books| fixes(books, now_ms)).collect()
}

/// The findings of these audits of a page.
pub(super) fn audited(page: &BooksPage, audits: &[Audit<'_>], owners: &Owners) -> Audited {
    Audited {
        findings: audits.iter().flat_map(|audit| audit.findings(owners)).collect(),
        users: page.books.len(),
        credit_rows: page.credit_rows,
        next: page.next.clone(),
    }
}

/// The metadata of some rows, by their `id`s, in any form: a repair keeps it.
pub(super) fn metadata_of(rows: &[Row]) -> HashMap<String, Option<String>> {
    let text = |value: &Value| match value {
        Value::Text(text) | Value::Json(text) => Some(text.clone()),
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        _ => None,
    };
    let of_row = |row: &Row| Some((row.text("id")?.to_owned(), row.get("metadata").and_then(text)));
    rows.iter().filter_map(of_row).collect()
}
