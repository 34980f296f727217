//! A store over any [`Wire`]: what decides on a request comes in one round trip where it can, and all that a request
//! writes goes in one. A file's own store (`storage/sqlite/`) has no round trips to save: it asks one thing after the
//! other, and remembers grants.

use std::sync::Arc;

use super::Statement;
use super::books::{TABLES, Users, enter, owner, read_user, rows_of};
use super::cell::Row as _;
use super::facts;
use super::rows::{RowTexts, Verb, read_row};
use super::views::{Rows, balance};
use super::wire::{Change, OwnedRow, Wire};
use crate::domain::audit::Owners;
use crate::domain::books::RowId;
use crate::domain::charge::{Charge, ChargeFacts};
use crate::domain::grant::{Grant, GrantFacts, NewGrant};
use crate::domain::plan::{self, Plan};
use crate::domain::refund::Refundable;
use crate::domain::table::TableName::{self, Credit, Tasks, User};
use crate::domain::table::TaskKind;
use crate::domain::value::Fields;
use crate::error::{Error, Result};
use crate::storage::books::{BooksPage, UserRange};
use crate::storage::failure::Answer;
use crate::storage::schema::Schema;
use crate::storage::store::{
    Facts, FoundTask, LoadFacts, ReadBooks, Views, Wanted, WantedTask, WritePlans, Written,
};
use crate::storage::{Filter, Page, Row, StuckFilter};

/// A store over a wire.
pub struct OverWire<W> {
    /// The wire.
    pub wire: W,
    texts: RowTexts,
}

/// Answers to questions, in the order in which they were asked.
struct Answers(std::vec::IntoIter<Vec<OwnedRow>>);

impl Answers {
    fn rows(&mut self) -> Answer<Vec<OwnedRow>> {
        let short = || Error::Internal("the database owes an answer".to_owned());
        Ok(self.0.next().ok_or_else(short)?)
    }

    fn first(&mut self) -> Answer<Option<OwnedRow>> {
        Ok(self.rows()?.into_iter().next())
    }

    fn any(&mut self) -> Answer<bool> {
        Ok(!self.rows()?.is_empty())
    }

    fn whole(&mut self) -> Answer<i64> {
        Ok(self.first()?.and_then(|row| row.cell(0).whole()).unwrap_or(0))
    }
}

impl<W: Wire> OverWire<W> {
    /// A store over this wire.
    pub fn new(wire: W) -> Self {
        Self { wire, texts: RowTexts::default() }
    }

