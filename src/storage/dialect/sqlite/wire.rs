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

/// A statement that writes.
#[derive(Debug)]
pub struct Change<'s> {
    /// An INSERT or UPDATE, without RETURNING.
    pub statement: Statement<'s>,
    /// How many rows it must change.
    pub rows: usize,
    /// A description for errors: `a draw`.
    pub what: &'static str,
}

/// A future with the rows of each statement.
pub type FutureRows<'a> = Pin<Box<dyn Future<Output = Answer<Vec<Vec<OwnedRow>>>> + Send + 'a>>;

/// A future that resolves when work may begin.
pub type Waited<'a> = Pin<Box<dyn Future<Output = Answer<()>> + Send + 'a>>;

/// A connection to a database, for one request. Stores over all of them share one type, over `Box<dyn Wire>`;
/// otherwise the engine would be compiled for each.
pub trait Wire: Send + Sync {
    /// The tables, as last read.
    fn schema(&self) -> Result<&Schema>;
    /// Sends queries in one round trip. Returns the rows of each.
    fn ask<'a>(
        &'a mut self,
        statements: &'a [Statement<'a>],
        doing: &'static str,
    ) -> FutureRows<'a>;
    /// Called before the queries that decide a change.
    fn before_deciding(&mut self) -> Waited<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Makes the next change conditional on this query's result. Not needed if what was read can't change
    /// until then.
    fn rely_on(&mut self, _asked: &Statement<'_>, _answer: &[OwnedRow]) {}
    /// The same for a result from the cache: if it is outdated, the query runs again, and [`Self::became`]
    /// has its result.
    fn rely_on_guess(&mut self, asked: &Statement<'_>, answer: &[OwnedRow]) {
        self.rely_on(asked, answer);
    }
    /// The current result of such a query, after changes that were not made because of it.
    fn became(&mut self) -> Option<Vec<OwnedRow>> {
        None
    }
    /// The cache of users' spendable grants, if [`Self::rely_on`] checks whether they are current.
    fn memory(&self) -> Option<&Memory> {
        None
    }
    /// Makes these changes in one round trip, each of which must change its number of rows; commits them if
    /// the transaction belongs to this request alone; and returns the results of the following queries.
    fn change<'a>(
        &'a mut self,
        changes: &'a [Change<'a>],
        then: &'a [Statement<'a>],
    ) -> FutureRows<'a>;
    /// After changes whose reply was lost ([`Failure::Unknown`](crate::storage::failure::Failure::Unknown)):
    /// whether they are made by now, or can no longer be made.
    fn is_resolved(&self) -> bool {
        false
    }
    /// Ends a transaction in which nothing was written.
    fn undo(&mut self);
}
