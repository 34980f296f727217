//! A connection to the server, for one request: a store over its ledger.

use std::sync::Arc;

use async_trait::async_trait;

use media_credits::domain::audit::Owners;
use media_credits::domain::books::RowId;
use media_credits::domain::charge::Charge;
use media_credits::domain::expiring::{Expiring, ExpiringQuery};
use media_credits::domain::grant::{Grant, GrantFacts, NewGrant};
use media_credits::domain::plan::Plan;
use media_credits::domain::refundable::Refundable;
use media_credits::domain::spending::{Spending, Spent};
use media_credits::domain::table::{TableName, TaskKind};
use media_credits::error::Result;
use media_credits::storage::account::{Account, Pick, WantedAccount};
use media_credits::storage::books::{BooksPage, UserRange};
use media_credits::storage::failure::Answer;
use media_credits::storage::schema::Schema;
use media_credits::storage::store::{
    Extent, Facts, FoundTask, LoadFacts, ReadBooks, Views, Wanted, WantedTask, WritePlans, Written,
};
use media_credits::storage::{Filter, Page, Row, StuckFilter, Window};
use tokio::sync::OwnedMutexGuard;

use super::faults::At;
use super::server::Database;
use crate::memory::Memory;

/// One transaction, which has the ledger alone from the first read until it ends or is dropped.
pub(crate) struct Session {
    database: Arc<Database>,
    ledger: Option<OwnedMutexGuard<Memory>>,
    ended: bool,
}

impl Session {
    pub(super) fn new(database: &Arc<Database>) -> Self {
        Self { database: Arc::clone(database), ledger: None, ended: false }
    }

    async fn ledger(&mut self) -> Answer<&mut Memory> {
        assert!(!self.ended, "the transaction has ended");
        if self.ledger.is_none() {
            self.database.faults.reach(At::Question)?;
            self.ledger = Some(Arc::clone(&self.database.ledger).lock_owned().await);
        }
        Ok(self.ledger.as_mut().expect("a transaction"))
    }
}

/// A part of a store: reads that the ledger answers, after the store's own methods.
macro_rules! ask {
    ($part:ident, { $($own:tt)* } $(fn $name:ident($($given:ident: $kind:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl $part for Session {
            $($own)*

            $(async fn $name(&mut self, $($given: $kind),*) -> Answer<$answer> {
                self.ledger().await?.$name($($given),*).await
            })*
        }
    };
}

ask! {
    LoadFacts, {
        fn schema(&self) -> Result<&Schema> {
            Ok(&self.database.schema)
        }
    }
    fn charge_facts(wanted: &Wanted<'_>, now_ms: i64) -> Facts;
    fn task_facts(wanted: &WantedTask<'_>, now_ms: i64) -> Option<FoundTask>;
    fn refund_facts(charge_id: &str) -> (Option<Charge>, Vec<Grant>);
    fn grant_facts(grant: &NewGrant) -> GrantFacts;
    fn account(wanted: &WantedAccount<'_>) -> Account;
    fn rows_of(user_id: &str, picks: &[Pick<'_>]) -> Vec<Row>;
    fn charge(id: Option<&str>, found: Option<Charge>) -> Option<Charge>;
    fn grants_drawn_on(refundable: &Refundable, found: Vec<Grant>) -> Vec<Grant>;
    fn grants_to_draw(user_id: &str, credits: (i64, Extent), now_ms: i64) -> Vec<Grant>;
    fn spent(user_id: &str, spending: &[Spending]) -> Vec<Vec<Spent>>;
    fn has_task(kind: TaskKind, id: &str) -> bool;
}

#[async_trait]
impl WritePlans for Session {
    async fn write(&mut self, plans: &[&Plan], now_ms: i64) -> Answer<Written> {
        assert!(!self.ended, "the transaction has ended");
        self.ended = true;
        let mut ledger = self.ledger.take().expect("a transaction");
        self.database.faults.reach(At::Commit)?;
        let written = ledger.write(plans, now_ms).await?;
        self.database.faults.reach(At::Committed)?;
        Ok(written)
    }

    fn roll_back(&mut self) {
        self.ended = true;
        self.ledger = None;
    }
}

ask! {
    ReadBooks, {}
    fn books(range: &UserRange) -> BooksPage;
    fn owners(rows: &[RowId]) -> Owners;
    fn find_all(table: TableName, ids: &[&str]) -> Vec<Row>;
    fn books_to_change(user_ids: &[String]) -> BooksPage;
    fn rows_to_change(ids: &[&str]) -> Vec<Row>;
}

ask! {
    Views, {
        async fn find(&mut self, table: TableName, id: &str) -> Answer<Option<Row>> {
            self.database.faults.reach(At::Find)?;
            self.ledger().await?.find(table, id).await
        }
    }
    fn find_transaction(transaction_no: &str) -> Option<Row>;
    fn users(ids: &[&str]) -> Vec<Row>;
    fn active_tasks(user_id: &str, statuses: &[String]) -> Vec<Row>;
    fn has_active_task(user_id: &str, statuses: &[String]) -> bool;
    fn task_history(user_id: &str, page: Page) -> (Vec<Row>, i64);
    fn balance(user_id: &str, now_ms: i64) -> i64;
    fn all_spendable_grants(user_id: &str, extent: Extent, now_ms: i64) -> Vec<Grant>;
    fn spendable_and_held(user_id: &str, extent: Extent, now_ms: i64) -> (Vec<Grant>, i64);
    fn ended_holds(window: Window, now_ms: i64) -> Vec<Row>;
    fn list(filter: &Filter, page: Page) -> Vec<Row>;
    fn count(filter: &Filter) -> i64;
    fn charges_about(user_id: &str, charge_id: Option<&str>, text: &str) -> Vec<Row>;
    fn expiring(query: &ExpiringQuery, now_ms: i64) -> Vec<Expiring>;
    fn stuck_tasks(filter: &StuckFilter, now_ms: i64) -> Vec<Row>;
}
