//! Writes plans in one round trip, with the rows for the reply and the COMMIT.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::change::write_plans;
use super::ledger::Ledger;
use super::row::read_rows;
use super::wire::{End, Mode, Pipeline, Wire};
use crate::domain::plan::Plan;
use crate::domain::table::TableName;
use crate::storage::Row;
use crate::storage::failure::Answer;
use crate::storage::store::{WritePlans, Written};

#[async_trait]
impl<W: Wire> WritePlans for Ledger<W> {
    async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Answer<Written> {
        let tables = self.0.tables()?;
        let mut statements = write_plans(tables, plans, now_ms)?;
        let writes = !statements.is_empty();
        // The select lists must be known before the rows arrive.
        let mut replies: BTreeMap<TableName, Vec<&str>> = BTreeMap::new();
        for (table, id) in plans.iter().map(|plan| &plan.reply) {
            replies.entry(*table).or_default().push(id);
        }
        let mut asked = Vec::new();
        for (name, ids) in replies {
            let table = Arc::clone(tables.table(name)?);
            let ids = tables.ids(name, "id")?.many(ids);
            let (columns, from) = (&table.select_list, super::quote(table.name));
            asked.push((name, statements.len(), Arc::clone(&table)));
            statements.push(format!("SELECT {columns} FROM {from} WHERE id IN {ids}"));
        }
        let (end, doing) = match writes {
            true => (End::Commit, "writing"),
            false => (End::RollBack, "reading"),
        };
        let pipeline = Pipeline { begin: None, statements: &statements, end: Some(end), doing };
        let answers = self.0.send(pipeline).await?;
        let mut written = Written::default();
        for (name, at, table) in asked {
            for row in read_rows(&table, answers.get(at).map_or(&[], Vec::as_slice)) {
                let id = row.text("id").unwrap_or_default().to_owned();
                written.insert(name, id, row);
            }
        }
        Ok(written)
    }

    fn roll_back(&mut self) {
        self.0.undo();
    }
}

impl<W: Wire> Ledger<W> {
    /// The row with this id, after all other writes for its user have ended.
    pub async fn find_after(
        &mut self,
        user_id: &str,
        (table, id): (TableName, &str),
    ) -> Answer<Option<Row>> {
        let tables = self.0.tables()?;
        let found = Arc::clone(tables.table(table)?);
        let statements = &[tables.lock_users([user_id])?, tables.find(table, id)?];
        let (begin, end) = (Some(Mode::Write), Some(End::Release));
        let doing = "waiting for a lost commit";
        let mut replies = self.0.send(Pipeline { begin, statements, end, doing }).await?;
        let rows = replies.pop().unwrap_or_default();
        Ok(read_rows(&found, &rows).into_iter().next())
    }
}
