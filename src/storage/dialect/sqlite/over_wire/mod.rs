//! A store over any [`Wire`]: it reads a request's facts in one round trip where possible, and writes
//! everything in one. The store of a file (`storage/sqlite/`) has no round trips to save: it runs one query
//! after the other, and caches grants.

mod facts;
mod write;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::Statement;
use super::books::{TABLES, Users, enter, owner, read_user, rows_of};
use super::cell::SelectedRow as _;
use super::facts::{
    charge, read_charge, read_grant, read_whole_grant, spendable_grants, whole_grants,
};
use super::rows::{RowTexts, read_row};
use super::spent;
use super::views::{Rows, balance, held};
use super::wire::{OwnedRow, Wire};
use crate::domain::audit::Owners;
use crate::domain::books::RowId;
use crate::domain::charge::Charge;
use crate::domain::expiring::{Expiring, ExpiringQuery};
use crate::domain::grant::Grant;
use crate::domain::table::TableName::{self, Credit, User};
use crate::error::{Error, Result};
use crate::storage::books::{BooksPage, UserRange};
use crate::storage::failure::Answer;
use crate::storage::schema::Table;
use crate::storage::store::{Extent, ReadBooks, Views};
use crate::storage::times::TimestampUnit;
use crate::storage::{Filter, Page, Row, StuckFilter, Window};

