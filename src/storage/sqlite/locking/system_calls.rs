//! Replacements of SQLite's `open`, `close`, `fcntl`, `pread` and `pwrite`.

#![expect(unsafe_code, reason = "these are system calls, and C calls them")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::{MaybeUninit, transmute};
use std::os::fd::RawFd;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi;

use super::descriptors::{Closing, Descriptors, FileId};
use super::kind::Locking;
use super::log_writes::{self, Waiting, Write};

/// Only for the test that shows what happens without the replacement.
const SWITCH_OFF: &str = "MEDIA_CREDITS_TEST_WITHOUT_LOCKING";

static DESCRIPTORS: Mutex<Option<Descriptors>> = Mutex::new(None);

unsafe extern "C" {
    /// In fcntl.c: calls `media_credits_lock` for lock commands, and the system for all others.
    fn media_credits_fcntl(fd: c_int, command: c_int, ...) -> c_int;
}

/// Replaces the system calls of this copy of SQLite, once per process. Must be called before SQLite opens its
/// first file.
pub(in super::super) fn install() -> Locking {
    static LOCKING: LazyLock<Locking> = LazyLock::new(|| {
        if std::env::var_os(SWITCH_OFF).is_none() && replace_system_calls() {
            Locking::OpenFileDescription
        } else {
            Locking::System
        }
    });
    *LOCKING
}

fn replace_system_calls() -> bool {
    type SystemCall = unsafe extern "C" fn();
    type Open = unsafe extern "C" fn(*const c_char, c_int, c_int) -> c_int;
    type Close = extern "C" fn(c_int) -> c_int;
    type Fcntl = unsafe extern "C" fn(c_int, c_int, ...) -> c_int;
    type Pread = unsafe extern "C" fn(c_int, *mut c_void, usize, i64) -> isize;
    type Pwrite = unsafe extern "C" fn(c_int, *const c_void, usize, i64) -> isize;
    // SAFETY: SQLite's documented way to replace a system call. SQLite casts each pointer back to
    // the type of the call before it calls it, so that the signatures must be (and are) those of
    // `aSyscall` in os_unix.c. `vfs` is SQLite's own and lives as long as the process.
    unsafe {
        let vfs = ffi::sqlite3_vfs_find(c"unix".as_ptr());
        let Some(set) = vfs.as_ref().and_then(|vfs| vfs.xSetSystemCall) else { return false };
        let replaced = [
            set(vfs, c"open".as_ptr(), Some(transmute::<Open, SystemCall>(open))),
            set(vfs, c"close".as_ptr(), Some(transmute::<Close, SystemCall>(close))),
            set(vfs, c"fcntl".as_ptr(), Some(transmute::<Fcntl, SystemCall>(media_credits_fcntl))),
        ];
        // Which of the two SQLite calls was decided when it was compiled.
        for name in [c"pread", c"pread64"] {
            set(vfs, name.as_ptr(), Some(transmute::<Pread, SystemCall>(pread)));
        }
        for name in [c"pwrite", c"pwrite64"] {
            set(vfs, name.as_ptr(), Some(transmute::<Pwrite, SystemCall>(pwrite)));
        }
        replaced.iter().all(|code| *code == ffi::SQLITE_OK)
    }
}

/// Writes, or buffers what belongs to a commit of the write-ahead log until the commit is complete.
///
/// # Safety
///
/// `from` points to `length` bytes, as for `pwrite`.
unsafe extern "C" fn pwrite(fd: c_int, from: *const c_void, length: usize, at: i64) -> isize {
    // SAFETY: guaranteed by the caller.
    let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), length) };
    let write = log_writes::with(|writes| writes.write(fd, bytes, at)).unwrap_or(Write::Direct);
    let written = match write {
        Write::Waits => return length.cast_signed(),
        Write::Completes | Write::Direct => write_what_waits(),
    };
    if written <= 0 {
        return written;
    }
    match write {
        Write::Completes => length.cast_signed(),
        // SAFETY: `bytes` has this length.
        _ => unsafe { libc::pwrite(fd, from, length, at) },
    }
}

