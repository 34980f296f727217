//! A third store, in memory: the interface that the engine needs, without SQL.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;

use media_credits::domain::audit::Owners;
use media_credits::domain::books::{RowId, TaskEntry, Times};
use media_credits::domain::charge::{Charge, ChargeFacts};
use media_credits::domain::column::in_form;
use media_credits::domain::expiring::{Expiring, ExpiringQuery};
use media_credits::domain::grant::{Grant, GrantFacts, NewGrant, Provenance};
use media_credits::domain::plan::{Plan, RowChange, Verb};
use media_credits::domain::refundable::Refundable;
use media_credits::domain::spending::{Spending, Spent};
use media_credits::domain::table::TableName::{self, Credit, Tasks, User};
use media_credits::domain::table::TaskKind::{self, Ai, Media};
use media_credits::domain::task::TaskFacts;
use media_credits::domain::value::Value;
use media_credits::error::{Error, Result};
use media_credits::storage::account::{Account, Pick, WantedAccount, Whose};
use media_credits::storage::books::{BooksPage, CreditEntry, UserRange};
use media_credits::storage::failure::Answer;
use media_credits::storage::schema::{Column, Kind, Schema, camel_case};
use media_credits::storage::store::{
    Extent, Facts, FoundTask, LoadFacts, ReadBooks, Views, Wanted, WantedTask, WritePlans, Written,
};
use media_credits::storage::{Filter, Page, Row, StuckFilter, Window};

use crate::common::{is_active, time};

/// Tables in memory, declared like those of the app: rows by their ids.
pub(crate) struct Memory {
    schema: Schema,
    tables: HashMap<TableName, BTreeMap<String, Row>>,
}

impl Memory {
    pub(crate) fn new(schema: &Schema) -> Self {
        let tables = TableName::ALL.into_iter().map(|table| (table, BTreeMap::new())).collect();
        Self { schema: schema.clone(), tables }
    }

    fn of_user(&self, table: TableName, user_id: &str) -> impl Iterator<Item = &Row> {
        self.tables[&table].values().filter(move |row| row.text("userId") == Some(user_id))
    }

    fn row(&self, table: TableName, id: &str) -> Option<&Row> {
        self.tables[&table].get(id)
    }

    fn row_mut(&mut self, table: TableName, id: &str) -> Option<&mut Row> {
        self.tables.get_mut(&table)?.get_mut(id)
    }

    fn has_number(&self, number: Option<&str>) -> bool {
        number.is_some()
            && self.tables[&Credit].values().any(|row| row.text("transactionNo") == number)
    }

    fn charge_with_id(&self, id: &str) -> Option<Charge> {
        let row = self.row(Credit, id)?;
        (row.text("transactionType") == Some("consume")).then(|| row.as_charge())
    }

    fn spendable(&self, user_id: &str, now_ms: i64) -> Vec<Grant> {
        let mut rows: Vec<&Row> = self.of_user(Credit, user_id).collect();
        rows.sort_by_key(|row| {
            let expires_at_ms = time(row, "expiresAt");
            (expires_at_ms.is_none(), expires_at_ms, time(row, "createdAt"), row.text("id"))
        });
        let grants = rows.into_iter().filter_map(as_grant);
        grants.filter(|grant| grant.is_spendable(now_ms) && grant.remaining > 0).collect()
    }

    fn spent_of(&self, user_id: &str, spending: &Spending) -> Vec<Spent> {
        let Spending { since_ms, scene, each } = spending;
        let counts = |row: &&Row| {
            let is_withdrawal = row.as_charge().is_bookkeeping();
            row.text("transactionType") == Some("consume")
                && is_active(row)
                && time(row, "createdAt") >= Some(*since_ms)
                && (scene.is_none() || row.text("transactionScene") == scene.as_deref())
                && !is_withdrawal
        };
        let charges = self.of_user(Credit, user_id).filter(counts);
        let charges = charges
            .map(|row| (-row.integer("credits").unwrap_or_default(), time(row, "createdAt")));
        match each {
            true => charges.collect(),
            false => vec![(charges.map(|(credits, _)| credits).sum(), None)],
        }
    }

