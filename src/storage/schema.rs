//! The tables of a database: their columns, and the kinds of their values.
//!
//! It checks a caller's values against the columns. It never changes a schema.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

pub use super::column::{Column, Kind, Limit};
use super::roles::{NeededType, check_types};
use super::times::TimestampUnit;
use crate::domain::column::{self, Misfit};
use crate::domain::table::{TableName, TaskKind};
use crate::domain::value::{Fields, Value};
use crate::error::{Error, Result};

/// The required columns, with their kinds.
fn needed_columns(table: TableName) -> &'static [(&'static str, Kind)] {
    match table {
        TableName::User => &[("id", Kind::Text)],
        TableName::Credit => &[
            ("id", Kind::Text),
            ("user_id", Kind::Text),
            ("transaction_no", Kind::Text),
            ("transaction_type", Kind::Text),
            ("transaction_scene", Kind::Text),
            ("credits", Kind::Integer),
            ("remaining_credits", Kind::Integer),
            ("description", Kind::Text),
            ("expires_at", Kind::Timestamp),
            ("status", Kind::Text),
            ("created_at", Kind::Timestamp),
            ("updated_at", Kind::Timestamp),
            ("consumed_detail", Kind::Text),
            ("metadata", Kind::Text),
        ],
        TableName::Tasks(_) => &[
            ("id", Kind::Text),
            ("user_id", Kind::Text),
            ("status", Kind::Text),
            ("created_at", Kind::Timestamp),
            ("updated_at", Kind::Timestamp),
        ],
    }
}

/// The kind of an optional column, which only some calls need.
fn kind_of_wanted(column: &str) -> Kind {
    match column {
        "free_trial_used" => Kind::Integer,
        "is_free_trial" => Kind::Boolean,
        _ => Kind::Text,
    }
}

/// A database's names and types.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// Quotes a name.
    pub quote: fn(&str) -> String,
    /// The type with which a missing column should be declared.
    pub sql_type: fn(Kind) -> &'static str,
    /// The select list for whole rows.
    pub select_list: fn(&[Column]) -> String,
    /// Describes the type that a column needs, if its own is not suitable.
    pub needed_type: NeededType,
    /// The digits of a second's fraction that a type of times has by default; `None` if the unit of the
    /// database's times decides.
    pub time_digits: Option<u32>,
}

/// A table, as the database declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its SQL name.
    pub name: &'static str,
    /// Its columns, in the database's order.
    pub columns: Vec<Column>,
    /// The select list for whole rows.
    pub select_list: String,
    by_key: HashMap<String, usize>,
}

impl Table {
    /// A table with these columns.
    pub fn new(name: TableName, columns: Vec<Column>, dialect: &Dialect) -> Self {
        let by_key =
            columns.iter().enumerate().map(|(at, column)| (column.key.clone(), at)).collect();
        let select_list = (dialect.select_list)(&columns);
        Self { name: name.sql(), select_list, columns, by_key }
    }

    /// The column with this JavaScript name.
    pub fn column(&self, key: &str) -> Result<&Column> {
        self.by_key.get(key).and_then(|&at| self.columns.get(at)).ok_or_else(|| {
            Error::UnknownField { table: self.name.to_owned(), field: key.to_owned() }
        })
    }

    /// Whether there is a column with this SQL name.
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// Whether there is a time column with this JavaScript name.
    pub fn has_time(&self, key: &str) -> bool {
        self.column(key).is_ok_and(|column| column.kind == Kind::Timestamp)
    }

    /// The column with this SQL name, or `absent`, an SQL expression, if there is none.
    pub fn column_or<'a>(&self, name: &'a str, absent: &'a str) -> &'a str {
        if self.has(name) { name } else { absent }
    }

