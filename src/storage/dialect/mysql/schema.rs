//! Reads the schema of a MySQL database.

use super::super::row::{SelectedRow, get, read_time};
use super::fit::needed_type;
use super::literal::TIME_DIGITS;
use super::{Statement, quote};
use crate::domain::table::{TableName, TaskKind};
use crate::storage::failure::{Answer, Failure};
use crate::storage::roles::Role;
use crate::storage::schema::{Column, Dialect, Kind, Limit, Schema, camel_case};
use crate::storage::times::TimestampUnit;

const DIALECT: Dialect =
    Dialect { quote, sql_type, select_list, needed_type, time_digits: Some(TIME_DIGITS) };

/// The first and the last time of a column's type, in epoch milliseconds.
type Times = (i64, i64);

/// The range of a `timestamp`, which has 32 bits, in a session whose time zone is UTC.
const TIMESTAMPS_MS: Times = (1000, 2_147_483_647_999);

/// The range of a `datetime`: the years 1000 to 9999.
const DATETIMES_MS: Times = (-30_610_224_000_000, 253_402_300_799_999);

/// Reads the first and the last second of a `timestamp` as the session writes them, in its time zone.
pub(super) const TIMESTAMPS: &str = "SELECT FROM_UNIXTIME(1), FROM_UNIXTIME(2147483647)";

/// Reads the reply to [`TIMESTAMPS`].
pub(super) fn timestamps(rows: &[impl SelectedRow]) -> Answer<Times> {
    let Some(row) = rows.first() else { return Ok(TIMESTAMPS_MS) };
    let (first, last) = (read_time(row, 0)?, read_time(row, 1)?);
    let last = last.map(|second| second + 999);
    Ok((first.unwrap_or(TIMESTAMPS_MS.0), last.unwrap_or(TIMESTAMPS_MS.1)))
}

/// Creates a table as in the app's schema, if it does not exist.
pub fn create_table(table: TableName) -> &'static str {
    match table {
        TableName::User => include_str!("sql/create_user.sql"),
        TableName::Credit => include_str!("sql/create_credit.sql"),
        TableName::Tasks(TaskKind::Media) => include_str!("sql/create_media_tasks.sql"),
        TableName::Tasks(TaskKind::Ai) => include_str!("sql/create_ai_task.sql"),
    }
}

/// Information for operators about the server and its tables: the database, settings, columns, indexes, and
/// privileges.
pub fn diagnostics() -> [Statement; 5] {
    let asked = [
        "SELECT DATABASE()",
        include_str!("sql/settings.sql"),
        include_str!("sql/columns.sql"),
        include_str!("sql/indexes.sql"),
        include_str!("sql/privileges.sql"),
    ];
    asked.map(str::to_owned)
}

/// Additional facts about columns.
#[derive(Debug)]
pub(super) struct Said {
    /// Columns with a unique index of their own.
    pub(super) unique: Vec<(String, String)>,
    /// Columns whose values the database checks to be JSON.
    pub(super) json: Vec<(String, String)>,
    /// The range of a `timestamp` in the session's time zone.
    pub(super) timestamps: Times,
}

/// Reads the rows of `sql/columns.sql`, and rejects a schema that lacks what this package needs.
pub(super) fn read(rows: &[impl SelectedRow], said: &Said) -> Answer<Schema> {
    let mut found = Vec::new();
    for table in TableName::ALL {
        let mut columns = Vec::new();
        for row in rows {
            if get::<&str>(row, 0)? == table.sql() {
                columns.push(column(table, row, said)?);
            }
        }
        found.push((table, columns));
    }
    Schema::new(found, &DIALECT, TimestampUnit::Milliseconds, false).map_err(Failure::Refused)
}

fn column(table: TableName, row: &impl SelectedRow, said: &Said) -> Answer<Column> {
    let (name, sql_type): (String, String) = (get(row, 1)?, get(row, 2)?);
    let is_said = |of: &[(String, String)]| {
        of.iter().any(|(table_name, column)| table_name == table.sql() && *column == name)
    };
    let (kind, limit) = match kind(&sql_type) {
        // MariaDB's `json` type.
        (Kind::Text, _) if is_said(&said.json) => (Kind::Json, Limit::None),
        (kind, _) if sql_type.starts_with("timestamp") => {
            (kind, Limit::Times(said.timestamps.0, said.timestamps.1))
        }
        found => found,
    };
    let extra = get::<Option<&str>>(row, 5)?.unwrap_or_default().to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| extra.contains(word));
    let computed = says(&["virtual", "stored", "persistent"]);
    Ok(Column {
        key: camel_case(&name),
        kind,
        limit: if computed { Limit::Computed } else { limit_of_id(table, &name, &sql_type, limit) },
        not_null: get(row, 3)?,
        has_default: get(row, 4)?,
        unique: is_said(&said.unique),
        name,
        sql_type,
        type_id: 0,
    })
}

/// New ids must fit their column.
fn limit_of_id(table: TableName, name: &str, sql_type: &str, limit: Limit) -> Limit {
    match Role::of(table, name) {
        Some(Role::TaskId | Role::CreditId) if sql_type == "uuid" => Limit::Uuid,
        _ => limit,
    }
}

