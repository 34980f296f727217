//! What is asked of the app's transaction on PostgreSQL: statements, and what tells one transaction, and its tables, from
//! others.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::odd;
use crate::storage::dialect::postgres::Statement;
use crate::storage::dialect::postgres::inline::inline;
use crate::storage::dialect::postgres::json::{JsonRow, rows_of, rows_of_all};
use crate::storage::failure::Answer;

/// Rows, and what was checked with them.
pub(super) struct Asked {
    pub(super) rows: Vec<Vec<JsonRow>>,
    pub(super) checked: Option<Checked>,
}

/// What there is.
#[derive(Deserialize)]
pub(super) struct Checked {
    /// Whether there is a transaction. Under the extended protocol it is not known yet: see [`in_same`].
    pub(super) within: bool,
    pub(super) isolation: String,
    pub(super) transaction: String,
    /// The mark of the tables.
    pub(super) mark: String,
    /// Their version, if it was asked for.
    pub(super) version: Option<String>,
    /// And their schemas.
    pub(super) schemas: Option<Vec<String>>,
}

/// What is asked besides: whether there is a transaction, and which tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// By what tells them from others.
    Mark,
    /// And by their version.
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

/// What tells a transaction from those before and behind it.
const TRANSACTION: &str = "now()::text";

/// The code of a negative LIMIT: see [`in_same`].
pub(super) const OTHER_TRANSACTION: &str = "2201W";

/// The end of a statement that writes, which fails in another transaction: a statement that a client prepares outside of
/// one has a time of its own, as those inside have, and only the next one tells.
pub(super) fn in_same(transaction: &str) -> String {
    let guard = format!(" LIMIT CASE {TRANSACTION} WHEN $1 THEN 1 ELSE -1 END");
    inline(&Statement::new(guard, [transaction.into()]))
}

/// How statements are asked as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// One alone, whose rows come one by one: a server plans that in less time.
    Rows,
    /// In one row.
    Together,
}

/// Statements that are asked as one.
pub(super) struct Question<'s> {
    pub(super) statements: &'s [Statement],
    pub(super) form: Asking,
    pub(super) check: Option<Check>,
}

/// One row of [`Asking::Rows`], and what was checked with it.
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

/// Rows that come one by one.
fn each<R: DeserializeOwned>(reply: &[String], doing: &'static str) -> Answer<Vec<R>> {
    reply.iter().map(|row| serde_json::from_str(row).map_err(|_| odd(doing))).collect()
}
