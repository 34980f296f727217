//! A third store, in memory: what the engine asks of one, without SQL.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use media_credits::domain::audit::Owners;
use media_credits::domain::books::{RowId, TaskEntry, Times};
use media_credits::domain::charge::{Charge, ChargeFacts};
use media_credits::domain::grant::{Grant, GrantFacts, NewGrant};
use media_credits::domain::plan::{Plan, RowChange, Verb};
use media_credits::domain::refund::Refundable;
use media_credits::domain::table::TableName::{self, Credit, Tasks, User};
use media_credits::domain::table::TaskKind;
use media_credits::domain::task::TaskFacts;
use media_credits::domain::value::Value;
use media_credits::error::{Error, Result};
use media_credits::storage::books::{BooksPage, CreditEntry, UserRange};
use media_credits::storage::failure::Answer;
use media_credits::storage::schema::{Column, Kind, Schema};
use media_credits::storage::store::{
    Facts, FoundTask, LoadFacts, ReadBooks, Views, Wanted, WantedTask, WritePlans, Written,
};
use media_credits::storage::{Filter, Page, Row, StuckFilter, Window};

const KINDS: [TaskKind; 2] = [TaskKind::Media, TaskKind::Ai];

/// Rows by their ids.
type Rows = BTreeMap<String, Row>;

/// Tables in memory, declared as the app declares them.
pub(crate) struct Memory {
    schema: Schema,
    tables: HashMap<TableName, Rows>,
}

impl Memory {
    pub(crate) fn new(schema: &Schema) -> Self {
        let tables = TableName::ALL.into_iter().map(|table| (table, Rows::new())).collect();
        Self { schema: schema.clone(), tables }
    }

    pub(crate) fn add_user(&mut self, id: &str) {
        let text = |value: &str| Value::Text(value.to_owned());
        let fields = [("id", text(id)), ("name", text(id)), ("email", text(id))];
        let mut plan = Plan::new(id, User, id);
        plan.push(User, Verb::Insert, id, fields.into_iter().collect());
        self.apply(&plan, 0).expect("a user");
    }

    /// The app's own code changes a status.
    pub(crate) fn set_status(&mut self, table: TableName, id: &str, status: &str) {
        let row = self.tables.get_mut(&table).and_then(|rows| rows.get_mut(id));
        set(row.expect("a row"), "status", Value::Text(status.to_owned()));
    }

    fn rows(&self, table: TableName) -> impl Iterator<Item = &Row> {
        self.tables[&table].values()
    }

    fn of_user(&self, table: TableName, user_id: &str) -> Vec<&Row> {
        self.rows(table).filter(|row| row.text("userId") == Some(user_id)).collect()
    }

    fn has(&self, table: TableName, id: &str) -> bool {
        self.tables[&table].contains_key(id)
    }

    fn has_number(&self, number: &str) -> bool {
        self.rows(Credit).any(|row| row.text("transactionNo") == Some(number))
    }

    fn charge(&self, id: &str) -> Option<Charge> {
        let row = self.tables[&Credit].get(id)?;
        (row.text("transactionType") == Some("consume")).then(|| row.as_charge())
    }

    fn spendable(&self, user_id: &str, now_ms: i64) -> Vec<Grant> {
        let mut rows = self.of_user(Credit, user_id);
        rows.sort_by_key(|row| {
            let expires_at_ms = time(row, "expiresAt");
            (expires_at_ms.is_none(), expires_at_ms, time(row, "createdAt"), row.text("id"))
        });
        let grants = rows.into_iter().filter_map(as_grant);
        grants.filter(|grant| grant.is_spendable(now_ms) && grant.remaining > 0).collect()
    }

