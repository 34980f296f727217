//! The system calls that change files, with a disk behind them that can be broken.

#![allow(unsafe_code, reason = "these are system calls, and C calls them")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use libc::{off_t, size_t, ssize_t};
use tempfile::TempDir;

/// How the disk fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// At which call, counted from 1.
    pub(super) at: usize,
    /// Whether all calls after that one fail too.
    pub(super) lasting: bool,
    /// With which error.
    pub(super) errno: c_int,
}

/// A folder whose files are on a separate disk, until this is dropped.
pub(super) struct Disk {
    folder: TempDir,
    root: PathBuf,
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Write,
    Sync,
    Truncation,
    Deletion,
}

struct State {
    root: PathBuf,
    calls: Vec<Call>,
    /// With the number of calls before it was armed.
    fault: Option<(Fault, usize)>,
    failed_first: Option<Call>,
}

/// There are thousands of disks, one after the other, and a few at a time.
static DISKS: Mutex<Vec<State>> = Mutex::new(Vec::new());

impl Disk {
    /// A disk that works. It is in memory if possible, and its syncs do nothing: no test
    /// cuts the power, and real ones would take minutes.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let root = folder.path().join("disk");
        std::fs::create_dir(&root).unwrap();
        disks().push(State {
            root: root.clone(),
            calls: Vec::new(),
            fault: None,
            failed_first: None,
        });
        Self { folder, root }
    }

    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    /// A new folder that is not on this disk, but is removed with it.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    pub(super) fn arm(&self, fault: Fault) {
        self.with(|state| state.fault = Some((fault, state.calls.len())));
    }

    /// What failed first, if anything did.
    pub(super) fn mend(&self) -> Option<Call> {
        self.with(|state| {
            state.fault = None;
            state.failed_first
        })
    }

    /// What was called.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.with(|state| state.calls.clone())
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(disks().iter_mut().find(|state| state.root == self.root).unwrap())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        disks().retain(|state| state.root != self.root);
    }
}

/// After a failed test the disk works again.
fn disks() -> MutexGuard<'static, Vec<State>> {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a call is handled.
enum Fate {
    /// It is for a file elsewhere.
    Elsewhere,
    /// It is for a disk that works.
    Works,
    /// It is for a disk that fails with this error.
    Fails(c_int),
}

fn fate(path: &Path, call: Call) -> Fate {
    let mut disks = disks();
    let Some(disk) = disks.iter_mut().find(|disk| path.starts_with(&disk.root)) else {
        return Fate::Elsewhere;
    };
    disk.calls.push(call);
    let Some((fault, before)) = disk.fault else { return Fate::Works };
    let number = disk.calls.len() - before;
    if number == fault.at || (fault.lasting && number > fault.at) {
        disk.failed_first.get_or_insert(call);
        return Fate::Fails(fault.errno);
    }
    Fate::Works
}

fn fate_of(fd: c_int, call: Call) -> Fate {
    let link = format!("/proc/self/fd/{fd}\0");
    let mut path = [0_u8; libc::PATH_MAX as usize];
    // SAFETY: `link` is a C string, and `path` is as long as it says.
    let length = unsafe {
        libc::readlink(link.as_ptr().cast(), path.as_mut_ptr().cast::<c_char>(), path.len())
    };
    match usize::try_from(length) {
        Ok(length) => fate(Path::new(OsStr::from_bytes(&path[..length])), call),
        Err(_) => Fate::Elsewhere,
    }
}

fn fail(errno: c_int) -> c_int {
    // SAFETY: it points to this thread's own errno.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// How much of a write succeeds. A broken disk writes a part; a full one writes nothing.
fn torn(errno: c_int, length: size_t) -> size_t {
    if errno == libc::EIO { length / 2 } else { 0 }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, from: *const c_void, length: size_t) -> ssize_t {
    // SAFETY: the caller's promise, passed on to the kernel.
    let forward =
        |length: size_t| unsafe { libc::syscall(libc::SYS_write, fd, from, length) as ssize_t };
    write_by(forward, fd, length)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(fd: c_int, from: *const c_void, length: size_t, at: off_t) -> ssize_t {
    // SAFETY: the caller's promise, passed on to the kernel.
    let forward = |length: size_t| unsafe {
        libc::syscall(libc::SYS_pwrite64, fd, from, length, at) as ssize_t
    };
    write_by(forward, fd, length)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(
    fd: c_int,
    from: *const c_void,
    length: size_t,
    at: off_t,
) -> ssize_t {
    // SAFETY: the caller's promise; an `off_t` has 64 bits here.
    unsafe { pwrite(fd, from, length, at) }
}

/// Writes through a system call, which gets the number of bytes.
fn write_by(forward: impl Fn(size_t) -> ssize_t, fd: c_int, length: size_t) -> ssize_t {
    match fate_of(fd, Call::Write) {
        Fate::Elsewhere | Fate::Works => forward(length),
        Fate::Fails(errno) => {
            forward(torn(errno, length));
            fail(errno) as ssize_t
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    sync(fd, libc::SYS_fsync)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync(fd, libc::SYS_fdatasync)
}

fn sync(fd: c_int, number: libc::c_long) -> c_int {
    match fate_of(fd, Call::Sync) {
        // SAFETY: the kernel checks `fd`.
        Fate::Elsewhere => unsafe { libc::syscall(number, fd) as c_int },
        Fate::Works => 0,
        Fate::Fails(errno) => fail(errno),
    }
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    truncate(fd, length)
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    truncate(fd, length)
}

fn truncate(fd: c_int, length: off_t) -> c_int {
    match fate_of(fd, Call::Truncation) {
        // SAFETY: the kernel checks `fd`.
        Fate::Elsewhere | Fate::Works => unsafe {
            libc::syscall(libc::SYS_ftruncate, fd, length) as c_int
        },
        Fate::Fails(errno) => fail(errno),
    }
}

/// With a rollback journal, deleting it is the commit.
#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the caller's promise: `path` is a C string.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    match fate(Path::new(OsStr::from_bytes(bytes)), Call::Deletion) {
        // SAFETY: as above.
        Fate::Elsewhere | Fate::Works => unsafe {
            libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path, 0) as c_int
        },
        Fate::Fails(errno) => fail(errno),
    }
}
