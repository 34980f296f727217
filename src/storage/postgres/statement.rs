//! Statements with their parameters, and the SQL of rows whose columns vary from call to call.

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::ids::IdType;
use super::value::{Param, needs_cast};
use crate::domain::value::Fields;
use crate::error::Result;
use crate::storage::schema::{Table, quote};

/// A statement with its parameters.
#[derive(Debug, Clone, Default)]
pub(super) struct Statement {
    sql: String,
    params: Vec<(Param, Type)>,
}

impl Statement {
    pub(super) fn new(sql: impl Into<String>, params: impl Into<Vec<(Param, Type)>>) -> Self {
        Self { sql: sql.into(), params: params.into() }
    }

    /// The whole row with an id.
    pub(super) fn find(table: &Table, id: &str) -> Self {
        let sql = format!("SELECT {} FROM {} WHERE id = $1", table.select_list, quote(table.name));
        Self::new(sql, [IdType::of(table).one(id)])
    }

    /// Appends SQL.
    pub(super) fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// Adds a parameter: its name in the SQL.
    pub(super) fn bind(&mut self, param: Param, declared: Type) -> String {
        self.params.push((param, declared));
        format!("${}", self.params.len())
    }

    /// Binds rows with the same columns, at least one: `INSERT INTO table (…) VALUES (…), …`.
    pub(super) fn insert(&mut self, table: &Table, rows: &[&Fields]) -> Result<String> {
        let mut names = String::new();
        let mut values = Vec::new();
        for row in rows {
            let (columns, places): (Vec<_>, Vec<_>) =
                self.bind_row(table, row)?.into_iter().unzip();
            names = columns.join(", ");
            values.push(format!("({})", places.join(", ")));
        }
        let values = values.join(", ");
        Ok(format!("INSERT INTO {} ({names}) VALUES {values}", quote(table.name)))
    }

    /// Binds a row: `UPDATE table SET … WHERE id = …`.
    pub(super) fn update(&mut self, table: &Table, id: &str, row: &Fields) -> Result<String> {
        let changes: Vec<String> = self
            .bind_row(table, row)?
            .into_iter()
            .map(|(name, place)| format!("{name} = {place}"))
            .collect();
        let (id, declared) = IdType::of(table).one(id);
        let id = self.bind(id, declared);
        let changes = changes.join(", ");
        Ok(format!("UPDATE {} SET {changes} WHERE id = {id}", quote(table.name)))
    }

    /// A parameter for each field: the column's name, and its place in the SQL.
    fn bind_row(&mut self, table: &Table, row: &Fields) -> Result<Vec<(String, String)>> {
        let mut places = Vec::new();
        for (key, value) in table.sayable(row).iter() {
            let column = table.column(key)?;
            let (param, declared) = Param::of(value, column);
            let mut place = self.bind(param, declared);
            if needs_cast(column) {
                place = format!("{place}::{}", column.sql_type);
            }
            places.push((quote(&column.name), place));
        }
        Ok(places)
    }

    /// Sends it, at the first poll; the rows come later. The statement has no name, so that nothing of
    /// it stays in the session.
    pub(super) async fn query(&self, client: &Object) -> Result<Vec<Row>, tokio_postgres::Error> {
        let params: Vec<(&(dyn ToSql + Sync), Type)> = self
            .params
            .iter()
            .map(|(param, declared)| (param as &(dyn ToSql + Sync), declared.clone()))
            .collect();
        client.query_typed(&self.sql, &params).await
    }
}

pub(super) fn text(text: &str) -> (Param, Type) {
    (Param::Text(text.to_owned()), Type::TEXT)
}

pub(super) fn text_or_null(text: Option<&str>) -> (Param, Type) {
    (text.map_or(Param::Null, |text| Param::Text(text.to_owned())), Type::TEXT)
}

pub(super) fn integer(number: i64) -> (Param, Type) {
    (Param::Integer(number), Type::INT8)
}

pub(super) fn texts(texts: Vec<String>) -> (Param, Type) {
    (Param::Texts(texts), Type::TEXT_ARRAY)
}