    /// The fields that this table can store. A table without `credit_id` can't store a charge's id, so that
    /// field is dropped if it is null.
    pub fn sayable<'f>(&self, fields: &'f Fields) -> Cow<'f, Fields> {
        let says_nothing = fields.get("creditId") == Some(&Value::Null) && !self.has("credit_id");
        if !says_nothing {
            return Cow::Borrowed(fields);
        }
        let mut rest = fields.clone();
        rest.remove("creditId");
        Cow::Owned(rest)
    }

    /// The SQL condition that excludes deleted rows, if the table can mark them.
    pub fn and_not_deleted(&self) -> &'static str {
        if self.has("deleted_at") { " AND deleted_at IS NULL" } else { "" }
    }

    /// Rejects fields without a column, and values that their column can't hold.
    pub fn check(&self, fields: &Fields) -> Result<()> {
        for (key, value) in self.sayable(fields).iter() {
            self.check_value(self.column(key)?, value)?;
        }
        Ok(())
    }

    /// Rejects planned values that their columns can't hold: times, which options may put far in the future, and
    /// the list of draws of a charge on very many grants.
    pub fn check_planned(&self, fields: &Fields) -> Result<()> {
        let is_computed = |(key, value): &(&str, &Value)| {
            matches!(value, Value::TimeMs(_)) || *key == "consumedDetail"
        };
        let mut computed = fields.iter().filter(is_computed);
        computed.try_for_each(|(key, value)| self.check_value(self.column(key)?, value))
    }

    /// The fields of a row that must be written in any case: texts and JSON that do not fit are shortened or
    /// replaced by a description. The status is unchanged.
    pub fn mended(&self, fields: &Fields) -> Fields {
        let in_place_of = |key: &str, value: &Value| {
            let column = self.column(key).ok().filter(|_| key != "status")?;
            self.check_value(column, value).err()?;
            column::in_place_of(column.kind, &column.limit, value)
        };
        let mended = |(key, value): (&str, &Value)| {
            (key.to_owned(), in_place_of(key, value).unwrap_or_else(|| value.clone()))
        };
        fields.iter().map(mended).collect()
    }

    /// Rejects a new row that lacks a field which neither the database nor the plan fills in.
    pub fn check_complete(&self, row: &Fields) -> Result<()> {
        // The plan of every new row sets these.
        const FILLED_IN: [&str; 2] = ["createdAt", "updatedAt"];
        let missing = self.columns.iter().find(|column| {
            column.not_null
                && !column.has_default
                && !FILLED_IN.contains(&column.key.as_str())
                && row.get(&column.key).is_none()
        });
        match missing {
            None => Ok(()),
            Some(column) => {
                Err(Error::MissingField { table: self.name.to_owned(), field: column.key.clone() })
            }
        }
    }

    fn check_value(&self, column: &Column, value: &Value) -> Result<()> {
        let misfit = match value {
            Value::Null if column.not_null => Misfit::Expected("a value, not null".to_owned()),
            _ => match column::check(&column.key, column.kind, &column.limit, value) {
                Ok(()) => return Ok(()),
                Err(misfit) => misfit,
            },
        };
        let (field, given) = (column.key.clone(), value.describe());
        Err(match misfit {
            Misfit::Time => Error::InvalidDate { field, given },
            Misfit::Expected(expected) => {
                Error::InvalidValue { table: self.name.to_owned(), field, expected, given }
            }
        })
    }
}

/// Rejects tables that lack what this package needs.
fn check_tables(
    found: &[&(TableName, Vec<Column>)],
    all: &[(TableName, Vec<Column>)],
    dialect: &Dialect,
) -> Result<()> {
    let missing: Vec<&str> = found
        .iter()
        .filter(|(_, columns)| columns.is_empty())
        .map(|(table, _)| table.sql())
        .collect();
    if !missing.is_empty() {
        return Err(missing_tables(&missing));
    }
    let missing: Vec<_> = found
        .iter()
        .flat_map(|(table, columns)| {
            let is_missing = |needed: &str| columns.iter().all(|column| column.name != needed);
            let needed = needed_columns(*table).iter();
            needed
                .filter(move |(name, _)| is_missing(name))
                .map(|(name, kind)| (*table, *name, *kind))
        })
        .collect();
    if !missing.is_empty() {
        return Err(missing_columns(&missing, dialect));
    }
    found.iter().try_for_each(|(table, columns)| check_keys(*table, columns))?;
    check_types(found, all, dialect.needed_type)
}

