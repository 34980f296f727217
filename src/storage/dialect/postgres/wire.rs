//! What carries statements to a server and rows back, in one transaction at a time. The rest of a store is written
//! once, over any of them.

use std::future::Future;
use std::ops::Index;

use super::Statement;
use super::row;
use super::tables::Tables;
use crate::error::Result;
use crate::storage::failure::{Answer, Failure};

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

/// What is sent together, and answered together: one round trip. What fails undoes the transaction.
pub struct Pipeline<'s> {
    /// A transaction begins before the statements. `None`: it is open.
    pub begin: Option<Mode>,
    /// In this order.
    pub statements: &'s [Statement],
    /// Behind them. `None`: the transaction stays open.
    pub end: Option<End>,
    /// What this is, for an error.
    pub doing: &'static str,
}

/// What rows that were written come back as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Their columns.
    Columns,
    /// One column of text in one row: a JSON array of all rows, each an object of its columns in their order.
    Json,
}

/// A way to a server, for one request.
pub trait Wire: Send {
    /// A row as it comes.
    type Row: row::SelectedRow + Send + Sync;
    /// What rows that were written come back as.
    const WRITTEN: Form = Form::Columns;

    /// The tables, as they were found.
    fn tables(&self) -> Result<&Tables>;
    /// One round trip: the rows of each statement.
    fn send(
        &mut self,
        pipeline: Pipeline<'_>,
    ) -> impl Future<Output = Answer<Vec<Vec<Self::Row>>>> + Send;
    /// Undoes an open transaction, without waiting for the server to say so.
    fn undo(&mut self);
    /// Looks at the tables again, outside a transaction: they are not what they were.
    fn look_again(&mut self) -> impl Future<Output = Answer<()>> + Send;
}

/// Statements that are sent together, each with a place for its reply.
#[derive(Debug, Default)]
pub(super) struct Statements(Vec<Statement>);

/// Where the reply to a statement is.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplyOf(usize);

impl ReplyOf {
    /// Of a question with one answer only, which is not asked: no rows.
    pub(super) const NOTHING: Self = Self(usize::MAX);
}

/// The rows of each statement.
pub(super) struct Replies<R>(Vec<Vec<R>>);

impl Statements {
    /// Adds a statement.
    pub(super) fn add(&mut self, statement: Statement) -> ReplyOf {
        self.0.push(statement);
        ReplyOf(self.0.len() - 1)
    }

    /// Begins a transaction that writes with these statements.
    pub(super) async fn begin<W: Wire>(
        &self,
        wire: &mut W,
        mode: Mode,
        doing: &'static str,
    ) -> Answer<Replies<W::Row>> {
        let pipeline = Pipeline { begin: Some(mode), statements: &self.0, end: None, doing };
        Ok(Replies(wire.send(pipeline).await?))
    }
}

impl<R> Index<ReplyOf> for Replies<R> {
    type Output = [R];

    fn index(&self, place: ReplyOf) -> &[R] {
        // A wire answers each statement, or it fails.
        self.0.get(place.0).map_or(&[], Vec::as_slice)
    }
}

/// The rows of each statement of a pipeline that has so many.
pub(super) async fn exactly<const N: usize, W: Wire>(
    wire: &mut W,
    pipeline: Pipeline<'_>,
) -> Answer<[Vec<W::Row>; N]> {
    <[Vec<W::Row>; N]>::try_from(wire.send(pipeline).await?)
        .map_err(|_| Failure::Lost("the server owes an answer".to_owned()))
}
