//! A connection to an SQLite file, and its transactions.
//!
//! A connection belongs to one thread, which may block on it. That is never the JavaScript thread.

mod access;
mod books;
mod budget;
mod busy_handler;
mod connect;
mod database;
mod driver;
mod error;
mod file;
mod ledger;
pub mod locking;
mod options;
mod tables;
mod views;
mod wal;

pub use self::database::{Database, is_overdue};
pub use self::options::{Durability, JournalMode, Options, Purpose};
pub use self::wal::Log;
pub use super::location::Place;
