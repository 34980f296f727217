//! The interface that sends statements to a server and returns rows, in one transaction at a time. The rest of a store
//! is written once over it.

use std::future::Future;

use super::super::pipeline;
pub use super::super::pipeline::{End, Mode};
pub(super) use super::super::pipeline::{Replies, ReplyOf};
use super::Statement;
use super::row;
use super::tables::Tables;
use crate::error::Result;
use crate::storage::failure::{Answer, Failure};

/// What is sent together.
pub type Pipeline<'s> = pipeline::Pipeline<'s, Statement>;

/// Statements that are sent together.
pub(super) type Statements = pipeline::Statements<Statement>;

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

impl Statements {
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

/// The rows of each statement of a pipeline that has so many.
pub(super) async fn exactly<const N: usize, W: Wire>(
    wire: &mut W,
    pipeline: Pipeline<'_>,
) -> Answer<[Vec<W::Row>; N]> {
    <[Vec<W::Row>; N]>::try_from(wire.send(pipeline).await?)
        .map_err(|_| Failure::Lost("the server sent fewer replies than expected".to_owned()))
}
