//! Runs the dialect's statements with SQLite's own library.

use std::borrow::Cow;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Result, params_from_iter};

use crate::storage::dialect::sqlite::Statement;
use crate::storage::dialect::sqlite::cell::{Cell, SelectedRow};

impl SelectedRow for rusqlite::Row<'_> {
    fn cell(&self, at: usize) -> Cell<'_> {
        match self.get_ref(at) {
            Ok(ValueRef::Integer(number)) => Cell::Integer(number),
            Ok(ValueRef::Real(number)) => Cell::Real(number),
            Ok(ValueRef::Text(text)) => Cell::Text(Cow::Borrowed(text)),
            Ok(ValueRef::Blob(bytes)) => Cell::Blob(Cow::Borrowed(bytes)),
            Ok(ValueRef::Null) | Err(_) => Cell::Null,
        }
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The first row of a result.
pub(super) fn first<T>(
    connection: &Connection,
    statement: &Statement<'_>,
    read: impl FnOnce(&rusqlite::Row<'_>) -> T,
) -> Result<Option<T>> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    prepared.query_row(params_from_iter(&statement.values), |row| Ok(read(row))).optional()
}

/// All rows of a result.
pub(super) fn all<T>(
    connection: &Connection,
    statement: &Statement<'_>,
    mut read: impl FnMut(&rusqlite::Row<'_>) -> T,
) -> Result<Vec<T>> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    prepared.query_map(params_from_iter(&statement.values), |row| Ok(read(row)))?.collect()
}

/// Passes on the rows of a result until the callback stops. Returns whether all were passed on.
pub(super) fn until(
    connection: &Connection,
    statement: &Statement<'_>,
    mut stop: impl FnMut(&rusqlite::Row<'_>) -> bool,
) -> Result<bool> {
    let mut prepared = connection.prepare_cached(&statement.text)?;
    let mut rows = prepared.query(params_from_iter(&statement.values))?;
    while let Some(row) = rows.next()? {
        if stop(row) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Runs a statement that writes. Returns how many rows it changed.
pub(super) fn execute(connection: &Connection, statement: &Statement<'_>) -> Result<usize> {
    connection.prepare_cached(&statement.text)?.execute(params_from_iter(&statement.values))
}
