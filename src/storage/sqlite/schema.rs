//! Finding out what tables an SQLite database has, and the unit of its times.

use rusqlite::Connection;

use super::error::Doing;
use super::units::find_unit;
use crate::domain::table::TableName;
use crate::error::Result;
use crate::storage::roles::Role;
use crate::storage::schema::{Column, Dialect, Kind, Limit, Schema, camel_case, quote};
use crate::storage::times::TimestampUnit;

/// Reads the schema, and refuses one that lacks what this package needs.
pub(super) fn discover(connection: &Connection, unit: Option<TimestampUnit>) -> Result<Schema> {
    let mut found = Vec::new();
    for name in TableName::ALL {
        found.push((name, declared_columns(connection, name)?));
    }
    // A caller who names the unit knows better than the rows.
    let (unit, unusable) = match unit {
        Some(unit) => (unit, Vec::new()),
        None => find_unit(connection, &found)?,
    };
    let column = |(name, columns): (TableName, Vec<Declared>)| {
        (name, columns.into_iter().map(Declared::into_column).collect())
    };
    let found = found.into_iter().map(column).collect();
    let mut schema = Schema::new(found, &DIALECT, unit, has_triggers(connection)?)?;
    for (table, error) in unusable {
        schema.withhold(table, error);
    }
    Ok(schema)
}

pub(super) const DIALECT: Dialect = Dialect { sql_type, select_list, misfit };

fn select_list(columns: &[Column]) -> String {
    columns.iter().map(|column| quote(&column.name)).collect::<Vec<_>>().join(", ")
}

/// SQLite keeps any value in any column, but it changes some on their way in, by the declared type.
fn misfit(role: Role, column: &Column, _: Option<&Column>) -> Option<String> {
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

fn has_triggers(connection: &Connection) -> Result<bool> {
    connection
        .prepare("SELECT 1 FROM sqlite_master WHERE type = 'trigger'")
        .and_then(|mut statement| statement.exists([]))
        .doing("reading the schema")
}

/// A column as `PRAGMA table_info` tells it.
pub(super) struct Declared {
    pub(super) name: String,
    declared_type: String,
    not_null: bool,
    default: Option<String>,
    unique: bool,
}

fn declared_columns(connection: &Connection, table: TableName) -> Result<Vec<Declared>> {
    const SQL: &str = include_str!("sql/columns.sql");
    let read = || {
        let mut statement = connection.prepare(SQL)?;
        let rows = statement.query_map([table.sql()], |row| {
            Ok(Declared {
                name: row.get(0)?,
                declared_type: row.get::<_, String>(1)?.to_ascii_uppercase(),
                not_null: row.get(2)?,
                default: row.get(3)?,
                unique: row.get(4)?,
            })
        })?;
        rows.collect::<rusqlite::Result<_>>()
    };
    read().doing("reading the schema")
}

/// What a column that is missing would be declared as.
fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Boolean => "integer DEFAULT false",
        _ => "integer",
    }
}

impl Declared {
    fn into_column(self) -> Column {
        Column {
            key: camel_case(&self.name),
            kind: self.kind(),
            limit: Limit::None,
            not_null: self.not_null,
            has_default: self.default.is_some(),
            name: self.name,
            sql_type: self.declared_type,
            unique: self.unique,
            type_id: 0,
        }
    }

    /// What the column holds: by its declared type, as <https://sqlite.org/datatype3.html> reads it.
    /// Drizzle declares times and booleans as `integer`, so their default and name must tell.
    pub(super) fn kind(&self) -> Kind {
        let declared = |part: &str| self.declared_type.contains(part);
        if declared("JSON") {
            Kind::Json
        } else if declared("BOOL") {
            Kind::Boolean
        } else if declared("DATE") || declared("TIME") {
            Kind::Timestamp
        } else if declared("INT") {
            if self.is_boolean() {
                Kind::Boolean
            } else if self.is_timestamp() {
                Kind::Timestamp
            } else {
                Kind::Integer
            }
        } else if declared("CHAR") || declared("CLOB") || declared("TEXT") {
            Kind::Text
        } else if declared("REAL") || declared("FLOA") || declared("DOUB") {
            Kind::Real
        } else {
            Kind::Other
        }
    }

    fn is_boolean(&self) -> bool {
        let default = self.default.as_deref().unwrap_or_default();
        default.eq_ignore_ascii_case("true")
            || default.eq_ignore_ascii_case("false")
            || self.name.starts_with("is_")
            || self.name.starts_with("has_")
    }

    fn is_timestamp(&self) -> bool {
        self.name.ends_with("_at") || self.default_clock().is_some()
    }

    /// The unit of the clock that fills this column in, if its default is one.
    pub(super) fn default_clock(&self) -> Option<TimestampUnit> {
        let default = self.default.as_deref()?.to_ascii_lowercase();
        let clock =
            ["julianday", "unixepoch", "strftime"].iter().any(|name| default.contains(name));
        let milliseconds = default.contains("86400000") || default.contains("1000");
        match (clock, milliseconds) {
            (false, _) => None,
            (true, true) => Some(TimestampUnit::Milliseconds),
            (true, false) => Some(TimestampUnit::Seconds),
        }
    }
}