/// Reads, after writing the buffered bytes of the same file.
///
/// # Safety
///
/// `to` points to `length` bytes, as for `pread`.
unsafe extern "C" fn pread(fd: c_int, to: *mut c_void, length: usize, at: i64) -> isize {
    if write_what_waits() <= 0 {
        return -1;
    }
    // SAFETY: guaranteed by the caller.
    unsafe { libc::pread(fd, to, length, at) }
}

/// Writes the buffer. Returns -1 and sets `errno` like `pwrite`, 0 if the disk is full, otherwise a positive
/// number.
fn write_what_waits() -> isize {
    let Some(waiting) = log_writes::with(|writes| writes.take()).flatten() else { return 1 };
    let result = write_all(&waiting);
    if result > 0 {
        grow_ahead(&waiting);
    }
    log_writes::with(|writes| writes.recycle(waiting));
    result
}

fn write_all(Waiting { fd, at, bytes }: &Waiting) -> isize {
    let mut rest = bytes.as_slice();
    let mut at = *at;
    while !rest.is_empty() {
        // SAFETY: `rest` has this length.
        let written = unsafe { libc::pwrite(*fd, rest.as_ptr().cast(), rest.len(), at) };
        match usize::try_from(written) {
            Ok(0) => return 0,
            Ok(written) => {
                rest = &rest[written..];
                at += written as i64;
            }
            Err(_) if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {
            }
            Err(_) => return -1,
        }
    }
    1
}

/// Appends zeros to the log, if the write made it longer. It is a separate write, so that a full disk does
/// not affect the commit; its result does not matter.
fn grow_ahead(waiting: &Waiting) {
    const PART: usize = 64 * 1024;
    static ZEROS: [u8; PART] = [0; PART];
    let Some(file) = regular_file(waiting.fd) else { return };
    let (at, zeros) = waiting.ahead(file.size);
    let part = libc::iovec { iov_base: ZEROS.as_ptr().cast_mut().cast(), iov_len: PART };
    let parts = vec![part; zeros / PART];
    if !parts.is_empty() {
        // SAFETY: each part has its length, and is only read.
        unsafe { libc::pwritev(waiting.fd, parts.as_ptr(), parts.len() as c_int, at) };
    }
}

/// Opens a file, or reuses a parked descriptor of it.
///
/// # Safety
///
/// `path` is a C string, as for `open`.
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: guaranteed by the caller.
    let path = unsafe { CStr::from_ptr(path) };
    let writable = flags & libc::O_ACCMODE == libc::O_RDWR;
    let is_log = is_log(path);
    let tracked = flags & libc::O_EXCL == 0 && !is_log;
    if tracked && let Some(fd) = reuse(path, writable) {
        return fd;
    }
    // SAFETY: `path` is a C string.
    let fd = unsafe { libc::open(path.as_ptr(), flags, mode) };
    // SQLite itself closes a descriptor with the number of a standard stream.
    const FIRST_USABLE: RawFd = 3;
    if tracked
        && fd >= FIRST_USABLE
        && let Some(file) = regular_file(fd)
    {
        descriptors().get_or_insert_default().opened(file.id, fd, writable);
    }
    if is_log && fd >= FIRST_USABLE && path.to_bytes().ends_with(b"-wal") {
        log_writes::with(|writes| writes.opened(fd));
    }
    fd
}

fn reuse(path: &CStr, writable: bool) -> Option<RawFd> {
    let mut guard = descriptors();
    let descriptors = guard.get_or_insert_default();
    close_deleted(descriptors);
    let mut status = MaybeUninit::uninit();
    // SAFETY: `path` is a C string, and `stat` fills `status` when it returns 0.
    let status = unsafe {
        (libc::stat(path.as_ptr(), status.as_mut_ptr()) == 0).then(|| status.assume_init())
    };
    descriptors.reuse(FileStatus::of(&status?)?.id, writable)
}

/// The write-ahead log and the journal have no locks: they are opened and closed as usual.
fn is_log(path: &CStr) -> bool {
    let path = path.to_bytes();
    path.ends_with(b"-wal") || path.ends_with(b"-journal")
}

