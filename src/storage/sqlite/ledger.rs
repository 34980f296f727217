//! Facts and writes of the ledger, in an SQLite file. The engine holds the write lock meanwhile.

use async_trait::async_trait;

use super::database::Database;
use super::driver;
use super::error::Doing;
use crate::domain::charge::{Charge, ChargeFacts};
use crate::domain::grant::Grant;
use crate::domain::grant::{GrantFacts, NewGrant};
use crate::domain::plan::{self, Plan, RowChange};
use crate::domain::refundable::Refundable;
use crate::domain::spending::{Spending, Spent};
use crate::domain::table::TableName::{self, Credit, Tasks, User};
use crate::domain::table::TaskKind;
use crate::domain::task::TaskFacts;
use crate::domain::value::Fields;
use crate::error::{Error, Result};
use crate::storage::Row;
use crate::storage::account::{Account, Pick, WantedAccount, Whose};
use crate::storage::dialect::sqlite::books::read_user;
use crate::storage::dialect::sqlite::cell::SelectedRow as _;
use crate::storage::dialect::sqlite::rows::{StatementVerb, read_row};
use crate::storage::dialect::sqlite::views::Rows;
use crate::storage::dialect::sqlite::{Statement, account, facts, spent};
use crate::storage::failure::Answer;
use crate::storage::grant_cache::NextGrants;
use crate::storage::schema::Schema;
use crate::storage::store::{
    Extent, Facts, FoundTask, LoadFacts, Wanted, WantedCharge, WantedTask, WritePlans, Written,
};

#[async_trait]
impl LoadFacts for Database {
    fn schema(&self) -> Result<&Schema> {
        Ok(&self.schema)
    }

    async fn charge_facts(&mut self, wanted: &Wanted<'_>, now_ms: i64) -> Answer<Facts> {
        let mut facts = Facts::default();
        for (user_id, credits) in &wanted.credits {
            if !self.exists(User, "id", user_id)? {
                continue;
            }
            facts.users.insert((*user_id).to_owned());
            if *credits > 0 {
                let extent = match wanted.choices.contains_key(user_id) {
                    true => Extent::WithProvenance,
                    false => Extent::Plain,
                };
                let grants = self.grants_for(user_id, (*credits, extent), now_ms)?;
                facts.grants.insert((*user_id).to_owned(), grants);
            }
        }
        for (kind, id) in &wanted.tasks {
            if self.exists(Tasks(*kind), "id", id)? {
                facts.tasks.entry(*kind).or_default().insert((*id).to_owned());
            }
        }
        for number in &wanted.transaction_nos {
            if self.exists(Credit, "transaction_no", number)? {
                facts.transaction_nos.insert((*number).to_owned());
            }
        }
        for id in &wanted.charge_ids {
            facts.charges.extend(self.read_charge(id)?.map(|charge| ((*id).to_owned(), charge)));
        }
        for (kind, users) in &wanted.active_of {
            let of_kind = facts.active.entry(*kind).or_default();
            for user_id in users {
                let active = self.count_of(&facts::tasks_at_risk(*kind, user_id))?;
                of_kind.insert((*user_id).to_owned(), active);
            }
        }
        for (spending, users) in &wanted.spending {
            let of_users = facts.spent.entry(spending.clone()).or_default();
            for user_id in users {
                of_users.insert((*user_id).to_owned(), self.read_spent(user_id, spending)?);
            }
        }
        for user_id in &wanted.trials_of {
            facts.free_trials.insert((*user_id).to_owned(), self.free_trials_used(user_id)?);
        }
        Ok(facts)
    }

    async fn task_facts(
        &mut self,
        wanted: &WantedTask<'_>,
        now_ms: i64,
    ) -> Answer<Option<FoundTask>> {
        let Some(task) = self.read_task(wanted.kind, wanted.id)? else { return Ok(None) };
        let funds = match wanted.charge {
            Some(WantedCharge { credits, transaction_no, paying }) => ChargeFacts {
                user_exists: self.exists(User, "id", &task.user_id)?,
                transaction_no_taken: self.is_taken("transaction_no", transaction_no)?,
                grants: self.grants_for(&task.user_id, (credits, Extent::of(paying)), now_ms)?,
                spent: Vec::new(),
            },
            None => ChargeFacts::default(),
        };
        Ok(Some(FoundTask { task, charge: None, drawn_on: Vec::new(), funds }))
    }

