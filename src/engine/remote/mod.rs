//! The engine over a server: requests run side by side on a pool of connections, which all connections of this
//! process to the same database share. Those that charge share transactions.

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
