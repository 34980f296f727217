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

/// Statements sent together.
pub type Pipeline<'s> = pipeline::Pipeline<'s, Statement>;

/// Statements to send together.
pub(super) type Statements = pipeline::Statements<Statement>;

/// The form in which written rows are returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As columns.
    Columns,
    /// As one text: a JSON array of all rows, each an object with its columns in order.
    Json,
}

/// A connection to a server, for one request.
pub trait Wire: Send {
    /// The type of its rows.
    type Row: row::SelectedRow + Send + Sync;
    /// The form in which written rows are returned.
    const WRITTEN: Form = Form::Columns;

    /// The tables, as last read.
    fn tables(&self) -> Result<&Tables>;
    /// Sends a pipeline in one round trip. Returns the rows of each statement.
    fn send(
        &mut self,
        pipeline: Pipeline<'_>,
    ) -> impl Future<Output = Answer<Vec<Vec<Self::Row>>>> + Send;
    /// Rolls back an open transaction without waiting for the reply.
    fn undo(&mut self);
    /// Reads the schema again, outside a transaction, after it has changed.
    fn look_again(&mut self) -> impl Future<Output = Answer<()>> + Send;
}

impl Statements {
    /// Begins a write transaction with these statements.
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

/// Sends a pipeline with this number of statements, and returns the rows of each.
pub(super) async fn exactly<const N: usize, W: Wire>(
    wire: &mut W,
    pipeline: Pipeline<'_>,
) -> Answer<[Vec<W::Row>; N]> {
    <[Vec<W::Row>; N]>::try_from(wire.send(pipeline).await?)
        .map_err(|_| Failure::Lost("the server sent fewer replies than expected".to_owned()))
}
