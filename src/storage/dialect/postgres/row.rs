//! Decodes whole rows.

use std::sync::Arc;

pub use super::super::row::{
    Cell, FromCell, SelectedRow, get, read_charges, read_grants, read_time,
};
use super::super::row::{changed, internal, whole};
use super::super::times::parse_time;
use super::value::needs_cast;
use crate::domain::hex::from_hex;
use crate::domain::value::Value;
use crate::storage;
use crate::storage::failure::Answer;
use crate::storage::schema::{Column, Kind, Table};

/// Reads a JSON array of texts.
pub fn get_texts(row: &impl SelectedRow, at: usize) -> Answer<Vec<String>> {
    serde_json::from_str(get(row, at)?)
        .map_err(|error| internal(&format!("reading a row: {error}")))
}

/// Reads the whole rows of one statement.
pub fn read_rows(table: &Arc<Table>, rows: &[impl SelectedRow]) -> Answer<Vec<storage::Row>> {
    if !is_as_found(table, rows)? {
        return Err(changed(table.name));
    }
    Ok(rows.iter().map(|row| read_row(table, row, true)).collect())
}

/// Whether rows have the same types as when the schema was read.
pub fn is_as_found(table: &Table, rows: &[impl SelectedRow]) -> Answer<bool> {
    // All rows have the same types.
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

/// Reads a whole row; unless `as_found`, only by the types that it has.
pub fn read_row(table: &Arc<Table>, row: &impl SelectedRow, as_found: bool) -> storage::Row {
    let columns = table.columns.iter().enumerate();
    let value = |(at, column): (usize, &Column)| {
        let kind = if as_found { column.kind } else { Kind::Other };
        value(row.cell(at), kind, column)
    };
    storage::Row { table: Arc::clone(table), values: columns.map(value).collect() }
}

/// A column's value. A value of another type than the column's is returned as it is, so that a page can show
/// a row with odd values.
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
        // Numbers with more digits than a floating-point number are cast to text.
        (Cell::Text(text), Kind::Real) => {
            text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Real)
        }
        (Cell::Text(text), _) => Value::Text(text.to_owned()),
        (Cell::Bytes(bytes), _) => Value::Bytes(bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TEXT, TestRow, row, tables_with};
    use super::*;
    use crate::domain::table::TableName;
    use crate::storage::times::LATEST_MS;

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
    fn rows_are_read_by_their_columns_types_until_these_change() {
        let rows = [
            // the type of `own`, the stored value; how it is read by the column's type, and by its own
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
