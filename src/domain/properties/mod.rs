//! What must hold whatever comes: properties that are tried on values that no author of a table thinks of.
//!
//! `PROPTEST_CASES=100000 cargo test --release --lib properties` tries them for long. What they find gets
//! a row in a table.

pub(crate) mod generators;

mod details;
mod ledger;
mod model;
mod steps;