    async fn refund_facts(&mut self, charge_id: &str) -> Answer<(Option<Charge>, Vec<Grant>)> {
        Ok((self.read_charge(charge_id)?, Vec::new()))
    }

    async fn grant_facts(&mut self, grant: &NewGrant) -> Answer<GrantFacts> {
        Ok(GrantFacts {
            user_exists: self.exists(User, "id", &grant.user_id)?,
            id_taken: self.is_taken("id", grant.id.as_deref())?,
            transaction_no_taken: self
                .is_taken("transaction_no", grant.transaction_no.as_deref())?,
        })
    }

    async fn account(&mut self, wanted: &WantedAccount<'_>) -> Answer<Account> {
        let users =
            driver::all(&self.connection, &account::users(wanted.whose), |row| read_user(row));
        let keyed = match wanted.transaction_no {
            Some(number) => self.rows(Rows::with_transaction_no(number))?.into_iter().next(),
            None => None,
        };
        let unit = self.schema.timestamp_unit;
        Ok(Account {
            users: users.doing("reading users")?.into_iter().collect(),
            rows: self.rows(account::rows(wanted.whose, &wanted.picks, unit))?,
            keyed,
        })
    }

    async fn rows_of(&mut self, user_id: &str, picks: &[Pick<'_>]) -> Answer<Vec<Row>> {
        let unit = self.schema.timestamp_unit;
        Ok(self.rows(account::rows(Whose::User(user_id), picks, unit))?)
    }

    async fn charge(&mut self, id: Option<&str>, _: Option<Charge>) -> Answer<Option<Charge>> {
        Ok(id.map_or(Ok(None), |id| self.read_charge(id))?)
    }

    async fn grants_drawn_on(
        &mut self,
        refundable: &Refundable,
        _: Vec<Grant>,
    ) -> Answer<Vec<Grant>> {
        let mut grants = Vec::with_capacity(refundable.draws.len());
        for draw in &refundable.draws {
            let grant = facts::grant_of_user(&draw.credit_id, &refundable.user_id);
            let unit = self.schema.timestamp_unit;
            grants.extend(self.first(&grant, |row| facts::read_grant(row, unit))?.flatten());
        }
        Ok(grants)
    }

    async fn grants_to_draw(
        &mut self,
        user_id: &str,
        (credits, extent): (i64, Extent),
        now_ms: i64,
    ) -> Answer<Vec<Grant>> {
        Ok(self.grants_for(user_id, (credits, extent), now_ms)?)
    }

    async fn spent(&mut self, user_id: &str, spending: &[Spending]) -> Answer<Vec<Vec<Spent>>> {
        let spent = spending.iter().map(|spending| self.read_spent(user_id, spending));
        Ok(spent.collect::<Result<_>>()?)
    }

    async fn has_task(&mut self, kind: TaskKind, id: &str) -> Answer<bool> {
        let is_there = self.schema.table(Tasks(kind)).is_ok();
        Ok(is_there && self.exists(Tasks(kind), "id", id)?)
    }
}

#[async_trait]
impl WritePlans for Database {
    async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Answer<Written> {
        let mut written = Written::default();
        for plan in plans {
            self.apply(plan, now_ms)?;
        }
        for plan in plans {
            let (table, id) = &plan.reply;
            if let Some(row) = self.find_row(*table, id)? {
                written.insert(*table, id.clone(), row);
            }
        }
        Ok(written)
    }

    /// The writer ends the transaction.
    fn roll_back(&mut self) {}
}

impl Database {
    /// Whether this value exists in a unique column.
    fn exists(&mut self, table: TableName, column: &'static str, value: &str) -> Result<bool> {
        let is_user = table == User && column == "id";
        if is_user && self.grants.knows_user(value) {
            return Ok(true);
        }
        let exists = self.first(&facts::exists(table, column, value), |_| ())?.is_some();
        if is_user && exists && !self.schema.has_triggers {
            self.grants.remember_user(value);
        }
        Ok(exists)
    }

