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

/// What is sent together.
pub type Pipeline<'s> = pipeline::Pipeline<'s, Statement>;

/// Statements that are sent together.
pub(super) type Statements = pipeline::Statements<Statement>;

/// A way to a server, for one request.
pub trait Wire: Send {
    /// A row as it comes.
    type Row: row::SelectedRow + Send + Sync;
    /// Whether what is read plainly, behind the users' locks, is what is there now. In a transaction of the app's it may be
    /// what a snapshot has, and a statement is one SELECT, without UNION.
    const SEES_NOW: bool = true;
    /// What stands behind a statement that must see what is there now.
    const NOW: &'static str = if Self::SEES_NOW { "" } else { " FOR UPDATE" };

    /// The tables, as they were found.
    fn tables(&self) -> Result<&Tables>;
    /// One round trip: the rows of each statement.
    fn send(
        &mut self,
        pipeline: Pipeline<'_>,
    ) -> impl Future<Output = Answer<Vec<Vec<Self::Row>>>> + Send;
    /// Undoes an open transaction, without waiting for the server to say so.
    fn undo(&mut self);
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
