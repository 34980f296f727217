//! The interface that sends statements to a server and returns rows, in one transaction at a time. The rest of a store
//! is written once over it.

use std::future::Future;

use super::super::pipeline;
pub use super::super::pipeline::{End, Mode};
pub(super) use super::super::pipeline::{Replies, ReplyOf};
use super::super::row;
use super::Statement;
use super::tables::Tables;
use crate::error::Result;
use crate::storage::failure::{Answer, Failure};

/// Statements sent together.
pub type Pipeline<'s> = pipeline::Pipeline<'s, Statement>;

/// Statements to send together.
pub(super) type Statements = pipeline::Statements<Statement>;

/// A connection to a server, for one request.
pub trait Wire: Send {
    /// The type of its rows.
    type Row: row::SelectedRow + Send + Sync;
    /// Whether a plain read after the users' locks returns the current rows. In the app's transaction it may
    /// return an older snapshot, and each statement must be one SELECT without UNION.
    const SEES_NOW: bool = true;
    /// Appended to a statement that must read the current rows.
    const NOW: &'static str = if Self::SEES_NOW { "" } else { " FOR UPDATE" };

    /// The tables, as last read.
    fn tables(&self) -> Result<&Tables>;
    /// Sends a pipeline in one round trip. Returns the rows of each statement.
    fn send(
        &mut self,
        pipeline: Pipeline<'_>,
    ) -> impl Future<Output = Answer<Vec<Vec<Self::Row>>>> + Send;
    /// Rolls back an open transaction without waiting for the reply.
    fn undo(&mut self);
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
