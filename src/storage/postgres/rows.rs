//! Rows as the server sends them.

use std::sync::Arc;

use tokio_postgres::Row as DatabaseRow;
use tokio_postgres::types::{FromSql, Type};

use super::error::Failure;
use super::value::{read, to_ms};
use crate::domain::charge::{Charge, Grant};
use crate::error::Error;
use crate::storage::Row;
use crate::storage::schema::Table;

type Result<T> = std::result::Result<T, Failure>;

/// Reads rows of the statements that list charges.
pub(super) fn read_charges(rows: &[DatabaseRow]) -> Result<Vec<Charge>> {
    rows.iter()
        .map(|row| {
            let consumed_detail: Option<String> = get(row, 4)?;
            Ok(Charge {
                id: get(row, 0)?,
                user_id: get(row, 1)?,
                active: get(row, 2)?,
                credits: get::<i64>(row, 3)?.saturating_neg(),
                consumed_detail: consumed_detail.map(String::into_bytes),
                metadata: get(row, 5)?,
            })
        })
        .collect()
}

/// Reads rows of the statements that list grants.
pub(super) fn read_grants(rows: &[DatabaseRow]) -> Result<Vec<Grant>> {
    rows.iter().map(read_grant).collect()
}

/// Reads a row of a statement that lists grants.
pub(super) fn read_grant(row: &DatabaseRow) -> Result<Grant> {
    Ok(Grant {
        id: get(row, 0)?,
        transaction_no: get(row, 1)?,
        credits: get(row, 2)?,
        remaining: get(row, 3)?,
        expires_at_ms: read_time(row, 4)?,
        active: get(row, 5)?,
    })
}

/// Reads a time, in epoch milliseconds.
pub(super) fn read_time(row: &DatabaseRow, at: usize) -> Result<Option<i64>> {
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

pub(super) fn read_row(table: &Arc<Table>, row: &DatabaseRow) -> Result<Row> {
    let values = table.columns.iter().enumerate().map(|(at, column)| read(row, at, column));
    let values =
        values.collect::<std::result::Result<_, _>>().map_err(|error| unreadable(&error))?;
    Ok(Row { table: Arc::clone(table), values })
}

pub(super) fn get<'r, T: FromSql<'r>>(row: &'r DatabaseRow, at: usize) -> Result<T> {
    row.try_get(at).map_err(|error| unreadable(&error))
}

fn unreadable(error: &tokio_postgres::Error) -> Failure {
    internal(&format!("reading a row: {error}"))
}

pub(super) fn internal(message: &str) -> Failure {
    Failure::Refused(Error::Internal(message.to_owned()))
}