    async fn ask(&mut self, asked: &[Statement<'_>], doing: &'static str) -> Answer<Answers> {
        if asked.is_empty() {
            return Ok(Answers(Vec::new().into_iter()));
        }
        Ok(Answers(self.wire.ask(asked, doing).await?.into_iter()))
    }

    async fn charge_with_id(&mut self, id: Option<&str>) -> Answer<Option<Charge>> {
        let Some(id) = id else { return Ok(None) };
        let row = self.ask(&[facts::charge(id)], "reading a charge").await?.first()?;
        Ok(row.map(|row| facts::read_charge(&row, id)).transpose()?)
    }

    fn grants(&self, rows: &[OwnedRow]) -> Answer<Vec<Grant>> {
        let unit = self.wire.schema()?.timestamp_unit;
        Ok(rows.iter().filter_map(|row| facts::read_grant(row, unit)).collect())
    }

    /// These rows, in their order.
    async fn rows(&mut self, rows: Rows<'_>) -> Answer<Vec<Row>> {
        let table = Arc::clone(self.wire.schema()?.table(rows.table)?);
        let unit = self.wire.schema()?.timestamp_unit;
        let whole = rows.keys(&table.select_list);
        let found = self.ask(&[whole], "reading").await?.rows()?;
        Ok(found.iter().map(|row| read_row(row, &table, unit)).collect())
    }

    async fn books_of(&mut self, users: &Users) -> Answer<BooksPage> {
        let schema = self.wire.schema()?;
        let unit = schema.timestamp_unit;
        let there = TABLES.into_iter().filter(|table| schema.table(*table).is_ok());
        let there: Vec<TableName> = there.collect();
        let asked = there.iter().map(|table| rows_of(schema, *table, users));
        let asked = asked.collect::<Result<Vec<_>>>()?;
        let mut answers = self.ask(&asked, "reading the books").await?;
        let mut page = BooksPage::default();
        for table in there {
            answers.rows()?.iter().for_each(|row| enter(&mut page, table, row, unit));
        }
        Ok(page)
    }

    /// The users of a page; the last of them, if more may follow.
    async fn next_users(
        &mut self,
        after: Option<&str>,
        most: u32,
    ) -> Answer<(Users, Option<String>)> {
        let users = Users::after(after);
        let schema = self.wire.schema()?;
        let there = TABLES.into_iter().filter(|table| schema.table(*table).is_ok());
        let asked: Vec<_> = there.map(|table| users.last_of(table, most)).collect();
        let mut answers = self.ask(&asked, "reading the books").await?;
        let mut last: Option<String> = None;
        for _ in &asked {
            let found = answers.first()?.map(|row| read_user(&row));
            last = [last, found].into_iter().flatten().min();
        }
        // Text that is not UTF-8 may not be beyond itself when it is read and asked for again.
        let last = last.filter(|last| after.is_none_or(|after| last.as_str() > after));
        Ok(match &last {
            Some(user_id) => (users.up_to(user_id.clone()), last),
            None => (users, None),
        })
    }
}

impl<W: Wire> LoadFacts for OverWire<W> {
    fn schema(&self) -> Result<&Schema> {
        self.wire.schema()
    }

    async fn charge_facts(&mut self, wanted: &Wanted<'_>, now_ms: i64) -> Answer<Facts> {
        let unit = self.wire.schema()?.timestamp_unit;
        let mut asked = Vec::new();
        for user_id in wanted.credits.keys() {
            asked.push(facts::exists(User, "id", user_id));
            asked.push(facts::spendable_grants(user_id, now_ms, unit));
        }
        asked.extend(wanted.tasks.iter().map(|(kind, id)| facts::exists(Tasks(*kind), "id", id)));
        let numbers = wanted.transaction_nos.iter();
        asked.extend(numbers.map(|number| facts::exists(Credit, "transaction_no", number)));
        asked.extend(wanted.charge_ids.iter().map(|id| facts::charge(id)));
        for (kind, users) in &wanted.active_of {
            asked.extend(users.iter().map(|user_id| facts::tasks_at_risk(*kind, user_id)));
        }
        asked.extend(wanted.trials_of.iter().map(|user_id| facts::free_trials(user_id)));

        let mut answers = self.ask(&asked, "reading the balance").await?;
        let mut found = Facts::default();
        for user_id in wanted.credits.keys() {
            let (is_there, grants) = (answers.any()?, answers.rows()?);
            if is_there {
                found.users.insert((*user_id).to_owned());
                found.grants.insert((*user_id).to_owned(), self.grants(&grants)?);
            }
        }
        for (kind, id) in &wanted.tasks {
            if answers.any()? {
                found.tasks.entry(*kind).or_default().insert((*id).to_owned());
            }
        }
        for number in &wanted.transaction_nos {
            if answers.any()? {
                found.transaction_nos.insert((*number).to_owned());
            }
        }
        for id in &wanted.charge_ids {
            if let Some(row) = answers.first()? {
                found.charges.insert((*id).to_owned(), facts::read_charge(&row, id)?);
            }
        }
        for (kind, users) in &wanted.active_of {
            let of_kind = found.active.entry(*kind).or_default();
            for user_id in users {
                of_kind.insert((*user_id).to_owned(), answers.whole()?);
            }
        }
        for user_id in &wanted.trials_of {
            let used = answers.first()?.map(|row| facts::read_free_trials(&row, user_id));
            found.free_trials.insert((*user_id).to_owned(), used.transpose()?.unwrap_or(0));
        }
        Ok(found)
    }