    /// Writes a plan into these tables, which the caller discards after an error.
    fn apply(&mut self, plan: &Plan, now_ms: i64) -> Result<()> {
        plan.rows.iter().try_for_each(|change| self.apply_to_row(change, now_ms))?;
        let draws = plan.draws.iter().map(|draw| (&draw.credit_id, -draw.credits_consumed));
        let returns = plan.returns.iter().map(|(id, credits)| (id, *credits));
        for (id, change) in draws.chain(returns) {
            let grant = self.row_mut(Credit, id).ok_or_else(unplanned)?;
            let granted = grant.integer("credits").unwrap_or_default();
            let left = grant.integer("remainingCredits").map(|left| left + change);
            let left = left.filter(|left| (0..=granted).contains(left)).ok_or_else(unplanned)?;
            set(grant, "remainingCredits", Value::Integer(left));
            set(grant, "updatedAt", Value::TimeMs(now_ms));
        }
        if let Some(user) = self.row_mut(User, &plan.user_id).filter(|_| plan.free_trials != 0) {
            let used = user.integer("freeTrialUsed").unwrap_or_default() + plan.free_trials;
            set(user, "freeTrialUsed", Value::Integer(used.max(0)));
        }
        Ok(())
    }

    fn apply_to_row(&mut self, change: &RowChange, now_ms: i64) -> Result<()> {
        let RowChange { table, id, verb, fields } = change;
        let columns = Arc::clone(self.schema.table(*table)?);
        if *verb == Verb::Insert {
            if self.has_number(fields.get("transactionNo").and_then(Value::as_text)) {
                return Err(Error::TransactionNoCollision);
            }
            let values = columns.columns.iter().map(|column| default_of(column, now_ms)).collect();
            let row = Row { values, table: Arc::clone(&columns) };
            let rows = self.tables.get_mut(table).expect("each table");
            assert!(rows.insert(id.clone(), row).is_none(), "{id} is there twice");
        }
        if *verb == Verb::UpdateCharge {
            self.charge_with_id(id).filter(|charge| charge.active).ok_or_else(unplanned)?;
        }
        let row = self.row_mut(*table, id).ok_or_else(unplanned)?;
        for (key, value) in columns.sayable(fields).iter() {
            set(row, key, value.clone());
        }
        Ok(())
    }

    fn enter_books(&self, user_id: &str, page: &mut BooksPage) {
        for row in self.of_user(Credit, user_id) {
            page.enter_credit(CreditEntry {
                id: text(row, "id").into(),
                user_id: user_id.into(),
                transaction_type: text(row, "transactionType").into(),
                credits: row.integer("credits"),
                remaining: row.integer("remainingCredits"),
                status: text(row, "status").into(),
                consumed_detail: row.text("consumedDetail").map(|text| text.as_bytes().into()),
                metadata: row.text("metadata").map(Into::into),
                times: times(row),
                unreadable: Vec::new(),
            });
        }
        for kind in [Media, Ai] {
            for row in self.of_user(Tasks(kind), user_id) {
                let credit_id = row.text("creditId").map(str::to_owned);
                let (id, status) = (text(row, "id"), text(row, "status"));
                let entry = TaskEntry::new((kind, id), &status, credit_id, times(row));
                page.enter_task(user_id, entry, Vec::new());
            }
        }
    }

    fn newest(&self, table: TableName, keep: impl Fn(&Row) -> bool) -> Vec<Row> {
        let mut rows: Vec<Row> =
            self.tables[&table].values().filter(|row| keep(row)).cloned().collect();
        rows.sort_by_key(|row| std::cmp::Reverse((time(row, "createdAt"), text(row, "id"))));
        rows
    }

    fn tasks_of(&self, user_id: &str) -> Vec<Row> {
        let keep = |row: &Row| text(row, "userId") == user_id && time(row, "deletedAt").is_none();
        self.newest(Tasks(Media), keep)
    }
}

fn unplanned() -> Error {
    Error::Internal("a row is not as planned".to_owned())
}

fn text(row: &Row, key: &str) -> String {
    row.text(key).unwrap_or_default().to_owned()
}

