//! Charges and refunds credits for media tasks, each inside one database transaction.
//!
//! A map, in the order in which a request travels:
//!
//! - `node` takes a call from JavaScript, reads it, sends it, and replies.
//! - `engine` runs it: load, plan, apply, in one transaction that it may share with others.
//! - `domain` holds the ledger's rules, as pure functions.
//! - `storage` loads facts and writes plans; nothing else knows SQL.
//! - `error` names everything that can be refused or fail; `echo` is how much of a text it repeats.
//! - `histogram` counts how often a number of which size came.
//!
//! Arrows point one way: node → engine → storage, domain; storage → domain; domain → nothing but `error` and `echo`;
//! `histogram` knows nothing at all. Without features only `domain`, `error` and `echo` are there.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod domain;
mod echo;
#[cfg(any(feature = "sqlite", feature = "remote"))]
pub mod engine;
pub mod error;
#[cfg(any(feature = "sqlite", feature = "remote"))]
pub mod histogram;
#[cfg(feature = "node")]
mod node;
#[cfg(any(feature = "sqlite", feature = "remote"))]
pub mod storage;
