//! Creates the tables, and reads diagnostics for an operator.

use std::sync::Arc;
use std::time::Instant;

use deadpool_postgres::Object;

use super::database::Database;
use super::session::in_time;
use crate::domain::table::TableName;
use crate::domain::value::Value;
use crate::storage::dialect::postgres::row::get;
use crate::storage::dialect::postgres::schema::{create_table, diagnostics};
use crate::storage::dialect::postgres::wire::Wire;
use crate::storage::failure::Failure;
use crate::storage::server::Server as _;

impl Database {
    pub(super) async fn make_tables(&self, tables: &[TableName]) -> Result<(), Failure> {
        let client = self.client().await?;
        let begin = &self.begin.make;
        // IF NOT EXISTS checks before it creates, so two concurrent sessions could both create.
        let in_turn = "SELECT pg_advisory_xact_lock(7163217633)";
        let sql: String = tables.iter().map(|table| create_table(*table)).collect();
        let command = format!("{begin}; {in_turn}; {sql} COMMIT");
        let made = in_time(&self.options, client.batch_execute(&command)).await;
        self.forget_schema();
        // Its state is unknown, so it must not return to the pool.
        drop(Object::take(client));
        made?.map_err(|error| {
            let refusal = self.begin.refusal(&error).map(Failure::Refused);
            refusal.unwrap_or_else(|| Failure::of(&error, "creating the tables"))
        })
    }

    pub(super) async fn diagnose(self: &Arc<Self>) -> Result<Vec<(&'static str, Value)>, Failure> {
        let mut session = self.session(self.deadline(Instant::now())).await?;
        let [rows] = session.look(&[diagnostics()], "reading the server's settings").await?;
        let texts = ["serverVersion", "database", "schema", "isolation"];
        let mut found = vec![("storage", Value::Text("postgres".to_owned()))];
        for row in &rows {
            for (at, name) in texts.into_iter().enumerate() {
                found.push((name, Value::Text(get(row, at)?)));
            }
            found.push(("encrypted", Value::Bool(get(row, texts.len())?)));
            found.push(("maxConnections", Value::Integer(self.pool.status().max_size as i64)));
            found.push(("durability", Value::Json(get(row, texts.len() + 1)?)));
            found.push(("tables", Value::Json(get(row, texts.len() + 2)?)));
        }
        let lacks = session.tables()?.lacks().iter().map(|lack| lack.as_json()).collect();
        found.push(("lacks", Value::Json(serde_json::Value::Array(lacks).to_string())));
        Ok(found)
    }
}
