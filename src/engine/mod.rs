//! Runs requests: loads facts, lets the domain plan, and applies the plan in one transaction.
//!
//! The engine owns threads, the clock and randomness, and makes no decisions. It does not depend on
//! JavaScript: functions are identified by numbers and names. Its reports use the names that callers read.

mod auditing;
mod charges;
mod clock;
mod connection;
#[cfg(feature = "libsql")]
pub mod libsql;
pub mod local;
#[cfg(feature = "mysql")]
pub mod mysql;
mod operation;
mod outcome;
#[cfg(feature = "postgres")]
pub mod postgres;
mod reads;
mod registry;
#[cfg(feature = "remote")]
pub mod remote;
mod renewals;
mod replays;
mod revocations;
mod run;
mod share;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod stats;
mod top_ups;
#[cfg(any(feature = "sqlite", feature = "mysql", feature = "postgres"))]
pub mod within;

pub use charges::charge_each;
pub use clock::{Clock, Ids};
pub use connection::Settings;
pub use operation::{Charging, Operation, Read, UserRead, Write};
pub use outcome::{Audited, Diagnostics, Moved, Outcome, ReplySender};
pub use share::Share;
pub use stats::{CountedFunction, MOST_FUNCTIONS};
