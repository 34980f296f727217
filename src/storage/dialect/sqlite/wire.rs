//! What carries statements to a database that speaks SQLite's SQL, and rows back, in one transaction at a time. The rest
//! of a store is written once, over any of them: [`super::over_wire::OverWire`].

use std::future::Future;

use super::Statement;
use super::cell::Cell;
use crate::error::Result;
use crate::storage::failure::Answer;
use crate::storage::schema::Schema;

/// A row, which borrows nothing.
pub type OwnedRow = Vec<Cell<'static>>;

/// A statement that must change one row, and what it is, for an error.
#[derive(Debug)]
pub struct Change<'s> {
    /// An INSERT or UPDATE, without RETURNING.
    pub statement: Statement<'s>,
    /// What it is: `a draw`.
    pub what: &'static str,
}

/// A way to a database, for one request.
pub trait Wire: Send {
    /// The tables, as they were found.
    fn schema(&self) -> Result<&Schema>;
    /// One round trip: the rows of each statement, none of which changes anything.
    fn ask(
        &mut self,
        statements: &[Statement<'_>],
        doing: &'static str,
    ) -> impl Future<Output = Answer<Vec<Vec<OwnedRow>>>> + Send;
    /// The same, of what decides on a change that may follow.
    fn ask_to_decide(
        &mut self,
        statements: &[Statement<'_>],
        doing: &'static str,
    ) -> impl Future<Output = Answer<Vec<Vec<OwnedRow>>>> + Send {
        self.ask(statements, doing)
    }
    /// A change that follows is made only if this question still has this answer. Where what was read can't change until
    /// then, there is nothing to do.
    fn rely_on(&mut self, _asked: &Statement<'_>, _answer: &[OwnedRow]) {}
    /// One round trip: makes these changes, each of which must change one row, commits them if the transaction is this
    /// request's alone, and answers what is asked behind them.
    fn change(
        &mut self,
        changes: &[Change<'_>],
        then: &[Statement<'_>],
    ) -> impl Future<Output = Answer<Vec<Vec<OwnedRow>>>> + Send;
    /// After changes whose answer was lost ([`Failure::Unknown`](crate::storage::failure::Failure::Unknown)): whether
    /// they are made, or can't be any more.
    fn is_settled(&self) -> bool {
        false
    }
    /// Ends a transaction in which nothing was written.
    fn undo(&mut self);
}