    async fn task_facts(
        &mut self,
        wanted: &WantedTask<'_>,
        now_ms: i64,
    ) -> Answer<Option<FoundTask>> {
        let unit = self.wire.schema()?.timestamp_unit;
        let asked = facts::task(self.wire.schema()?, wanted.kind, wanted.id)?;
        let row = self.ask(&[asked], "reading a task").await?.first()?;
        let Some(row) = row else { return Ok(None) };
        let task = facts::read_task(&row, wanted.kind, wanted.id, unit)?;
        let mut funds = ChargeFacts::default();
        if let Some((_, transaction_no)) = wanted.charge {
            let mut asked = vec![
                facts::exists(User, "id", &task.user_id),
                facts::spendable_grants(&task.user_id, now_ms, unit),
            ];
            asked.extend(transaction_no.map(|no| facts::exists(Credit, "transaction_no", no)));
            let mut answers = self.ask(&asked, "reading the balance").await?;
            funds.user_exists = answers.any()?;
            funds.grants = self.grants(&answers.rows()?)?;
            funds.transaction_no_taken = transaction_no.is_some() && answers.any()?;
        }
        Ok(Some(FoundTask { task, charge: None, drawn_on: Vec::new(), funds }))
    }

    async fn refund_facts(&mut self, charge_id: &str) -> Answer<(Option<Charge>, Vec<Grant>)> {
        Ok((self.charge_with_id(Some(charge_id)).await?, Vec::new()))
    }

    async fn grant_facts(&mut self, grant: &NewGrant) -> Answer<GrantFacts> {
        let (id, number) = (grant.id.as_deref(), grant.transaction_no.as_deref());
        let mut asked = vec![facts::exists(User, "id", &grant.user_id)];
        asked.extend(id.map(|id| facts::exists(Credit, "id", id)));
        asked.extend(number.map(|number| facts::exists(Credit, "transaction_no", number)));
        let mut answers = self.ask(&asked, "reading a user").await?;
        Ok(GrantFacts {
            user_exists: answers.any()?,
            id_taken: id.is_some() && answers.any()?,
            transaction_no_taken: number.is_some() && answers.any()?,
        })
    }

    async fn charge(&mut self, id: Option<&str>, _: Option<Charge>) -> Answer<Option<Charge>> {
        self.charge_with_id(id).await
    }

    async fn grants_drawn_on(
        &mut self,
        refundable: &Refundable,
        _: Vec<Grant>,
    ) -> Answer<Vec<Grant>> {
        let user_id = &refundable.user_id;
        let of_draws = refundable.draws.iter();
        let asked: Vec<_> =
            of_draws.map(|draw| facts::grant_of_user(&draw.credit_id, user_id)).collect();
        let mut answers = self.ask(&asked, "reading grants").await?;
        let mut grants = Vec::with_capacity(asked.len());
        for _ in &asked {
            grants.extend(self.grants(&answers.rows()?)?);
        }
        Ok(grants)
    }

