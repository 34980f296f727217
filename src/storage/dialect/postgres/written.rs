//! Writes plans in one round trip, with the COMMIT and the rows for the reply.

use std::sync::Arc;

use async_trait::async_trait;

use super::Statement;
use super::change::{NOT_AS_EXPECTED, RowsOfTable, write_plans};
use super::row::{is_as_found, read_row, read_rows};
use super::wire::{End, Pipeline, Wire, exactly};
use crate::domain::plan::Plan;
use crate::domain::table::TableName;
use crate::error::Error;
use crate::storage::Row;
use crate::storage::failure::{Answer, Failure};
use crate::storage::store::{Views, WritePlans, Written};

#[async_trait]
impl<W: Wire> WritePlans for W {
    async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Answer<Written> {
        let mut written = Written::default();
        if let [Plan { rows, reply: (table, id), .. }] = plans
            && rows.is_empty()
        {
            if let Some(row) = find_and_end(self, End::RollBack, *table, id).await? {
                written.insert(*table, id.clone(), row);
            }
            return Ok(written);
        }
        let writes = write_plans(self.tables()?, W::WRITTEN, plans, now_ms)?;
        let (tables, statements): (Vec<_>, Vec<_>) = writes
            .into_iter()
            .map(|RowsOfTable { name, table, statement }| ((name, table), statement))
            .unzip();
        let end = Some(End::Commit);
        let pipeline = Pipeline { begin: None, statements: &statements, end, doing: "writing" };
        let replies = self.send(pipeline).await.map_err(explained)?;
        for ((name, table), replies) in tables.iter().zip(&replies) {
            let as_found = is_as_found(table, replies)?;
            for row in replies {
                let mut row = read_row(table, row, as_found);
                let id = row.text("id").unwrap_or_default().to_owned();
                // It is committed: even if the columns have changed meanwhile, the call has succeeded.
                if !as_found && let Ok(Some(anew)) = read_anew(self, *name, &id).await {
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

/// Reads the row with this id inside the transaction, and ends the transaction.
pub async fn find_and_end(
    wire: &mut impl Wire,
    end: End,
    table: TableName,
    id: &str,
) -> Answer<Option<Row>> {
    let table = Arc::clone(wire.tables()?.table(table)?);
    let statements = &[Statement::find(&table, id)];
    let pipeline = Pipeline { begin: None, statements, end: Some(end), doing: "reading" };
    let [rows] = exactly(wire, pipeline).await?;
    Ok(read_rows(&table, &rows)?.into_iter().next())
}

/// Reads a written row after reading the schema again, because a column's type has changed.
async fn read_anew(wire: &mut impl Wire, table: TableName, id: &str) -> Answer<Option<Row>> {
    wire.look_again().await?;
    wire.find(table, id).await
}

/// The error of a statement that changed other rows than planned.
fn explained(failure: Failure) -> Failure {
    match failure {
        Failure::Refused(Error::Database { database_code, .. })
            if database_code == NOT_AS_EXPECTED =>
        {
            Failure::Refused(Error::Database {
                doing: "writing",
                database_code,
                message: "a statement changed another number of rows than planned; look for a trigger, or for a policy \
                          of row level security, that stops it"
                    .to_owned(),
                retryable: false,
            })
        }
        failure => failure,
    }
}
