//! Queries in the app's transaction on PostgreSQL, with checks that identify the transaction and its tables.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::odd;
use crate::storage::dialect::postgres::Statement;
use crate::storage::dialect::postgres::inline::inline;
use crate::storage::dialect::postgres::json::{JsonRow, rows_of, rows_of_all};
use crate::storage::failure::Answer;

/// Rows, and the checks read with them.
pub(super) struct Asked {
    pub(super) rows: Vec<Vec<JsonRow>>,
    pub(super) checked: Option<Checked>,
}

/// The checks of a transaction.
#[derive(Deserialize)]
pub(super) struct Checked {
    /// Whether there is a transaction. With the extended protocol it is not known yet: see [`in_same`].
    pub(super) within: bool,
    pub(super) isolation: String,
    pub(super) transaction: String,
    /// The mark that identifies the tables.
    pub(super) mark: String,
    /// Their version, if requested.
    pub(super) version: Option<String>,
    /// Their schemas, if requested.
    pub(super) schemas: Option<Vec<String>>,
}

/// Which checks are read with the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// The transaction, and the mark of the tables.
    Mark,
    /// Their version too.
    Version,
}

impl Check {
    fn text(self) -> String {
        let mark = include_str!("../dialect/postgres/sql/within_check.sql");
        let mark = format!("{mark}, 'transaction', {TRANSACTION}");
        match self {
            Self::Mark => mark,
            Self::Version => {
                format!("{mark}, {}", include_str!("../dialect/postgres/sql/within_version.sql"))
            }
        }
    }
}

/// Identifies a transaction.
const TRANSACTION: &str = "now()::text";

/// The code of a negative LIMIT: see [`in_same`].
pub(super) const OTHER_TRANSACTION: &str = "2201W";

/// Appended to a write, so that it fails in another transaction. Outside a transaction, a prepared statement
/// has a time of its own, like a transaction; only the next statement shows the difference.
pub(super) fn in_same(transaction: &str) -> String {
    let guard = format!(" LIMIT CASE {TRANSACTION} WHEN $1 THEN 1 ELSE -1 END");
    inline(&Statement::new(guard, [transaction.into()]))
}

/// How queries are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// A single query, with a result of several rows: the server plans it faster.
    Rows,
    /// Several queries, with a result of one row.
    Together,
}

/// Queries that are sent as one.
pub(super) struct Question<'s> {
    pub(super) statements: &'s [Statement],
    pub(super) form: Asking,
    pub(super) check: Option<Check>,
}

/// A row of [`Asking::Rows`], with the checks.
#[derive(Deserialize)]
struct CheckedRow {
    row: JsonRow,
    #[serde(flatten)]
    checked: Checked,
}

/// The row of [`Asking::Together`].
#[derive(Deserialize)]
struct AllRows {
    rows: Vec<Vec<JsonRow>>,
    #[serde(flatten)]
    checked: Option<Checked>,
}

impl Question<'_> {
    pub(super) fn text(&self) -> String {
        let check = self.check.map_or_else(String::new, |check| format!(", {}", check.text()));
        match (self.form, self.statements) {
            (Asking::Rows, [statement]) if self.check.is_none() => rows_of(statement),
            (Asking::Rows, [statement]) => format!(
                "SELECT json_build_object('row', asked{check})::text AS media_credits FROM ({}) AS asked",
                inline(statement)
            ),
            (_, statements) => {
                let rows = rows_of_all(statements);
                format!("SELECT json_build_object('rows', {rows}{check})::text AS media_credits")
            }
        }
    }

    pub(super) fn read(&self, reply: &[String], doing: &'static str) -> Answer<Asked> {
        match self.form {
            Asking::Rows if self.check.is_none() => {
                Ok(Asked { rows: vec![each(reply, doing)?], checked: None })
            }
            Asking::Rows => {
                let mut asked = Asked { rows: vec![Vec::new()], checked: None };
                for CheckedRow { row, checked } in each(reply, doing)? {
                    asked.rows[0].push(row);
                    asked.checked = Some(checked);
                }
                Ok(asked)
            }
            Asking::Together => {
                let [text] = reply else { return Err(odd(doing)) };
                let all: AllRows = serde_json::from_str(text).map_err(|_| odd(doing))?;
                Ok(Asked { rows: all.rows, checked: all.checked })
            }
        }
    }
}

/// Reads rows that are returned one by one.
fn each<R: DeserializeOwned>(reply: &[String], doing: &'static str) -> Answer<Vec<R>> {
    reply.iter().map(|row| serde_json::from_str(row).map_err(|_| odd(doing))).collect()
}
