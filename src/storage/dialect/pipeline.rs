//! Statements that are sent to a server together, and answered together: one round trip.

use std::ops::Index;

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It reads one snapshot.
    Read,
    /// It writes, at READ COMMITTED: after a wait for a lock, the next statement sees what its holder wrote.
    Write,
    /// The same, but it waits for locks for a moment only.
    WriteShortWait,
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By a COMMIT of what was written.
    Commit,
    /// By a COMMIT, though nothing was written.
    Release,
    /// By a ROLLBACK: nothing was written.
    RollBack,
}

/// What is sent together. What fails undoes the transaction.
pub struct Pipeline<'s, S> {
    /// A transaction begins before the statements. `None`: it is open.
    pub begin: Option<Mode>,
    /// In this order.
    pub statements: &'s [S],
    /// Behind them. `None`: the transaction stays open.
    pub end: Option<End>,
    /// What this is, for an error.
    pub doing: &'static str,
}

/// Statements that are sent together, each with a place for its reply.
#[derive(Debug)]
pub(super) struct Statements<S>(pub(super) Vec<S>);

/// Where the reply to a statement is.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplyOf(usize);

impl ReplyOf {
    /// Of a question with one answer only, which is not asked: no rows.
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
        // A wire answers each statement, or it fails.
        self.0.get(place.0).map_or(&[], Vec::as_slice)
    }
}
