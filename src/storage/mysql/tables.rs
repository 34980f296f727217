//! Creates the tables, and reads diagnostics for an operator.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use deadpool::managed::Object;
use serde_json::{Value as Json, json};

use super::database::Database;
use super::session::{in_time, late};
use crate::domain::table::TableName;
use crate::domain::value::Value;
use crate::storage::dialect::mysql::access::lacks;
use crate::storage::dialect::mysql::schema;
use crate::storage::dialect::privileges::Lack;
use crate::storage::dialect::row::{SelectedRow, get};
use crate::storage::failure::{Answer, Failure};
use crate::storage::server::Server as _;

impl Database {
    pub(super) async fn make_tables(&self, tables: &[TableName]) -> Answer<()> {
        let mut connection = self.connection().await?;
        let sql: Vec<&str> = tables.iter().map(|table| schema::create_table(*table)).collect();
        let made = in_time(&self.options, connection.client.query(sql.join(";\n"))).await;
        self.forget_schema();
        let failure = match made {
            Some(Ok(_)) => return Ok(()),
            Some(Err(error)) => Failure::of_client(&error, "creating the tables"),
            None => late(),
        };
        // Its state is unknown, so it must not return to the pool.
        drop(Object::take(connection));
        Err(failure)
    }

    pub(super) async fn diagnose(self: &Arc<Self>) -> Answer<Vec<(&'static str, Value)>> {
        let mut session = self.session(self.deadline(Instant::now())).await?.0;
        let asked = schema::diagnostics();
        let answers = session.ask(&asked, "reading the server's settings").await?;
        let [database, settings, columns, indexes, privileges] = answers.as_slice() else {
            return Err(Failure::Lost("the server sent fewer replies than expected".to_owned()));
        };
        let mut values = BTreeMap::new();
        for row in settings {
            values.insert(get::<String>(row, 0)?, get::<String>(row, 1)?);
        }
        let value = |name: &str| values.get(name).map(String::as_str);
        let text = |text: Option<&str>| Value::Text(text.unwrap_or_default().to_owned());
        let database: Option<&str> = database.first().map_or(Ok(None), |row| get(row, 0))?;
        let (version, encrypted) = session.server_info().unwrap_or_default();
        let zone = match value("time_zone") {
            Some("SYSTEM") => value("system_time_zone"),
            zone => zone,
        };
        let number = |name| value(name).and_then(|text| text.parse::<i64>().ok());
        let durability = json!({
            "flushLogAtCommit": number("innodb_flush_log_at_trx_commit"),
            "syncBinlog": number("sync_binlog"),
        });
        let isolation = value("transaction_isolation").or(value("tx_isolation"));
        let isolation = isolation.map(|words| words.to_lowercase().replace('-', " "));
        let has_log = value("log_bin").is_some_and(|set| set == "ON" || set == "1");
        let lacks = lacks(privileges)?.iter().map(Lack::as_json).collect();
        let is_on = |name| Value::Bool(value(name).is_some_and(|set| set == "ON" || set == "1"));
        Ok(vec![
            ("storage", Value::Text("mysql".to_owned())),
            ("serverVersion", Value::Text(version)),
            ("database", text(database)),
            ("isolation", text(isolation.as_deref())),
            ("sqlMode", text(value("sql_mode"))),
            ("timeZone", text(zone)),
            ("characterSet", text(value("character_set_database"))),
            ("readOnly", is_on("read_only")),
            ("cluster", is_on("wsrep_on")),
            ("binlogFormat", text(value("binlog_format").filter(|_| has_log))),
            ("encrypted", Value::Bool(encrypted)),
            ("maxConnections", Value::Integer(self.pool.status().max_size as i64)),
            ("maxAllowedPacket", text(value("max_allowed_packet"))),
            ("durability", Value::Json(durability.to_string())),
            ("tables", Value::Json(described(columns, indexes)?.to_string())),
            ("lacks", Value::Json(Json::Array(lacks).to_string())),
        ])
    }
}

/// The tables with their columns and indexes, as JSON.
fn described(columns: &[impl SelectedRow], indexes: &[impl SelectedRow]) -> Answer<Json> {
    type Indexes = BTreeMap<String, (bool, Vec<String>)>;
    let mut tables: BTreeMap<String, (Vec<String>, Indexes)> = BTreeMap::new();
    for row in columns {
        tables.entry(get(row, 0)?).or_default().0.push(get(row, 1)?);
    }
    for row in indexes {
        let of_table = &mut tables.entry(get(row, 0)?).or_default().1;
        let (unique, columns) = of_table.entry(get(row, 1)?).or_default();
        *unique = get(row, 2)?;
        columns.push(get(row, 3)?);
    }
    let index = |(name, (unique, columns)): (String, (bool, Vec<String>))| json!({ "name": name, "columns": columns, "unique": unique });
    let table = |(name, (columns, indexes)): (String, (Vec<String>, Indexes))| {
        let indexes: Vec<Json> = indexes.into_iter().map(index).collect();
        json!({ "name": name, "columns": columns, "indexes": indexes })
    };
    Ok(tables.into_iter().map(table).collect())
}
