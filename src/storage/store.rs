//! What the engine asks of a database, in the domain's nouns: facts, plans to write, and what pages show.
//!
//! A store is one database for the time of one request: a connection, with a transaction that begins when the
//! first facts are asked for. Each question is one round trip at most, and asks for all that a decision needs.
//! A store that waits for nothing (SQLite, memory) answers with futures that are ready.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::account::{Account, Pick, WantedAccount};
use super::books::{BooksPage, UserRange};
use super::failure::{Answer, Failure};
use super::schema::Schema;
use super::{Filter, Page, Row, StuckFilter, Window};
use crate::domain::audit::Owners;
use crate::domain::books::RowId;
use crate::domain::charge::{Charge, ChargeFacts};
use crate::domain::expiring::{Expiring, ExpiringQuery};
use crate::domain::grant::{Grant, GrantFacts, NewGrant, total_remaining};
use crate::domain::paying::Paying;
use crate::domain::plan::Plan;
use crate::domain::refundable::Refundable;
use crate::domain::spending::{Spending, Spent};
use crate::domain::table::{TableName, TaskKind};
use crate::domain::task::TaskFacts;
use crate::error::{Error, Result};

/// A database, as far as the engine knows one.
///
/// The engine calls it by a table of methods, so that its code is compiled once, for all of them.
pub trait Store: LoadFacts + WritePlans + ReadBooks + Views {}

impl<S: LoadFacts + WritePlans + ReadBooks + Views> Store for S {}

impl dyn Store + '_ {
    /// A refusal has written nothing, but a transaction may have begun, which ends with it.
    pub fn or_roll_back<T>(&mut self, planned: Result<T>) -> Answer<T> {
        planned.map_err(|refusal| {
            self.roll_back();
            Failure::Refused(refusal)
        })
    }
}

