//! Tests of the storage and the engine, without JavaScript. One binary, because linking takes long.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod engine;
mod ledger;
mod schema;
