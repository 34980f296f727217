//! The boundary to JavaScript: read a call, send it, reply. The only place that knows napi.
//!
//! Calls and replies cross as JSON text, because that is the fastest way here; `lib/connection.js` makes the
//! promises, dates and errors of the caller's realm out of them. No rule of the ledger is here, and
//! nothing here may block or panic.

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
