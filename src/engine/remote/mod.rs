//! The engine for servers: requests run concurrently on a pool of connections, which all connections of this
//! process to the same database share. Requests that charge share transactions.

mod batch;
mod charges;
mod connection;
mod engine;
mod retry;
mod run;
mod slots;

pub use connection::{Connection, Engines};
pub use engine::Settings;
pub use run::{read, write};