    async fn has_task(&mut self, kind: TaskKind, id: &str) -> Answer<bool> {
        if self.wire.schema()?.table(Tasks(kind)).is_err() {
            return Ok(false);
        }
        self.ask(&[facts::exists(Tasks(kind), "id", id)], "reading a task").await?.any()
    }
}

impl<W: Wire> WritePlans for OverWire<W> {
    async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Answer<Written> {
        let Self { wire, texts } = self;
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

        let mut answers = Answers(wire.change(&changes, &then?).await?.into_iter());
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

impl<W: Wire> ReadBooks for OverWire<W> {
    async fn books(&mut self, range: &UserRange) -> Answer<BooksPage> {
        let (users, next) = match range {
            UserRange::User(user_id) => (Users::one(user_id), None),
            UserRange::Next { after, users } => self.next_users(after.as_deref(), *users).await?,
        };
        Ok(BooksPage { next, ..self.books_of(&users).await? })
    }

    async fn owners(&mut self, rows: &[RowId]) -> Answer<Owners> {
        let schema = self.wire.schema()?;
        let there = rows.iter().filter(|(table, _)| schema.table(*table).is_ok());
        let there: Vec<&RowId> = there.collect();
        let asked: Vec<_> = there.iter().map(|(table, id)| owner(*table, id)).collect();
        let mut answers = self.ask(&asked, "reading the owners of rows").await?;
        let mut owners = Owners::new();
        for row in there {
            let found = answers.first()?.map(|found| read_user(&found));
            owners.extend(found.map(|user_id| (row.clone(), user_id)));
        }
        Ok(owners)
    }

    async fn find_all(&mut self, table: TableName, ids: &[&str]) -> Answer<Vec<Row>> {
        self.rows(Rows::with_ids(table, ids)).await
    }

    async fn books_to_change(&mut self, user_ids: &[String]) -> Answer<BooksPage> {
        let mut all = BooksPage::default();
        for user_id in user_ids {
            let page = self.books_of(&Users::one(user_id)).await?;
            all.credit_rows += page.credit_rows;
            all.books.extend(page.books);
        }
        Ok(all)
    }

    async fn rows_to_change(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        self.rows(Rows::with_ids(Credit, ids)).await
    }
}

impl<W: Wire> Views for OverWire<W> {
    async fn find(&mut self, table: TableName, id: &str) -> Answer<Option<Row>> {
        Ok(self.rows(Rows::with_ids(table, &[id])).await?.into_iter().next())
    }

    async fn find_transaction(&mut self, transaction_no: &str) -> Answer<Option<Row>> {
        Ok(self.rows(Rows::with_transaction_no(transaction_no)).await?.into_iter().next())
    }

    async fn users(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        self.rows(Rows::with_ids(User, ids)).await
    }

    async fn active_tasks(&mut self, user_id: &str, statuses: &[String]) -> Answer<Vec<Row>> {
        let rows = Rows::tasks_in(self.wire.schema()?, user_id, statuses)?;
        self.rows(rows).await
    }

    async fn has_active_task(&mut self, user_id: &str, statuses: &[String]) -> Answer<bool> {
        let task = Rows::tasks_in(self.wire.schema()?, user_id, statuses)?.any();
        self.ask(&[task], "reading").await?.any()
    }

    async fn task_history(&mut self, user_id: &str, page: Page) -> Answer<(Vec<Row>, i64)> {
        let tasks = Rows::tasks(self.wire.schema()?, user_id)?;
        let total = Rows::tasks(self.wire.schema()?, user_id)?.count();
        let total = self.ask(&[total], "reading").await?.whole()?;
        Ok((self.rows(tasks.within(page.window())).await?, total))
    }

    async fn balance(&mut self, user_id: &str, now_ms: i64) -> Answer<i64> {
        let unit = self.wire.schema()?.timestamp_unit;
        self.ask(&[balance(user_id, now_ms, unit)], "reading the balance").await?.whole()
    }

    async fn all_spendable_grants(&mut self, user_id: &str, now_ms: i64) -> Answer<Vec<Grant>> {
        let unit = self.wire.schema()?.timestamp_unit;
        let grants = facts::spendable_grants(user_id, now_ms, unit);
        let rows = self.ask(&[grants], "reading grants").await?.rows()?;
        self.grants(&rows)
    }

    async fn list(&mut self, filter: &Filter, page: Page) -> Answer<Vec<Row>> {
        self.rows(Rows::of_list(filter).within(page.window())).await
    }

    async fn count(&mut self, filter: &Filter) -> Answer<i64> {
        self.wire.schema()?.table(filter.table)?;
        self.ask(&[Rows::of_list(filter).count()], "reading").await?.whole()
    }

    async fn charges_about(
        &mut self,
        user_id: &str,
        charge_id: Option<&str>,
        text: &str,
    ) -> Answer<Vec<Row>> {
        self.rows(Rows::charges_about(user_id, charge_id, text)).await
    }

    async fn stuck_tasks(&mut self, filter: &StuckFilter, now_ms: i64) -> Answer<Vec<Row>> {
        let unit = self.wire.schema()?.timestamp_unit;
        self.rows(Rows::stuck_tasks(filter, now_ms, unit)).await
    }
}