/// A store over a wire.
pub struct OverWire {
    wire: Box<dyn Wire>,
    texts: RowTexts,
    /// Queries about a charge and its grants that were sent along with others, and their results. If the
    /// results are used, the write depends on them.
    charge_asked: Option<(Statement<'static>, Vec<OwnedRow>)>,
    grants_asked: Option<(Statement<'static>, Vec<OwnedRow>)>,
}

/// The results of queries, in order.
struct Answers(std::vec::IntoIter<Vec<OwnedRow>>);

impl Answers {
    fn rows(&mut self) -> Answer<Vec<OwnedRow>> {
        let short = || Error::Internal("the database sent fewer replies than expected".to_owned());
        Ok(self.0.next().ok_or_else(short)?)
    }

    fn first(&mut self) -> Answer<Option<OwnedRow>> {
        Ok(self.rows()?.into_iter().next())
    }

    /// The first column, as texts.
    fn texts(&mut self) -> Answer<BTreeSet<String>> {
        let text = |row: &OwnedRow| row.cell(0).into_text().map(Cow::into_owned);
        Ok(self.rows()?.iter().filter_map(text).collect())
    }

    fn any(&mut self) -> Answer<bool> {
        Ok(!self.rows()?.is_empty())
    }

    fn whole(&mut self) -> Answer<i64> {
        Ok(self.first()?.and_then(|row| row.cell(0).whole()).unwrap_or(0))
    }
}

impl OverWire {
    /// A store over this wire.
    pub fn new(wire: impl Wire + 'static) -> Self {
        Self {
            wire: Box::new(wire),
            texts: RowTexts::default(),
            charge_asked: None,
            grants_asked: None,
        }
    }

    async fn ask(&mut self, asked: &[Statement<'_>], doing: &'static str) -> Answer<Answers> {
        if asked.is_empty() {
            return Ok(Answers(Vec::new().into_iter()));
        }
        Ok(Answers(self.wire.ask(asked, doing).await?.into_iter()))
    }

    /// The same for queries that decide a change.
    async fn decide(&mut self, asked: &[Statement<'_>], doing: &'static str) -> Answer<Answers> {
        if asked.is_empty() {
            return Ok(Answers(Vec::new().into_iter()));
        }
        let answers = self.ask_to_decide(asked, doing).await?;
        asked.iter().zip(&answers).for_each(|(asked, rows)| self.wire.rely_on(asked, rows));
        Ok(Answers(answers.into_iter()))
    }

    /// The same if only some of the results decide.
    async fn ask_to_decide(
        &mut self,
        asked: &[Statement<'_>],
        doing: &'static str,
    ) -> Answer<Vec<Vec<OwnedRow>>> {
        self.wire.before_deciding().await?;
        self.wire.ask(asked, doing).await
    }

    async fn charge_with_id(&mut self, id: Option<&str>) -> Answer<Option<Charge>> {
        let Some(id) = id else { return Ok(None) };
        let row = self.decide(&[charge(id)], "reading a charge").await?.first()?;
        Ok(row.map(|row| read_charge(&row, id)).transpose()?)
    }

    /// Keeps the queries about a charge and its grants, and reads both.
    fn keep_charge(
        &mut self,
        asked: &[Statement<'_>],
        answers: Vec<Vec<OwnedRow>>,
        id: Option<&str>,
    ) -> Answer<(Option<Charge>, Vec<Grant>)> {
        let mut kept = asked.iter().map(Statement::to_owned).zip(answers);
        self.charge_asked = kept.next();
        self.grants_asked = kept.next();
        let row = self.charge_asked.as_ref().and_then(|(_, rows)| rows.first());
        // An unreadable charge is an error only where it is needed.
        let charge = row.zip(id).and_then(|(row, id)| read_charge(row, id).ok());
        let grants = self.grants_asked.as_ref().map(|(_, rows)| self.grants(rows));
        Ok((charge, grants.transpose()?.unwrap_or_default()))
    }

    fn rely_on_charge(&mut self) {
        if let Some((asked, rows)) = self.charge_asked.take() {
            self.wire.rely_on(&asked, &rows);
        }
    }

    fn grants(&self, rows: &[OwnedRow]) -> Answer<Vec<Grant>> {
        self.grants_to(Extent::Plain, rows)
    }

    fn grants_to(&self, extent: Extent, rows: &[OwnedRow]) -> Answer<Vec<Grant>> {
        let unit = self.wire.schema()?.timestamp_unit;
        let read = match extent {
            Extent::Plain => read_grant,
            Extent::WithProvenance => read_whole_grant,
        };
        Ok(rows.iter().filter_map(|row| read(row, unit)).collect())
    }

    /// These rows, in order.
    async fn rows(&mut self, rows: Rows<'_>) -> Answer<Vec<Row>> {
        let table = Arc::clone(self.wire.schema()?.table(rows.table)?);
        let whole = rows.keys(&table.select_list);
        let found = self.ask(&[whole], "reading").await?.rows()?;
        self.read_rows(&found, &table)
    }

    fn read_rows(&self, found: &[OwnedRow], table: &Arc<Table>) -> Answer<Vec<Row>> {
        let unit = self.wire.schema()?.timestamp_unit;
        Ok(found.iter().map(|row| read_row(row, table, unit)).collect())
    }

    async fn books_of(&mut self, users: &Users) -> Answer<BooksPage> {
        let (tables, asked) = self.about_books(users)?;
        let answers = self.ask(&asked, "reading the books").await?;
        self.read_books(&tables, answers)
    }

    /// The tables that exist, with the query for each.
    fn about_books<'u>(&self, users: &'u Users) -> Result<(Vec<TableName>, Vec<Statement<'u>>)> {
        let schema = self.wire.schema()?;
        let there = TABLES.into_iter().filter(|table| schema.table(*table).is_ok());
        let there: Vec<TableName> = there.collect();
        let asked = there.iter().map(|table| rows_of(schema, *table, users)).collect::<Result<_>>();
        Ok((there, asked?))
    }

    fn read_books(&self, there: &[TableName], mut answers: Answers) -> Answer<BooksPage> {
        let unit = self.wire.schema()?.timestamp_unit;
        let mut page = BooksPage::default();
        for table in there {
            answers.rows()?.iter().for_each(|row| enter(&mut page, *table, row, unit));
        }
        Ok(page)
    }

    /// The users of a page, and the last of them if more may follow.
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
        // Invalid UTF-8 may sort differently after it was read and replaced.
        let last = last.filter(|last| after.is_none_or(|after| last.as_str() > after));
        Ok(match &last {
            Some(user_id) => (users.up_to(user_id.clone()), last),
            None => (users, None),
        })
    }
}

#[async_trait]
impl ReadBooks for OverWire {
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
            let users = Users::one(user_id);
            let (tables, asked) = self.about_books(&users)?;
            let answers = self.decide(&asked, "reading the books").await?;
            let page = self.read_books(&tables, answers)?;
            all.credit_rows += page.credit_rows;
            all.books.extend(page.books);
        }
        Ok(all)
    }

    async fn rows_to_change(&mut self, ids: &[&str]) -> Answer<Vec<Row>> {
        let table = Arc::clone(self.wire.schema()?.table(Credit)?);
        let rows = Rows::with_ids(Credit, ids).keys(&table.select_list);
        let found = self.decide(&[rows], "reading").await?.rows()?;
        self.read_rows(&found, &table)
    }
}

/// Selects a user's spendable grants, with or without provenance, at a time in this unit.
fn grants_of(user_id: &str, extent: Extent, (now_ms, unit): (i64, TimestampUnit)) -> Statement<'_> {
    match extent {
        Extent::Plain => spendable_grants(user_id, now_ms, unit),
        Extent::WithProvenance => whole_grants(user_id, now_ms, unit),
    }
}

#[async_trait]
impl Views for OverWire {
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
        let schema = self.wire.schema()?;
        let total = Rows::tasks(schema, user_id)?.count();
        let tasks = Rows::tasks(schema, user_id)?.within(page.window());
        let table = Arc::clone(schema.table(tasks.table)?);
        // Together, so that they come from one snapshot.
        let mut answers = self.ask(&[total, tasks.keys(&table.select_list)], "reading").await?;
        let total = answers.whole()?;
        Ok((self.read_rows(&answers.rows()?, &table)?, total))
    }

