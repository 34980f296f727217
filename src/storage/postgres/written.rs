//! Writing plans: one round trip, with the COMMIT, and the rows that come back.

use super::Session;
use super::change::{Parts, RowsOfTable, write_rows};
use super::ids::IdType;
use super::rows::{is_as_found, read_row};
use crate::domain::plan::Plan;
use crate::domain::table::TableName;
use crate::error::Error;
use crate::storage::Row;
use crate::storage::failure::{Answer, Failure};
use crate::storage::server::Server as _;
use crate::storage::store::{Views, WritePlans, Written};

impl WritePlans for Session {
    async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Answer<Written> {
        let mut written = Written::default();
        if let [Plan { rows, reply: (table, id), .. }] = plans
            && rows.is_empty()
        {
            if let Some(row) = self.find_here(*table, id).await? {
                written.insert(*table, id.clone(), row);
            }
            return Ok(written);
        }
        let mut parts = Parts::default();
        self.push_draws(&mut parts, plans, now_ms)?;
        self.push_returns(&mut parts, plans, now_ms)?;
        self.push_free_trials(&mut parts, plans, now_ms)?;
        let rows = plans.iter().flat_map(|plan| &plan.rows);
        let writes = write_rows(rows, parts, |name| self.table(name).cloned())?;
        let (tables, statements): (Vec<_>, Vec<_>) = writes
            .into_iter()
            .map(|RowsOfTable { name, table, statement }| ((name, table), statement))
            .unzip();
        let replies = self.commit(&statements).await.map_err(explained)?;
        for ((name, table), replies) in tables.iter().zip(&replies) {
            let as_found = is_as_found(table, replies)?;
            for row in replies {
                let mut row = read_row(table, row, as_found)?;
                let id = row.text("id").unwrap_or_default().to_owned();
                // It is committed: whatever the columns have become meanwhile, the call has succeeded.
                if !as_found && let Ok(Some(anew)) = self.read_anew(*name, &id).await {
                    row = anew;
                }
                written.insert(*name, id, row);
            }
        }
        Ok(written)
    }

    fn roll_back(&mut self) {
        self.undo();
    }
}

impl Session {
    /// A row that was written, after another look at the tables: a column of it has another type since.
    async fn read_anew(&mut self, table: TableName, id: &str) -> Answer<Option<Row>> {
        self.server.forget_schema();
        self.found = Some(self.discover().await?);
        self.find(table, id).await
    }

    /// What charges take from their grants.
    fn push_draws(&self, parts: &mut Parts, plans: &[&Plan], now_ms: i64) -> Answer<()> {
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
    fn push_returns(&self, parts: &mut Parts, plans: &[&Plan], now_ms: i64) -> Answer<()> {
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
