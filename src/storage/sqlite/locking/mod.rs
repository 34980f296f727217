//! Makes two copies of SQLite in one process safe on one file. `docs/locking.md` tells the whole story.
//!
//! POSIX locks belong to a process: two copies of SQLite in it don't exclude each other, and closing
//! any descriptor of a file drops all locks that the process has on it
//! (<https://sqlite.org/howtocorrupt.html>, section 2.2). The app's own client is such another copy.
//! So three of SQLite's system calls are replaced, before the first file is opened:
//!
//! 1. `fcntl`: locks belong to an open file description (OFD), not to the process. They conflict with
//!    all others', also in this process, and survive the closes of others.
//! 2. All locks of one file go through one descriptor. SQLite takes a lock through one connection's
//!    descriptor and releases it through another's, which an OFD lock would not notice.
//! 3. `open` and `close`: descriptors of a database and of its shared memory are parked instead of
//!    closed, and used again, because a real close would drop the other copy's locks.
//!
//! While we are at it, `pread` and `pwrite` are replaced too, for speed alone: see `log_writes.rs`.
//!
//! Linux only: Windows' locks belong to handles anyway, and macOS is said to be unsafe in the docs.

#[cfg(target_os = "linux")]
mod descriptors;
mod kind;
#[cfg(target_os = "linux")]
mod log_writes;
#[cfg(target_os = "linux")]
mod system_calls;

#[cfg(target_os = "linux")]
pub(super) use system_calls::install;

pub use kind::Locking;

/// Nothing to replace here.
#[cfg(not(target_os = "linux"))]
pub(super) fn install() -> Locking {
    Locking::System
}
