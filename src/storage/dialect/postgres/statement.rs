//! Statements on rows whose columns vary from call to call.

use super::Statement;
use super::ids::IdType;
use super::value::{Value, needs_cast};
use crate::domain::value::Fields;
use crate::error::Result;
use crate::storage::schema::{Table, quote};

impl Statement {
    /// Selects the whole row with an id.
    pub fn find(table: &Table, id: &str) -> Self {
        let text = format!("SELECT {} FROM {} WHERE id = $1", table.select_list, quote(table.name));
        Self::new(text, [IdType::of(table).one(Some(id))])
    }

    /// Appends SQL.
    pub(super) fn push(&mut self, sql: &str) {
        self.text.to_mut().push_str(sql);
    }

    /// Adds a value, and returns its placeholder.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// Adds rows with the same columns, at least one: `INSERT INTO table (…) VALUES (…), …`.
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

    /// Adds a row: `UPDATE table SET … WHERE id = …`.
    pub(super) fn update(&mut self, table: &Table, id: &str, row: &Fields) -> Result<String> {
        let changes: Vec<String> = self
            .bind_row(table, row)?
            .into_iter()
            .map(|(name, place)| format!("{name} = {place}"))
            .collect();
        let id = self.bind(IdType::of(table).one(Some(id)));
        let changes = changes.join(", ");
        Ok(format!("UPDATE {} SET {changes} WHERE id = {id}", quote(table.name)))
    }

    /// Adds a parameter for each field. Returns the column names and placeholders.
    fn bind_row(&mut self, table: &Table, row: &Fields) -> Result<Vec<(String, String)>> {
        let mut places = Vec::new();
        for (key, value) in table.sayable(row).iter() {
            let column = table.column(key)?;
            let mut place = self.bind(Value::of(value, column));
            if needs_cast(column) {
                place = format!("{place}::{}", column.sql_type);
            }
            places.push((quote(&column.name), place));
        }
        Ok(places)
    }
}