    async fn balance(&mut self, user_id: &str, now_ms: i64) -> Answer<i64> {
        let unit = self.wire.schema()?.timestamp_unit;
        self.ask(&[balance(user_id, now_ms, unit)], "reading the balance").await?.whole()
    }

    async fn all_spendable_grants(
        &mut self,
        user_id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<Vec<Grant>> {
        let grants = grants_of(user_id, extent, (now_ms, self.wire.schema()?.timestamp_unit));
        let rows = self.ask(&[grants], "reading grants").await?.rows()?;
        self.grants_to(extent, &rows)
    }

    async fn spendable_and_held(
        &mut self,
        user_id: &str,
        extent: Extent,
        now_ms: i64,
    ) -> Answer<(Vec<Grant>, i64)> {
        let grants = grants_of(user_id, extent, (now_ms, self.wire.schema()?.timestamp_unit));
        // Together, so that they come from one snapshot.
        let mut answers = self.ask(&[grants, held(user_id)], "reading grants").await?;
        let grants = answers.rows()?;
        Ok((self.grants_to(extent, &grants)?, answers.whole()?))
    }

    async fn ended_holds(&mut self, window: Window, now_ms: i64) -> Answer<Vec<Row>> {
        let unit = self.wire.schema()?.timestamp_unit;
        self.rows(Rows::ended_holds(window, now_ms, unit)).await
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

    async fn expiring(&mut self, query: &ExpiringQuery, now_ms: i64) -> Answer<Vec<Expiring>> {
        let unit = self.wire.schema()?.timestamp_unit;
        let asked = [spent::expiring(query, now_ms, unit)];
        let rows = self.ask(&asked, "reading grants").await?.rows()?;
        Ok(rows.iter().filter_map(|row| spent::read_expiring(row, unit)).collect())
    }

    async fn stuck_tasks(&mut self, filter: &StuckFilter, now_ms: i64) -> Answer<Vec<Row>> {
        let unit = self.wire.schema()?.timestamp_unit;
        self.rows(Rows::stuck_tasks(filter, now_ms, unit)).await
    }
}
