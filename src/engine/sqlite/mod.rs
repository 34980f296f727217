//! The engine over SQLite: one writer thread and three reader threads for each file in this process.

mod checkpointer;
mod connection;
mod counted;
mod fairness;
mod halves;
mod opener;
mod queue;
mod reader;
mod reads;
mod worker;
mod writer;

pub use connection::{Connection, Settings};
