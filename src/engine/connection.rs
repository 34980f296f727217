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

/// An engine's settings. All connections of a process to one database must use the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Settings for SQLite files.
    #[cfg(feature = "sqlite")]
    pub sqlite: sqlite::Settings,
    /// Settings for PostgreSQL servers.
    #[cfg(feature = "postgres")]
    pub postgres: postgres::Settings,
    /// Settings for libSQL servers.
    #[cfg(feature = "libsql")]
    pub libsql: libsql::Settings,
    /// Settings for MySQL and MariaDB servers.
    #[cfg(feature = "mysql")]
    pub mysql: mysql::Settings,
}

impl Settings {
    /// Joins the engine of this database, or creates it. The database is opened later.
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
