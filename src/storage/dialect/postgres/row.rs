//! Rows as a server sends them, and what they say to the ledger.

use std::sync::Arc;

use super::value::{needs_cast, parse_time};
use crate::domain::charge::Charge;
use crate::domain::grant::Grant;
use crate::domain::hex::from_hex;
use crate::domain::value::Value;
use crate::error::Error;
use crate::storage;
use crate::storage::failure::{Answer, Failure};
use crate::storage::schema::{Column, Kind, Table};
use crate::storage::times::LATEST_MS;

/// A value in a row, by the type that it has there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'r> {
    /// NULL.
    Null,
    /// Of type `boolean`.
    Bool(bool),
    /// Of a type of whole numbers.
    Integer(i64),
    /// Of a type of floating point numbers.
    Real(f64),
    /// Of a type of text.
    Text(&'r str),
    /// A time of either type, in epoch milliseconds.
    TimeMs(i64),
    /// Of any other type, as it was sent.
    Bytes(&'r [u8]),
}

/// A row of what a statement selects, whatever brings it. What a statement of this package selects is of these types
/// alone: no arrays.
pub trait SelectedRow {
    /// The value in a column, by its place in the statement; NULL beyond the last.
    fn cell(&self, at: usize) -> Cell<'_>;
    /// The type of a column, by the database's own number for it, if the wire tells.
    fn type_id(&self, at: usize) -> Option<u32>;
}

/// What a value can be read as.
pub trait FromCell<'r>: Sized {
    /// `None`: the value is of another type.
    fn from_cell(cell: Cell<'r>) -> Option<Self>;
}

macro_rules! from_cell {
    ($($type:ty, $variant:ident, $read:expr;)*) => {$(
        impl<'r> FromCell<'r> for $type {
            fn from_cell(cell: Cell<'r>) -> Option<Self> {
                match cell {
                    Cell::$variant(value) => Some($read(value)),
                    _ => None,
                }
            }
        }
    )*};
}

from_cell! {
    bool, Bool, |value| value;
    i64, Integer, |value| value;
    &'r str, Text, |value| value;
    String, Text, str::to_owned;
}

impl<'r, T: FromCell<'r>> FromCell<'r> for Option<T> {
    fn from_cell(cell: Cell<'r>) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

struct Time(i64);

impl<'r> FromCell<'r> for Time {
    fn from_cell(cell: Cell<'r>) -> Option<Self> {
        match cell {
            Cell::TimeMs(time_ms) => Some(Self(time_ms)),
            Cell::Text(text) => parse_time(text).map(Self),
            _ => None,
        }
    }
}

/// A value of a row. One of another type is noticed.
pub fn get<'r, T: FromCell<'r>>(row: &'r impl SelectedRow, at: usize) -> Answer<T> {
    let cell = row.cell(at);
    T::from_cell(cell).ok_or_else(|| match cell {
        Cell::Null => internal("reading a row: a value is NULL"),
        _ => changed("a table"),
    })
}

/// The text of a JSON array of texts.
pub fn get_texts(row: &impl SelectedRow, at: usize) -> Answer<Vec<String>> {
    serde_json::from_str(get(row, at)?)
        .map_err(|error| internal(&format!("reading a row: {error}")))
}

/// Reads a time, in epoch milliseconds.
pub fn read_time(row: &impl SelectedRow, at: usize) -> Answer<Option<i64>> {
    let time = get::<Option<Time>>(row, at)?.map(|Time(time_ms)| time_ms);
    // Infinity is as good as never.
    Ok(time.filter(|time_ms| *time_ms != LATEST_MS))
}

/// Reads rows of the statements that list charges.
pub fn read_charges(rows: &[impl SelectedRow]) -> Answer<Vec<Charge>> {
    let read = |row| {
        let consumed_detail: Option<String> = get(row, 4)?;
        Ok(Charge {
            id: get(row, 0)?,
            user_id: get(row, 1)?,
            active: get(row, 2)?,
            credits: get::<i64>(row, 3)?.saturating_neg(),
            consumed_detail: consumed_detail.map(String::into_bytes),
            metadata: get(row, 5)?,
        })
    };
    rows.iter().map(read).collect()
}

/// Reads rows of the statements that list grants.
pub fn read_grants(rows: &[impl SelectedRow]) -> Answer<Vec<Grant>> {
    rows.iter().map(read_grant).collect()
}

/// Reads a row of a statement that lists grants.
pub fn read_grant(row: &impl SelectedRow) -> Answer<Grant> {
    Ok(Grant {
        id: get(row, 0)?,
        transaction_no: get::<Option<String>>(row, 1)?.unwrap_or_default(),
        credits: get(row, 2)?,
        remaining: get(row, 3)?,
        expires_at_ms: read_time(row, 4)?,
        active: get(row, 5)?,
    })
}

/// Whole rows of one statement.
pub fn read_rows(table: &Arc<Table>, rows: &[impl SelectedRow]) -> Answer<Vec<storage::Row>> {
    if !is_as_found(table, rows)? {
        return Err(changed(table.name));
    }
    Ok(rows.iter().map(|row| read_row(table, row, true)).collect())
}

/// Whether whole rows of one statement have the types that were found when the tables were looked at.
pub fn is_as_found(table: &Table, rows: &[impl SelectedRow]) -> Answer<bool> {
    // They all have the same.
    let Some(row) = rows.first() else { return Ok(true) };
    let mut columns = table.columns.iter().enumerate().filter(|(_, column)| !needs_cast(column));
    if !columns.all(|(at, column)| row.type_id(at).is_none_or(|id| id == column.type_id)) {
        return Ok(false);
    }
    let cast = table.columns.iter().filter(|column| needs_cast(column));
    let cast: Vec<String> = cast.map(|column| column.type_id.to_string()).collect();
    if cast.is_empty() {
        return Ok(true);
    }
    Ok(get::<&str>(row, table.columns.len())? == format!("{{{}}}", cast.join(",")))
}

/// Reads a whole row; unless it is `as_found`, by the types alone that it has.
pub fn read_row(table: &Arc<Table>, row: &impl SelectedRow, as_found: bool) -> storage::Row {
    let columns = table.columns.iter().enumerate();
    let value = |(at, column): (usize, &Column)| {
        let kind = if as_found { column.kind } else { Kind::Other };
        value(row.cell(at), kind, column)
    };
    storage::Row { table: Arc::clone(table), values: columns.map(value).collect() }
}

/// A value of a column of this kind. What is of another one comes through as it is: a page that shows an odd row
/// is better than one that can't be read.
fn value(cell: Cell<'_>, kind: Kind, column: &Column) -> Value {
    match (cell, kind) {
        (Cell::Null, _) => Value::Null,
        (Cell::Bool(value), _) => Value::Bool(value),
        (Cell::Integer(number), _) => whole(number, column),
        (Cell::Real(number), _) => Value::Real(number),
        (Cell::TimeMs(time_ms), _) => Value::TimeMs(time_ms),
        (Cell::Text(text), Kind::Timestamp) => {
            parse_time(text).map_or_else(|| Value::Text(text.to_owned()), Value::TimeMs)
        }
        (Cell::Text(text), Kind::Other) if column.sql_type == "bytea" => text
            .strip_prefix("\\x")
            .and_then(from_hex)
            .map_or_else(|| Value::Text(text.to_owned()), Value::Bytes),
        (Cell::Text(text), Kind::Json) => Value::Json(text.to_owned()),
        // What has more digits than a floating point number is cast to text.
        (Cell::Text(text), Kind::Real) => {
            text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Real)
        }
        (Cell::Text(text), _) => Value::Text(text.to_owned()),
        (Cell::Bytes(bytes), _) => Value::Bytes(bytes.to_vec()),
    }
}

/// An id keeps all its digits, as text: a number of JavaScript would lose the last ones of a large one.
fn whole(number: i64, column: &Column) -> Value {
    const LARGEST: u64 = (1 << 53) - 1;
    let is_id = column.key == "id" || column.key == "userId";
    match is_id && number.unsigned_abs() > LARGEST {
        true => Value::Text(number.to_string()),
        false => Value::Integer(number),
    }
}

/// A column has another type than when the tables were looked at: they are looked at again.
fn changed(table: &str) -> Failure {
    Failure::Refused(Error::SchemaMismatch {
        problem: format!("a column of {table} has another type than a moment ago"),
        remedy: "Try again when the change is done".to_owned(),
    })
}

pub(super) fn internal(message: &str) -> Failure {
    Failure::Refused(Error::Internal(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TEXT, TestRow, row, tables_with};
    use super::*;
    use crate::domain::table::TableName;

    #[test]
    fn a_value_of_another_type_is_noticed() {
        let row = row(&[Cell::Integer(7), Cell::Text("7"), Cell::Null, Cell::Bytes(&[7])]);
        let read: [Answer<i64>; 4] = [0, 1, 2, 3].map(|at| get(&row, at));
        let codes = read.map(|read| read.map_err(|failure| failure.into_error().code()));
        let expected = [Ok(7), Err("SCHEMA_MISMATCH"), Err("INTERNAL"), Err("SCHEMA_MISMATCH")];
        assert_eq!(codes, expected);
        assert_eq!(get::<Option<i64>>(&row, 2).unwrap(), None);
        assert_eq!(get::<Option<i64>>(&row, 9).unwrap(), None);
    }

    #[test]
    fn a_grant_that_expires_at_infinity_never_does() {
        let grant = |expires_at| {
            let (credits, active) = (Cell::Integer(9), Cell::Bool(true));
            row(&[Cell::Text("g"), Cell::Text("n"), credits, Cell::Integer(5), expires_at, active])
        };
        let rows = [Cell::Null, Cell::TimeMs(7), Cell::TimeMs(LATEST_MS)].map(grant);
        let found = read_grants(&rows).unwrap();
        let found: Vec<_> = found.iter().map(|grant| grant.expires_at_ms).collect();
        assert_eq!(found, [None, Some(7), None]);
    }

    #[test]
    fn whole_rows_are_read_by_their_columns_kinds_while_these_are_as_found() {
        let rows = [
            // the type of `own`, what is sent; what it is, and what it is by itself
            ("jsonb", Cell::Text("[1]"), Value::Json("[1]".into()), Value::Text("[1]".into())),
            ("numeric", Cell::Text("1.5"), Value::Real(1.5), Value::Text("1.5".into())),
            ("bigint", Cell::Integer(1), Value::Integer(1), Value::Integer(1)),
            (
                "date",
                Cell::Text("2026-01-01"),
                Value::Text("2026-01-01".into()),
                Value::Text("2026-01-01".into()),
            ),
            ("bytea", Cell::Bytes(&[1]), Value::Bytes(vec![1]), Value::Bytes(vec![1])),
            ("jsonb", Cell::Null, Value::Null, Value::Null),
        ];
        for (sql_type, sent, expected, by_itself) in rows {
            let tables = tables_with(sql_type);
            let table = tables.table(TableName::Credit).unwrap();
            let own = table.columns.len() - 1;
            let mut cells = vec![Cell::Null; own];
            cells.extend([sent, Cell::Text("{25}")]);
            let as_found = [TestRow(cells.clone(), TEXT)];
            assert_eq!(read_rows(table, &as_found).unwrap()[0].values[own], expected, "{sql_type}");
            assert_eq!(read_row(table, &as_found[0], false).values[own], by_itself, "{sql_type}");
            let error = read_rows(table, &[TestRow(cells, TEXT + 1)]).unwrap_err();
            assert_eq!(error.into_error().code(), "SCHEMA_MISMATCH");
        }
    }
}
