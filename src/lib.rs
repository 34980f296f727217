//! Charges and refunds credits for media tasks, each inside one database transaction.
//!
//! The modules, in the order in which a request passes through them:
//!
//! - `node` decodes a call from JavaScript, submits it, and replies.
//! - `engine` runs it: load, plan, apply, in one transaction that it may share with others.
//! - `domain` holds the ledger's rules, as pure functions.
//! - `storage` loads facts and writes plans; it is the only module with SQL.
//! - `error` has all errors; `echo` shortens the texts that they repeat.
//! - `histogram` counts sizes and durations.
//!
//! Dependencies go one way: node → engine → storage, domain; storage → domain; domain → only `error` and
//! `echo`; `histogram` depends on no other module. Without features only `domain`, `error` and `echo` are
//! compiled.

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
