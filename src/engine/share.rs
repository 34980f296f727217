//! A connection to a database's shared engine, for any kind of database.

use super::operation::Operation;
use super::outcome::{Outcome, ReplySender};
use super::stats::CountedFunction;
use crate::error::{Error, Result};

/// A share of a database's engine. Closing the last share ends the engine.
pub trait Share: Send + Sync {
    /// A reply whose call is counted, if it belongs to a function.
    fn reply_to(
        &self,
        function: Option<CountedFunction>,
        send: Box<dyn FnOnce(Result<Outcome>) + Send>,
    ) -> ReplySender;

    /// Sends a request. The reply comes from another thread, except for statistics, which are returned at
    /// once.
    fn submit(&self, operation: Operation, reply: ReplySender);

    /// Sends a request that names a user by a number. If user ids are text, it is rejected with this error.
    fn submit_by_number(&self, operation: Operation, refusal: Error, reply: ReplySender);

    /// Gives the share back. `done` is called, from another thread, when all its requests are answered and,
    /// if this was the last share, the database is closed.
    fn close(self: Box<Self>, done: Box<dyn FnOnce() + Send>);
}
