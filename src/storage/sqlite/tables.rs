//! Creates the tables and reads the schema.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::driver;
use super::error::Doing;
use crate::domain::table::TableName;
use crate::error::Result;
use crate::storage::dialect::sqlite::declared::Declared;
use crate::storage::dialect::sqlite::schema;
use crate::storage::schema::Schema;
use crate::storage::times::TimestampUnit;

/// Reads the schema, and rejects one that lacks what this package needs.
pub(super) fn discover(connection: &Connection, unit: Option<TimestampUnit>) -> Result<Schema> {
    let read = || {
        let mut found = Vec::new();
        for table in TableName::ALL {
            let columns =
                driver::all(connection, &schema::columns(table), |row| Declared::read(row))?;
            found.push((table, columns));
        }
        let triggers = driver::first(connection, &schema::triggers(), |_| ())?;
        Ok((found, triggers.is_some()))
    };
    let (mut found, has_triggers) = read().doing("reading the schema")?;
    if unit.is_none() {
        for (table, columns) in &mut found {
            for (column, samples) in schema::samples(*table, columns) {
                driver::all(connection, &samples, |row| column.add_sample(row))
                    .doing("looking for the unit of timestamps")?;
            }
        }
    }
    schema::read(found, unit, has_triggers)
}

pub(super) fn create_tables(connection: &Connection, tables: &[TableName]) -> Result<()> {
    let made = Transaction::new_unchecked(connection, TransactionBehavior::Immediate).and_then(
        |transaction| {
            for table in tables {
                transaction.execute_batch(schema::create_table(*table))?;
            }
            transaction.commit()
        },
    );
    made.doing("creating the tables")
}
