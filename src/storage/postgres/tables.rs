//! The tables as a whole: making them, and what an operator is told of them.

use std::sync::Arc;

use deadpool_postgres::Object;

use super::access::Lack;
use super::statement::Statement;
use super::{Server, in_time, rows};
use crate::domain::table::{TableName, TaskKind};
use crate::domain::value::Value;
use crate::storage::failure::Failure;
use crate::storage::server::Server as _;

impl Server {
    pub(super) async fn make_tables(&self, tables: &[TableName]) -> Result<(), Failure> {
        let client = self.client().await?;
        let begin = &self.begin.make;
        // IF NOT EXISTS looks before it makes, and two who look at once both make.
        let in_turn = "SELECT pg_advisory_xact_lock(7163217633)";
        let sql: String = tables.iter().map(|table| create_table(*table)).collect();
        let command = format!("{begin}; {in_turn}; {sql} COMMIT");
        let made = in_time(&self.options, client.batch_execute(&command)).await;
        self.forget_schema();
        // The connection may be in any state: no other call is to get it.
        drop(Object::take(client));
        made?.map_err(|error| {
            let refusal = self.begin.refusal(&error).map(Failure::Refused);
            refusal.unwrap_or_else(|| Failure::of(&error, "creating the tables"))
        })
    }

    pub(super) async fn diagnose(self: &Arc<Self>) -> Result<Vec<(&'static str, Value)>, Failure> {
        let mut session = self.session().await?;
        let statement = Statement::new(include_str!("sql/diagnostics.sql"), []);
        let [rows] = session.look([statement], "reading the server's settings").await?;
        let texts = ["serverVersion", "database", "schema", "isolation"];
        let mut found = vec![("storage", Value::Text("postgres".to_owned()))];
        for row in &rows {
            for (at, name) in texts.into_iter().enumerate() {
                found.push((name, Value::Text(rows::get(row, at)?)));
            }
            found.push(("encrypted", Value::Bool(rows::get(row, texts.len())?)));
            found.push(("maxConnections", Value::Integer(self.pool.status().max_size as i64)));
            found.push(("durability", Value::Json(rows::get(row, texts.len() + 1)?)));
            found.push(("tables", Value::Json(rows::get(row, texts.len() + 2)?)));
        }
        let lacks = session.found()?.access.lacks().iter().map(Lack::as_json).collect();
        found.push(("lacks", Value::Json(serde_json::Value::Array(lacks).to_string())));
        Ok(found)
    }
}

fn create_table(table: TableName) -> &'static str {
    match table {
        TableName::User => include_str!("sql/create_user.sql"),
        TableName::Credit => include_str!("sql/create_credit.sql"),
        TableName::Tasks(TaskKind::Media) => include_str!("sql/create_media_tasks.sql"),
        TableName::Tasks(TaskKind::Ai) => include_str!("sql/create_ai_task.sql"),
    }
}
