//! Finds out why SQLite can't write: it reports a read-only file, directory and file system with the same
//! error.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::storage::location::Place;

/// SQLite's message when it can't write.
pub(super) const READ_ONLY: &str = "attempt to write a readonly database";

/// Adds to an error what the process can't write to. Until that changes, the same call fails again.
pub(super) fn explain(place: &Place, error: Error) -> Error {
    match (place, error) {
        (Place::File(path), Error::Database { doing, database_code, message, retryable })
            if ["SQLITE_READONLY", "SQLITE_CANTOPEN"]
                .iter()
                .any(|code| database_code.starts_with(code)) =>
        {
            let obstacle = obstacle(path);
            let retryable = retryable && obstacle.is_none();
            let message = match obstacle {
                Some(obstacle) => format!("{message}: {obstacle}"),
                None => message,
            };
            Error::Database { doing, database_code, message, retryable }
        }
        (_, error) => error,
    }
}

fn obstacle(file: &Path) -> Option<String> {
    let beside = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let files = [file.to_path_buf(), beside("-wal"), beside("-shm")];
    let there = files.iter().map(PathBuf::as_path).filter(|file| file.exists());
    let (path, is_read_only) =
        file.parent().into_iter().chain(there).find_map(|path| Some((path, refusal(path)?)))?;
    let path = path.display();
    Some(if is_read_only {
        format!("{path} is on a read-only file system; SQLite needs one that it can write to")
    } else {
        format!(
            "this process may not write to {path}; give the folder and all files in it to the user that the app \
             runs as, because SQLite makes files beside the database"
        )
    })
}

/// Whether the process can't write to a path, and if so, whether because of the file system.
#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "the standard library can only try, and closing a database drops others' locks"
)]
fn refusal(path: &Path) -> Option<bool> {
    use std::ffi::CString;
    use std::io::Error;
    use std::os::unix::ffi::OsStrExt;

    let name = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: it reads a NUL-terminated string that lives until it returns.
    let may =
        unsafe { libc::faccessat(libc::AT_FDCWD, name.as_ptr(), libc::W_OK, libc::AT_EACCESS) };
    if may == 0 {
        return None;
    }
    match Error::last_os_error().raw_os_error() {
        Some(libc::EROFS) => Some(true),
        Some(libc::EACCES | libc::EPERM) => Some(false),
        _ => None,
    }
}

#[cfg(not(unix))]
fn refusal(_: &Path) -> Option<bool> {
    None
}
