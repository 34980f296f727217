//! Statements that are sent to a server together, in one round trip.

use std::ops::Index;

/// The purpose of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Reads one snapshot.
    Read,
    /// Writes, at READ COMMITTED: after waiting for a lock, the next statement sees what its holder wrote.
    Write,
    /// The same, but waits only briefly for locks.
    WriteShortWait,
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// COMMIT, after writes.
    Commit,
    /// COMMIT, although nothing was written.
    Release,
    /// ROLLBACK: nothing was written.
    RollBack,
}

/// Statements to send together. If one fails, the transaction is rolled back.
pub struct Pipeline<'s, S> {
    /// Begins a transaction before the statements; `None` if one is open.
    pub begin: Option<Mode>,
    /// The statements, in this order.
    pub statements: &'s [S],
    /// Ends the transaction after them; `None` if it stays open.
    pub end: Option<End>,
    /// A description for errors.
    pub doing: &'static str,
}

/// A list of statements to send together, with the indexes of their replies.
#[derive(Debug)]
pub(super) struct Statements<S>(pub(super) Vec<S>);

/// The index of the reply to a statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplyOf(usize);

impl ReplyOf {
    /// The index for a statement that is not sent because its reply is known: no rows.
    pub(super) const NOTHING: Self = Self(usize::MAX);
}

/// The rows of each statement.
pub(super) struct Replies<R>(pub(super) Vec<Vec<R>>);

impl<S> Default for Statements<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S> Statements<S> {
    /// Adds a statement.
    pub(super) fn add(&mut self, statement: S) -> ReplyOf {
        self.0.push(statement);
        ReplyOf(self.0.len() - 1)
    }
}

impl<R> Index<ReplyOf> for Replies<R> {
    type Output = [R];

    fn index(&self, place: ReplyOf) -> &[R] {
        // A wire replies to each statement, or fails.
        self.0.get(place.0).map_or(&[], Vec::as_slice)
    }
}
