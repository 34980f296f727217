//! Reads and creates the tables, and reads diagnostics for an operator.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value as Json, json};
use tracing::info;

use super::database::Database;
use super::session::TriedWrite;
use crate::domain::table::TableName;
use crate::domain::value::Value;
use crate::error::Error;
use crate::storage::dialect::sqlite::Statement;
use crate::storage::dialect::sqlite::cell::SelectedRow as _;
use crate::storage::dialect::sqlite::look::Look;
use crate::storage::dialect::sqlite::schema;
use crate::storage::failure::Answer;
use crate::storage::schema::Schema;
use crate::storage::server::Server as _;

impl Database {
    /// The tables, if they were read recently; otherwise reads them.
    pub(super) async fn tables(&self, answer_by: Instant) -> Answer<Arc<Schema>> {
        match self.known.get() {
            Some(schema) => Ok(schema),
            None => self.look(answer_by).await,
        }
    }

    /// Reads the tables, for all following requests: in two round trips, or one if the unit of times is
    /// known.
    async fn look(&self, answer_by: Instant) -> Answer<Arc<Schema>> {
        let answers = self.ask(&Look::questions(), "reading the schema", answer_by).await?;
        let mut look = Look::read(&answers, self.options.timestamp_unit);
        let samples = look.samples();
        let answers = match samples.is_empty() {
            true => Vec::new(),
            false => self.ask(&samples, "looking for the unit of timestamps", answer_by).await?,
        };
        let schema = Arc::new(look.finish(&answers)?);
        self.known.found(Arc::clone(&schema));
        let Self { first_look, name, .. } = self;
        first_look.call_once(|| info!(database = ?name, "connected and found the tables"));
        Ok(schema)
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
        let deadline = self.deadline(Instant::now());
        let unit = self.tables(deadline.answer_by).await?.timestamp_unit;
        let asked = [
            Statement::new("SELECT sqlite_version()", []),
            Statement::new(schema::DESCRIPTION, []),
        ];
        let answers = self.ask(&asked, "reading the schema", deadline.answer_by).await?;
        let text = |at: usize| {
            let row = answers.get(at).and_then(|rows| rows.first());
            row.and_then(|row| row.cell(0).into_text()).unwrap_or_default().into_owned()
        };
        let tried = self.try_write(deadline).await?;
        let refusal = match &tried {
            TriedWrite::Refused(error) => {
                let code = match error {
                    Error::Database { database_code, .. } => database_code,
                    other => other.code(),
                };
                json!({ "code": code, "message": error.to_string(), "retryable": error.retryable() })
            }
            TriedWrite::Done | TriedWrite::Unanswered => Json::Null,
        };
        Ok(vec![
            ("storage", Value::Text("libsql".to_owned())),
            ("host", Value::Text(self.name.clone())),
            ("encrypted", Value::Bool(self.http.is_encrypted())),
            ("timestampUnit", Value::Text(unit.as_str().to_owned())),
            ("sqliteVersion", Value::Text(text(0))),
            ("answersWrites", Value::Bool(matches!(tried, TriedWrite::Done))),
            ("writeRefusal", Value::Json(refusal.to_string())),
            ("maxConnections", Value::Integer(self.options.max_connections as i64)),
            ("tables", Value::Json(text(1))),
        ])
    }
}
