//! Writing plans: one round trip, with the COMMIT, and the rows that come back.

use std::collections::HashMap;
use std::sync::Arc;

use super::Session;
use super::change::{Parts, write_rows};
use super::error::Failure;
use super::ids::IdType;
use super::rows::{is_as_found, read_row, read_rows};
use super::statement::Statement;
use crate::domain::plan::Plan;
use crate::domain::table::TableName;
use crate::error::Error;
use crate::storage::Row;
use crate::storage::schema::Table;

type Result<T> = std::result::Result<T, Failure>;

impl Session<'_> {
    /// Writes plans, at least one row, and commits. The rows that were written.
    pub async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Result<Written> {
        let mut parts = Parts::default();
        self.push_draws(&mut parts, plans, now_ms)?;
        self.push_returns(&mut parts, plans, now_ms)?;
        self.push_free_trials(&mut parts, plans, now_ms)?;
        let rows = plans.iter().flat_map(|plan| &plan.rows);
        let (tables, statements): (Vec<Arc<Table>>, Vec<Statement>) =
            write_rows(rows, parts, |name| self.table(name).cloned())?.into_iter().unzip();
        let replies = self.commit(&statements).await.map_err(explained)?;
        let mut written = Written::default();
        for (table, replies) in tables.iter().zip(&replies) {
            let as_found = is_as_found(table, replies)?;
            for row in replies {
                let mut row = read_row(table, row, as_found)?;
                let id = row.text("id").unwrap_or_default().to_owned();
                // It is committed: whatever the columns have become meanwhile, the call has succeeded.
                if !as_found && let Ok(Some(anew)) = self.read_anew(table.name, &id).await {
                    row = anew;
                }
                written.0.insert((table.name, id), row);
            }
        }
        Ok(written)
    }

    /// A row that was written, after another look at the tables: a column of it has another type since.
    async fn read_anew(&mut self, table: &str, id: &str) -> Result<Option<Row>> {
        self.server.forget_schema();
        self.found = Some(self.discover().await?);
        let Some(table) = TableName::named(table) else { return Ok(None) };
        self.find(table, id).await
    }

    /// A new grant has the app's own columns of the row that it is made of: one round trip more, where there
    /// are any.
    pub async fn fill_copy(&mut self, plan: &mut Plan) -> Result<()> {
        let Some((_, source)) = &plan.copies else { return Ok(()) };
        let table = Arc::clone(self.table(TableName::Credit)?);
        if table.has_own() {
            let [rows] = self.more([Statement::find(&table, source)], "reading a grant").await?;
            let source = read_rows(&table, &rows)?.into_iter().next();
            plan.copy(&source.map(|row| row.own_columns()).unwrap_or_default());
        }
        Ok(())
    }

    /// What charges take from their grants.
    fn push_draws(&self, parts: &mut Parts, plans: &[&Plan], now_ms: i64) -> Result<()> {
        let draws = plans.iter().flat_map(|plan| &plan.draws);
        let changes = draws.map(|draw| (draw.credit_id.clone(), draw.credits_consumed));
        // A grant is never drawn below zero, whatever the plan says.
        let condition = "credit.remaining_credits >= change.credits";
        let remaining = "credit.remaining_credits - change.credits";
        let time = self.time_for("updatedAt", now_ms)?;
        let ids = IdType::of(self.table(TableName::Credit)?);
        parts.push_grant_change("drawn", remaining, condition, changes, ids, time);
        Ok(())
    }

    /// What refunds give back.
    fn push_returns(&self, parts: &mut Parts, plans: &[&Plan], now_ms: i64) -> Result<()> {
        let changes = plans.iter().flat_map(|plan| &plan.returns).cloned();
        // A grant is never raised above what was granted.
        let condition = "credit.remaining_credits + change.credits <= credit.credits";
        let remaining = "credit.remaining_credits + change.credits";
        let time = self.time_for("updatedAt", now_ms)?;
        let ids = IdType::of(self.table(TableName::Credit)?);
        parts.push_grant_change("given_back", remaining, condition, changes, ids, time);
        Ok(())
    }
}

/// Rows that were written.
#[derive(Debug, Default)]
pub struct Written(HashMap<(&'static str, String), Row>);

impl Written {
    /// The row of this table with this id.
    pub fn take(&mut self, (table, id): &(TableName, String)) -> Option<Row> {
        self.0.remove(&(table.sql(), id.clone()))
    }
}

/// A statement that changed other rows than planned divides by zero: see [`Parts::finish`].
fn explained(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(Error::Database { database_code, .. }) if database_code == "22012" => {
            Failure::Refused(Error::Database {
                doing: "writing",
                database_code,
                message: "a statement changed other rows than it was to; look for a trigger, or for a policy \
                          of row level security, that stops it"
                    .to_owned(),
                retryable: false,
            })
        }
        failure => failure,
    }
}
