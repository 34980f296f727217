//! The engine's interface to a database, in the domain's terms: facts, plans to write, and reads for pages.
//!
//! A store is a database for one request: a connection, with a transaction that begins with the first query
//! for facts. Each method takes at most one round trip, and loads everything that a decision needs. A store
//! that never waits (SQLite, memory) returns futures that are ready.

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

/// A database, as the engine uses it.
///
/// The engine calls it through a `dyn` reference, so that its code is compiled once for all stores.
pub trait Store: LoadFacts + WritePlans + ReadBooks + Views {}

impl<S: LoadFacts + WritePlans + ReadBooks + Views> Store for S {}

impl dyn Store + '_ {
    /// If the domain rejects a request, nothing was written, but a transaction may be open: this ends it.
    pub fn or_roll_back<T>(&mut self, planned: Result<T>) -> Answer<T> {
        planned.map_err(|refusal| {
            self.roll_back();
            Failure::Refused(refusal)
        })
    }
}

/// The facts that decide a change. The first call begins a transaction; what it reads is locked until the
/// plan is written, or until [`WritePlans::roll_back`].
#[async_trait]
pub trait LoadFacts: Send {
    /// The tables.
    fn schema(&self) -> Result<&Schema>;
    /// The facts that decide charges and new tasks.
    async fn charge_facts(&mut self, wanted: &Wanted<'_>, now_ms: i64) -> Answer<Facts>;
    /// The facts that decide a change of a task; `None` if there is no such task.
    async fn task_facts(
        &mut self,
        wanted: &WantedTask<'_>,
        now_ms: i64,
    ) -> Answer<Option<FoundTask>>;
    /// The facts that decide a refund of this charge: the charge, and those grants that it drew on that are
    /// read with it.
    async fn refund_facts(&mut self, charge_id: &str) -> Answer<(Option<Charge>, Vec<Grant>)>;
    /// The facts that decide a new grant.
    async fn grant_facts(&mut self, grant: &NewGrant) -> Answer<GrantFacts>;
    /// The facts that decide a change of grants, with rows in any order.
    async fn account(&mut self, wanted: &WantedAccount<'_>) -> Answer<Account>;

    /// Afterwards: more rows of this user, in any order.
    async fn rows_of(&mut self, user_id: &str, picks: &[Pick<'_>]) -> Answer<Vec<Row>>;
    /// Afterwards: the charge with this id. `found` is the one that was loaded with the facts.
    async fn charge(&mut self, id: Option<&str>, found: Option<Charge>) -> Answer<Option<Charge>>;
    /// Afterwards: the grants that a charge drew on and that its user still has. `found` was loaded with the
    /// facts.
    async fn grants_drawn_on(
        &mut self,
        refundable: &Refundable,
        found: Vec<Grant>,
    ) -> Answer<Vec<Grant>>;
    /// Afterwards: this user's spendable grants, in default order: all of them, or, without provenance, as
    /// many as cover this many credits.
    async fn grants_to_draw(
        &mut self,
        user_id: &str,
        credits: (i64, Extent),
        now_ms: i64,
    ) -> Answer<Vec<Grant>>;
    /// Afterwards: this user's spending, for each of these.
    async fn spent(&mut self, user_id: &str, spending: &[Spending]) -> Answer<Vec<Vec<Spent>>>;
    /// Afterwards: whether there is such a task. False if its table does not exist.
    async fn has_task(&mut self, kind: TaskKind, id: &str) -> Answer<bool>;
}

/// The end of a change.
#[async_trait]
pub trait WritePlans: Send {
    /// Writes plans, all or none, and commits if the transaction belongs to this request alone. Returns the
    /// rows that the plans name for the reply. A statement that changes other rows than planned is a failure.
    async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Answer<Written>;
    /// Ends a transaction in which nothing was written, without waiting. If the transaction belongs to this
    /// request alone, the store can't be used afterwards.
    fn roll_back(&mut self);
}

/// Whole accounts, for audits, statements and repairs.
#[async_trait]
pub trait ReadBooks: Send {
    /// Begins a snapshot and reads some users' accounts. [`Self::owners`] or [`Self::find_all`] must follow,
    /// which ends it.
    async fn books(&mut self, range: &UserRange) -> Answer<BooksPage>;
    /// The users of those of these rows that exist. Ends the snapshot.
    async fn owners(&mut self, rows: &[RowId]) -> Answer<Owners>;
    /// The rows with these ids, in any order. Ends the snapshot.
    async fn find_all(&mut self, table: TableName, ids: &[&str]) -> Answer<Vec<Row>>;

    /// Begins a transaction and reads the accounts of these users, whose credits nothing else can change
    /// meanwhile.
    async fn books_to_change(&mut self, user_ids: &[String]) -> Answer<BooksPage>;
    /// Inside a transaction: the rows of `credit` with these ids, in any order.
    async fn rows_to_change(&mut self, ids: &[&str]) -> Answer<Vec<Row>>;
}

/// Reads for an app's pages, each from one snapshot.
#[async_trait]
pub trait Views: Send {
    /// The row with this id.
    async fn find(&mut self, table: TableName, id: &str) -> Answer<Option<Row>>;
    /// The row of `credit` with this transaction number.
    async fn find_transaction(&mut self, transaction_no: &str) -> Answer<Option<Row>>;
    /// The users with these ids, in any order.
    async fn users(&mut self, ids: &[&str]) -> Answer<Vec<Row>>;
    /// The user's media tasks with one of these statuses, newest first.
    async fn active_tasks(&mut self, user_id: &str, statuses: &[String]) -> Answer<Vec<Row>>;
    /// Whether there is such a task.
    async fn has_active_task(&mut self, user_id: &str, statuses: &[String]) -> Answer<bool>;
    /// A page of the user's media tasks, newest first, without deleted ones, and the total number.
    async fn task_history(&mut self, user_id: &str, page: Page) -> Answer<(Vec<Row>, i64)>;
    /// The user's balance.
    async fn balance(&mut self, user_id: &str, now_ms: i64) -> Answer<i64>;
    /// All spendable grants of the user, in default order.
    async fn all_spendable_grants(
        &mut self,
        user_id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<Vec<Grant>>;
    /// The same, and the number of credits in holds.
    async fn spendable_and_held(
        &mut self,
        user_id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<(Vec<Grant>, i64)>;
    /// Holds that have ended, earliest end first.
    async fn ended_holds(&mut self, window: Window, now_ms: i64) -> Answer<Vec<Row>>;
    /// A page of rows, newest first.
    async fn list(&mut self, filter: &Filter, page: Page) -> Answer<Vec<Row>>;
    /// The number of rows on all pages.
    async fn count(&mut self, filter: &Filter) -> Answer<i64>;
    /// A user's charges that may belong to a task, oldest first: the one with this id, and those whose
    /// metadata contains this text.
    async fn charges_about(
        &mut self,
        user_id: &str,
        charge_id: Option<&str>,
        text: &str,
    ) -> Answer<Vec<Row>>;
    /// Users with expiring credits, in the order of their ids.
    async fn expiring(&mut self, query: &ExpiringQuery, now_ms: i64) -> Answer<Vec<Expiring>>;
    /// Tasks that no worker has touched for a while, oldest first.
    async fn stuck_tasks(&mut self, filter: &StuckFilter, now_ms: i64) -> Answer<Vec<Row>>;
}

/// Which columns of a grant are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Without its provenance.
    Plain,
    /// With its provenance.
    WithProvenance,
}

impl Extent {
    /// The columns that are needed to choose the grants that pay.
    pub fn of(paying: &Paying) -> Self {
        if paying.is_plain() { Self::Plain } else { Self::WithProvenance }
    }
}

/// Which grants may pay for charges of some users. All grants of these users are needed, with their
/// provenance.
pub type Choices<'w> = BTreeMap<&'w str, Vec<&'w Paying>>;

/// Whether these grants cover all charges of a user, in any order of the charges.
pub fn cover(grants: &[Grant], credits: i64, choices: Option<&Vec<&Paying>>) -> bool {
    total_remaining(grants) >= credits
        && choices.into_iter().flatten().all(|paying| paying.available(grants) >= credits)
}

/// The facts that some charges and new tasks need.
#[derive(Debug, Default)]
pub struct Wanted<'w> {
    /// The number of credits to charge each user.
    pub credits: BTreeMap<&'w str, i64>,
    /// Which grants may pay, unless all may in the default order.
    pub choices: Choices<'w>,
    /// The kinds and ids of new tasks.
    pub tasks: Vec<(TaskKind, &'w str)>,
    /// The callers' own transaction numbers.
    pub transaction_nos: Vec<&'w str>,
    /// The charges that new tasks refer to.
    pub charge_ids: Vec<&'w str>,
    /// The users whose unfinished tasks of a kind are counted.
    pub active_of: BTreeMap<TaskKind, BTreeSet<&'w str>>,
    /// The users whose spending is needed.
    pub spending: BTreeMap<Spending, BTreeSet<&'w str>>,
    /// The users whose used free trials are needed.
    pub trials_of: BTreeSet<&'w str>,
    /// Whether a request may be rejected for another reason than grants and keys. Then the facts must be read
    /// to decide.
    pub refused: bool,
    /// Whether to wait for locks as long as the options say. Unrelated requests wait only briefly: one whose
    /// user is locked by another process must not delay the others.
    pub full_timeout: bool,
}

/// The facts of charges and new tasks, all locked.
#[derive(Debug, Default)]
pub struct Facts {
    /// The users that exist.
    pub users: BTreeSet<String>,
    /// The ids of tasks that are in use, by kind.
    pub tasks: BTreeMap<TaskKind, BTreeSet<String>>,
    /// The transaction numbers that are in use.
    pub transaction_nos: BTreeSet<String>,
    /// The charges that tasks refer to.
    pub charges: BTreeMap<String, Charge>,
    /// Users' numbers of unfinished tasks, by kind.
    pub active: BTreeMap<TaskKind, BTreeMap<String, i64>>,
    /// Users' spending. Users without any are missing.
    pub spent: BTreeMap<Spending, BTreeMap<String, Vec<Spent>>>,
    /// Users' numbers of used free trials.
    pub free_trials: BTreeMap<String, i64>,
    /// Spendable grants of each user in default order: by expiry, then age, then id; grants that never expire
    /// come last. For users in [`Wanted::choices`] all of them, with their provenance; for others at least as
    /// many as cover the charge.
    pub grants: BTreeMap<String, Vec<Grant>>,
}

/// The facts that a change of a task needs.
#[derive(Debug)]
pub struct WantedTask<'w> {
    /// Its kind.
    pub kind: TaskKind,
    /// Its id.
    pub id: &'w str,
    /// The charge that the change sets; `None` means the task's own.
    pub credit_id: Option<&'w str>,
    /// A charge made with the change.
    pub charge: Option<WantedCharge<'w>>,
}

/// A charge made with the change of a task.
#[derive(Debug, Clone, Copy)]
pub struct WantedCharge<'w> {
    /// The number of credits.
    pub credits: i64,
    /// The caller's own transaction number.
    pub transaction_no: Option<&'w str>,
    /// Which grants may pay.
    pub paying: &'w Paying,
}

/// The facts of the change of a task, all locked.
#[derive(Debug)]
pub struct FoundTask {
    /// The task.
    pub task: TaskFacts,
    /// The charge, if it was loaded with the task.
    pub charge: Option<Charge>,
    /// The grants that it drew on, as far as they were loaded with it.
    pub drawn_on: Vec<Grant>,
    /// The facts that decide the charge made with the change.
    pub funds: ChargeFacts,
}

/// The rows that were written.
#[derive(Debug, Default)]
pub struct Written(BTreeMap<(TableName, String), Row>);

impl Written {
    /// Adds a row.
    pub fn insert(&mut self, table: TableName, id: String, row: Row) {
        self.0.insert((table, id), row);
    }

    /// The row that a plan names for the reply.
    pub fn take(&mut self, plan: &Plan) -> Result<Row> {
        let row = self.0.remove(&plan.reply);
        row.ok_or_else(|| Error::Internal("a written row did not come back".to_owned()))
    }
}
