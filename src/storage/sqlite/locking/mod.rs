//! Makes two copies of SQLite in one process safe on one file. `docs/locking.md` explains it in full.
//!
//! POSIX locks belong to a process: two copies of SQLite in it don't exclude each other, and closing any
//! descriptor of a file drops all locks that the process has on it (<https://sqlite.org/howtocorrupt.html>,
//! section 2.2). The app's own client is such another copy. So three of SQLite's system calls are replaced,
//! before the first file is opened:
//!
//! 1. `fcntl`: locks belong to an open file description (OFD), not to the process. They conflict with
//!    all other locks, also in this process, and survive when other descriptors are closed.
//! 2. All locks on one file go through one descriptor. SQLite takes a lock through one connection's
//!    descriptor and may release it through another's, which does not release an OFD lock.
//! 3. `open` and `close`: descriptors of a database and of its shared memory are parked instead of
//!    closed, and used again, because a real close would drop the other copy's locks.
//!
//! `pread` and `pwrite` are replaced too, for speed: see `log_writes.rs`.
//!
//! Linux only: on Windows locks belong to handles anyway, and the docs say that macOS is unsafe.

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

/// Nothing to replace on this system.
#[cfg(not(target_os = "linux"))]
pub(super) fn install() -> Locking {
    Locking::System
}