/// Rejects two columns with the same JavaScript name, since a row can have only one field of that name.
fn check_keys(table: TableName, columns: &[Column]) -> Result<()> {
    let mut by_key: HashMap<&str, &str> = HashMap::new();
    for Column { key, name, .. } in columns {
        if let Some(other) = by_key.insert(key, name) {
            let table = table.sql();
            return Err(Error::SchemaMismatch {
                problem: format!("{table}.{other} and {table}.{name} are both {key} in JavaScript"),
                remedy: "Keep one of the two columns: move its values into the one that the app's \
                         Drizzle schema has, and drop or rename the other"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// The error for missing columns.
fn missing_columns(missing: &[(TableName, &str, Kind)], dialect: &Dialect) -> Error {
    let names = missing.iter().map(|(table, column, _)| format!("{}.{column}", table.sql()));
    let statements = missing.iter().map(|(table, column, kind)| {
        // In PostgreSQL `user` is a keyword.
        let name = match table {
            TableName::User => (dialect.quote)(table.sql()),
            _ => table.sql().to_owned(),
        };
        format!("ALTER TABLE {name} ADD COLUMN {column} {};", (dialect.sql_type)(*kind))
    });
    Error::SchemaMismatch {
        problem: format!("column {} is missing", names.collect::<Vec<_>>().join(", ")),
        remedy: format!(
            "Add it to the app's Drizzle schema and run `npx drizzle-kit push`, or run: {}",
            statements.collect::<Vec<_>>().join(" ")
        ),
    }
}

/// The error for a missing optional table.
fn missing_table(table: TableName) -> Error {
    let name = table.sql();
    Error::SchemaMismatch {
        problem: format!("table {name} is missing, and this function needs it"),
        remedy: format!(
            "An app without such tasks does not call it; all other functions work. To have the table, add it to the \
             app's Drizzle schema and push it, or make it: createTables({{ tables: ['{name}'] }})"
        ),
    }
}

/// The error for missing tables.
fn missing_tables(missing: &[&str]) -> Error {
    Error::SchemaMismatch {
        problem: format!("table {} is missing", missing.join(", ")),
        remedy: "Check that DATABASE_URL names the app's own database; if it does, run `npx \
                 drizzle-kit push`. For a fresh start without the app: `npx media-credits init \
                 <url>`"
            .to_owned(),
    }
}

/// The schema, as read from the database.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The tables in the order of [`TableName::ALL`]. For an optional table that can't be used, its error.
    tables: Vec<(TableName, Result<Arc<Table>>)>,
    /// The database's names and types.
    dialect: Dialect,
    /// The unit of its times.
    pub timestamp_unit: TimestampUnit,
    /// Whether a write may change other rows too.
    pub has_triggers: bool,
}

impl Schema {
    /// A schema of tables with these columns; a table without columns does not exist. Rejects one that lacks
    /// what this package needs.
    pub fn new(
        found: Vec<(TableName, Vec<Column>)>,
        dialect: &Dialect,
        timestamp_unit: TimestampUnit,
        has_triggers: bool,
    ) -> Result<Self> {
        let (optional, needed): (Vec<_>, Vec<_>) =
            found.iter().partition(|(table, _)| table.is_optional());
        check_tables(&needed, &found, dialect)?;
        let check = |table: &(TableName, Vec<Column>)| match table {
            (table, columns) if columns.is_empty() => Err(missing_table(*table)),
            table => check_tables(&[table], &found, dialect),
        };
        let unusable: Vec<(TableName, Error)> =
            optional.into_iter().filter_map(|table| Some((table.0, check(table).err()?))).collect();
        let table = |(name, columns)| {
            let why = unusable.iter().find(|(unusable, _)| *unusable == name);
            let table = match why {
                Some((_, error)) => Err(error.clone()),
                None => Ok(Arc::new(Table::new(name, columns, dialect))),
            };
            (name, table)
        };
        let tables = found.into_iter().map(table).collect();
        Ok(Self { tables, dialect: *dialect, timestamp_unit, has_triggers })
    }

    /// Marks an optional table as unusable.
    #[cfg(any(feature = "libsql", feature = "sqlite"))]
    pub(crate) fn withhold(&mut self, name: TableName, why: Error) {
        if let Some((_, table)) = self.tables.iter_mut().find(|(found, _)| *found == name) {
            *table = Err(why);
        }
    }

    /// A table.
    pub fn table(&self, name: TableName) -> Result<&Arc<Table>> {
        match self.tables.iter().find(|(found, _)| *found == name) {
            Some((_, table)) => table.as_ref().map_err(Clone::clone),
            None => Err(Error::Internal("a table was lost".to_owned())),
        }
    }

    /// Rejects a call that needs an optional column which is missing.
    pub fn needs(&self, name: TableName, column: &'static str) -> Result<()> {
        let kind = kind_of_wanted(column);
        match self.table(name)?.columns.iter().find(|found| found.name == column) {
            None => Err(missing_columns(&[(name, column, kind)], &self.dialect)),
            Some(found) if holds(found, kind) => Ok(()),
            Some(found) => Err(Error::SchemaMismatch {
                problem: format!("{}.{column} is {}", name.sql(), found.sql_type.to_lowercase()),
                remedy: format!(
                    "This call needs one of type {}; all others work",
                    (self.dialect.sql_type)(kind)
                ),
            }),
        }
    }

    /// A time as a column stores it: rounded down.
    pub fn stored_time(&self, table: TableName, key: &str, time_ms: i64) -> Result<i64> {
        let unit = self.timestamp_unit;
        Ok(match self.dialect.time_digits {
            Some(digits) => {
                let step_ms = self.table(table)?.column(key)?.time_step_ms(digits);
                time_ms.div_euclid(step_ms) * step_ms
            }
            None => unit.to_ms(unit.from_ms(time_ms)),
        })
    }

    /// Whether free trials can be counted: users have a counter, and tasks of this kind have a mark.
    pub fn has_free_trials(&self, kind: TaskKind) -> bool {
        let has = |table, name: &str| {
            let columns = self.table(table).map_or(&[][..], |table| &table.columns);
            columns.iter().any(|column| column.name == name && holds(column, kind_of_wanted(name)))
        };
        kind.takes_trials()
            && has(TableName::User, "free_trial_used")
            && has(TableName::Tasks(kind), "is_free_trial")
    }
}

/// Whether a column can hold values of this kind. Any column can hold text.
fn holds(column: &Column, kind: Kind) -> bool {
    match kind {
        Kind::Text => true,
        Kind::Integer => matches!(column.kind, Kind::Integer | Kind::Real),
        _ => column.kind == kind,
    }
}

/// A quoted SQL name.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A column's JavaScript name, as in the app's Drizzle schema.
pub fn camel_case(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    let mut upper = false;
    for letter in name.chars() {
        match letter {
            '_' if !key.is_empty() => upper = true,
            _ if upper => {
                key.extend(letter.to_uppercase());
                upper = false;
            }
            _ => key.push(letter),
        }
    }
    key
}
