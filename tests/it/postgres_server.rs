//! A PostgreSQL server for the tests of this binary, which starts when the first test asks for it, and
//! databases on it.
//!
//! `scripts/test-postgres.js` provides it: TEST_DATABASE_URL if that is set, else a new server.

use std::sync::OnceLock;

use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::servers::{Server, wait};

/// The URL of the server's own database `postgres`, for a user who may create others.
pub(crate) fn url() -> &'static str {
    static SERVER: OnceLock<Server> = OnceLock::new();
    &SERVER.get_or_init(|| Server::start("test-postgres.js")).url
}

/// The URL of a new database. No other test may ask for this name.
pub(crate) fn database(name: &str) -> String {
    sql(url(), &format!("DROP DATABASE IF EXISTS {name}"));
    sql(url(), &format!("CREATE DATABASE {name}"));
    let (server, _) = url().rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

/// Runs one statement. The first value of its first row, as text.
pub(crate) fn sql(url: &str, statement: &str) -> Option<String> {
    wait(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(statement).await.unwrap();
        drop(client);
        connection.await.unwrap().unwrap();
        messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
    })
}
