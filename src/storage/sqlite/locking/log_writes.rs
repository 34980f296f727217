//! Combines writes to the write-ahead log.
//!
//! SQLite writes each page of a commit with two system calls: a header of 24 bytes, and the page. They are
//! adjacent in the file, so they are buffered here until the commit's last page is written, and then passed
//! to the system in one call. That happens before SQLite syncs the log or reports the commit, so other
//! processes can't tell the difference, except for the time it takes (`docs/performance.md`).
//!
//! After a small commit that has made the log longer, zeros are appended, which SQLite ignores like the rest
//! of an earlier round of the log. The next commits then overwrite allocated blocks, and their sync need not
//! wait for the file system's journal.
//!
//! The buffer belongs to one thread, as its connection does. It is written before the thread releases a lock,
//! because then its place in the log may belong to another process, and before it reads the log.

use std::cell::RefCell;
use std::os::fd::RawFd;

/// The length of a frame's header (<https://sqlite.org/fileformat2.html#walformat>).
const HEADER: usize = 24;
/// The maximum size of the buffer in bytes.
const MOST: usize = 1 << 20;

/// How many bytes of zeros a small commit appends. A large one writes more than that anyway.
const AHEAD: usize = 1 << 20;

/// What happens to a write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// It is buffered.
    Waits,
    /// It ends a commit, or the buffer is full: the buffer must be written now.
    Completes,
    /// The buffer must be written first, then this write by itself.
    Direct,
}

/// A thread's descriptors of logs, and the buffer for one of them.
#[derive(Debug, Default)]
pub(super) struct LogWrites {
    logs: Vec<RawFd>,
    waiting: Waiting,
    /// Where this transaction's last write to a log ended.
    written_to: i64,
    /// Whether the frame that was started last ends a commit.
    commits: bool,
}

/// Adjacent bytes of a file.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) fd: RawFd,
    pub(super) at: i64,
    pub(super) bytes: Vec<u8>,
}

impl Waiting {
    /// Where to write zeros, and how many, given the file's size after these bytes are written: none unless
    /// the file ends with them, or if the bytes are many.
    pub(super) fn ahead(&self, size: i64) -> (i64, usize) {
        let end = self.at + self.bytes.len() as i64;
        (end, if end == size { AHEAD.saturating_sub(self.bytes.len()) } else { 0 })
    }
}

thread_local! {
    static LOG_WRITES: RefCell<LogWrites> = RefCell::default();
}

/// Runs `act` on this thread's state; `None` if the thread is ending, or is already in such a call.
pub(super) fn with<T>(act: impl FnOnce(&mut LogWrites) -> T) -> Option<T> {
    LOG_WRITES
        .try_with(|writes| writes.try_borrow_mut().ok().map(|mut writes| act(&mut writes)))
        .ok()?
}

impl LogWrites {
    /// Called when SQLite has opened a log.
    pub(super) fn opened(&mut self, fd: RawFd) {
        self.logs.push(fd);
    }

    /// Called when SQLite closes a descriptor, whose number may be used for another file next.
    pub(super) fn closed(&mut self, fd: RawFd) {
        self.logs.retain(|log| *log != fd);
        if self.waiting.fd == fd {
            self.waiting.bytes.clear();
        }
    }

    /// Called when the transaction may have ended and the buffer is written.
    pub(super) fn unlocked(&mut self) {
        self.written_to = 0;
    }

