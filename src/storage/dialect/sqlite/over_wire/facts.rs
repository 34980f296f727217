//! The facts of a change: in one round trip where possible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::super::facts::{self, Which};
use super::super::views::Rows;
use super::super::{Statement, account, spent};
use super::{Answers, OverWire};
use crate::domain::charge::{Charge, ChargeFacts};
use crate::domain::grant::{Grant, GrantFacts, NewGrant};
use crate::domain::refundable::Refundable;
use crate::domain::spending::{Spending, Spent};
use crate::domain::table::TableName::{Credit, Tasks, User};
use crate::domain::table::TaskKind;
use crate::error::Result;
use crate::storage::Row;
use crate::storage::account::{Account, Pick, WantedAccount, Whose};
use crate::storage::failure::Answer;
use crate::storage::schema::Schema;
use crate::storage::store::{
    Extent, Facts, FoundTask, LoadFacts, Wanted, WantedCharge, WantedTask,
};

/// The index of the grants among the replies for charges: after the users.
const GRANTS: usize = 1;

impl OverWire {
    /// The replies for charges: from the cache if all users' grants are cached and can pay, assuming that ids
    /// and numbers are new; otherwise from a read.
    async fn known_or_asked(
        &mut self,
        wanted: &Wanted<'_>,
        now_ms: i64,
        asked: &[Statement<'_>],
    ) -> Answer<Answers> {
        self.wire.before_deciding().await?;
        let unit = self.wire.schema()?.timestamp_unit;
        let memory = self.wire.memory().filter(|_| rests_on_grants(wanted));
        let answers = match memory.and_then(|it| it.recall(wanted, now_ms, unit)) {
            Some(grants) => {
                let user = |user_id: &&str| vec![(*user_id).to_owned().into()];
                let mut expected = vec![wanted.credits.keys().map(user).collect(), grants];
                expected.resize_with(asked.len(), Vec::new);
                expected
            }
            None => {
                let answers = self.wire.ask(asked, "reading the balance").await?;
                if let Some((memory, grants)) = self.wire.memory().zip(answers.get(GRANTS)) {
                    memory.remember(wanted.credits.keys().copied(), grants, unit);
                }
                answers
            }
        };
        for (at, (asked, rows)) in asked.iter().zip(&answers).enumerate() {
            match at {
                GRANTS => self.wire.rely_on_guess(asked, rows),
                _ => self.wire.rely_on(asked, rows),
            }
        }
        Ok(Answers(answers.into_iter()))
    }
}

/// Whether the result depends only on grants if ids and numbers are new. An id that occurs twice is rejected,
/// and a rejection must not depend on the cache.
fn rests_on_grants(wanted: &Wanted<'_>) -> bool {
    let Wanted { tasks, transaction_nos, .. } = wanted;
    let is_plain = !wanted.refused
        && wanted.charge_ids.is_empty()
        && wanted.active_of.is_empty()
        && wanted.trials_of.is_empty()
        && wanted.spending.is_empty();
    is_plain
        && tasks.iter().collect::<BTreeSet<_>>().len() == tasks.len()
        && transaction_nos.iter().collect::<BTreeSet<_>>().len() == transaction_nos.len()
}

#[async_trait]
impl LoadFacts for OverWire {
    fn schema(&self) -> Result<&Schema> {
        self.wire.schema()
    }

