//! The ledger's rules, as pure functions: facts in, a plan or a refusal out.
//!
//! The domain has no SQL, clock, threads, randomness or napi: the engine passes in facts, the time and new
//! ids, and carries out the plans. Fields, kinds and codes have the names that callers use. Each plan begins
//! with its guards, one named error each.

pub mod audit;
pub mod books;
pub mod calendar;
pub mod call_options;
pub mod charge;
pub mod column;
pub mod credits;
pub mod detail;
pub mod expiring;
pub mod grant;
pub mod hex;
pub mod json;
pub mod metadata;
pub mod options;
pub mod own;
pub mod paying;
pub mod plan;
pub mod quote;
pub mod refund;
pub mod refundable;
pub mod regrant;
pub mod renewal;
pub mod repair;
pub mod replay;
pub mod revocation;
pub mod settle;
pub mod spending;
pub mod statement;
pub mod table;
pub mod task;
pub mod top_up;
pub mod value;

#[cfg(test)]
pub(crate) mod properties;
