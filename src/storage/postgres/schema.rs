//! Finding out what tables a PostgreSQL database has.

use tokio_postgres::Row;

use super::value::needs_cast;
use crate::domain::table::TableName;
use crate::error::{Error, Result};
use crate::storage::schema::{Column, Kind, Limit, Schema, TimestampUnit, camel_case, quote};

/// Reads the rows of `sql/columns.sql`, and refuses a schema that lacks what this package needs.
pub(super) fn read(rows: &[Row]) -> Result<Schema> {
    let mut found = Vec::new();
    for table in TableName::ALL {
        let mut columns = Vec::new();
        for row in rows {
            if text(row, 0)? == table.sql() {
                columns.push(column(row)?);
            }
        }
        found.push((table, columns));
    }
    Schema::new(found, sql_type, select, TimestampUnit::Milliseconds, false)
}

fn text(row: &Row, at: usize) -> Result<String> {
    row.try_get(at).map_err(|error| Error::Internal(format!("reading the schema: {error}")))
}

fn column(row: &Row) -> Result<Column> {
    let unreadable =
        |error: tokio_postgres::Error| Error::Internal(format!("reading the schema: {error}"));
    let (name, sql_type) = (text(row, 1)?, text(row, 2)?);
    let labels: Vec<String> = row.try_get(5).map_err(unreadable)?;
    let (kind, limit) = kind(&sql_type, labels);
    Ok(Column {
        key: camel_case(&name),
        name,
        kind,
        sql_type,
        limit,
        not_null: row.try_get(3).map_err(unreadable)?,
        has_default: row.try_get(4).map_err(unreadable)?,
    })
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

/// How a SELECT reads a column.
fn select(column: &Column) -> String {
    let name = quote(&column.name);
    if needs_cast(column) { format!("{name}::text") } else { name }
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