/// Whether the status of a task is one of these.
fn is_in(row: &Row, statuses: &[impl AsRef<str>]) -> bool {
    statuses.iter().any(|status| row.text("status") == Some(status.as_ref()))
}

fn count<T>(all: impl Iterator<Item = T>) -> i64 {
    i64::try_from(all.count()).unwrap()
}

fn times(row: &Row) -> Times {
    let [created_at_ms, updated_at_ms, deleted_at_ms, expires_at_ms] =
        ["createdAt", "updatedAt", "deletedAt", "expiresAt"].map(|key| time(row, key));
    Times { created_at_ms, updated_at_ms, deleted_at_ms, expires_at_ms }
}

fn picks_row(pick: &Pick<'_>, row: &Row) -> bool {
    let is_grant = row.text("transactionType") == Some("grant");
    match pick {
        Pick::With(column, texts) => {
            row.text(&camel_case(column)).is_some_and(|text| texts.contains(&text))
        }
        Pick::Unspent => is_grant && is_active(row) && row.integer("remainingCredits") > Some(0),
        Pick::Subscribed => is_grant && row.text("subscriptionNo").is_some(),
        Pick::GrantsSince(since_ms) => is_grant && time(row, "createdAt") >= Some(*since_ms),
    }
}

fn is_held(row: &Row) -> bool {
    let is_charge = row.text("transactionType") == Some("consume");
    is_charge && row.as_charge().is_held() && time(row, "expiresAt").is_some()
}

fn as_grant(row: &Row) -> Option<Grant> {
    (row.text("transactionType") == Some("grant")).then(|| Grant {
        id: text(row, "id"),
        transaction_no: text(row, "transactionNo"),
        credits: row.integer("credits").unwrap_or_default(),
        remaining: row.integer("remainingCredits").unwrap_or_default(),
        expires_at_ms: time(row, "expiresAt"),
        active: is_active(row),
        provenance: Some(Arc::new(Provenance {
            scene: row.text("transactionScene").map(str::to_owned),
            created_at_ms: time(row, "createdAt"),
        })),
    })
}

fn set(row: &mut Row, key: &str, value: Value) {
    let at = row.table.columns.iter().position(|column| column.key == key).expect("a column");
    row.values[at] = in_form(row.table.columns[at].kind, &value).into_owned();
}

fn default_of(column: &Column, now_ms: i64) -> Value {
    match (column.name.as_str(), column.kind) {
        ("created_at" | "updated_at", _) => Value::TimeMs(now_ms),
        ("status", _) => Value::Text("pending".to_owned()),
        (_, Kind::Text) if column.has_default => Value::Text(String::new()),
        (_, Kind::Boolean) if column.has_default => Value::Bool(false),
        _ if column.has_default => Value::Integer(0),
        _ => Value::Null,
    }
}

fn window(rows: Vec<Row>, window: Window) -> Vec<Row> {
    let [limit, offset] = [window.limit, window.offset].map(|rows| usize::try_from(rows).unwrap());
    rows.into_iter().skip(offset).take(limit).collect()
}

#[async_trait]
impl LoadFacts for Memory {
    fn schema(&self) -> Result<&Schema> {
        Ok(&self.schema)
    }

    async fn charge_facts(&mut self, wanted: &Wanted<'_>, now_ms: i64) -> Answer<Facts> {
        let mut facts = Facts::default();
        for (id, row) in wanted.credits.keys().filter_map(|id| Some((*id, self.row(User, id)?))) {
            facts.users.insert(id.to_owned());
            facts.grants.insert(id.to_owned(), self.spendable(id, now_ms));
            facts.free_trials.insert(id.to_owned(), row.integer("freeTrialUsed").unwrap_or(0));
        }
        for &(kind, id) in &wanted.tasks {
            let taken = self.row(Tasks(kind), id).map(|_| id.to_owned());
            facts.tasks.entry(kind).or_default().extend(taken);
        }
        for (&kind, ids) in &wanted.active_of {
            let is_at_risk = |row: &&Row| is_in(row, kind.statuses_at_risk());
            let active = |id: &str| count(self.of_user(Tasks(kind), id).filter(is_at_risk));
            let of_users = ids.iter().map(|id| ((*id).to_owned(), active(id))).collect();
            facts.active.insert(kind, of_users);
        }
        let numbers = wanted.transaction_nos.iter().filter(|number| self.has_number(Some(number)));
        facts.transaction_nos.extend(numbers.map(|number| (*number).to_owned()));
        for (spending, users) in &wanted.spending {
            let of_users =
                users.iter().map(|id| ((*id).to_owned(), self.spent_of(id, spending))).collect();
            facts.spent.insert(spending.clone(), of_users);
        }
        let charge = |id: &&str| Some(((*id).to_owned(), self.charge_with_id(id)?));
        facts.charges.extend(wanted.charge_ids.iter().filter_map(charge));
        Ok(facts)
    }

