//! Looking at the tables: when the first request comes, again after a minute, and when a call does not fit
//! them.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::info;

use super::access::Access;
use super::begin::Commands;
use super::statement::Statement;
use super::{Result, Server, Session, rows, schema};
use crate::storage::failure::Failure;
use crate::storage::schema::Schema;

/// A schema, what may be done with it, and when it was found.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) schema: Arc<Schema>,
    /// How transactions begin, now that the session's own search path is known.
    pub(super) commands: Arc<Commands>,
    pub(super) access: Arc<Access>,
    at: Instant,
}

impl Found {
    /// An app's owner who adds a column wants to see it soon, without a restart.
    const FRESH: Duration = Duration::from_secs(60);

    pub(super) fn is_fresh(&self) -> bool {
        self.at.elapsed() < Self::FRESH
    }
}

impl Server {
    /// A panic elsewhere can't leave it half changed.
    pub(super) fn known_schema(&self) -> MutexGuard<'_, Option<Found>> {
        self.schema.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Looks at the tables, for this session and those that follow.
    pub(super) async fn discover(&mut self) -> Result<Found, Failure> {
        let columns = Statement::new(include_str!("sql/columns.sql"), []);
        let own_path = Statement::new(include_str!("sql/own_path.sql"), []);
        let access = Statement::new(include_str!("sql/access.sql"), []);
        let [columns, own_path, access] =
            self.look([columns, own_path, access], "reading the schema").await?;
        let own_path: Option<String> =
            own_path.first().map_or(Ok(None), |row| rows::get(row, 0))?;
        let access = Access::read(&access)?;
        let found = Found {
            schema: Arc::new(schema::read(&columns)?),
            commands: self.server.begin.seen(own_path.as_deref(), access.answers_early),
            access: Arc::new(access),
            at: Instant::now(),
        };
        self.commands = Arc::clone(&found.commands);
        *self.server.known_schema() = Some(found.clone());
        let Server { first_look, name, .. } = &*self.server;
        first_look.call_once(|| info!(database = ?name, "connected and found the tables"));
        Ok(found)
    }
}
