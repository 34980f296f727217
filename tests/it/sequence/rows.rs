//! The whole ledger of a store after a step, and the fields of an outcome, with names that all stores have in
//! common: each makes its own ids and transaction numbers.

use std::collections::HashMap;

use media_credits::domain::table::TableName::{self, Credit, Tasks, User};
use media_credits::domain::table::TaskKind;
use media_credits::domain::value::Value;
use media_credits::engine::{Outcome, Read};
use media_credits::error::Result;
use media_credits::storage::{Filter, Page, Row};
use proptest::sample::Index;

use super::stores::Subject;
use crate::common::time;

/// All rows, each table's by their ids.
#[derive(Default)]
pub(super) struct Ledger {
    rows: Vec<(TableName, Row)>,
    names: HashMap<String, String>,
    /// Each row, with names that all stores share.
    pub(super) lines: Vec<String>,
}

impl Ledger {
    /// The ledger of a store, which had the rows of `before` and may have more now.
    pub(super) fn of(store: &mut dyn Subject, before: &Self, now_ms: i64) -> Self {
        let list = |table| Read::List(Filter { table, equal: Vec::new() }, Page::whole(1, 10_000));
        let lists = store.read_all(&TableName::ALL.map(list), now_ms);
        let mut ledger = Self::default();
        for (table, list) in TableName::ALL.into_iter().zip(lists) {
            let Ok(Outcome::Rows(mut rows)) = list else { panic!("{list:?}") };
            rows.sort_by_key(|row| id(row).to_owned());
            ledger.rows.extend(rows.into_iter().map(|row| (table, row)));
        }
        ledger.names = ledger.names_of_rows();
        ledger.lines = ledger.lines_after(before);
        ledger
    }

    /// Most rows stay as they were.
    fn lines_after(&self, before: &Self) -> Vec<String> {
        let mut known = before.rows.iter().zip(&before.lines).peekable();
        let line = |(table, row): &(TableName, Row)| {
            let same = known.next_if(|((other, was), _)| other == table && id(was) == id(row));
            match same {
                Some(((_, was), line)) if was.values == row.values => line.clone(),
                _ => self.renamed(&content(row)),
            }
        };
        self.rows.iter().map(line).collect()
    }

    /// Ids grow with time, so a row's place among the others is a name that all stores have for it.
    fn names_of_rows(&self) -> HashMap<String, String> {
        const UUID: usize = 36;
        let made = self.of_table(Credit).filter(|row| id(row).len() == UUID);
        let names = made.enumerate().flat_map(|(at, row)| {
            let number = row.text("transactionNo").unwrap();
            [(id(row), format!("credit-{at}")), (number, format!("number-{at}"))]
        });
        let is_made = |(name, _): &(&str, String)| !name.starts_with("order");
        names.filter(is_made).map(|(name, other)| (name.to_owned(), other)).collect()
    }