/// Parks a descriptor, or closes it if its file was deleted: then no other connection is affected.
extern "C" fn close(fd: c_int) -> c_int {
    log_writes::with(|writes| writes.closed(fd));
    // The guard is held until the end: another thread that reuses a parked descriptor must not lose the locks
    // that it then takes.
    let mut guard = descriptors();
    let descriptors = guard.get_or_insert_default();
    match descriptors.closing(fd) {
        Closing::NotOurs => {
            drop(guard);
            close_for_real(fd)
        }
        Closing::Parked => 0,
        Closing::LastParked { lock } => {
            unlock(lock);
            close_deleted(descriptors);
            0
        }
    }
}

/// Closes the descriptors of unused files that were deleted.
fn close_deleted(descriptors: &mut Descriptors) {
    for (file, fd) in descriptors.unused() {
        if regular_file(fd).is_none_or(|status| status.deleted) {
            for fd in descriptors.forget(file) {
                close_for_real(fd);
            }
        }
    }
}

fn close_for_real(fd: RawFd) -> c_int {
    // SAFETY: SQLite has closed `fd`, and nothing here uses it any more.
    unsafe { libc::close(fd) }
}

/// Releases every lock of a lock descriptor. SQLite has released them before; this makes sure.
fn unlock(fd: RawFd) {
    // SAFETY: all zeros is a valid `flock`; a length of 0 means to the end.
    let mut lock: libc::flock = unsafe { MaybeUninit::zeroed().assume_init() };
    lock.l_type = libc::F_UNLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: `fd` is open until this module closes it.
    unsafe { libc::fcntl(fd, libc::F_OFD_SETLK, &mut lock) };
}

/// Runs a lock command on the file's lock descriptor, as a command for open file descriptions.
///
/// # Safety
///
/// `lock` points to a `struct flock`, as for `fcntl`.
#[unsafe(no_mangle)]
unsafe extern "C" fn media_credits_lock(
    fd: c_int,
    command: c_int,
    lock: *mut libc::flock,
) -> c_int {
    let command = match command {
        libc::F_SETLK => libc::F_OFD_SETLK,
        libc::F_SETLKW => libc::F_OFD_SETLKW,
        libc::F_GETLK => libc::F_OFD_GETLK,
        other => other,
    };
    // SAFETY: guaranteed by the caller.
    if unsafe { lock.as_ref() }.is_some_and(|lock| i32::from(lock.l_type) == libc::F_UNLCK) {
        // If this fails, the transaction was rolled back: a commit has written everything before.
        write_what_waits();
        log_writes::with(|writes| writes.unlocked());
    }
    let lock_fd = descriptors().as_ref().and_then(|all| all.lock_descriptor(fd)).unwrap_or(fd);
    // SAFETY: guaranteed by the caller. The kernel requires `l_pid` to be 0, and SQLite does not use it.
    unsafe {
        if let Some(lock) = lock.as_mut() {
            lock.l_pid = 0;
        }
        libc::fcntl(lock_fd, command, lock)
    }
}

/// The identity of a regular file, whether its last name was removed, and its length.
struct FileStatus {
    id: FileId,
    deleted: bool,
    size: i64,
}

impl FileStatus {
    fn of(status: &libc::stat) -> Option<Self> {
        let regular = status.st_mode & libc::S_IFMT == libc::S_IFREG;
        let id = FileId { device: status.st_dev, inode: status.st_ino };
        regular.then_some(Self { id, deleted: status.st_nlink == 0, size: status.st_size })
    }
}

fn regular_file(fd: RawFd) -> Option<FileStatus> {
    let mut status = MaybeUninit::uninit();
    // SAFETY: `fstat` fills `status` when it returns 0.
    let status =
        unsafe { (libc::fstat(fd, status.as_mut_ptr()) == 0).then(|| status.assume_init()) };
    FileStatus::of(&status?)
}

/// The lock may be poisoned: no call in here panics half way.
fn descriptors() -> MutexGuard<'static, Option<Descriptors>> {
    DESCRIPTORS.lock().unwrap_or_else(PoisonError::into_inner)
}
