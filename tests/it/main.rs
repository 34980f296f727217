//! Tests of the storage and the engine, without JavaScript. One binary, because linking takes long.
#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arrows;
mod common;
mod engine;
mod ledger;
mod memory;
#[cfg(feature = "postgres")]
mod pool;
#[cfg(feature = "postgres")]
mod postgres_server;
mod schema;
#[cfg(feature = "postgres")]
mod sequence;