    /// Writes a plan into these tables, whose caller forgets them after an error.
    fn apply(&mut self, plan: &Plan, now_ms: i64) -> Result<()> {
        for RowChange { table, id, verb, fields } in &plan.rows {
            let columns = Arc::clone(self.schema.table(*table)?);
            let number = fields.get("transactionNo").and_then(Value::as_text);
            if *verb == Verb::Insert && number.is_some_and(|number| self.has_number(number)) {
                return Err(Error::TransactionNoCollision);
            }
            let rows = self.tables.get_mut(table).expect("each table");
            if *verb == Verb::Insert {
                let values = columns.columns.iter().map(|column| default_of(column, now_ms));
                let row = Row { values: values.collect(), table: Arc::clone(&columns) };
                let id = fields.get("id").and_then(Value::as_text).expect("an id");
                assert!(rows.insert(id.to_owned(), row).is_none(), "{id} is there twice");
            }
            let row = rows.get_mut(id).ok_or_else(|| guarded("a row"))?;
            let is_active = row.text("status") == Some("active");
            if *verb == Verb::UpdateCharge && !is_active {
                return Err(guarded("a refund"));
            }
            for (key, value) in columns.sayable(fields).iter() {
                set(row, key, value.clone());
            }
        }
        let draws = plan.draws.iter().map(|draw| (&draw.credit_id, -draw.credits_consumed));
        let returns = plan.returns.iter().map(|(id, credits)| (id, *credits));
        for (id, change) in draws.chain(returns) {
            let grant = self.tables.get_mut(&Credit).and_then(|rows| rows.get_mut(id));
            let grant = grant.ok_or_else(|| guarded("a grant"))?;
            let left = grant.integer("remainingCredits").unwrap_or_default() + change;
            if !(0..=grant.integer("credits").unwrap_or_default()).contains(&left) {
                return Err(guarded("a draw"));
            }
            set(grant, "remainingCredits", Value::Integer(left));
            set(grant, "updatedAt", Value::TimeMs(now_ms));
        }
        if plan.free_trials != 0
            && let Some(user) =
                self.tables.get_mut(&User).and_then(|rows| rows.get_mut(&plan.user_id))
        {
            let used = user.integer("freeTrialUsed").unwrap_or_default() + plan.free_trials;
            set(user, "freeTrialUsed", Value::Integer(used.max(0)));
        }
        Ok(())
    }

    fn newest(&self, table: TableName, keep: impl Fn(&Row) -> bool) -> Vec<Row> {
        let mut rows: Vec<Row> = self.rows(table).filter(|row| keep(row)).cloned().collect();
        rows.sort_by_key(|row| (time(row, "createdAt"), row.text("id").map(str::to_owned)));
        rows.reverse();
        rows
    }

    fn tasks_of(&self, user_id: &str) -> Vec<Row> {
        self.newest(Tasks(TaskKind::Media), |row| {
            row.text("userId") == Some(user_id) && time(row, "deletedAt").is_none()
        })
    }
}

fn guarded(what: &str) -> Error {
    Error::Internal(format!("{what} is not as planned"))
}

fn time(row: &Row, key: &str) -> Option<i64> {
    match row.get(key) {
        Some(Value::TimeMs(time_ms)) => Some(*time_ms),
        _ => None,
    }
}

fn times(row: &Row) -> Times {
    Times {
        created_at_ms: time(row, "createdAt"),
        updated_at_ms: time(row, "updatedAt"),
        deleted_at_ms: time(row, "deletedAt"),
        expires_at_ms: time(row, "expiresAt"),
    }
}

fn as_grant(row: &Row) -> Option<Grant> {
    (row.text("transactionType") == Some("grant")).then(|| Grant {
        id: row.text("id").unwrap_or_default().to_owned(),
        transaction_no: row.text("transactionNo").unwrap_or_default().to_owned(),
        credits: row.integer("credits").unwrap_or_default(),
        remaining: row.integer("remainingCredits").unwrap_or_default(),
        expires_at_ms: time(row, "expiresAt"),
        active: row.text("status") == Some("active"),
    })
}

