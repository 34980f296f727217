//! Finding out what tables a PostgreSQL database has.

use tokio_postgres::Row;

use super::fit::misfit;
use super::value::needs_cast;
use crate::domain::table::TableName;
use crate::error::{Error, Result};
use crate::storage::roles::Role;
use crate::storage::schema::{Column, Dialect, Kind, Limit, Schema, camel_case, quote};
use crate::storage::times::TimestampUnit;

const DIALECT: Dialect = Dialect { sql_type, select_list, misfit };

/// Reads the rows of `sql/columns.sql`, and refuses a schema that lacks what this package needs.
pub(super) fn read(rows: &[Row]) -> Result<Schema> {
    let mut found = Vec::new();
    for table in TableName::ALL {
        let mut columns = Vec::new();
        for row in rows {
            if text(row, 0)? == table.sql() {
                columns.push(column(table, row)?);
            }
        }
        found.push((table, columns));
    }
    Schema::new(found, &DIALECT, TimestampUnit::Milliseconds, false)
}

fn text(row: &Row, at: usize) -> Result<String> {
    row.try_get(at).map_err(|error| Error::Internal(format!("reading the schema: {error}")))
}

fn column(table: TableName, row: &Row) -> Result<Column> {
    let unreadable =
        |error: tokio_postgres::Error| Error::Internal(format!("reading the schema: {error}"));
    let (name, sql_type) = (text(row, 1)?, text(row, 2)?);
    let labels: Vec<String> = row.try_get(5).map_err(unreadable)?;
    let (kind, limit) = kind(&sql_type, labels);
    let computed: bool = row.try_get(8).map_err(unreadable)?;
    let mut column = Column {
        key: camel_case(&name),
        kind,
        limit: if computed { Limit::Computed } else { limit_of_id(table, &name, &sql_type, limit) },
        name,
        sql_type,
        not_null: row.try_get(3).map_err(unreadable)?,
        has_default: row.try_get(4).map_err(unreadable)?,
        unique: row.try_get(9).map_err(unreadable)?,
        type_id: 0,
    };
    // What is cast to text tells its type by its declared one, domains included.
    let type_at = if needs_cast(&column) { 7 } else { 6 };
    column.type_id = row.try_get(type_at).map_err(unreadable)?;
    Ok(column)
}

/// An id that is new must be one that its column can hold.
fn limit_of_id(table: TableName, name: &str, sql_type: &str, limit: Limit) -> Limit {
    match Role::of(table, name) {
        Some(Role::TaskId | Role::CreditId) if sql_type == "uuid" => Limit::Uuid,
        _ => limit,
    }
}

/// What a type holds; `labels` are an enum's.
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

/// How a SELECT reads whole rows. What is cast to text does not show its type, so the types come
/// behind: a column that has another one since is noticed.
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
        list.push(format!("ARRAY[{}]::oid[]", types.join(", ")));
    }
    list.join(", ")
}

/// What a column that is missing would be declared as.
fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => "integer",
        Kind::Timestamp => "timestamp",
        Kind::Boolean => "boolean DEFAULT false",
        _ => "text",
    }
}

/// A column of this type; an enum's type are its labels, with bars in between.
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
    fn kinds() {
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
