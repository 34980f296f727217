//! Tracks which descriptors belong to which file, and what to do when one is closed. It makes no system
//! calls, so that it can be tested as a table.

use std::collections::HashMap;
use std::os::fd::RawFd;

/// Identifies a file independent of its name: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

/// The descriptors of all files that SQLite opened.
#[derive(Debug, Default)]
pub(super) struct Descriptors {
    files: HashMap<FileId, File>,
    owners: HashMap<RawFd, FileId>,
}

/// The descriptors of one file.
#[derive(Debug, Default)]
struct File {
    /// Those that SQLite uses.
    used: Vec<Descriptor>,
    /// Those that SQLite has closed.
    parked: Vec<Descriptor>,
    /// The one that holds all locks on this file.
    lock: Option<Descriptor>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Descriptor {
    fd: RawFd,
    writable: bool,
}

/// What to do when SQLite closes a descriptor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// It is not tracked: close it.
    NotOurs,
    /// Others of this file are in use: do nothing.
    Parked,
    /// It was the last one in use: unlock the file through this descriptor.
    LastParked {
        /// The file's lock descriptor.
        lock: RawFd,
    },
}

impl Descriptors {
    /// A parked descriptor of this file, which is then in use again.
    pub(super) fn reuse(&mut self, file: FileId, writable: bool) -> Option<RawFd> {
        let file = self.files.get_mut(&file)?;
        let at = file.parked.iter().position(|parked| parked.writable == writable)?;
        let descriptor = file.parked.swap_remove(at);
        file.used.push(descriptor);
        Some(descriptor.fd)
    }

    /// Tracks a descriptor that SQLite has opened.
    pub(super) fn opened(&mut self, file: FileId, fd: RawFd, writable: bool) {
        let descriptor = Descriptor { fd, writable };
        self.owners.insert(fd, file);
        let file = self.files.entry(file).or_default();
        file.used.push(descriptor);
        // A write lock needs a writable descriptor. But while others hold locks through a read-only one, that
        // one stays the lock descriptor: locks through two descriptors would conflict with each other.
        let alone = file.used.len() == 1;
        match file.lock {
            Some(lock) if lock.writable || !writable || !alone => {}
            _ => file.lock = Some(descriptor),
        }
    }

    /// The descriptor that holds the locks for this one.
    pub(super) fn lock_descriptor(&self, fd: RawFd) -> Option<RawFd> {
        let file = self.files.get(self.owners.get(&fd)?)?;
        file.lock.map(|lock| lock.fd)
    }

    /// Parks a descriptor that SQLite closes.
    pub(super) fn closing(&mut self, fd: RawFd) -> Closing {
        let file = self.owners.get(&fd).and_then(|file| self.files.get_mut(file));
        let Some(file) = file else { return Closing::NotOurs };
        let Some(at) = file.used.iter().position(|used| used.fd == fd) else {
            // Closed twice: it is parked already.
            return Closing::Parked;
        };
        file.parked.push(file.used.swap_remove(at));
        match file.lock {
            Some(lock) if file.used.is_empty() => Closing::LastParked { lock: lock.fd },
            _ => Closing::Parked,
        }
    }

    /// One descriptor of each unused file, to check whether the file still exists.
    pub(super) fn unused(&self) -> Vec<(FileId, RawFd)> {
        let unused = self.files.iter().filter(|(_, file)| file.used.is_empty());
        unused.filter_map(|(id, file)| Some((*id, file.parked.first()?.fd))).collect()
    }

    /// Removes an unused file. Returns its descriptors, which must be closed.
    pub(super) fn forget(&mut self, file: FileId) -> Vec<RawFd> {
        let Some(forgotten) = self.files.remove(&file) else { return Vec::new() };
        let fds: Vec<RawFd> = forgotten.parked.iter().map(|parked| parked.fd).collect();
        for fd in &fds {
            self.owners.remove(fd);
        }
        fds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: FileId = FileId { device: 1, inode: 1 };
    const B: FileId = FileId { device: 1, inode: 2 };

    enum Step {
        Open(FileId, RawFd, bool),
        Reuse(FileId, bool, Option<RawFd>),
        LockGoesTo(RawFd, Option<RawFd>),
        Close(RawFd, Closing),
        Unused(&'static [RawFd]),
        Forget(FileId, &'static [RawFd]),
    }

    #[test]
    fn file_handles_follow_the_files_life() {
        use Step::{Close, Forget, LockGoesTo, Open, Reuse, Unused};
        let steps = [
            Open(A, 10, true),
            Open(A, 11, true),
            Open(B, 20, false),
            // All locks on a file go through one descriptor.
            LockGoesTo(10, Some(10)),
            LockGoesTo(11, Some(10)),
            LockGoesTo(20, Some(20)),
            LockGoesTo(99, None),
            // The lock descriptor stays the same when SQLite closes it.
            Close(10, Closing::Parked),
            LockGoesTo(11, Some(10)),
            Unused(&[]),
            Close(11, Closing::LastParked { lock: 10 }),
            Close(11, Closing::Parked),
            Close(99, Closing::NotOurs),
            Unused(&[10]),
            // Reused by file and mode.
            Reuse(A, false, None),
            Reuse(B, false, None),
            Reuse(A, true, Some(10)),
            LockGoesTo(10, Some(10)),
            Unused(&[]),
            Close(10, Closing::LastParked { lock: 10 }),
            Forget(A, &[10, 11]),
            LockGoesTo(10, None),
            Close(10, Closing::NotOurs),
        ];
        run(&steps);
    }

    #[test]
    fn a_lock_descriptor_that_can_write_is_preferred() {
        use Step::{Close, LockGoesTo, Open};
        run(&[
            Open(A, 10, false),
            Open(A, 11, true),
            // Descriptor 10 may hold locks, so it must release them.
            LockGoesTo(11, Some(10)),
            Close(10, Closing::Parked),
            Close(11, Closing::LastParked { lock: 10 }),
            Open(A, 12, true),
            LockGoesTo(12, Some(12)),
        ]);
    }

    fn run(steps: &[Step]) {
        let mut descriptors = Descriptors::default();
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::Open(file, fd, writable) => descriptors.opened(*file, *fd, *writable),
                Step::Reuse(file, writable, expected) => {
                    assert_eq!(descriptors.reuse(*file, *writable), *expected, "step {at}");
                }
                Step::LockGoesTo(fd, expected) => {
                    assert_eq!(descriptors.lock_descriptor(*fd), *expected, "step {at}");
                }
                Step::Close(fd, expected) => {
                    assert_eq!(descriptors.closing(*fd), *expected, "step {at}");
                }
                Step::Unused(expected) => {
                    let unused: Vec<_> = descriptors.unused().iter().map(|(_, fd)| *fd).collect();
                    let mut forgettable = expected.to_vec();
                    forgettable.retain(|fd| !unused.contains(fd));
                    assert_eq!((unused.len(), forgettable), (expected.len(), vec![]), "step {at}");
                }
                Step::Forget(file, expected) => {
                    let mut fds = descriptors.forget(*file);
                    fds.sort_unstable();
                    assert_eq!(fds, *expected, "step {at}");
                }
            }
        }
    }
}
