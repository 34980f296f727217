//! A server of MySQL, MariaDB or a compatible database.

pub mod client;
mod database;
mod driver;
mod error;
mod options;
mod pool;
mod server;
mod session;
mod tables;

pub use self::database::Database;
pub use self::options::Options;
pub use self::session::Session;
