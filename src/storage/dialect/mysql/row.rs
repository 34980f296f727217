//! Decodes whole rows.

use std::sync::Arc;

use super::super::row::{Cell, SelectedRow, whole};
use super::super::times::parse_time;
use super::schema::is_bytes;
use crate::domain::hex::from_hex;
use crate::domain::value::Value;
use crate::storage;
use crate::storage::schema::{Column, Kind, Table};

/// The whole rows of one statement.
pub(super) fn read_rows(table: &Arc<Table>, rows: &[impl SelectedRow]) -> Vec<storage::Row> {
    rows.iter().map(|row| read_row(table, row)).collect()
}

fn read_row(table: &Arc<Table>, row: &impl SelectedRow) -> storage::Row {
    let columns = table.columns.iter().enumerate();
    let values = columns.map(|(at, column)| value(row.cell(at), column)).collect();
    storage::Row { table: Arc::clone(table), values }
}

/// A column's value. A value of another type than the column's is returned as it is, so that a page can show
/// a row with odd values.
fn value(cell: Cell<'_>, column: &Column) -> Value {
    match (cell, column.kind) {
        (Cell::Null, _) => Value::Null,
        (Cell::Bool(value), _) => Value::Bool(value),
        (Cell::Integer(number), Kind::Boolean) => Value::Bool(number != 0),
        (Cell::Integer(number), _) => whole(number, column),
        (Cell::Real(number), _) => Value::Real(number),
        (Cell::TimeMs(time_ms), _) => Value::TimeMs(time_ms),
        (Cell::Text(text), _) if is_bytes(column) => {
            from_hex(text).map_or_else(|| Value::Text(text.to_owned()), Value::Bytes)
        }
        (Cell::Text(text), Kind::Timestamp) => {
            parse_time(text).map_or_else(|| Value::Text(text.to_owned()), Value::TimeMs)
        }
        (Cell::Text(text), Kind::Json) => Value::Json(text.to_owned()),
        // A decimal number, which may have more digits than a floating-point number.
        (Cell::Text(text), Kind::Real) => {
            text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Real)
        }
        (Cell::Text(text), _) => Value::Text(text.to_owned()),
        (Cell::Bytes(bytes), _) => Value::Bytes(bytes.to_vec()),
    }
}
