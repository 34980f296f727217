//! The interface that sends statements of SQLite's SQL to a database and returns rows, in one transaction at a time.
//! The rest of a store is written once over it: [`super::over_wire::OverWire`].

use std::future::Future;
use std::pin::Pin;

use super::Statement;
pub use super::cell::OwnedRow;
use super::memory::Memory;
use crate::error::Result;
use crate::storage::failure::Answer;
use crate::storage::schema::Schema;

/// A statement, how many rows it must change, and what it is, for an error.
#[derive(Debug)]
pub struct Change<'s> {
    /// An INSERT or UPDATE, without RETURNING.
    pub statement: Statement<'s>,
    /// How many rows it must change.
    pub rows: usize,
    /// What it is: `a draw`.
    pub what: &'static str,
}

/// The rows of each statement, once they are there.
pub type FutureRows<'a> = Pin<Box<dyn Future<Output = Answer<Vec<Vec<OwnedRow>>>> + Send + 'a>>;

/// That something may begin.
pub type Waited<'a> = Pin<Box<dyn Future<Output = Answer<()>> + Send + 'a>>;

/// A way to a database, for one request. Stores over all of them are one type, over `Box<dyn Wire>`: else all that the
/// engine does would be compiled for each.
pub trait Wire: Send + Sync {
    /// The tables, as they were found.
    fn schema(&self) -> Result<&Schema>;
    /// One round trip: the rows of each statement, none of which changes anything.
    fn ask<'a>(
        &'a mut self,
        statements: &'a [Statement<'a>],
        doing: &'static str,
    ) -> FutureRows<'a>;
    /// Before what decides on a change that may follow is asked.
    fn before_deciding(&mut self) -> Waited<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// A change that follows is made only if this question still has this answer. Where what was read can't change until
    /// then, there is nothing to do.
    fn rely_on(&mut self, _asked: &Statement<'_>, _answer: &[OwnedRow]) {}
    /// The same of a question that a wire with a memory asks again when its answer is another one: [`Self::became`].
    fn rely_on_guess(&mut self, asked: &Statement<'_>, answer: &[OwnedRow]) {
        self.rely_on(asked, answer);
    }
    /// After changes that were not made because of such a question: its answer then.
    fn became(&mut self) -> Option<Vec<OwnedRow>> {
        None
    }
    /// What users could spend when this process last saw it, where [`Self::rely_on`] asks again whether it holds.
    fn memory(&self) -> Option<&Memory> {
        None
    }
    /// One round trip: makes these changes, each of which must change as many rows as it says, commits them if the transaction is this
    /// request's alone, and answers what is asked behind them.
    fn change<'a>(
        &'a mut self,
        changes: &'a [Change<'a>],
        then: &'a [Statement<'a>],
    ) -> FutureRows<'a>;
    /// After changes whose answer was lost ([`Failure::Unknown`](crate::storage::failure::Failure::Unknown)): whether
    /// they are made, or can't be any more.
    fn is_resolved(&self) -> bool {
        false
    }
    /// Ends a transaction in which nothing was written.
    fn undo(&mut self);
}
