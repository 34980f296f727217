//! Tests of the storage and the engine, without JavaScript. One binary, because linking takes long.
#![cfg(any(feature = "sqlite", feature = "remote"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arrows;
mod common;
#[cfg(feature = "sqlite")]
mod engine;
#[cfg(feature = "sqlite")]
mod guard;
#[cfg(feature = "sqlite")]
mod ledger;
#[cfg(all(feature = "sqlite", feature = "libsql"))]
mod libsql;
mod memory;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "mysql")]
mod mysql_server;
mod parameters;
#[cfg(feature = "postgres")]
mod pool;
#[cfg(feature = "postgres")]
mod postgres_server;
#[cfg(feature = "remote")]
mod remote;
#[cfg(feature = "sqlite")]
mod renewals;
#[cfg(feature = "sqlite")]
mod revocations;
#[cfg(feature = "sqlite")]
mod schema;
#[cfg(all(feature = "sqlite", feature = "postgres", feature = "libsql", feature = "mysql"))]
mod sequence;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod servers;