    async fn charge_facts(&mut self, wanted: &Wanted<'_>, now_ms: i64) -> Answer<Facts> {
        let unit = self.wire.schema()?.timestamp_unit;
        let users: Vec<&str> = wanted.credits.keys().copied().collect();
        let mut tasks: BTreeMap<TaskKind, Vec<&str>> = BTreeMap::new();
        for (kind, id) in &wanted.tasks {
            tasks.entry(*kind).or_default().push(id);
        }
        // One statement of each kind, for any number of requests.
        let mut asked = Vec::new();
        if !users.is_empty() {
            asked.push(facts::those_there(User, "id", &users));
            asked.push(match wanted.choices.is_empty() {
                true => facts::spendable_grants_of(&users, now_ms, unit),
                false => facts::whole_grants_of(&users, now_ms, unit),
            });
        }
        let ids = tasks.iter();
        asked.extend(ids.map(|(kind, ids)| facts::those_there(Tasks(*kind), "id", ids)));
        if !wanted.transaction_nos.is_empty() {
            asked.push(facts::those_there(Credit, "transaction_no", &wanted.transaction_nos));
        }
        asked.extend(wanted.charge_ids.iter().map(|id| facts::charge(id)));
        for (kind, users) in &wanted.active_of {
            asked.extend(users.iter().map(|user_id| facts::tasks_at_risk(*kind, user_id)));
        }
        asked.extend(wanted.trials_of.iter().map(|user_id| facts::free_trials(user_id)));
        for (spending, users) in &wanted.spending {
            asked.extend(users.iter().map(|user_id| spent::spent(user_id, spending, unit)));
        }

        let mut answers = self.known_or_asked(wanted, now_ms, &asked).await?;
        let read_grant = match wanted.choices.is_empty() {
            true => facts::read_grant,
            false => facts::read_whole_grant,
        };
        let mut found = Facts::default();
        if !users.is_empty() {
            found.users = answers.texts()?;
            found.grants = found.users.iter().map(|id| (id.clone(), Vec::new())).collect();
            for row in &answers.rows()? {
                let owner = facts::owner_of_grant(row).and_then(|id| found.grants.get_mut(&id));
                if let Some((grants, grant)) = owner.zip(read_grant(row, unit)) {
                    grants.push(grant);
                }
            }
        }
        for kind in tasks.keys() {
            found.tasks.insert(*kind, answers.texts()?);
        }
        if !wanted.transaction_nos.is_empty() {
            found.transaction_nos = answers.texts()?;
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
        for (spending, users) in &wanted.spending {
            let of_users = found.spent.entry(spending.clone()).or_default();
            for user_id in users {
                let spent = answers.rows()?;
                let spent = spent.iter().map(|row| spent::read_spent(row, unit)).collect();
                of_users.insert((*user_id).to_owned(), spent);
            }
        }
        Ok(found)
    }

    async fn task_facts(
        &mut self,
        wanted: &WantedTask<'_>,
        now_ms: i64,
    ) -> Answer<Option<FoundTask>> {
        let (schema, kind, id) = (self.wire.schema()?, wanted.kind, wanted.id);
        let unit = schema.timestamp_unit;
        let mut asked = vec![facts::task(schema, kind, id)?];
        if let Some(WantedCharge { transaction_no, paying, .. }) = wanted.charge {
            asked.push(facts::user_of_task(kind, id));
            asked.push(match Extent::of(paying) {
                Extent::Plain => facts::spendable_grants_of_task(kind, id, now_ms, unit),
                Extent::WithProvenance => facts::whole_grants_of_task(kind, id, now_ms, unit),
            });
            asked.extend(transaction_no.map(|no| facts::exists(Credit, "transaction_no", no)));
        }
        let relied_on = asked.len();
        let which = wanted.credit_id.map_or(Which::OfTask(kind, id), Which::Id);
        // The task's charge is made by this change.
        if wanted.charge.is_none() {
            asked
                .extend([facts::charge_of(schema, which)?, facts::grants_drawn_on(schema, which)?]);
        }
        let mut answers = self.ask_to_decide(&asked, "reading a task").await?;
        let of_charge = answers.split_off(relied_on.min(answers.len()));
        let beside = asked.split_off(relied_on);
        asked.iter().zip(&answers).for_each(|(asked, rows)| self.wire.rely_on(asked, rows));
        let mut answers = Answers(answers.into_iter());
        let Some(row) = answers.first()? else { return Ok(None) };
        let task = facts::read_task(&row, kind, id, unit)?;
        let mut funds = ChargeFacts::default();
        if let Some(WantedCharge { transaction_no, paying, .. }) = wanted.charge {
            funds.user_exists = answers.any()?;
            funds.grants = self.grants_to(Extent::of(paying), &answers.rows()?)?;
            funds.transaction_no_taken = transaction_no.is_some() && answers.any()?;
        }
        let charge_id = wanted.credit_id.or(task.credit_id.as_deref());
        let (charge, drawn_on) = self.keep_charge(&beside, of_charge, charge_id)?;
        Ok(Some(FoundTask { task, charge, drawn_on, funds }))
    }

    async fn refund_facts(&mut self, charge_id: &str) -> Answer<(Option<Charge>, Vec<Grant>)> {
        let (schema, which) = (self.wire.schema()?, Which::Id(charge_id));
        let asked = [facts::charge_of(schema, which)?, facts::grants_drawn_on(schema, which)?];
        let answers = self.ask_to_decide(&asked, "reading a charge").await?;
        let row = answers.first().and_then(|rows| rows.first());
        row.map(|row| facts::read_charge(row, charge_id)).transpose()?;
        let found = self.keep_charge(&asked, answers, Some(charge_id))?;
        self.rely_on_charge();
        Ok(found)
    }

    async fn grant_facts(&mut self, grant: &NewGrant) -> Answer<GrantFacts> {
        let (id, number) = (grant.id.as_deref(), grant.transaction_no.as_deref());
        let mut asked = vec![facts::exists(User, "id", &grant.user_id)];
        asked.extend(id.map(|id| facts::exists(Credit, "id", id)));
        asked.extend(number.map(|number| facts::exists(Credit, "transaction_no", number)));
        let mut answers = self.decide(&asked, "reading a user").await?;
        Ok(GrantFacts {
            user_exists: answers.any()?,
            id_taken: id.is_some() && answers.any()?,
            transaction_no_taken: number.is_some() && answers.any()?,
        })
    }

    async fn account(&mut self, wanted: &WantedAccount<'_>) -> Answer<Account> {
        let schema = self.wire.schema()?;
        let (table, unit) = (Arc::clone(schema.table(Credit)?), schema.timestamp_unit);
        let rows = account::rows(wanted.whose, &wanted.picks, unit).keys(&table.select_list);
        let mut asked = vec![account::users(wanted.whose), rows];
        let keyed = wanted.transaction_no.map(Rows::with_transaction_no);
        asked.extend(keyed.map(|keyed| keyed.keys(&table.select_list)));
        let mut answers = self.decide(&asked, "reading an account").await?;
        let users = answers.texts()?;
        let rows = self.read_rows(&answers.rows()?, &table)?;
        let keyed = match wanted.transaction_no {
            Some(_) => self.read_rows(&answers.rows()?, &table)?.into_iter().next(),
            None => None,
        };
        Ok(Account { users, rows, keyed })
    }

    async fn rows_of(&mut self, user_id: &str, picks: &[Pick<'_>]) -> Answer<Vec<Row>> {
        let schema = self.wire.schema()?;
        let (table, unit) = (Arc::clone(schema.table(Credit)?), schema.timestamp_unit);
        let rows = account::rows(Whose::User(user_id), picks, unit).keys(&table.select_list);
        let found = self.decide(&[rows], "reading an account").await?.rows()?;
        self.read_rows(&found, &table)
    }

    async fn charge(&mut self, id: Option<&str>, found: Option<Charge>) -> Answer<Option<Charge>> {
        match (id, &found) {
            (Some(id), Some(charge)) if charge.id == id => {
                self.rely_on_charge();
                Ok(found)
            }
            _ => self.charge_with_id(id).await,
        }
    }

    async fn grants_drawn_on(
        &mut self,
        refundable: &Refundable,
        found: Vec<Grant>,
    ) -> Answer<Vec<Grant>> {
        // In nearly all cases they were loaded with the facts.
        let is_known = |id: &str| found.iter().any(|grant| grant.id == id);
        if refundable.draws.iter().all(|draw| is_known(&draw.credit_id)) {
            if let Some((asked, rows)) = self.grants_asked.take() {
                self.wire.rely_on(&asked, &rows);
            }
            return Ok(found);
        }
        let user_id = &refundable.user_id;
        let of_draws = refundable.draws.iter();
        let asked: Vec<_> =
            of_draws.map(|draw| facts::grant_of_user(&draw.credit_id, user_id)).collect();
        let mut answers = self.decide(&asked, "reading grants").await?;
        let mut grants = Vec::with_capacity(asked.len());
        for _ in &asked {
            grants.extend(self.grants(&answers.rows()?)?);
        }
        Ok(grants)
    }

    async fn grants_to_draw(
        &mut self,
        user_id: &str,
        (_, extent): (i64, Extent),
        now_ms: i64,
    ) -> Answer<Vec<Grant>> {
        let unit = self.wire.schema()?.timestamp_unit;
        let asked = match extent {
            Extent::Plain => facts::spendable_grants(user_id, now_ms, unit),
            Extent::WithProvenance => facts::whole_grants(user_id, now_ms, unit),
        };
        let rows = self.decide(&[asked], "reading the balance").await?.rows()?;
        self.grants_to(extent, &rows)
    }

    async fn spent(&mut self, user_id: &str, spending: &[Spending]) -> Answer<Vec<Vec<Spent>>> {
        let unit = self.wire.schema()?.timestamp_unit;
        let asked: Vec<_> =
            spending.iter().map(|spending| spent::spent(user_id, spending, unit)).collect();
        let mut answers = self.decide(&asked, "reading charges").await?;
        let mut all = Vec::new();
        for _ in spending {
            let rows = answers.rows()?;
            all.push(rows.iter().map(|row| spent::read_spent(row, unit)).collect());
        }
        Ok(all)
    }

    async fn has_task(&mut self, kind: TaskKind, id: &str) -> Answer<bool> {
        if self.wire.schema()?.table(Tasks(kind)).is_err() {
            return Ok(false);
        }
        self.decide(&[facts::exists(Tasks(kind), "id", id)], "reading a task").await?.any()
    }
}
