//! A connection to a database's shared engine, whichever database it is.

use super::operation::Operation;
use super::outcome::{Outcome, ReplySender};
use super::stats::CountedFunction;
use crate::error::{Error, Result};

/// A share of the engine of one database. The last one to be closed ends the engine.
pub trait Share: Send + Sync {
    /// A reply to a call that is counted, if it is one of a function.
    fn reply_to(
        &self,
        function: Option<CountedFunction>,
        send: Box<dyn FnOnce(Result<Outcome>) + Send>,
    ) -> ReplySender;

    /// Sends a request. The reply comes from another thread, but for statistics, which wait for nothing.
    fn submit(&self, operation: Operation, reply: ReplySender);

    /// Sends a request that names a user by a number, which is refused with this where ids are text.
    fn submit_by_number(&self, operation: Operation, refusal: Error, reply: ReplySender);

    /// Gives the share back. `done` is called, from another thread, when everything that was sent through it is
    /// answered and, if this was the last share, the database is released.
    fn close(self: Box<Self>, done: Box<dyn FnOnce() + Send>);
}