/// The kind and limit of a type.
fn kind(sql_type: &str) -> (Kind, Limit) {
    let (name, rest) = sql_type.split_once(['(', ' ']).unwrap_or((sql_type, ""));
    let size = rest.split(')').next().and_then(|size| size.parse().ok());
    let unsigned = sql_type.contains("unsigned");
    let bits = |bits: u32| {
        let most = (1_i64 << (bits - 1)) - 1;
        (Kind::Integer, Limit::Largest(if unsigned { 2 * most + 1 } else { most }))
    };
    match name {
        "varchar" | "char" => (Kind::Text, size.map_or(Limit::None, Limit::Characters)),
        "tinytext" => (Kind::Text, Limit::Bytes(255)),
        "text" => (Kind::Text, Limit::Bytes(65_535)),
        "mediumtext" => (Kind::Text, Limit::Bytes(16_777_215)),
        "longtext" | "uuid" => (Kind::Text, Limit::None),
        "enum" => (Kind::Text, Limit::OneOf(labels(sql_type))),
        "tinyint" if size == Some(1) => (Kind::Boolean, Limit::None),
        "boolean" | "bool" => (Kind::Boolean, Limit::None),
        "tinyint" => bits(8),
        "smallint" => bits(16),
        "mediumint" => bits(24),
        "int" | "integer" => bits(32),
        "bigint" => (Kind::Integer, Limit::None),
        "decimal" | "numeric" | "float" | "double" | "real" => (Kind::Real, Limit::None),
        "json" => (Kind::Json, Limit::None),
        "timestamp" => (Kind::Timestamp, Limit::Times(TIMESTAMPS_MS.0, TIMESTAMPS_MS.1)),
        "datetime" => (Kind::Timestamp, Limit::Times(DATETIMES_MS.0, DATETIMES_MS.1)),
        _ => (Kind::Other, Limit::None),
    }
}

/// The values of `enum('a','b''c')`.
fn labels(sql_type: &str) -> Vec<String> {
    let words = sql_type.strip_prefix("enum('").and_then(|rest| rest.strip_suffix("')"));
    words.unwrap_or_default().split("','").map(|word| word.replace("''", "'")).collect()
}

/// The select list for whole rows.
fn select_list(columns: &[Column]) -> String {
    columns.iter().map(selected).collect::<Vec<_>>().join(", ")
}

/// The select expression of a column: bytes as hexadecimal digits, bits as a number, JSON as text.
pub(super) fn selected(column: &Column) -> String {
    let name = quote(&column.name);
    match column.kind {
        Kind::Json => format!("CAST({name} AS CHAR)"),
        Kind::Other if column.sql_type.starts_with("bit") => format!("{name} + 0"),
        _ if is_bytes(column) => format!("HEX({name})"),
        _ => name,
    }
}

/// Whether a column holds bytes instead of text.
pub(super) fn is_bytes(column: &Column) -> bool {
    column.kind == Kind::Other
        && ["binary", "blob"].iter().any(|word| column.sql_type.contains(word))
}

/// The type with which a missing column should be declared.
fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => "int",
        Kind::Timestamp => "timestamp NULL",
        Kind::Boolean => "boolean DEFAULT false",
        _ => "text",
    }
}

/// A column of this type.
#[cfg(test)]
pub(super) fn column_of_type(table: TableName, name: &str, sql_type: &str) -> Column {
    let (kind, limit) = kind(sql_type);
    Column {
        name: name.to_owned(),
        key: camel_case(name),
        kind,
        limit: limit_of_id(table, name, sql_type, limit),
        sql_type: sql_type.to_owned(),
        not_null: false,
        has_default: false,
        unique: false,
        type_id: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_the_kind_of_its_type() {
        let rows = [
            ("varchar(191)", Kind::Text, Limit::Characters(191)),
            ("text", Kind::Text, Limit::Bytes(65_535)),
            ("longtext", Kind::Text, Limit::None),
            (
                "enum('a','b''c','d,e')",
                Kind::Text,
                Limit::OneOf(vec!["a".into(), "b'c".into(), "d,e".into()]),
            ),
            ("tinyint(1)", Kind::Boolean, Limit::None),
            ("tinyint(4)", Kind::Integer, Limit::Largest(127)),
            ("tinyint unsigned", Kind::Integer, Limit::Largest(255)),
            ("int", Kind::Integer, Limit::Largest(2_147_483_647)),
            ("int(10) unsigned", Kind::Integer, Limit::Largest(4_294_967_295)),
            ("bigint(20)", Kind::Integer, Limit::None),
            ("decimal(10,2)", Kind::Real, Limit::None),
            ("json", Kind::Json, Limit::None),
            ("timestamp", Kind::Timestamp, Limit::Times(1000, 2_147_483_647_999)),
            ("datetime(3)", Kind::Timestamp, Limit::Times(DATETIMES_MS.0, DATETIMES_MS.1)),
            ("date", Kind::Other, Limit::None),
            ("varbinary(16)", Kind::Other, Limit::None),
        ];
        for (sql_type, expected_kind, expected_limit) in rows {
            assert_eq!(kind(sql_type), (expected_kind, expected_limit), "{sql_type}");
        }
    }
}
