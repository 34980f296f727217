//! Reads the schema of a PostgreSQL database.

use super::Statement;
use super::fit::needed_type;
use super::row::{SelectedRow, get, get_texts};
use super::value::needs_cast;
use crate::domain::table::{TableName, TaskKind};
use crate::storage::failure::{Answer, Failure};
use crate::storage::roles::Role;
use crate::storage::schema::{Column, Dialect, Kind, Limit, Schema, camel_case, quote};
use crate::storage::times::TimestampUnit;

const DIALECT: Dialect =
    Dialect { quote, sql_type, select_list, needed_type, time_digits: Some(6) };

/// Information for operators about the server and its tables.
pub fn diagnostics() -> Statement {
    Statement::new(include_str!("sql/diagnostics.sql"), [])
}

/// The session's own search path, unless it leads to another ledger.
pub fn own_path() -> Statement {
    Statement::new(include_str!("sql/own_path.sql"), [])
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

/// Reads the rows of `sql/columns.sql`, and rejects a schema that lacks what this package needs.
pub(super) fn read(rows: &[impl SelectedRow]) -> Answer<Schema> {
    let mut found = Vec::new();
    for table in TableName::ALL {
        let mut columns = Vec::new();
        for row in rows {
            if get::<&str>(row, 0)? == table.sql() {
                columns.push(column(table, row)?);
            }
        }
        found.push((table, columns));
    }
    Schema::new(found, &DIALECT, TimestampUnit::Milliseconds, false).map_err(Failure::Refused)
}

fn column(table: TableName, row: &impl SelectedRow) -> Answer<Column> {
    let (name, sql_type): (String, String) = (get(row, 1)?, get(row, 2)?);
    let (kind, limit) = kind(&sql_type, get_texts(row, 5)?);
    let computed: bool = get(row, 8)?;
    let mut column = Column {
        key: camel_case(&name),
        kind,
        limit: if computed { Limit::Computed } else { limit_of_id(table, &name, &sql_type, limit) },
        name,
        sql_type,
        not_null: get(row, 3)?,
        has_default: get(row, 4)?,
        unique: get(row, 9)?,
        type_id: 0,
    };
    // Columns that are cast to text are identified by their declared type, including domains.
    let type_id: i64 = get(row, if needs_cast(&column) { 7 } else { 6 })?;
    column.type_id = u32::try_from(type_id).unwrap_or_default();
    Ok(column)
}

/// New ids must fit their column.
fn limit_of_id(table: TableName, name: &str, sql_type: &str, limit: Limit) -> Limit {
    match Role::of(table, name) {
        Some(Role::TaskId | Role::CreditId) if sql_type == "uuid" => Limit::Uuid,
        _ => limit,
    }
}

/// The kind and limit of a type; `labels` are an enum's values.
fn kind(sql_type: &str, labels: Vec<String>) -> (Kind, Limit) {
    if !labels.is_empty() {
        return (Kind::Text, Limit::OneOf(labels));
    }
    let (name, size) = match sql_type.split_once('(') {
        Some((name, rest)) => (name, rest.split(')').next().and_then(|size| size.parse().ok())),
        None => (sql_type, None),
    };
    match name {
        "text" | "uuid" => (Kind::Text, Limit::None),
        "character varying" | "character" => {
            (Kind::Text, size.map_or(Limit::None, Limit::Characters))
        }
        "smallint" => (Kind::Integer, Limit::Largest(i64::from(i16::MAX))),
        "integer" => (Kind::Integer, Limit::Largest(i64::from(i32::MAX))),
        "bigint" => (Kind::Integer, Limit::None),
        "real" | "double precision" | "numeric" => (Kind::Real, Limit::None),
        "boolean" => (Kind::Boolean, Limit::None),
        "json" | "jsonb" => (Kind::Json, Limit::None),
        name if name.starts_with("timestamp") && !name.ends_with("[]") => {
            (Kind::Timestamp, Limit::None)
        }
        _ => (Kind::Other, Limit::None),
    }
}

/// The select list for whole rows. Columns that are cast to text do not show their type, so the types are
/// appended, to detect changed columns.
fn select_list(columns: &[Column]) -> String {
    let select = |column: &Column| {
        let name = quote(&column.name);
        if needs_cast(column) { format!("{name}::text") } else { name }
    };
    let mut list: Vec<String> = columns.iter().map(select).collect();
    let cast = columns.iter().filter(|column| needs_cast(column));
    let types: Vec<String> =
        cast.map(|column| format!("pg_typeof({})", quote(&column.name))).collect();
    if !types.is_empty() {
        list.push(format!("ARRAY[{}]::oid[]::text", types.join(", ")));
    }
    list.join(", ")
}

/// The type with which a missing column should be declared.
fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => "integer",
        Kind::Timestamp => "timestamp",
        Kind::Boolean => "boolean DEFAULT false",
        _ => "text",
    }
}

/// A column of this type. An enum is written as its values, separated by bars.
#[cfg(test)]
pub(super) fn column_of_type(
    table: TableName,
    name: &str,
    sql_type: &str,
    computed: bool,
) -> Column {
    let labels = sql_type.split('|').map(str::to_owned);
    let labels = if sql_type.contains('|') { labels.collect() } else { Vec::new() };
    let (kind, limit) = kind(sql_type, labels);
    Column {
        name: name.to_owned(),
        key: camel_case(name),
        kind,
        limit: if computed { Limit::Computed } else { limit_of_id(table, name, sql_type, limit) },
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
            ("text", Kind::Text, Limit::None),
            ("character varying(20)", Kind::Text, Limit::Characters(20)),
            ("integer", Kind::Integer, Limit::Largest(2_147_483_647)),
            ("bigint", Kind::Integer, Limit::None),
            ("numeric(10,2)", Kind::Real, Limit::None),
            ("timestamp without time zone", Kind::Timestamp, Limit::None),
            ("timestamp(3) with time zone", Kind::Timestamp, Limit::None),
            ("timestamp without time zone[]", Kind::Other, Limit::None),
            ("jsonb", Kind::Json, Limit::None),
            ("text[]", Kind::Other, Limit::None),
            ("date", Kind::Other, Limit::None),
        ];
        for (sql_type, expected_kind, expected_limit) in rows {
            assert_eq!(kind(sql_type, Vec::new()), (expected_kind, expected_limit), "{sql_type}");
        }
        let labels = vec!["pending".to_owned()];
        assert_eq!(kind("status", labels.clone()), (Kind::Text, Limit::OneOf(labels)));
    }
}