    async fn task_facts(&mut self, of: &WantedTask<'_>, now_ms: i64) -> Answer<Option<FoundTask>> {
        let Some(row) = self.row(Tasks(of.kind), of.id) else { return Ok(None) };
        let takes_trials = self.schema.has_free_trials(of.kind);
        let task = TaskFacts {
            user_id: text(row, "userId"),
            status: text(row, "status"),
            credit_id: row.text("creditId").map(str::to_owned),
            updated_at_ms: Ok(time(row, "updatedAt").unwrap_or_default()),
            free_trial: takes_trials.then(|| row.get("isFreeTrial") == Some(&Value::Bool(true))),
        };
        let funds = ChargeFacts {
            user_exists: self.row(User, &task.user_id).is_some(),
            transaction_no_taken: self
                .has_number(of.charge.and_then(|charge| charge.transaction_no)),
            grants: self.spendable(&task.user_id, now_ms),
            spent: Vec::new(),
        };
        Ok(Some(FoundTask { task, charge: None, drawn_on: Vec::new(), funds }))
    }

    async fn refund_facts(&mut self, id: &str) -> Answer<(Option<Charge>, Vec<Grant>)> {
        Ok((self.charge_with_id(id), Vec::new()))
    }

    async fn grant_facts(&mut self, grant: &NewGrant) -> Answer<GrantFacts> {
        Ok(GrantFacts {
            user_exists: self.row(User, &grant.user_id).is_some(),
            id_taken: grant.id.as_ref().is_some_and(|id| self.row(Credit, id).is_some()),
            transaction_no_taken: self.has_number(grant.transaction_no.as_deref()),
        })
    }

    async fn account(&mut self, wanted: &WantedAccount<'_>) -> Answer<Account> {
        let users: BTreeSet<String> = match wanted.whose {
            Whose::User(id) => [id.to_owned()].into(),
            Whose::With(column, it) => {
                let key = camel_case(column);
                let rows = self.tables[&Credit].values().filter(|row| row.text(&key) == Some(it));
                rows.map(|row| text(row, "userId")).collect()
            }
        };
        let mut found = Account::default();
        for user_id in users {
            found.rows.extend(self.rows_of(&user_id, &wanted.picks).await?);
            found.users.extend(self.row(User, &user_id).map(|_| user_id));
        }
        let number = wanted.transaction_no;
        let is_keyed = |row: &Row| number.is_some() && row.text("transactionNo") == number;
        found.keyed = self.newest(Credit, is_keyed).pop();
        Ok(found)
    }

