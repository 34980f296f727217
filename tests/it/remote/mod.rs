//! What the engine does over any server: batches, what is tried again, commits that are not answered.
//!
//! The server is one of the tests' own. It fails as they say, and its ledger is in memory.

mod batches;
mod declared;
mod faults;
mod lone;
mod rows;
mod server;
mod session;
mod world;
