//! Writes everything of a request in one round trip.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::super::Statement;
use super::super::facts;
use super::super::rows::{RowText, RowTexts, StatementVerb, read_row};
use super::super::views::Rows;
use super::super::wire::{Change, OwnedRow, Wire};
use super::{Answers, OverWire};
use crate::domain::plan::{self, Plan};
use crate::domain::table::TableName;
use crate::domain::value::Fields;
use crate::error::Result;
use crate::storage::failure::{Answer, Failure};
use crate::storage::schema::Schema;
use crate::storage::store::{WritePlans, Written};
use crate::storage::times::TimestampUnit;

#[async_trait]
impl WritePlans for OverWire {
    async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Answer<Written> {
        let Self { wire, texts, .. } = self;
        let schema = wire.schema()?.clone();
        let unit = schema.timestamp_unit;
        let updated_at = unit.from_ms(now_ms);
        // The statements borrow from these groups.
        let groups = groups(plans, &schema, texts)?;
        let mut changes = Vec::new();
        for Group { text, rows, id, what } in &groups {
            let statement = match id {
                Some(id) => text.bind(&rows[0], Some(id), unit)?,
                None => text.bind_all(rows, unit)?,
            };
            changes.push(Change { statement, rows: rows.len(), what });
        }
        // Each grant is changed once, however many charges draw on it.
        let (mut draws, mut returns) = (BTreeMap::new(), BTreeMap::new());
        for draw in plans.iter().flat_map(|plan| &plan.draws) {
            *draws.entry(draw.credit_id.as_str()).or_insert(0) += draw.credits_consumed;
        }
        for (id, credits) in plans.iter().flat_map(|plan| &plan.returns) {
            *returns.entry(id.as_str()).or_insert(0) += credits;
        }
        if !draws.is_empty() {
            let statement = facts::draw_from(&draws, updated_at);
            changes.push(Change { statement, rows: draws.len(), what: "a draw" });
        }
        if !returns.is_empty() {
            let statement = facts::give_back_to(&returns, updated_at);
            changes.push(Change { statement, rows: returns.len(), what: "a refund" });
        }
        for plan in plans.iter().filter(|plan| plan.free_trials != 0) {
            let (user_id, more) = (&plan.user_id, plan.free_trials);
            let statement = facts::count_free_trials(&schema, user_id, more, updated_at)?;
            changes.push(Change { statement, rows: 1, what: "a free trial" });
        }
        let mut replies: BTreeMap<TableName, Vec<&str>> = BTreeMap::new();
        for (table, id) in plans.iter().map(|plan| &plan.reply) {
            replies.entry(*table).or_default().push(id);
        }
        let mut then = Vec::new();
        for (table, ids) in &replies {
            then.push(Rows::with_ids(*table, ids).keys(&schema.table(*table)?.select_list));
        }
        let made = wire.change(&changes, &then).await;
        keep_up(wire.as_mut(), plans, &made, unit);
        let answers = match made {
            Err(Failure::Unknown { message, .. }) => self.resolve(plans, &then, message).await?,
            answers => answers?,
        };
        let mut answers = Answers(answers.into_iter());
        let mut written = Written::default();
        for name in replies.keys() {
            let table = schema.table(*name)?;
            for row in &answers.rows()? {
                let row = read_row(row, table, unit);
                let id = row.text("id").unwrap_or_default().to_owned();
                written.insert(*name, id, row);
            }
        }
        Ok(written)
    }

    fn roll_back(&mut self) {
        self.wire.undo();
    }
}