    async fn rows_of(&mut self, user_id: &str, picks: &[Pick<'_>]) -> Answer<Vec<Row>> {
        let is_picked = |row: &&Row| picks.iter().any(|pick| picks_row(pick, row));
        Ok(self.of_user(Credit, user_id).filter(is_picked).cloned().collect())
    }

    async fn charge(&mut self, id: Option<&str>, _: Option<Charge>) -> Answer<Option<Charge>> {
        Ok(id.and_then(|id| self.charge_with_id(id)))
    }

    async fn grants_drawn_on(&mut self, of: &Refundable, _: Vec<Grant>) -> Answer<Vec<Grant>> {
        let rows = of.draws.iter().filter_map(|draw| self.row(Credit, &draw.credit_id));
        let rows = rows.filter(|row| row.text("userId") == Some(&of.user_id));
        Ok(rows.filter_map(as_grant).collect())
    }

    async fn grants_to_draw(
        &mut self,
        user_id: &str,
        _: (i64, Extent),
        now_ms: i64,
    ) -> Answer<Vec<Grant>> {
        Ok(self.spendable(user_id, now_ms))
    }

    async fn spent(&mut self, user_id: &str, spending: &[Spending]) -> Answer<Vec<Vec<Spent>>> {
        Ok(spending.iter().map(|spending| self.spent_of(user_id, spending)).collect())
    }

    async fn has_task(&mut self, kind: TaskKind, id: &str) -> Answer<bool> {
        Ok(self.row(Tasks(kind), id).is_some())
    }
}

#[async_trait]
impl WritePlans for Memory {
    async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Answer<Written> {
        let before = self.tables.clone();
        let applied = plans.iter().try_for_each(|plan| self.apply(plan, now_ms));
        applied.inspect_err(|_| self.tables = before)?;
        let mut written = Written::default();
        for (table, id) in plans.iter().map(|plan| &plan.reply) {
            let row = self.row(*table, id).cloned();
            row.into_iter().for_each(|row| written.insert(*table, id.clone(), row));
        }
        Ok(written)
    }

    fn roll_back(&mut self) {}
}

#[async_trait]
impl ReadBooks for Memory {
    async fn books(&mut self, range: &UserRange) -> Answer<BooksPage> {
        let (after, users) = match range {
            UserRange::User(user_id) => {
                return self.books_to_change(std::slice::from_ref(user_id)).await;
            }
            UserRange::Next { after, users } => (after.as_ref(), usize::try_from(*users).unwrap()),
        };
        let of_table = |table| -> BTreeSet<String> {
            let all = self.tables[&table].values().map(|row| text(row, "userId"));
            all.filter(|user_id| after.is_none_or(|after| user_id > after)).collect()
        };
        let of_tables = [Credit, Tasks(Media), Tasks(Ai)].map(of_table);
        let next = of_tables.iter().filter_map(|all| all.iter().nth(users - 1)).min().cloned();
        let mut page: BTreeSet<String> = of_tables.into_iter().flatten().collect();
        page.retain(|user_id| next.as_ref().is_none_or(|next| user_id <= next));
        let page = self.books_to_change(&Vec::from_iter(page)).await?;
        Ok(BooksPage { next, ..page })
    }

    async fn owners(&mut self, rows: &[RowId]) -> Answer<Owners> {
        let owner = |(table, id): &RowId| {
            Some(((*table, id.clone()), text(self.row(*table, id)?, "userId")))
        };
        Ok(rows.iter().filter_map(owner).collect())
    }

    async fn find_all(&mut self, table: TableName, ids: &[&str]) -> Answer<Vec<Row>> {
        Ok(ids.iter().filter_map(|id| self.row(table, id).cloned()).collect())
    }

    async fn books_to_change(&mut self, user_ids: &[String]) -> Answer<BooksPage> {
        let mut page = BooksPage::default();
        user_ids.iter().for_each(|user_id| self.enter_books(user_id, &mut page));
        Ok(page)
    }

    async fn rows_to_change(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        self.find_all(Credit, ids).await
    }
}

#[async_trait]
impl Views for Memory {
    async fn find(&mut self, table: TableName, id: &str) -> Answer<Option<Row>> {
        Ok(self.row(table, id).cloned())
    }

    async fn find_transaction(&mut self, number: &str) -> Answer<Option<Row>> {
        Ok(self.newest(Credit, |row| row.text("transactionNo") == Some(number)).pop())
    }

    async fn users(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        self.find_all(User, ids).await
    }

    async fn active_tasks(&mut self, user_id: &str, statuses: &[String]) -> Answer<Vec<Row>> {
        Ok(self.tasks_of(user_id).into_iter().filter(|row| is_in(row, statuses)).collect())
    }

    async fn has_active_task(&mut self, user_id: &str, statuses: &[String]) -> Answer<bool> {
        Ok(!self.active_tasks(user_id, statuses).await?.is_empty())
    }

    async fn task_history(&mut self, user_id: &str, page: Page) -> Answer<(Vec<Row>, i64)> {
        let tasks = self.tasks_of(user_id);
        let total = count(tasks.iter());
        Ok((window(tasks, page.window()), total))
    }

