//! Reads the schema of an SQLite database, and the unit of its times: first each table's columns, then
//! samples of the time columns.

use super::Statement;
use super::declared::Declared;
use super::units::{self, find_unit};
use crate::domain::table::{TableName, TaskKind};
use crate::error::Result;
use crate::storage::roles::Role;
use crate::storage::schema::{Column, Dialect, Kind, Schema, quote};
use crate::storage::times::TimestampUnit;

/// Selects the columns of a table. [`Declared::read`] reads the rows.
pub fn columns(table: TableName) -> Statement<'static> {
    Statement::new(include_str!("sql/columns.sql"), [table.sql().into()])
}

/// Selects samples of a table's time columns. [`Declared::add_sample`] reads them.
pub fn samples(
    table: TableName,
    columns: &mut [Declared],
) -> impl Iterator<Item = (&mut Declared, Statement<'static>)> {
    let has_ids = columns.iter().any(|column| column.name == "id");
    let told = columns.iter_mut().filter(move |column| has_ids && units::is_told_by(column));
    told.map(move |column| {
        let statement = units::samples(table, column);
        (column, statement)
    })
}

/// Selects a row if there are triggers.
pub fn triggers() -> Statement<'static> {
    Statement::new("SELECT 1 FROM sqlite_master WHERE type = 'trigger'", [])
}

/// The schema of tables with these columns. Rejects one that lacks what this package needs. The caller's unit
/// of times takes precedence; without one, the columns need samples.
pub fn read(
    found: Vec<(TableName, Vec<Declared>)>,
    unit: Option<TimestampUnit>,
    has_triggers: bool,
) -> Result<Schema> {
    let (unit, unusable) = unit.map_or_else(|| find_unit(&found), |unit| Ok((unit, Vec::new())))?;
    let column = |(name, columns): (TableName, Vec<Declared>)| {
        (name, columns.into_iter().map(Declared::into_column).collect())
    };
    let found = found.into_iter().map(column).collect();
    let mut schema = Schema::new(found, &DIALECT, unit, has_triggers)?;
    for (table, error) in unusable {
        schema.withhold(table, error);
    }
    Ok(schema)
}

/// Selects the tables with their columns and indexes, as JSON.
pub const DESCRIPTION: &str = include_str!("sql/tables.sql");

/// Creates a table as in the app's schema, if it does not exist.
pub fn create_table(table: TableName) -> &'static str {
    match table {
        TableName::User => include_str!("sql/create_user.sql"),
        TableName::Credit => include_str!("sql/create_credit.sql"),
        TableName::Tasks(TaskKind::Media) => include_str!("sql/create_media_tasks.sql"),
        TableName::Tasks(TaskKind::Ai) => include_str!("sql/create_ai_task.sql"),
    }
}

/// The names of SQLite's types, and related rules.
pub const DIALECT: Dialect =
    Dialect { quote, sql_type, select_list, needed_type, time_digits: None };

fn select_list(columns: &[Column]) -> String {
    columns.iter().map(|column| quote(&column.name)).collect::<Vec<_>>().join(", ")
}

/// SQLite stores any value in any column, but converts some, depending on the declared type.
fn needed_type(role: Role, column: &Column, _: Option<&Column>) -> Option<String> {
    let is = |kinds: &[Kind]| kinds.contains(&column.kind);
    let needed = match role {
        Role::Credits if !is(&[Kind::Integer, Kind::Other]) => "integer",
        Role::Time if !is(&[Kind::Timestamp, Kind::Integer, Kind::Real, Kind::Other]) => "integer",
        Role::Credits | Role::Time => return None,
        _ if is(&[Kind::Text, Kind::Json, Kind::Other]) => return None,
        _ => "text",
    };
    Some(needed.to_owned())
}

/// The type with which a missing column should be declared.
fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Boolean => "integer DEFAULT false",
        _ => "integer",
    }
}
