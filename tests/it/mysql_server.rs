//! A MariaDB server for the tests of this binary, which starts when the first test asks for it, and databases on it.
//!
//! `scripts/mariadb.js` provides it: TEST_MYSQL_URL if that is set, else a new server.

use std::sync::OnceLock;
use std::time::Duration;

use media_credits::storage::location::Location;
use media_credits::storage::mysql::client::{Client, Host, Settings};
use media_credits::storage::mysql::{Database, Options};
use media_credits::storage::server::Server as _;

use crate::servers::{Server, wait};

/// The URL of a database of the server, for a user who may create others.
pub(crate) fn url() -> &'static str {
    static SERVER: OnceLock<Server> = OnceLock::new();
    &SERVER.get_or_init(|| Server::start("mariadb.js")).url
}

/// The URL of a new database. No other test may ask for this name.
pub(crate) fn database(name: &str) -> String {
    let name = format!("{name}_{}", std::process::id());
    sql(url(), &format!("DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name}"));
    let (server, _) = url().rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

/// The database that a URL names.
pub(crate) fn open(url: &str, options: Options) -> Database {
    let Location::Mysql(location) = Location::parse(url).unwrap() else {
        panic!("another storage")
    };
    Database::new(&location, options).unwrap()
}

/// A connection of the app's own.
pub(crate) async fn connect(url: &str) -> Client {
    let (login, place) = url.strip_prefix("mysql://").unwrap().split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    let (server, database) = place.split_once('/').unwrap();
    let (host, port) = server.split_once(':').unwrap();
    let settings = Settings {
        host: Host::Tcp { host: host.to_owned(), port: port.parse().unwrap() },
        user: user.to_owned(),
        password: Some(password.to_owned()),
        database: Some(database.to_owned()),
        encryption: None,
        connect_timeout: Duration::from_secs(10),
        may_send_password: true,
    };
    Client::connect(&settings).await.unwrap()
}

/// Runs statements. The first value of the last one's first row, as text.
pub(crate) fn sql(url: &str, statements: &str) -> Option<String> {
    wait(async {
        let mut client = connect(url).await;
        let answers = client.query(statements.to_owned()).await.unwrap();
        client.close().await;
        let value = answers.last()?.rows.first()?.first()?.clone()?;
        Some(String::from_utf8(value).unwrap())
    })
}