fn set(row: &mut Row, key: &str, value: Value) {
    let at = row.table.columns.iter().position(|column| column.key == key).expect("a column");
    row.values[at] = match (value, row.table.columns[at].kind) {
        (Value::Json(text), kind) if kind != Kind::Json => Value::Text(text),
        (Value::Integer(number), Kind::Boolean) => Value::Bool(number != 0),
        (value, _) => value,
    };
}

fn default_of(column: &Column, now_ms: i64) -> Value {
    match (column.name.as_str(), column.kind) {
        ("created_at" | "updated_at", _) => Value::TimeMs(now_ms),
        ("status", _) => Value::Text("pending".to_owned()),
        ("plan_type", _) => Value::Text("free".to_owned()),
        ("scene", _) => Value::Text(String::new()),
        (_, Kind::Boolean) if column.has_default => Value::Bool(false),
        _ if column.has_default => Value::Integer(0),
        _ => Value::Null,
    }
}

fn window(rows: Vec<Row>, Window { limit, offset }: Window) -> Vec<Row> {
    let (limit, offset) = (usize::try_from(limit).unwrap(), usize::try_from(offset).unwrap());
    rows.into_iter().skip(offset).take(limit).collect()
}

impl LoadFacts for Memory {
    fn schema(&self) -> Result<&Schema> {
        Ok(&self.schema)
    }

    async fn charge_facts(&mut self, wanted: &Wanted, now_ms: i64) -> Answer<Facts> {
        let at_risk = |kind: &TaskKind, user_id: &str| {
            let rows = self.of_user(Tasks(*kind), user_id).into_iter();
            let statuses = kind.statuses_at_risk();
            let count =
                rows.filter(|row| row.text("status").is_some_and(|it| statuses.contains(&it)));
            i64::try_from(count.count()).unwrap()
        };
        let used = |id: &String| {
            let user = self.tables[&User].get(id);
            (id.clone(), user.and_then(|user| user.integer("freeTrialUsed")).unwrap_or_default())
        };
        let users = wanted.credits.keys().filter(|id| self.has(User, id));
        let grants = wanted.credits.keys().map(|id| (id.clone(), self.spendable(id, now_ms)));
        let tasks = wanted.tasks.iter().filter(|(kind, id)| self.has(Tasks(*kind), id));
        let numbers = wanted.transaction_nos.iter().filter(|number| self.has_number(number));
        let charges = wanted.charge_ids.iter();
        Ok(Facts {
            users: users.cloned().collect(),
            grants: grants.collect(),
            tasks: tasks.cloned().collect(),
            transaction_nos: numbers.cloned().collect(),
            charges: charges
                .filter_map(|id| Some((id.clone(), Memory::charge(self, id)?)))
                .collect(),
            active: wanted
                .active_of
                .iter()
                .flat_map(|(kind, users)| users.iter().map(move |id| (kind, id)))
                .map(|(kind, id)| ((*kind, id.clone()), at_risk(kind, id)))
                .collect(),
            free_trials: wanted.trials_of.iter().map(used).collect(),
        })
    }

    async fn task_facts(
        &mut self,
        wanted: &WantedTask<'_>,
        now_ms: i64,
    ) -> Answer<Option<FoundTask>> {
        let Some(row) = self.tables[&Tasks(wanted.kind)].get(wanted.id) else { return Ok(None) };
        let text = |key| row.text(key).map(str::to_owned);
        let counts_trials = self.schema.has_free_trials(wanted.kind);
        let task = TaskFacts {
            user_id: text("userId").unwrap_or_default(),
            status: text("status").unwrap_or_default(),
            credit_id: text("creditId"),
            updated_at_ms: Ok(time(row, "updatedAt").unwrap_or_default()),
            free_trial: counts_trials.then(|| row.get("isFreeTrial") == Some(&Value::Bool(true))),
        };
        let number = wanted.charge.and_then(|(_, number)| number);
        let funds = ChargeFacts {
            user_exists: self.has(User, &task.user_id),
            transaction_no_taken: number.is_some_and(|number| self.has_number(number)),
            grants: self.spendable(&task.user_id, now_ms),
        };
        Ok(Some(FoundTask { task, charge: None, drawn_on: Vec::new(), funds }))
    }

