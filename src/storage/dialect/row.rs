//! Rows of a server, and their conversion to facts.

use std::sync::Arc;

use super::times::parse_time;
use crate::domain::charge::Charge;
use crate::domain::expiring::Expiring;
use crate::domain::grant::{Grant, Provenance};
use crate::domain::value::Value;
use crate::error::Error;
use crate::storage::failure::{Answer, Failure};
use crate::storage::schema::Column;
use crate::storage::store::Extent;
use crate::storage::times::LATEST_MS;

/// A value in a row, by its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'r> {
    /// NULL.
    Null,
    /// A `boolean`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text.
    Text(&'r str),
    /// A time, with or without a time zone, in epoch milliseconds.
    TimeMs(i64),
    /// A value of another type, as it was sent.
    Bytes(&'r [u8]),
}

/// A row of a statement's result, from any driver. This package's statements select only these types, no
/// arrays.
pub trait SelectedRow {
    /// The value at this index; NULL beyond the last column.
    fn cell(&self, at: usize) -> Cell<'_>;
    /// The database's number for a column's type, if the driver provides it.
    fn type_id(&self, at: usize) -> Option<u32>;
}

/// A type that a value can be read as.
pub trait FromCell<'r>: Sized {
    /// Reads the value; `None` if it is of another type.
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
    i64, Integer, |value| value;
    &'r str, Text, |value| value;
    String, Text, str::to_owned;
}

impl FromCell<'_> for bool {
    fn from_cell(cell: Cell<'_>) -> Option<Self> {
        match cell {
            Cell::Bool(value) => Some(value),
            // MySQL has no other booleans.
            Cell::Integer(value @ (0 | 1)) => Some(value == 1),
            _ => None,
        }
    }
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

/// Reads the value at this index. A value of another type means that the schema has changed.
pub fn get<'r, T: FromCell<'r>>(row: &'r impl SelectedRow, at: usize) -> Answer<T> {
    let cell = row.cell(at);
    T::from_cell(cell).ok_or_else(|| match cell {
        Cell::Null => internal("reading a row: a value is NULL"),
        _ => changed("a table"),
    })
}

/// Reads a time, in epoch milliseconds.
pub fn read_time(row: &impl SelectedRow, at: usize) -> Answer<Option<i64>> {
    let time = get::<Option<Time>>(row, at)?.map(|Time(time_ms)| time_ms);
    // An expiry at infinity means never.
    Ok(time.filter(|time_ms| *time_ms != LATEST_MS))
}

/// Reads the rows of statements that list charges.
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

/// Reads the rows of statements that list grants.
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
        provenance: None,
    })
}

/// The same with the provenance, which follows the user.
pub fn read_whole_grant(row: &impl SelectedRow) -> Answer<Grant> {
    let provenance = Provenance { scene: get(row, 7)?, created_at_ms: read_time(row, 8)? };
    Ok(Grant { provenance: Some(Arc::new(provenance)), ..read_grant(row)? })
}

/// Reads the rows of statements that list spendable grants.
pub fn read_spendable(rows: &[impl SelectedRow], extent: Extent) -> Answer<Vec<Grant>> {
    match extent {
        Extent::Plain => read_grants(rows),
        Extent::WithProvenance => rows.iter().map(read_whole_grant).collect(),
    }
}

/// Reads the rows of users with expiring credits.
pub fn read_expiring(rows: &[impl SelectedRow]) -> Answer<Vec<Expiring>> {
    let read = |row| {
        Ok(Expiring {
            user_id: get(row, 0)?,
            credits: get(row, 1)?,
            grants: get(row, 2)?,
            first_ms: read_time(row, 3)?.unwrap_or_default(),
        })
    };
    rows.iter().map(read).collect()
}

/// An id becomes text with all its digits; a JavaScript number would lose the last digits of a large one.
pub(super) fn whole(number: i64, column: &Column) -> Value {
    const LARGEST: u64 = (1 << 53) - 1;
    let is_id = column.key == "id" || column.key == "userId";
    match is_id && number.unsigned_abs() > LARGEST {
        true => Value::Text(number.to_string()),
        false => Value::Integer(number),
    }
}

/// The failure when a column's type has changed since the schema was read: it is read again.
pub(super) fn changed(table: &str) -> Failure {
    Failure::Refused(Error::SchemaMismatch {
        problem: format!("the type of a column of {table} changed during the call"),
        remedy: "Try again when the migration is done".to_owned(),
    })
}

pub(super) fn internal(message: &str) -> Failure {
    Failure::Refused(Error::Internal(message.to_owned()))
}
