//! A PostgreSQL server: its pool of connections, and transactions of one or two round trips.
//!
//! Statements are sent together and answered together. No session state is used: prepared statements are unnamed, and
//! every setting ends with its transaction. So it works with a pooler.

mod begin;
mod config;
mod connect;
mod database;
mod driver;
mod error;
mod found;
mod options;
mod server;
mod session;
mod tables;
mod tls;
mod watch;

pub use self::database::Database;
pub use self::options::Options;
pub use self::session::Session;
