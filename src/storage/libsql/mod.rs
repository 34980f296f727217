//! A libSQL server (Turso, sqld): SQLite's dialect over Hrana, which is JSON over HTTP.
//!
//! No stream or lock is kept between round trips: a process that hangs in between blocks no other process.

mod batch;
mod database;
mod error;
mod hrana;
mod http;
mod options;
mod server;
mod session;
mod tables;
mod tls;

pub use self::database::Database;
pub use self::options::Options;
pub use self::session::Session;
