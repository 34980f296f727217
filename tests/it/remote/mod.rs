//! What the engine does over any server: batches, retries, unanswered commits.
//!
//! The server belongs to the tests. It fails as they demand, and its ledger is in memory.

mod batches;
mod declared;
mod faults;
mod lone;
mod rows;
mod server;
mod session;
mod world;
