//! Settings of an engine, and the choice of the engine for a database.

#[cfg(feature = "libsql")]
use super::libsql;
#[cfg(feature = "mysql")]
use super::mysql;
#[cfg(feature = "postgres")]
use super::postgres;
use super::share::Share;
#[cfg(feature = "sqlite")]
use super::sqlite;
#[cfg(not(all(
    feature = "sqlite",
    feature = "postgres",
    feature = "libsql",
    feature = "mysql"
)))]
use crate::error::Error;
use crate::error::Result;
use crate::storage::location::Location;

/// How an engine works. All connections of one process to one database must say the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// What concerns an SQLite file.
    #[cfg(feature = "sqlite")]
    pub sqlite: sqlite::Settings,
    /// What concerns a PostgreSQL server.
    #[cfg(feature = "postgres")]
    pub postgres: postgres::Settings,
    /// What concerns a libSQL server.
    #[cfg(feature = "libsql")]
    pub libsql: libsql::Settings,
    /// What concerns a server of MySQL or MariaDB.
    #[cfg(feature = "mysql")]
    pub mysql: mysql::Settings,
}

impl Settings {
    /// Joins the engine of this database, or starts it. Nothing is opened yet.
    pub fn open(&self, location: &Location) -> Result<Box<dyn Share>> {
        match location {
            #[cfg(feature = "sqlite")]
            Location::Sqlite(place) => Ok(Box::new(sqlite::Connection::open(place, self.sqlite)?)),
            #[cfg(feature = "postgres")]
            Location::Postgres(url) => Ok(Box::new(postgres::open(url, self.postgres.clone())?)),
            #[cfg(feature = "libsql")]
            Location::Libsql(url) => Ok(Box::new(libsql::open(url, self.libsql.clone())?)),
            #[cfg(feature = "mysql")]
            Location::Mysql(url) => Ok(Box::new(mysql::open(url, self.mysql.clone())?)),
            #[cfg(not(all(
                feature = "sqlite",
                feature = "postgres",
                feature = "libsql",
                feature = "mysql"
            )))]
            _ => Err(Error::UnsupportedDatabase {
                scheme: "such".to_owned(),
                advice: "this build of the library does not include them",
            }),
        }
    }
}