    async fn balance(&mut self, user_id: &str, now_ms: i64) -> Answer<i64> {
        Ok(self.spendable(user_id, now_ms).iter().map(|grant| grant.remaining).sum())
    }

    async fn all_spendable_grants(
        &mut self,
        user_id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<Vec<Grant>> {
        let mut grants = self.spendable(user_id, now_ms);
        if extent == Extent::Plain {
            grants.iter_mut().for_each(|grant| grant.provenance = None);
        }
        Ok(grants)
    }

    async fn spendable_and_held(
        &mut self,
        id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<(Vec<Grant>, i64)> {
        let holds = self.of_user(Credit, id).filter(|row| is_held(row));
        let held = holds.map(|row| -row.integer("credits").unwrap_or_default()).sum();
        Ok((self.all_spendable_grants(id, extent, now_ms).await?, held))
    }

    async fn ended_holds(&mut self, of: Window, now_ms: i64) -> Answer<Vec<Row>> {
        let is_over = |row: &Row| is_held(row) && time(row, "expiresAt") <= Some(now_ms);
        let mut rows = self.newest(Credit, is_over);
        rows.sort_by_key(|row| (time(row, "expiresAt"), text(row, "id")));
        Ok(window(rows, of))
    }

    async fn list(&mut self, filter: &Filter, page: Page) -> Answer<Vec<Row>> {
        let keys: Vec<_> = filter.equal.iter().map(|(key, it)| (camel_case(key), it)).collect();
        let matches = |row: &Row| keys.iter().all(|(key, it)| row.text(key) == Some(it.as_str()));
        Ok(window(self.newest(filter.table, matches), page.window()))
    }

    async fn count(&mut self, filter: &Filter) -> Answer<i64> {
        let all = self.list(filter, Page::whole(1, i64::from(i32::MAX))).await?;
        Ok(count(all.iter()))
    }

    async fn charges_about(
        &mut self,
        user: &str,
        id: Option<&str>,
        text: &str,
    ) -> Answer<Vec<Row>> {
        let rows = self.newest(Credit, |row| {
            let is_named = row.text("id") == id && id.is_some();
            row.text("userId") == Some(user)
                && row.text("transactionType") == Some("consume")
                && (is_named || row.text("metadata").is_some_and(|it| it.contains(text)))
        });
        Ok(rows.into_iter().rev().collect())
    }

    async fn expiring(&mut self, query: &ExpiringQuery, now_ms: i64) -> Answer<Vec<Expiring>> {
        let mut found: BTreeMap<String, Expiring> = BTreeMap::new();
        let until_ms = now_ms + query.within_ms;
        for user_id in self.tables[&User].keys() {
            for grant in self.spendable(user_id, now_ms) {
                let Some(ends_ms) = grant.expires_at_ms.filter(|ends_ms| *ends_ms <= until_ms)
                else {
                    continue;
                };
                let of_user = found.entry(user_id.clone()).or_insert_with(|| Expiring {
                    user_id: user_id.clone(),
                    credits: 0,
                    grants: 0,
                    first_ms: ends_ms,
                });
                of_user.credits += grant.remaining;
                of_user.grants += 1;
                of_user.first_ms = of_user.first_ms.min(ends_ms);
            }
        }
        let is_asked = |one: &Expiring| {
            one.credits >= query.at_least
                && query.after.as_ref().is_none_or(|after| one.user_id > *after)
        };
        let limit = usize::try_from(query.limit).unwrap();
        Ok(found.into_values().filter(is_asked).take(limit).collect())
    }

    async fn stuck_tasks(&mut self, filter: &StuckFilter, now_ms: i64) -> Answer<Vec<Row>> {
        let mut rows = self.newest(Tasks(filter.kind), |row| {
            is_in(row, &filter.statuses)
                && time(row, "updatedAt").is_none_or(|at_ms| at_ms < now_ms - filter.older_than_ms)
        });
        rows.sort_by_key(|row| (time(row, "updatedAt"), row.text("id").map(str::to_owned)));
        Ok(window(rows, Window { limit: filter.limit.into(), offset: filter.skip.into() }))
    }
}