    /// Whether a row of `credit` has this value, if there is one.
    fn is_taken(&mut self, column: &'static str, value: Option<&str>) -> Result<bool> {
        value.map_or(Ok(false), |value| self.exists(Credit, column, value))
    }

    /// Sums are cached. Lists of charges are not, since charges leave the window all the time.
    fn read_spent(&mut self, user_id: &str, spending: &Spending) -> Result<Vec<Spent>> {
        if let Some(spent) = self.grants.spent(user_id, spending) {
            return Ok(vec![(spent, None)]);
        }
        let unit = self.schema.timestamp_unit;
        let read = |row: &rusqlite::Row<'_>| spent::read_spent(row, unit);
        let asked = spent::spent(user_id, spending, unit);
        let spent: Vec<Spent> = driver::all(&self.connection, &asked, read).doing("reading")?;
        if let ([(sum, None)], false) = (&spent[..], spending.each || self.schema.has_triggers) {
            self.grants.remember_spent(user_id, spending, *sum);
        }
        Ok(spent)
    }

    fn free_trials_used(&self, user_id: &str) -> Result<i64> {
        let read = |row: &rusqlite::Row<'_>| facts::read_free_trials(row, user_id);
        Ok(self.first(&facts::free_trials(user_id), read)?.transpose()?.unwrap_or(0))
    }

    fn read_task(&self, kind: TaskKind, id: &str) -> Result<Option<TaskFacts>> {
        let unit = self.schema.timestamp_unit;
        let read = |row: &rusqlite::Row<'_>| facts::read_task(row, kind, id, unit);
        self.first(&facts::task(&self.schema, kind, id)?, read)?.transpose()
    }

    fn read_charge(&self, id: &str) -> Result<Option<Charge>> {
        self.first(&facts::charge(id), |row| facts::read_charge(row, id))?.transpose()
    }

    /// The grants that may pay, in default order, with the columns of this extent.
    fn grants_for(
        &mut self,
        user_id: &str,
        (credits, extent): (i64, Extent),
        now_ms: i64,
    ) -> Result<Vec<Grant>> {
        match extent {
            Extent::Plain => self.spendable_grants(user_id, credits, now_ms),
            Extent::WithProvenance => self.whole_grants(user_id, now_ms),
        }
    }

    /// All spendable grants, in default order, with their provenance.
    fn whole_grants(&mut self, user_id: &str, now_ms: i64) -> Result<Vec<Grant>> {
        if let Some(grants) = self.grants.whole(user_id, now_ms) {
            return Ok(grants);
        }
        let grants = self.read_whole_grants(user_id, now_ms)?;
        if !self.schema.has_triggers {
            self.grants.remember_whole(user_id, &grants, now_ms);
        }
        Ok(grants)
    }

    /// Like [`Self::whole_grants`], without the cache.
    pub(super) fn read_whole_grants(&self, user_id: &str, now_ms: i64) -> Result<Vec<Grant>> {
        let unit = self.schema.timestamp_unit;
        let grants = facts::whole_grants(user_id, now_ms, unit);
        let read = |row: &rusqlite::Row<'_>| facts::read_whole_grant(row, unit);
        let grants = driver::all(&self.connection, &grants, read).doing("reading grants")?;
        Ok(grants.into_iter().flatten().collect())
    }

    /// In default order: all spendable grants, or as many as cover `credits`.
    fn spendable_grants(&mut self, user_id: &str, credits: i64, now_ms: i64) -> Result<Vec<Grant>> {
        if let Some(grants) = self.grants.covering(user_id, credits, now_ms) {
            return Ok(grants);
        }
        let next = self.read_grants(user_id, credits, now_ms)?;
        let covering = next.covering(credits, now_ms).unwrap_or_default();
        if !self.schema.has_triggers {
            self.grants.remember(user_id, next);
        }
        Ok(covering)
    }