    /// Takes the buffer, if it is not empty.
    pub(super) fn take(&mut self) -> Option<Waiting> {
        if self.waiting.bytes.is_empty() {
            return None;
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.written_to = waiting.at + waiting.bytes.len() as i64;
        Some(waiting)
    }

    /// Returns the buffer's memory for reuse.
    pub(super) fn recycle(&mut self, mut waiting: Waiting) {
        waiting.bytes.clear();
        self.waiting = waiting;
    }

    /// Decides what happens to a write, and buffers it if necessary.
    pub(super) fn write(&mut self, fd: RawFd, bytes: &[u8], at: i64) -> Write {
        let Waiting { fd: waiting_fd, at: waiting_at, bytes: waiting } = &mut self.waiting;
        let continues =
            !waiting.is_empty() && *waiting_fd == fd && *waiting_at + waiting.len() as i64 == at;
        if bytes.len() == HEADER {
            // A header before the end is one that SQLite writes again.
            let begins = waiting.is_empty() && at >= self.written_to && self.logs.contains(&fd);
            if !continues && !begins {
                return Write::Direct;
            }
            if begins {
                (*waiting_fd, *waiting_at) = (fd, at);
            }
            // The size of the database after a commit; 0 in other frames.
            self.commits = bytes[4..8] != [0; 4];
        } else if !continues {
            return Write::Direct;
        }
        waiting.extend_from_slice(bytes);
        let is_page = bytes.len() != HEADER;
        if is_page && (self.commits || waiting.len() >= MOST) {
            Write::Completes
        } else {
            Write::Waits
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: RawFd = 7;
    const OTHER: RawFd = 8;
    const PAGE: usize = 512;

    fn header(commits: bool) -> Vec<u8> {
        let mut header = vec![0; HEADER];
        header[7] = u8::from(commits);
        header
    }

    #[test]
    fn writes_that_wait_for_the_disk() {
        use Write::{Completes, Direct, Waits};
        let (head, last, page) = (header(false), header(true), vec![1; PAGE]);
        let frame = (HEADER + PAGE) as i64;
        type Step<'a> = (RawFd, &'a [u8], i64, Write);
        let rows: [(&str, Vec<Step>); 8] = [
            // the case; descriptor, bytes, offset, and what happens to the write
            (
                "a commit of two pages",
                vec![
                    (LOG, &head, 32, Waits),
                    (LOG, &page, 56, Waits),
                    (LOG, &last, 32 + frame, Waits),
                    (LOG, &page, 56 + frame, Completes),
                ],
            ),
            ("the log's own header", vec![(LOG, &[0; 32], 0, Direct)]),
            ("a page of the database", vec![(OTHER, &page, 0, Direct)]),
            ("24 bytes of another file", vec![(OTHER, &head, 0, Direct)]),
            ("another file meanwhile", vec![(LOG, &head, 32, Waits), (OTHER, &page, 56, Direct)]),
            ("another place", vec![(LOG, &head, 32, Waits), (LOG, &page, 57, Direct)]),
            ("a page without its header", vec![(LOG, &page, 56, Direct)]),
            ("the same header twice", vec![(LOG, &head, 32, Waits), (LOG, &head, 32, Direct)]),
        ];
        for (about, steps) in rows {
            let mut writes = LogWrites::default();
            writes.opened(LOG);
            for (fd, bytes, at, expected) in steps {
                assert_eq!(writes.write(fd, bytes, at), expected, "{about}: {at}");
            }
        }
    }

    #[test]
    fn the_next_transaction_may_write_to_the_same_place() {
        let mut writes = LogWrites::default();
        writes.opened(LOG);
        for content in [1, 2] {
            // The first one is rolled back.
            let commits = content == 2;
            assert_eq!(writes.write(LOG, &header(commits), 32), Write::Waits);
            let page = writes.write(LOG, &[content; PAGE], 56);
            assert_eq!(page, if commits { Write::Completes } else { Write::Waits });
            let waiting = writes.take().expect("two writes");
            assert_eq!((waiting.at, waiting.bytes.len()), (32, HEADER + PAGE));
            assert_eq!(waiting.bytes.last(), Some(&content));
            writes.recycle(waiting);
            assert!(writes.take().is_none());
            writes.unlocked();
        }
    }

    #[test]
    fn only_a_small_write_that_made_the_log_longer_makes_it_longer_still() {
        let rows = [
            // the file's size; the offset and length of the write; how many zeros follow
            (5032, 32, 5000, AHEAD - 5000),
            (5033, 32, 5000, 0),
            (90_000, 32, 5000, 0),
            (32 + AHEAD as i64, 32, AHEAD, 0),
            (33 + AHEAD as i64, 32, AHEAD + 1, 0),
        ];
        for (size, at, length, expected) in rows {
            let waiting = Waiting { fd: LOG, at, bytes: vec![1; length] };
            let end = at + length as i64;
            assert_eq!(waiting.ahead(size), (end, expected), "{length} at {at} of {size}");
        }
    }

    #[test]
    fn a_closed_log_has_no_pending_writes() {
        let mut writes = LogWrites::default();
        writes.opened(LOG);
        writes.write(LOG, &header(false), 32);
        writes.closed(LOG);
        assert!(writes.take().is_none());
    }

    #[test]
    fn a_header_that_is_written_again_does_not_wait() {
        let mut writes = LogWrites::default();
        writes.opened(LOG);
        writes.write(LOG, &header(true), 32);
        writes.write(LOG, &[1; PAGE], 56);
        let waiting = writes.take().expect("two writes");
        writes.recycle(waiting);
        assert!(writes.take().is_none());
        assert_eq!(writes.write(LOG, &header(true), 32), Write::Direct);
        writes.closed(LOG);
        assert_eq!(writes.write(LOG, &header(true), 5000), Write::Direct);
    }

    #[test]
    fn a_large_transaction_does_not_wait_for_its_end() {
        let mut writes = LogWrites::default();
        writes.opened(LOG);
        let page = vec![0; 65_536];
        let mut at = 32;
        for number in 1.. {
            assert_eq!(writes.write(LOG, &header(false), at), Write::Waits);
            let written = writes.write(LOG, &page, at + HEADER as i64);
            at += (HEADER + page.len()) as i64;
            if written == Write::Completes {
                assert_eq!(number, MOST / page.len());
                break;
            }
        }
    }
}
