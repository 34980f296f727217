//! Looking at the tables: when the first request comes, again after a minute, and when a call does not fit
//! them.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::info;

use super::error::Failure;
use super::ids::has_numbered_users;
use super::statement::Statement;
use super::{Result, Server, Session, schema};
use crate::storage::schema::Schema;

/// A schema, and when it was found.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) schema: Arc<Schema>,
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
    /// Looks at the tables anew before the next statement: they are not what they were.
    pub fn forget_schema(&self) {
        *self.known_schema() = None;
    }

    /// Whether the tables have been looked at.
    pub fn knows_schema(&self) -> bool {
        self.known_schema().is_some()
    }

    /// Whether the ids of users are numbers, as far as the tables have been looked at lately.
    pub fn knows_numbered_users(&self) -> Option<bool> {
        let found = self.known_schema().clone().filter(Found::is_fresh)?;
        Some(has_numbered_users(&found.schema))
    }

    /// Whether the ids of users are numbers.
    pub async fn has_numbered_users(&self) -> Result<bool> {
        let session = self.session().await.map_err(Failure::into_error)?;
        session.schema().map(|schema| has_numbered_users(schema))
    }

    /// A panic elsewhere can't leave it half changed.
    pub(super) fn known_schema(&self) -> MutexGuard<'_, Option<Found>> {
        self.schema.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session<'_> {
    /// Looks at the tables, for this session and those that follow.
    pub(super) async fn discover(&mut self) -> Result<Arc<Schema>, Failure> {
        let columns = Statement::new(include_str!("sql/columns.sql"), []);
        let [rows] = self.look([columns], "reading the schema").await?;
        let schema = Arc::new(schema::read(&rows)?);
        let found = Found { schema: Arc::clone(&schema), at: Instant::now() };
        *self.server.known_schema() = Some(found);
        let Server { first_look, name, .. } = self.server;
        first_look.call_once(|| info!(database = ?name, "connected and found the tables"));
        Ok(schema)
    }
}