impl OverWire {
    /// After changes whose reply was lost: checks whether they were made, and returns the results of the
    /// following queries.
    async fn resolve(
        &mut self,
        plans: &[&Plan],
        then: &[Statement<'_>],
        message: String,
    ) -> Answer<Vec<Vec<OwnedRow>>> {
        let Self { wire, texts, .. } = self;
        let schema = wire.schema()?.clone();
        let unit = schema.timestamp_unit;
        let rows = || plans.iter().flat_map(|plan| &plan.rows);
        let mut bound = Vec::new();
        // All changes were made, or none. A new row is the best proof: others rarely change one at once.
        let new = rows().find(|row| row.verb == plan::Verb::Insert);
        for row in new.map_or_else(|| rows().collect(), |row| vec![row]) {
            let is_new = row.verb == plan::Verb::Insert;
            let tells = |key: &str| !is_new || TELLING.contains(&key);
            let fields = row.fields.iter().filter(|(key, _)| tells(key));
            let fields = fields.map(|(key, value)| (key.to_owned(), value.clone()));
            let table = schema.table(row.table)?;
            let fields = table.sayable(&fields.collect()).into_owned();
            bound.push((texts.get(StatementVerb::Has, table, &fields)?, fields, row.id.as_str()));
        }
        let mut asked = Vec::new();
        for (text, fields, id) in &bound {
            asked.push(text.bind(fields, Some(id), unit)?);
        }
        let made = asked.len();
        asked.extend_from_slice(then);
        let found = wire.ask(&asked, "looking for a write that was not answered").await;
        let Ok(mut answers) = found else { return Err(Failure::unknown(message)) };
        let then = answers.split_off(made);
        match answers.iter().all(|rows| !rows.is_empty()) {
            true => Ok(then),
            // Another request was first.
            false if wire.is_resolved() && new.is_some() => Err(Failure::Conflict(message)),
            false => Err(Failure::unknown(message)),
        }
    }
}

/// Updates a cache after a write.
fn keep_up<T>(wire: &mut dyn Wire, plans: &[&Plan], made: &Answer<T>, unit: TimestampUnit) {
    let became = wire.became();
    let Some(memory) = wire.memory() else { return };
    let users = plans.iter().map(|plan| plan.user_id.as_str());
    match (made, became) {
        (Ok(_), _) => memory.written(plans),
        (Err(Failure::Conflict(_)), Some(rows)) => memory.remember(users, &rows, unit),
        (Err(_), _) => memory.forget(users),
    }
}

/// Rows for one statement: new ones with the same columns, or one that changes.
struct Group<'p> {
    text: Arc<RowText>,
    rows: Vec<Cow<'p, Fields>>,
    /// The id of the row that changes.
    id: Option<&'p str>,
    what: &'static str,
}

fn groups<'p>(
    plans: &[&'p Plan],
    schema: &'p Schema,
    texts: &mut RowTexts,
) -> Result<Vec<Group<'p>>> {
    /// A statement has at most 32,766 parameters, and tables of tasks have about thirty columns.
    const MOST_ROWS: usize = 256;
    let mut groups: Vec<Group<'p>> = Vec::new();
    for row in plans.iter().flat_map(|plan| &plan.rows) {
        let table = schema.table(row.table)?;
        let (verb, id, what) = match row.verb {
            plan::Verb::Insert => (StatementVerb::Insert, None, "an insert"),
            plan::Verb::Update => (StatementVerb::Update, Some(row.id.as_str()), "an update"),
            plan::Verb::UpdateCharge => {
                (StatementVerb::UpdateCharge, Some(row.id.as_str()), "a refund")
            }
        };
        let fields = table.sayable(&row.fields);
        let text = texts.get(verb, table, &fields)?;
        let same = groups.iter_mut().find(|group| {
            id.is_none() && Arc::ptr_eq(&group.text, &text) && group.rows.len() < MOST_ROWS
        });
        match same {
            Some(group) => group.rows.push(fields),
            None => groups.push(Group { text, rows: vec![fields], id, what }),
        }
    }
    Ok(groups)
}

/// The columns that distinguish a new row from another one with the same id.
const TELLING: [&str; 4] = ["userId", "createdAt", "creditId", "transactionNo"];