    async fn refund_facts(&mut self, id: &str) -> Answer<(Option<Charge>, Vec<Grant>)> {
        Ok((Memory::charge(self, id), Vec::new()))
    }

    async fn grant_facts(&mut self, grant: &NewGrant) -> Answer<GrantFacts> {
        let number = grant.transaction_no.as_ref();
        Ok(GrantFacts {
            user_exists: self.has(User, &grant.user_id),
            id_taken: grant.id.as_ref().is_some_and(|id| self.has(Credit, id)),
            transaction_no_taken: number.is_some_and(|number| self.has_number(number)),
        })
    }

    async fn charge(&mut self, id: Option<&str>, _: Option<Charge>) -> Answer<Option<Charge>> {
        Ok(id.and_then(|id| Memory::charge(self, id)))
    }

    async fn grants_drawn_on(&mut self, of: &Refundable, _: Vec<Grant>) -> Answer<Vec<Grant>> {
        let rows = of.draws.iter().filter_map(|draw| self.tables[&Credit].get(&draw.credit_id));
        let rows = rows.filter(|row| row.text("userId") == Some(&of.user_id));
        Ok(rows.filter_map(as_grant).collect())
    }

    async fn has_task(&mut self, kind: TaskKind, id: &str) -> Answer<bool> {
        Ok(self.has(Tasks(kind), id))
    }
}

impl WritePlans for Memory {
    async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Answer<Written> {
        let before = self.tables.clone();
        for plan in plans {
            if let Err(error) = self.apply(plan, now_ms) {
                self.tables = before;
                return Err(error.into());
            }
        }
        let mut written = Written::default();
        for (table, id) in plans.iter().map(|plan| &plan.reply) {
            if let Some(row) = self.tables[table].get(id) {
                written.insert(*table, id.clone(), row.clone());
            }
        }
        Ok(written)
    }

    fn roll_back(&mut self) {}
}

impl ReadBooks for Memory {
    async fn books(&mut self, range: &UserRange) -> Answer<BooksPage> {
        let UserRange::User(user_id) = range else { panic!("one user's alone") };
        let mut page = BooksPage::default();
        for row in self.of_user(Credit, user_id) {
            let text = |key| row.text(key).unwrap_or_default().into();
            page.enter_credit(CreditEntry {
                id: text("id"),
                user_id: text("userId"),
                transaction_type: text("transactionType"),
                credits: row.integer("credits"),
                remaining: row.integer("remainingCredits"),
                active: row.text("status") == Some("active"),
                consumed_detail: row.text("consumedDetail").map(|text| text.as_bytes().into()),
                metadata: row.text("metadata").map(Into::into),
                times: times(row),
                unreadable: Vec::new(),
            });
        }
        for kind in KINDS {
            for row in self.of_user(Tasks(kind), user_id) {
                let id = row.text("id").unwrap_or_default().to_owned();
                let credit_id = row.text("creditId").map(str::to_owned);
                let status = row.text("status").unwrap_or_default();
                let entry = TaskEntry::new(kind, id, status, credit_id, times(row));
                page.enter_task(user_id, entry, Vec::new());
            }
        }
        Ok(page)
    }

    async fn owners(&mut self, rows: &[RowId]) -> Answer<Owners> {
        let owner = |(table, id): &RowId| {
            let user_id = self.tables[table].get(id)?.text("userId")?.to_owned();
            Some(((*table, id.clone()), user_id))
        };
        Ok(rows.iter().filter_map(owner).collect())
    }

    async fn find_all(&mut self, table: TableName, ids: &[&str]) -> Answer<Vec<Row>> {
        Ok(ids.iter().filter_map(|id| self.tables[&table].get(*id).cloned()).collect())
    }