/// What decides on a change. The first question begins a transaction; what it finds is locked until the plan
/// is written, or [`WritePlans::roll_back`].
#[async_trait]
pub trait LoadFacts: Send {
    /// The tables.
    fn schema(&self) -> Result<&Schema>;
    /// What decides on charges and new tasks.
    async fn charge_facts(&mut self, wanted: &Wanted<'_>, now_ms: i64) -> Answer<Facts>;
    /// What decides on a change of a task. `None`: there is no such task.
    async fn task_facts(
        &mut self,
        wanted: &WantedTask<'_>,
        now_ms: i64,
    ) -> Answer<Option<FoundTask>>;
    /// What decides on a refund of this charge: it, and grants that it drew on, as far as they come with it.
    async fn refund_facts(&mut self, charge_id: &str) -> Answer<(Option<Charge>, Vec<Grant>)>;
    /// What decides on a new grant.
    async fn grant_facts(&mut self, grant: &NewGrant) -> Answer<GrantFacts>;
    /// What decides on a change of accounts, its rows in any order.
    async fn account(&mut self, wanted: &WantedAccount<'_>) -> Answer<Account>;

    /// Then: more rows of this user, in any order.
    async fn rows_of(&mut self, user_id: &str, picks: &[Pick<'_>]) -> Answer<Vec<Row>>;
    /// Then: the charge with this id. `found` is the one that came with the facts.
    async fn charge(&mut self, id: Option<&str>, found: Option<Charge>) -> Answer<Option<Charge>>;
    /// Then: the grants that a charge drew on, those that its user still has. `found` came with the facts.
    async fn grants_drawn_on(
        &mut self,
        refundable: &Refundable,
        found: Vec<Grant>,
    ) -> Answer<Vec<Grant>>;
    /// Then: what this user can spend, in the default order: all of it, or as many grants as cover so many credits if
    /// their provenance is not asked for.
    async fn grants_to_draw(
        &mut self,
        user_id: &str,
        credits: (i64, Extent),
        now_ms: i64,
    ) -> Answer<Vec<Grant>>;
    /// Then: what this user has spent, of each of these.
    async fn spent(&mut self, user_id: &str, spending: &[Spending]) -> Answer<Vec<Vec<Spent>>>;
    /// Then: whether there is such a task, in a table that is there.
    async fn has_task(&mut self, kind: TaskKind, id: &str) -> Answer<bool>;
}

/// How a change ends.
#[async_trait]
pub trait WritePlans: Send {
    /// Writes plans, all or none, and commits if the transaction is this request's alone. The rows that the
    /// plans reply with. A statement that changes other rows than planned is a failure.
    async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Answer<Written>;
    /// Ends a transaction in which nothing was written, without an answer. The store can't be used any more,
    /// if the transaction was this request's alone.
    fn roll_back(&mut self);
}

/// Whole books, for audits, statements and repairs.
#[async_trait]
pub trait ReadBooks: Send {
    /// Begins a snapshot with some users' books. Then follows [`Self::owners`] or [`Self::find_all`], which
    /// end it.
    async fn books(&mut self, range: &UserRange) -> Answer<BooksPage>;
    /// Whose these rows are, those that are there. Ends the snapshot.
    async fn owners(&mut self, rows: &[RowId]) -> Answer<Owners>;
    /// The rows with these ids, in any order. Ends the snapshot.
    async fn find_all(&mut self, table: TableName, ids: &[&str]) -> Answer<Vec<Row>>;

    /// Begins a transaction with the books of these users, whose credits nothing else changes meanwhile.
    async fn books_to_change(&mut self, user_ids: &[String]) -> Answer<BooksPage>;
    /// Inside a transaction: the rows of `credit` with these ids, in any order.
    async fn rows_to_change(&mut self, ids: &[&str]) -> Answer<Vec<Row>>;
}

/// What an app's pages read, each from one snapshot of the database.
#[async_trait]
pub trait Views: Send {
    /// The row with this id.
    async fn find(&mut self, table: TableName, id: &str) -> Answer<Option<Row>>;
    /// The row of `credit` with this transaction number.
    async fn find_transaction(&mut self, transaction_no: &str) -> Answer<Option<Row>>;
    /// The users with these ids, in any order.
    async fn users(&mut self, ids: &[&str]) -> Answer<Vec<Row>>;
    /// The user's media tasks in one of these states, newest first.
    async fn active_tasks(&mut self, user_id: &str, statuses: &[String]) -> Answer<Vec<Row>>;
    /// Whether there is such a task.
    async fn has_active_task(&mut self, user_id: &str, statuses: &[String]) -> Answer<bool>;
    /// A page of the user's media tasks, newest first, without deleted ones, and how many all pages have.
    async fn task_history(&mut self, user_id: &str, page: Page) -> Answer<(Vec<Row>, i64)>;
    /// What the user can spend now.
    async fn balance(&mut self, user_id: &str, now_ms: i64) -> Answer<i64>;
    /// All that the user can spend now, in the default order.
    async fn all_spendable_grants(
        &mut self,
        user_id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<Vec<Grant>>;
    /// The same, and how many credits holds have taken from the user.
    async fn spendable_and_held(
        &mut self,
        user_id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<(Vec<Grant>, i64)>;
    /// Holds that are over, those that were so first.
    async fn ended_holds(&mut self, window: Window, now_ms: i64) -> Answer<Vec<Row>>;
    /// A page of rows, newest first.
    async fn list(&mut self, filter: &Filter, page: Page) -> Answer<Vec<Row>>;
    /// How many rows all pages have.
    async fn count(&mut self, filter: &Filter) -> Answer<i64>;
    /// Charges of this user that may be a task's, oldest first: the one with this id, and those whose
    /// metadata holds this text.
    async fn charges_about(
        &mut self,
        user_id: &str,
        charge_id: Option<&str>,
        text: &str,
    ) -> Answer<Vec<Row>>;
    /// Users of whom credits end soon, by their ids.
    async fn expiring(&mut self, query: &ExpiringQuery, now_ms: i64) -> Answer<Vec<Expiring>>;
    /// Tasks that no worker has touched for long, oldest first.
    async fn stuck_tasks(&mut self, filter: &StuckFilter, now_ms: i64) -> Answer<Vec<Row>>;
}

/// How much of each grant is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What is left of it.
    Plain,
    /// And where it comes from.
    WithProvenance,
}

impl Extent {
    /// What is needed to choose which grants pay.
    pub fn of(paying: &Paying) -> Self {
        if paying.is_plain() { Self::Plain } else { Self::WithProvenance }
    }
}

/// Which credits may pay for charges of some users. It needs all grants of these, with their provenance.
pub type Choices<'w> = BTreeMap<&'w str, Vec<&'w Paying>>;

/// Whether these grants pay for charges of a user, whichever of them comes first.
pub fn cover(grants: &[Grant], credits: i64, choices: Option<&Vec<&Paying>>) -> bool {
    total_remaining(grants) >= credits
        && choices.into_iter().flatten().all(|paying| paying.available(grants) >= credits)
}

/// What some charges and new tasks are about.
#[derive(Debug, Default)]
pub struct Wanted<'w> {
    /// How many credits each user is to be charged.
    pub credits: BTreeMap<&'w str, i64>,
    /// Which credits may pay, where not all may, or in another order than the default one.
    pub choices: Choices<'w>,
    /// The kinds and ids of new tasks.
    pub tasks: Vec<(TaskKind, &'w str)>,
    /// The transaction numbers that callers chose.
    pub transaction_nos: Vec<&'w str>,
    /// Charges that new tasks name.
    pub charge_ids: Vec<&'w str>,
    /// Of which users the tasks of a kind are to be counted whose credits are at risk.
    pub active_of: BTreeMap<TaskKind, BTreeSet<&'w str>>,
    /// Of which users what they have spent is to be added up, each by itself.
    pub spending: BTreeMap<Spending, BTreeSet<&'w str>>,
    /// Of which users the free trials are to be counted.
    pub trials_of: BTreeSet<&'w str>,
    /// Whether something else than grants and keys that are taken refuses one of them. Which of both does, must be seen.
    pub refused: bool,
    /// Whether to wait for locks as long as the options say. Requests that have nothing to do with each other
    /// wait a moment: one whose user another process has locked must not hold up the others.
    pub full_timeout: bool,
}

/// What decides on them, all of it locked.
#[derive(Debug, Default)]
pub struct Facts {
    /// The users who are there.
    pub users: BTreeSet<String>,
    /// The ids of tasks of a kind that are taken.
    pub tasks: BTreeMap<TaskKind, BTreeSet<String>>,
    /// The transaction numbers that are taken.
    pub transaction_nos: BTreeSet<String>,
    /// The charges that tasks name.
    pub charges: BTreeMap<String, Charge>,
    /// How many tasks of a kind a user has whose credits are at risk.
    pub active: BTreeMap<TaskKind, BTreeMap<String, i64>>,
    /// What users have spent: nothing, where one is not there.
    pub spent: BTreeMap<Spending, BTreeMap<String, Vec<Spent>>>,
    /// How many free trials a user has used.
    pub free_trials: BTreeMap<String, i64>,
    /// Spendable grants of each user in the default order: expiring first, then older ones, then by id; a grant that
    /// never expires comes last. All of them, with their provenance, where [`Wanted::choices`] has the user; else as many
    /// as cover what is wanted, or more.
    pub grants: BTreeMap<String, Vec<Grant>>,
}

/// What a change of a task is about.
#[derive(Debug)]
pub struct WantedTask<'w> {
    /// Its kind.
    pub kind: TaskKind,
    /// Its id.
    pub id: &'w str,
    /// The charge that the change names; else the task's own is looked at.
    pub credit_id: Option<&'w str>,
    /// A charge that the change makes.
    pub charge: Option<WantedCharge<'w>>,
}

/// A charge that a change of a task makes.
#[derive(Debug, Clone, Copy)]
pub struct WantedCharge<'w> {
    /// How many credits.
    pub credits: i64,
    /// The caller's own transaction number.
    pub transaction_no: Option<&'w str>,
    /// Which credits may pay.
    pub paying: &'w Paying,
}

/// What decides on it, all of it locked.
#[derive(Debug)]
pub struct FoundTask {
    /// The task.
    pub task: TaskFacts,
    /// The charge that is looked at, if it comes with the task.
    pub charge: Option<Charge>,
    /// Grants that it drew on, as far as they come with it.
    pub drawn_on: Vec<Grant>,
    /// What decides on a charge that the change makes.
    pub funds: ChargeFacts,
}

/// Rows that were written.
#[derive(Debug, Default)]
pub struct Written(BTreeMap<(TableName, String), Row>);

impl Written {
    /// Adds a row.
    pub fn insert(&mut self, table: TableName, id: String, row: Row) {
        self.0.insert((table, id), row);
    }

    /// The row that a plan replies with.
    pub fn take(&mut self, plan: &Plan) -> Result<Row> {
        let row = self.0.remove(&plan.reply);
        row.ok_or_else(|| Error::Internal("a written row did not come back".to_owned()))
    }
}
