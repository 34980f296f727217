//! The boundary to JavaScript: decodes a call, submits it, encodes the reply. The only place that uses napi.
//!
//! Calls and replies are JSON text, because that is the fastest encoding here; `lib/connection.js` converts
//! them to promises, dates and errors of the caller's realm. There are no rules of the ledger here, and
//! nothing may block or panic.

mod arguments;
mod connection;
mod decode;
mod encode;
mod functions;
mod handle;
mod lists;
mod log;
mod mailbox;
mod options;
mod wire;
mod within;

#[cfg(test)]
mod properties;

/// Only on Linux, where the library stays loaded (`build.rs`).
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
