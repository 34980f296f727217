//! Property tests: invariants that are tried on random values.
//!
//! `PROPTEST_CASES=100000 cargo test --release --lib properties` runs them for long. A failure becomes a row in a
//! table of examples.

pub(crate) mod generators;

mod details;
mod ledger;
mod model;
mod steps;
