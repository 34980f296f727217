//! The tables as a whole: looking at them, making them, and what an operator is told of them.

use std::sync::Arc;
use std::time::Instant;

use tracing::info;

use super::database::Database;
use super::found::Found;
use crate::domain::table::TableName;
use crate::domain::value::Value;
use crate::storage::dialect::sqlite::Statement;
use crate::storage::dialect::sqlite::cell::SelectedRow as _;
use crate::storage::dialect::sqlite::declared::Declared;
use crate::storage::dialect::sqlite::schema;
use crate::storage::failure::Answer;
use crate::storage::server::Server as _;

impl Database {
    /// The tables, as they were found lately.
    pub(super) async fn tables(&self) -> Answer<Found> {
        let known = self.known_tables().clone();
        match known.filter(Found::is_fresh) {
            Some(found) => Ok(found),
            None => self.look().await,
        }
    }

    /// Looks at the tables, for all requests that follow: two round trips, one if the unit of times is known.
    async fn look(&self) -> Answer<Found> {
        let mut asked: Vec<Statement<'_>> =
            TableName::ALL.into_iter().map(schema::columns).collect();
        asked.push(schema::triggers());
        let mut answers = self.ask(&asked, "reading the schema").await?;
        let has_triggers = answers.pop().is_some_and(|rows| !rows.is_empty());
        let mut found: Vec<(TableName, Vec<Declared>)> = TableName::ALL
            .into_iter()
            .zip(answers)
            .map(|(table, rows)| (table, rows.iter().map(Declared::read).collect()))
            .collect();
        if self.options.timestamp_unit.is_none() {
            let (mut sampled, mut asked) = (Vec::new(), Vec::new());
            for (table, columns) in &mut found {
                for (column, statement) in schema::samples(*table, columns) {
                    sampled.push(column);
                    asked.push(statement);
                }
            }
            if !asked.is_empty() {
                let answers = self.ask(&asked, "looking for the unit of timestamps").await?;
                for (column, rows) in sampled.into_iter().zip(answers) {
                    rows.iter().for_each(|row| column.add_sample(row));
                }
            }
        }
        let schema = schema::read(found, self.options.timestamp_unit, has_triggers)?;
        let found = Found { schema: Arc::new(schema), at: Instant::now() };
        *self.known_tables() = Some(found.clone());
        let Self { first_look, name, .. } = self;
        first_look.call_once(|| info!(database = ?name, "connected and found the tables"));
        Ok(found)
    }

    pub(super) async fn make_tables(&self, tables: &[TableName]) -> Answer<()> {
        let sql = tables.iter().map(|table| schema::create_table(*table));
        let statements = sql.flat_map(|sql| sql.split(';')).map(str::trim);
        let statements: Vec<_> =
            statements.filter(|sql| !sql.is_empty()).map(|sql| Statement::new(sql, [])).collect();
        let made = self.run_all(&statements, "creating the tables").await;
        self.forget_schema();
        made
    }

    pub(super) async fn diagnose(self: &Arc<Self>) -> Answer<Vec<(&'static str, Value)>> {
        let unit = self.tables().await?.schema.timestamp_unit;
        let asked = [
            Statement::new("SELECT sqlite_version()", []),
            Statement::new(schema::DESCRIPTION, []),
        ];
        let answers = self.ask(&asked, "reading the schema").await?;
        let text = |at: usize| {
            let row = answers.get(at).and_then(|rows| rows.first());
            row.and_then(|row| row.cell(0).into_text()).unwrap_or_default().into_owned()
        };
        Ok(vec![
            ("storage", Value::Text("libsql".to_owned())),
            ("host", Value::Text(self.name.clone())),
            ("encrypted", Value::Bool(self.http.is_encrypted())),
            ("timestampUnit", Value::Text(unit.as_str().to_owned())),
            ("sqliteVersion", Value::Text(text(0))),
            ("maxConnections", Value::Integer(self.options.max_connections as i64)),
            ("tables", Value::Json(text(1))),
        ])
    }
}
