//! All that a request writes, in one round trip.

use super::super::Statement;
use super::super::facts;
use super::super::rows::{RowTexts, Verb, read_row};
use super::super::wire::{Change, OwnedRow, Wire};
use super::{Answers, OverWire};
use crate::domain::plan::{self, Plan};
use crate::domain::value::Fields;
use crate::error::Result;
use crate::storage::failure::{Answer, Failure};
use crate::storage::store::{WritePlans, Written};

impl WritePlans for OverWire {
    async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Answer<Written> {
        let Self { wire, texts, .. } = self;
        let schema = wire.schema()?.clone();
        let unit = schema.timestamp_unit;
        let updated_at = unit.from_ms(now_ms);
        // What is bound borrows from what is made here first.
        let mut bound = Vec::new();
        for row in plans.iter().flat_map(|plan| &plan.rows) {
            let table = schema.table(row.table)?;
            let (verb, id, what) = match row.verb {
                plan::Verb::Insert => (Verb::Insert, None, "an insert"),
                plan::Verb::Update => (Verb::Update, Some(row.id.as_str()), "an update"),
                plan::Verb::UpdateCharge => (Verb::UpdateCharge, Some(row.id.as_str()), "a refund"),
            };
            let fields = table.sayable(&row.fields);
            let text = texts.get(verb, table, &fields)?;
            bound.push((text, fields, id, what));
        }
        let none = Fields::default();
        let mut asked = Vec::new();
        for (table, id) in plans.iter().map(|plan| &plan.reply) {
            asked.push((texts.get(Verb::Find, schema.table(*table)?, &none)?, id.as_str()));
        }

        let mut changes = Vec::new();
        for (text, fields, id, what) in &bound {
            changes.push(Change { statement: text.bind(fields, *id, unit)?, what });
        }
        for plan in plans {
            let draws = plan.draws.iter().map(|draw| facts::draw(draw, updated_at));
            changes.extend(draws.map(|statement| Change { statement, what: "a draw" }));
            let returns = plan.returns.iter();
            let returns = returns.map(|(id, credits)| facts::give_back(id, *credits, updated_at));
            changes.extend(returns.map(|statement| Change { statement, what: "a refund" }));
            if plan.free_trials != 0 {
                let (user_id, more) = (&plan.user_id, plan.free_trials);
                let statement = facts::count_free_trials(&schema, user_id, more, updated_at)?;
                changes.push(Change { statement, what: "a free trial" });
            }
        }
        let then: Result<Vec<_>> =
            asked.iter().map(|(text, id)| text.bind(&none, Some(id), unit)).collect();

        let then = then?;
        let answers = match wire.change(&changes, &then).await {
            Err(Failure::Unknown { message, .. }) => {
                look_for(wire.as_mut(), texts, plans, &then, message).await?
            }
            answers => answers?,
        };
        let mut answers = Answers(answers.into_iter());
        let mut written = Written::default();
        for (table, id) in plans.iter().map(|plan| &plan.reply) {
            if let Some(row) = answers.first()? {
                let row = read_row(&row, schema.table(*table)?, unit);
                written.insert(*table, id.clone(), row);
            }
        }
        Ok(written)
    }

    fn roll_back(&mut self) {
        self.wire.undo();
    }
}

/// After changes whose answer was lost: looks whether they are made. What was to be asked behind them.
async fn look_for(
    wire: &mut dyn Wire,
    texts: &mut RowTexts,
    plans: &[&Plan],
    then: &[Statement<'_>],
    message: String,
) -> Answer<Vec<Vec<OwnedRow>>> {
    let schema = wire.schema()?.clone();
    let unit = schema.timestamp_unit;
    let rows = || plans.iter().flat_map(|plan| &plan.rows);
    let mut bound = Vec::new();
    // All is made, or nothing: a new row is the best witness, since others rarely change one right away.
    let new = rows().find(|row| row.verb == plan::Verb::Insert);
    for row in new.map_or_else(|| rows().collect(), |row| vec![row]) {
        let is_new = row.verb == plan::Verb::Insert;
        let tells = |key: &str| !is_new || TELLING.contains(&key);
        let fields = row.fields.iter().filter(|(key, _)| tells(key));
        let fields = fields.map(|(key, value)| (key.to_owned(), value.clone()));
        let table = schema.table(row.table)?;
        let fields = table.sayable(&fields.collect()).into_owned();
        bound.push((texts.get(Verb::Has, table, &fields)?, fields, row.id.as_str()));
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
        // Another request has come before.
        false if wire.is_settled() && new.is_some() => Err(Failure::Conflict(message)),
        false => Err(Failure::unknown(message)),
    }
}

/// What tells a new row from another one that has taken its id.
const TELLING: [&str; 4] = ["userId", "createdAt", "creditId", "transactionNo"];
