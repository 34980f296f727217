//! Rows as the server sends them.

use std::sync::Arc;

use tokio_postgres::Row as DatabaseRow;
use tokio_postgres::types::{FromSql, Type, WrongType};

use super::value::{needs_cast, read, read_as_sent, to_ms};
use crate::domain::charge::Charge;
use crate::domain::grant::Grant;
use crate::error::Error;
use crate::storage::Row;
use crate::storage::failure::{Answer, Failure};
use crate::storage::schema::Table;

/// Reads rows of the statements that list charges.
pub(super) fn read_charges(rows: &[DatabaseRow]) -> Answer<Vec<Charge>> {
    rows.iter()
        .map(|row| {
            let consumed_detail: Option<String> = get(row, 4)?;
            Ok(Charge {
                id: get(row, 0)?,
                user_id: get(row, 1)?,
                active: get(row, 2)?,
                credits: get::<Whole>(row, 3)?.0.saturating_neg(),
                consumed_detail: consumed_detail.map(String::into_bytes),
                metadata: get(row, 5)?,
            })
        })
        .collect()
}

/// Reads rows of the statements that list grants.
pub(super) fn read_grants(rows: &[DatabaseRow]) -> Answer<Vec<Grant>> {
    rows.iter().map(read_grant).collect()
}

/// Reads a row of a statement that lists grants.
pub(super) fn read_grant(row: &DatabaseRow) -> Answer<Grant> {
    Ok(Grant {
        id: get(row, 0)?,
        transaction_no: get::<Option<String>>(row, 1)?.unwrap_or_default(),
        credits: get::<Whole>(row, 2)?.0,
        remaining: get::<Whole>(row, 3)?.0,
        expires_at_ms: read_time(row, 4)?,
        active: get(row, 5)?,
    })
}

/// Reads a time, in epoch milliseconds.
pub(super) fn read_time(row: &DatabaseRow, at: usize) -> Answer<Option<i64>> {
    let time = get::<Option<Micros>>(row, at)?;
    // Infinity is as good as never.
    Ok(time.filter(|Micros(micros)| *micros != i64::MAX).map(|Micros(micros)| to_ms(micros)))
}

/// A time of either type, as sent.
struct Micros(i64);

impl<'a> FromSql<'a> for Micros {
    fn from_sql(
        _: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(i64::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(declared: &Type) -> bool {
        [Type::TIMESTAMP, Type::TIMESTAMPTZ].contains(declared)
    }
}

/// A number of credits of either type, as sent. One that is none any more is noticed.
pub(super) struct Whole(pub(super) i64);

impl<'a> FromSql<'a> for Whole {
    fn from_sql(
        declared: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        match *declared {
            Type::INT4 => i32::from_sql(declared, raw).map(|number| Self(number.into())),
            _ => i64::from_sql(declared, raw).map(Self),
        }
    }

    fn accepts(declared: &Type) -> bool {
        [Type::INT4, Type::INT8].contains(declared)
    }
}

/// Whole rows of one statement.
pub(super) fn read_rows(table: &Arc<Table>, rows: &[DatabaseRow]) -> Answer<Vec<Row>> {
    if !is_as_found(table, rows)? {
        return Err(changed(table.name));
    }
    rows.iter().map(|row| read_row(table, row, true)).collect()
}

/// Whether whole rows of one statement have the types that were found when the tables were looked at.
pub(super) fn is_as_found(table: &Table, rows: &[DatabaseRow]) -> Answer<bool> {
    // They all have the same.
    let Some(row) = rows.first() else { return Ok(true) };
    let (cast, plain): (Vec<_>, Vec<_>) =
        table.columns.iter().zip(row.columns()).partition(|(column, _)| needs_cast(column));
    if !plain.iter().all(|(column, sent)| sent.type_().oid() == column.type_id) {
        return Ok(false);
    }
    let types: Vec<u32> = if cast.is_empty() { Vec::new() } else { get(row, table.columns.len())? };
    Ok(types.into_iter().eq(cast.iter().map(|(column, _)| column.type_id)))
}

/// Reads a whole row: by the types that were found, or, unless it is `as_found`, by those that it has.
pub(super) fn read_row(table: &Arc<Table>, row: &DatabaseRow, as_found: bool) -> Answer<Row> {
    let read = if as_found { read } else { read_as_sent };
    let values = table.columns.iter().enumerate().map(|(at, column)| read(row, at, column));
    let values =
        values.collect::<std::result::Result<_, _>>().map_err(|error| unreadable(&error))?;
    Ok(Row { table: Arc::clone(table), values })
}

pub(super) fn get<'r, T: FromSql<'r>>(row: &'r DatabaseRow, at: usize) -> Answer<T> {
    row.try_get(at).map_err(|error| unreadable(&error))
}

fn unreadable(error: &tokio_postgres::Error) -> Failure {
    let cause = std::error::Error::source(error);
    if cause.is_some_and(|cause| cause.is::<WrongType>()) {
        return changed("a table");
    }
    internal(&format!("reading a row: {error}"))
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
