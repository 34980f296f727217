//! Property tests: invariants, tried on random values.
//!
//! `PROPTEST_CASES=100000 cargo test --release --lib properties` runs more cases. A failure becomes a row in
//! a test table.

pub(crate) mod generators;

mod details;
mod ledger;
mod model;
mod steps;