    async fn books_to_change(&mut self, user_ids: &[String]) -> Answer<BooksPage> {
        let mut all = BooksPage::default();
        for user_id in user_ids {
            all.books.extend(self.books(&UserRange::User(user_id.clone())).await?.books);
        }
        Ok(all)
    }

    async fn rows_to_change(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        self.find_all(Credit, ids).await
    }
}

impl Views for Memory {
    async fn find(&mut self, table: TableName, id: &str) -> Answer<Option<Row>> {
        Ok(self.tables[&table].get(id).cloned())
    }

    async fn find_transaction(&mut self, number: &str) -> Answer<Option<Row>> {
        let has_it = |row: &Row| row.text("transactionNo") == Some(number);
        Ok(self.newest(Credit, has_it).into_iter().next())
    }

    async fn users(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        self.find_all(User, ids).await
    }

    async fn active_tasks(&mut self, user_id: &str, statuses: &[String]) -> Answer<Vec<Row>> {
        let is_active = |row: &Row| statuses.iter().any(|it| row.text("status") == Some(it));
        Ok(self.tasks_of(user_id).into_iter().filter(is_active).collect())
    }

    async fn has_active_task(&mut self, user_id: &str, statuses: &[String]) -> Answer<bool> {
        Ok(!self.active_tasks(user_id, statuses).await?.is_empty())
    }

    async fn task_history(&mut self, user_id: &str, page: Page) -> Answer<(Vec<Row>, i64)> {
        let tasks = self.tasks_of(user_id);
        let total = i64::try_from(tasks.len()).unwrap();
        Ok((window(tasks, page.window()), total))
    }

    async fn balance(&mut self, user_id: &str, now_ms: i64) -> Answer<i64> {
        Ok(self.spendable(user_id, now_ms).iter().map(|grant| grant.remaining).sum())
    }

    async fn all_spendable_grants(&mut self, user_id: &str, now_ms: i64) -> Answer<Vec<Grant>> {
        Ok(self.spendable(user_id, now_ms))
    }

    async fn list(&mut self, filter: &Filter, page: Page) -> Answer<Vec<Row>> {
        let matches = |row: &Row| {
            let value = |column: &str| {
                let at = row.table.columns.iter().position(|found| found.name == column)?;
                row.values[at].as_text()
            };
            filter.equal.iter().all(|(column, wanted)| value(column) == Some(wanted))
        };
        Ok(window(self.newest(filter.table, matches), page.window()))
    }

    async fn count(&mut self, filter: &Filter) -> Answer<i64> {
        let all = self.list(filter, Page::whole(1, i64::from(i32::MAX))).await?;
        Ok(i64::try_from(all.len()).unwrap())
    }

    async fn charges_about(
        &mut self,
        user_id: &str,
        charge_id: Option<&str>,
        text: &str,
    ) -> Answer<Vec<Row>> {
        let mut rows = self.newest(Credit, |row| {
            let is_named = row.text("id") == charge_id && charge_id.is_some();
            row.text("userId") == Some(user_id)
                && row.text("transactionType") == Some("consume")
                && (is_named || row.text("metadata").is_some_and(|it| it.contains(text)))
        });
        rows.reverse();
        Ok(rows)
    }

    async fn stuck_tasks(&mut self, filter: &StuckFilter, now_ms: i64) -> Answer<Vec<Row>> {
        let before_ms = now_ms - filter.older_than_ms;
        let mut rows = self.newest(Tasks(filter.kind), |row| {
            let is_in_state = filter.statuses.iter().any(|it| row.text("status") == Some(it));
            is_in_state && time(row, "updatedAt").is_none_or(|time_ms| time_ms < before_ms)
        });
        rows.sort_by_key(|row| (time(row, "updatedAt"), row.text("id").map(str::to_owned)));
        let (limit, offset) = (i64::from(filter.limit), i64::from(filter.skip));
        Ok(window(rows, Window { limit, offset }))
    }
}