    pub(super) fn of_table(&self, table: TableName) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |(other, _)| *other == table).map(|(_, row)| row)
    }

    pub(super) fn find(&self, table: TableName, id: &str) -> Option<&Row> {
        self.of_table(table).find(|row| self::id(row) == id)
    }

    pub(super) fn grants(&self) -> impl Iterator<Item = &Row> {
        self.of_table(Credit).filter(|row| row.text("transactionType") == Some("grant"))
    }

    pub(super) fn charges(&self) -> impl Iterator<Item = &Row> {
        self.of_table(Credit).filter(|row| row.text("transactionType") == Some("consume"))
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = &(TableName, Row)> {
        self.rows.iter().filter(|(table, _)| matches!(table, Tasks(_)))
    }

    /// The same task on each store.
    pub(super) fn task(&self, index: &Index) -> Option<(TaskKind, &str)> {
        let (table, row) = pick(self.tasks(), index)?;
        let Tasks(kind) = table else { return None };
        Some((*kind, id(row)))
    }

    /// The same charge on each store.
    pub(super) fn charge(&self, index: &Index) -> Option<&Row> {
        pick(self.charges(), index)
    }

    /// A hold that has ended.
    pub(super) fn ended_hold(&self, now_ms: i64) -> Option<&Row> {
        let is_over = |row: &&Row| time(row, "expiresAt").is_some_and(|at_ms| at_ms <= now_ms);
        self.charges().find(|row| row.as_charge().is_held() && is_over(row))
    }

    /// The outcome of a request, with the same names.
    pub(super) fn told(&self, outcome: &Result<Outcome>) -> String {
        self.renamed(&match outcome {
            Ok(outcome) => told(outcome),
            Err(error) => format!("{} {error:?}", error.code()),
        })
    }

    fn renamed(&self, text: &str) -> String {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let renamed = |part: &str| {
            let name = part.trim_end_matches(|letter| !is_name(letter));
            match self.names.get(name) {
                Some(other) => format!("{other}{}", &part[name.len()..]),
                None => part.to_owned(),
            }
        };
        text.split_inclusive(|letter| !is_name(letter)).map(renamed).collect()
    }
}

/// One of them, if there are any.
pub(super) fn pick<T>(all: impl Iterator<Item = T>, index: &Index) -> Option<T> {
    let mut all: Vec<T> = all.collect();
    (!all.is_empty()).then(|| all.swap_remove(index.index(all.len())))
}

pub(super) fn id(row: &Row) -> &str {
    row.text("id").unwrap()
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Row(row) => row.as_ref().map_or("no row".to_owned(), content),
        Outcome::Replayed(row) => format!("replayed {}", content(row)),
        Outcome::Updated(row, refund) => format!("{} {refund:?}", content(row)),
        Outcome::TopUp { row, replayed, declined } => {
            let row = row.as_ref().map_or("no row".to_owned(), content);
            format!("{row} {replayed} {declined:?}")
        }
        Outcome::Settled(row, difference) => format!("{} {difference:?}", content(row)),
        Outcome::Grant(row, moved) => format!("{} {moved:?}", content(row)),
        Outcome::Renewed(row, carried) => format!("{} {carried:?}", content(row)),
        Outcome::Rows(rows) => contents(rows),
        Outcome::RowsOfUsers(rows, users) => format!("{}\n{}", contents(rows), in_any_order(users)),
        Outcome::Page(rows, total, _) => format!("{} of {total}", contents(rows)),
        Outcome::Statement(statement, rows) => format!("{statement:?}\n{}", in_any_order(rows)),
        Outcome::All(outcomes) => outcomes.iter().map(told).collect::<Vec<_>>().join("\n"),
        Outcome::Done
        | Outcome::Bool(_)
        | Outcome::Number(_)
        | Outcome::Standing { .. }
        | Outcome::Quote(_)
        | Outcome::Balance(..)
        | Outcome::Audited(_)
        | Outcome::Expiring(..)
        | Outcome::Fixes(_) => format!("{outcome:?}"),
        Outcome::Diagnostics(_) | Outcome::Stats(_) => panic!("no step asks for this"),
    }
}

fn contents(rows: &[Row]) -> String {
    rows.iter().map(content).collect::<Vec<_>>().join("\n")
}

fn in_any_order(rows: &[Row]) -> String {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| id(row).to_owned());
    contents(&rows)
}

/// A row's columns by their names, without null ones. Of a user, only the columns of the ledger.
fn content(row: &Row) -> String {
    let is_told =
        |key: &str| row.table.name != User.sql() || ["id", "freeTrialUsed"].contains(&key);
    let columns = row.table.columns.iter().zip(&row.values);
    let mut told: Vec<String> = columns
        .filter(|(column, value)| is_told(&column.key) && **value != Value::Null)
        .map(|(column, value)| match row.text(&column.key) {
            Some(text) => format!("{} {text}", column.key),
            None => format!("{} {value:?}", column.key),
        })
        .collect();
    told.sort();
    told.join(", ")
}