    /// The user's next grants: enough for a charge, and some more for the next charges.
    fn read_grants(&self, user_id: &str, credits: i64, now_ms: i64) -> Result<NextGrants> {
        let unit = self.schema.timestamp_unit;
        let grants = facts::spendable_grants(user_id, now_ms, unit);
        let mut next = NextGrants::read_at(now_ms);
        let add = |row: &rusqlite::Row<'_>| {
            facts::read_grant(row, unit).is_some_and(|grant| next.add(grant, credits))
        };
        next.complete = driver::until(&self.connection, &grants, add).doing("reading grants")?;
        Ok(next)
    }

    /// Writes a plan. Each statement must change what the plan says, or it fails.
    pub fn apply(&mut self, plan: &Plan, now_ms: i64) -> Result<()> {
        if plan.gives() {
            self.grants.forget(&plan.user_id);
        }
        for row in &plan.rows {
            self.write_row(row)?;
        }
        let updated_at = self.schema.timestamp_unit.from_ms(now_ms);
        for draw in &plan.draws {
            one_row(self.execute(&facts::draw(draw, updated_at))?, "a draw")?;
        }
        for (grant_id, credits) in &plan.returns {
            let give_back = facts::give_back(grant_id, *credits, updated_at);
            one_row(self.execute(&give_back)?, "a refund")?;
        }
        if plan.free_trials != 0 {
            let (schema, user_id, more) = (&self.schema, &plan.user_id, plan.free_trials);
            let count = facts::count_free_trials(schema, user_id, more, updated_at)?;
            let changed = self.execute(&count)?;
            // For a user that no longer exists, nothing has to be returned.
            if more > 0 {
                one_row(changed, "a free trial")?;
            }
        }
        self.grants.drawn(&plan.user_id, &plan.draws);
        if !plan.rows.iter().all(|row| matches!(row.table, Tasks(_))) || !plan.returns.is_empty() {
            self.grants.spends(&plan.user_id, plan.spends());
        }
        Ok(())
    }

    fn write_row(&mut self, row: &RowChange) -> Result<()> {
        let RowChange { table, id, verb, fields } = row;
        let (verb, id, what) = match verb {
            plan::Verb::Insert => (StatementVerb::Insert, None, "an insert"),
            plan::Verb::Update => (StatementVerb::Update, Some(id.as_str()), "an update"),
            plan::Verb::UpdateCharge => {
                (StatementVerb::UpdateCharge, Some(id.as_str()), "a refund")
            }
        };
        let table = self.schema.table(*table)?;
        let fields = table.sayable(fields);
        let text = self.row_texts.get(verb, table, &fields)?;
        let statement = text.bind(&fields, id, self.schema.timestamp_unit)?;
        one_row(self.execute(&statement)?, what)
    }

    pub(super) fn find_row(&mut self, table: TableName, id: &str) -> Result<Option<Row>> {
        let table = self.schema.table(table)?;
        let (unit, none) = (self.schema.timestamp_unit, Fields::default());
        let text = self.row_texts.get(StatementVerb::Find, table, &none)?;
        self.first(&text.bind(&none, Some(id), unit)?, |row| read_row(row, table, unit))
    }

    pub(super) fn first<T>(
        &self,
        statement: &Statement<'_>,
        read: impl FnOnce(&rusqlite::Row<'_>) -> T,
    ) -> Result<Option<T>> {
        driver::first(&self.connection, statement, read).doing("reading")
    }

    /// The number that a statement selects.
    pub(super) fn count_of(&self, statement: &Statement<'_>) -> Result<i64> {
        let number = self.first(statement, |row| row.cell(0).whole())?;
        Ok(number.flatten().unwrap_or(0))
    }

    fn execute(&self, statement: &Statement<'_>) -> Result<usize> {
        driver::execute(&self.connection, statement).doing("writing")
    }
}

/// Rejects a statement that changed another number of rows than planned. The facts were loaded in this
/// transaction, so a trigger of the app must be the cause.
fn one_row(changes: usize, what: &str) -> Result<()> {
    if changes == 1 {
        return Ok(());
    }
    Err(Error::Database {
        doing: "writing",
        database_code: "SQLITE_DONE".to_owned(),
        message: format!(
            "{what} changed {changes} rows instead of 1; look for a trigger that stops it"
        ),
        retryable: false,
    })
}
