//! Finding out what tables an SQLite database has, and the unit of its times: the columns of each table first, then
//! values of those that hold times.

use super::Statement;
use super::cell::Row;
use super::units::{self, Sample, find_unit};
use crate::domain::table::{TableName, TaskKind};
use crate::error::Result;
use crate::storage::roles::Role;
use crate::storage::schema::{Column, Dialect, Kind, Limit, Schema, camel_case, quote};
use crate::storage::times::TimestampUnit;

/// A row for each column of a table, to be read by [`Declared::read`].
pub fn columns(table: TableName) -> Statement<'static> {
    Statement::new(include_str!("sql/columns.sql"), [table.sql().into()])
}

/// Values of those columns of a table that hold times, to be passed to [`Declared::add_sample`].
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

/// A row if there are triggers.
pub fn triggers() -> Statement<'static> {
    Statement::new("SELECT 1 FROM sqlite_master WHERE type = 'trigger'", [])
}

/// The schema of tables with these columns. Refuses one that lacks what this package needs. A caller who names the
/// unit of times knows better than the rows; else the columns come with samples.
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

/// The tables with their columns and indexes, as JSON.
pub const DESCRIPTION: &str = include_str!("sql/tables.sql");

/// Makes a table as the app's schema has it, if it is not there yet.
pub fn create_table(table: TableName) -> &'static str {
    match table {
        TableName::User => include_str!("sql/create_user.sql"),
        TableName::Credit => include_str!("sql/create_credit.sql"),
        TableName::Tasks(TaskKind::Media) => include_str!("sql/create_media_tasks.sql"),
        TableName::Tasks(TaskKind::Ai) => include_str!("sql/create_ai_task.sql"),
    }
}

/// What SQLite calls things.
pub const DIALECT: Dialect = Dialect { sql_type, select_list, misfit };

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

/// A column as `PRAGMA table_info` tells it.
pub struct Declared {
    pub(super) name: String,
    declared_type: String,
    not_null: bool,
    default: Option<String>,
    unique: bool,
    /// Some of its values, if it holds times.
    pub(super) samples: Vec<Sample>,
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
    /// Reads a row of [`columns`].
    pub fn read(row: &impl Row) -> Self {
        let text = |at| row.cell(at).into_text().map(|text| text.into_owned());
        let is = |at| row.cell(at).whole().is_some_and(|number| number != 0);
        Self {
            name: text(0).unwrap_or_default(),
            declared_type: text(1).unwrap_or_default().to_ascii_uppercase(),
            not_null: is(2),
            default: text(3),
            unique: is(4),
            samples: Vec::new(),
        }
    }

    /// Takes a row of [`samples`].
    pub fn add_sample(&mut self, row: &impl Row) {
        self.samples.push(Sample::new(&row.cell(0)));
    }

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
