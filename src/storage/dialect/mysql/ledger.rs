//! Facts of the ledger: one round trip.
//!
//! All transactions lock in one order: the users by id, the task, the charge. Grants are read without locks: they
//! change only under the user's lock, and a draw is conditional on what was read. Locks on them could deadlock two
//! transactions, since a server locks rows in the order in which it finds them.
//!
//! A transaction of the app may have a snapshot that is older than the user's lock. There the facts are read with
//! locks, and so as they are now: each row by its id. A range condition would also lock the gaps, into which other
//! transactions insert.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use async_trait::async_trait;

use super::super::facts::{add_grants, add_spendable, add_whole_grants, read_spent, read_task};
use super::super::row::{SelectedRow, get, read_charges, read_grants};
use super::account::{account, rows_of};
use super::grants::{
    FEW, Which, complete, grants, grants_of, is_of_user, more, next_grants, next_spendable,
    spendable,
};
use super::limits::{Counts, spent_by};
use super::tables::Tables;
use super::wire::{Mode, Replies, ReplyOf, Statements, Wire};
use super::{Statement, literal, quote};
use crate::domain::charge::{Charge, ChargeFacts};
use crate::domain::grant::{Grant, GrantFacts, NewGrant};
use crate::domain::refundable::Refundable;
use crate::domain::spending::{Spending, Spent};
use crate::domain::table::{TableName, TaskKind};
use crate::error::Result;
use crate::storage::Row;
use crate::storage::account::{Account, Pick, WantedAccount};
use crate::storage::failure::Answer;
use crate::storage::schema::Schema;
use crate::storage::store::{
    Extent, Facts, FoundTask, LoadFacts, Wanted, WantedCharge, WantedTask,
};

/// A ledger on a MySQL server, over any wire.
pub struct Ledger<W>(pub W);

#[async_trait]
impl<W: Wire> LoadFacts for Ledger<W> {
    fn schema(&self) -> Result<&Schema> {
        self.0.tables().map(|tables| &*tables.schema)
    }

    async fn charge_facts(&mut self, wanted: &Wanted<'_>, now_ms: i64) -> Answer<Facts> {
        let asked = ChargeQuestions::new::<W>(self.0.tables()?, wanted, now_ms)?;
        let mode = if wanted.full_timeout { Mode::Write } else { Mode::WriteShortWait };
        let replies = asked.statements.begin(&mut self.0, mode, "reading the balance").await?;
        let mut facts = asked.read(&replies, wanted, now_ms)?;
        let is_whole = asked.is_whole(&replies);
        // For users with a choice of grants, all grants were read.
        let mut others = wanted.credits.clone();
        others.retain(|user_id, _| !wanted.choices.contains_key(user_id));
        complete(&mut self.0, &mut facts, &others, (now_ms, is_whole)).await?;
        Ok(facts)
    }

    async fn task_facts(
        &mut self,
        wanted: &WantedTask<'_>,
        now_ms: i64,
    ) -> Answer<Option<FoundTask>> {
        let asked = TaskQuestions::new::<W>(self.0.tables()?, wanted, now_ms)?;
        let doing = "reading a task";
        let mut replies = asked.statements.begin(&mut self.0, Mode::Write, doing).await?;
        if !W::SEES_NOW
            && replies[asked.owner].is_empty()
            && let Some(row) = replies[asked.task].first()
        {
            // If the task is newer than the snapshot, its user is known only now.
            let user_id = read_task(row, wanted)?.user_id;
            replies = self.begin_after_lock(&user_id, &asked.statements, doing).await?;
        }
        let Some(row) = replies[asked.task].first() else { return Ok(None) };
        let task = read_task(row, wanted)?;
        let charge = read_charges(&replies[asked.charge])?.into_iter().next();
        let drawn_on = read_grants(&replies[asked.drawn_on])?;
        let funds = match asked.funds {
            Some(funds) => {
                let mut facts = Facts::default();
                let found = &replies[funds.grants];
                add_spendable(&mut facts, found, (funds.extent, now_ms))?;
                if funds.extent == Extent::Plain {
                    let needs = BTreeMap::from([(task.user_id.as_str(), funds.credits)]);
                    let is_whole = is_fewer(found.len(), FEW);
                    complete(&mut self.0, &mut facts, &needs, (now_ms, is_whole)).await?;
                }
                ChargeFacts {
                    user_exists: true,
                    transaction_no_taken: !replies[funds.taken].is_empty(),
                    grants: facts.grants.remove(&task.user_id).unwrap_or_default(),
                    spent: Vec::new(),
                }
            }
            None => ChargeFacts::default(),
        };
        Ok(Some(FoundTask { task, charge, drawn_on, funds }))
    }

    async fn refund_facts(&mut self, id: &str) -> Answer<(Option<Charge>, Vec<Grant>)> {
        let tables = self.0.tables()?;
        let mut statements = Statements::default();
        let owner = statements.add(tables.lock_owner(TableName::Credit, id)?);
        let condition = tables.ids(TableName::Credit, "id")?.is("id", id);
        let charge = statements.add(charges(tables, &condition)? + " FOR UPDATE");
        let grants = statements.add(grants_of::<W>(tables, &condition)?);
        let doing = "reading a charge";
        let mut replies = statements.begin(&mut self.0, Mode::Write, doing).await?;
        if !W::SEES_NOW
            && replies[owner].is_empty()
            && let Some(found) = read_charges(&replies[charge])?.into_iter().next()
        {
            replies = self.begin_after_lock(&found.user_id, &statements, doing).await?;
        }
        let charge = read_charges(&replies[charge])?.into_iter().next();
        Ok((charge, read_grants(&replies[grants])?))
    }

    async fn grant_facts(&mut self, grant: &NewGrant) -> Answer<GrantFacts> {
        let tables = self.0.tables()?;
        let (id, number) = (grant.id.as_deref(), grant.transaction_no.as_deref());
        let mut statements = Statements::default();
        let users = statements.add(tables.lock_users([&grant.user_id])?);
        let ids = id.map_or(Ok(ReplyOf::NOTHING), |id| {
            taken(tables, TableName::Credit, &[id]).map(|taken| statements.add(taken))
        })?;
        let numbers =
            number.map_or(ReplyOf::NOTHING, |number| statements.add(taken_numbers(&[number])));
        let replies = statements.begin(&mut self.0, Mode::Write, "reading a user").await?;
        Ok(GrantFacts {
            user_exists: has(&replies[users], Some(&grant.user_id))?,
            id_taken: !replies[ids].is_empty(),
            transaction_no_taken: !replies[numbers].is_empty(),
        })
    }

    async fn account(&mut self, wanted: &WantedAccount<'_>) -> Answer<Account> {
        account(&mut self.0, wanted).await
    }

    async fn rows_of(&mut self, user_id: &str, picks: &[Pick<'_>]) -> Answer<Vec<Row>> {
        rows_of(&mut self.0, user_id, picks).await
    }

    async fn charge(&mut self, id: Option<&str>, found: Option<Charge>) -> Answer<Option<Charge>> {
        Ok(id.and(found))
    }

    async fn grants_drawn_on(
        &mut self,
        refundable: &Refundable,
        found: Vec<Grant>,
    ) -> Answer<Vec<Grant>> {
        // In nearly all cases they were loaded with the facts.
        let wanted: HashSet<&str> =
            refundable.draws.iter().map(|draw| draw.credit_id.as_str()).collect();
        if found.iter().filter(|grant| wanted.contains(grant.id.as_str())).count() == wanted.len() {
            return Ok(found);
        }
        let tables = self.0.tables()?;
        let ids = tables.ids(TableName::Credit, "id")?.many(&wanted);
        let is_users = is_of_user(tables, TableName::Credit, &refundable.user_id)?;
        let grants = grants::<W>(&format!("{is_users} AND id IN {ids}"));
        let mut grants = read_grants(&more(&mut self.0, grants, "reading grants").await?)?;
        grants.retain(|grant| wanted.contains(grant.id.as_str()));
        Ok(grants)
    }

    async fn grants_to_draw(
        &mut self,
        user_id: &str,
        (_, extent): (i64, Extent),
        now_ms: i64,
    ) -> Answer<Vec<Grant>> {
        let tables = self.0.tables()?;
        let is_users = is_of_user(tables, TableName::Credit, user_id)?;
        let all = spendable(tables, &is_users, (now_ms, Which::All(extent)))? + W::NOW;
        let mut facts = Facts::default();
        let rows = more(&mut self.0, all, "reading the balance").await?;
        add_spendable(&mut facts, &rows, (extent, now_ms))?;
        Ok(facts.grants.remove(user_id).unwrap_or_default())
    }

    async fn spent(&mut self, user_id: &str, spending: &[Spending]) -> Answer<Vec<Vec<Spent>>> {
        let mut all = Vec::new();
        for spending in spending {
            let tables = self.0.tables()?;
            let is_users = is_of_user(tables, TableName::Credit, user_id)?;
            let asked = spent_by::<W>(tables, &is_users, spending)?;
            let mut spent = read_spent(&more(&mut self.0, asked, "reading charges").await?)?;
            all.push(spent.remove(user_id).unwrap_or_default());
        }
        Ok(all)
    }

    async fn has_task(&mut self, kind: TaskKind, id: &str) -> Answer<bool> {
        let (tables, name) = (self.0.tables()?, TableName::Tasks(kind));
        // The app may lack this table.
        if tables.schema.table(name).is_err() {
            return Ok(false);
        }
        let task = taken(tables, name, &[id])? + W::NOW;
        has(&more(&mut self.0, task, "reading a task").await?, Some(id))
    }
}

impl<W: Wire> Ledger<W> {
    /// Runs the same statements again after taking a user's lock that they did not have.
    async fn begin_after_lock(
        &mut self,
        user_id: &str,
        statements: &Statements,
        doing: &'static str,
    ) -> Answer<Replies<W::Row>> {
        let lock = self.0.tables()?.lock_users([user_id])?;
        more(&mut self.0, lock, doing).await?;
        statements.begin(&mut self.0, Mode::Write, doing).await
    }
}

fn is_fewer(rows: usize, most: i64) -> bool {
    i64::try_from(rows).is_ok_and(|rows| rows < most)
}

/// Those of the requested keys that are in use, compared exactly. If only one is requested, a key that its
/// collation treats as equal counts too, because both can't exist.
fn taken_of(rows: &[impl SelectedRow], wanted: &[&str]) -> Answer<BTreeSet<String>> {
    match (rows, wanted) {
        ([_, ..], [lone]) => Ok(BTreeSet::from([(*lone).to_owned()])),
        (rows, _) => rows.iter().map(|row| get(row, 0)).collect(),
    }
}

/// Whether the first column of a row has exactly this text.
fn has(rows: &[impl SelectedRow], text: Option<&str>) -> Answer<bool> {
    for row in rows {
        if Some(get::<&str>(row, 0)?) == text {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The statements for the facts of charges and new tasks.
struct ChargeQuestions {
    statements: Statements,
    users: ReplyOf,
    tasks: Vec<(TaskKind, ReplyOf)>,
    transaction_nos: ReplyOf,
    charges: ReplyOf,
    grants: Vec<ReplyOf>,
    /// The number of grants that each statement is limited to.
    most_grants: i64,
    whole_grants: ReplyOf,
    counts: Counts,
}

impl ChargeQuestions {
    fn new<W: Wire>(tables: &Tables, wanted: &Wanted<'_>, now_ms: i64) -> Answer<Self> {
        let mut statements = Statements::default();
        let users = statements.add(tables.lock_users(wanted.credits.keys())?);
        let mut tasks = Vec::new();
        for kind in [TaskKind::Media, TaskKind::Ai] {
            let of_kind = wanted.tasks.iter().filter(|(other, _)| *other == kind);
            let ids: Vec<&str> = of_kind.map(|(_, id)| *id).collect();
            if !ids.is_empty() {
                let taken = taken(tables, TableName::Tasks(kind), &ids)?;
                tasks.push((kind, statements.add(taken)));
            }
        }
        let transaction_nos = match &wanted.transaction_nos[..] {
            [] => ReplyOf::NOTHING,
            numbers => statements.add(taken_numbers(numbers)),
        };
        let charges = match &wanted.charge_ids[..] {
            [] => ReplyOf::NOTHING,
            ids => {
                let ids = tables.ids(TableName::Credit, "id")?.many(ids);
                let charges = charges(tables, &format!("id IN {ids}"))?;
                statements.add(charges + " ORDER BY credit.id FOR UPDATE")
            }
        };
        let next = next_grants::<W>(tables, wanted, now_ms)?;
        let most_grants = next.most;
        let grants = next.statements.into_iter().map(|next| statements.add(next)).collect();
        let whole_grants = if wanted.choices.is_empty() {
            ReplyOf::NOTHING
        } else {
            let owners = tables.ids(TableName::Credit, "user_id")?.many(wanted.choices.keys());
            let is_users = format!("user_id IN {owners}");
            let all = Which::All(Extent::WithProvenance);
            statements.add(spendable(tables, &is_users, (now_ms, all))? + W::NOW)
        };
        let counts = Counts::new::<W>(&mut statements, tables, wanted)?;
        Ok(Self {
            statements,
            users,
            tasks,
            transaction_nos,
            charges,
            grants,
            most_grants,
            whole_grants,
            counts,
        })
    }

    /// Whether the grants are all that there are.
    fn is_whole(&self, replies: &Replies<impl SelectedRow>) -> bool {
        self.grants.iter().all(|grants| is_fewer(replies[*grants].len(), self.most_grants))
    }

    fn read(
        &self,
        replies: &Replies<impl SelectedRow>,
        wanted: &Wanted<'_>,
        now_ms: i64,
    ) -> Answer<Facts> {
        let mut facts = Facts::default();
        for row in &replies[self.users] {
            facts.users.insert(get(row, 0)?);
        }
        for (kind, taken) in &self.tasks {
            let of_kind = wanted.tasks.iter().filter(|(other, _)| other == kind);
            let ids: Vec<&str> = of_kind.map(|(_, id)| *id).collect();
            facts.tasks.insert(*kind, taken_of(&replies[*taken], &ids)?);
        }
        let numbers = &replies[self.transaction_nos];
        facts.transaction_nos = taken_of(numbers, &wanted.transaction_nos)?;
        for charge in read_charges(&replies[self.charges])? {
            facts.charges.insert(charge.id.clone(), charge);
        }
        self.counts.read(&mut facts, replies)?;
        for grants in &self.grants {
            add_grants(&mut facts, &replies[*grants], now_ms)?;
        }
        add_whole_grants(&mut facts, &replies[self.whole_grants], now_ms)?;
        Ok(facts)
    }
}

/// The statements for the facts of a task's change.
struct TaskQuestions {
    statements: Statements,
    owner: ReplyOf,
    task: ReplyOf,
    charge: ReplyOf,
    drawn_on: ReplyOf,
    funds: Option<Funds>,
}

/// The statements for the facts of a charge made with the change.
struct Funds {
    credits: i64,
    taken: ReplyOf,
    grants: ReplyOf,
    /// Grants are read with provenance only if all are read.
    extent: Extent,
}

impl TaskQuestions {
    fn new<W: Wire>(tables: &Tables, wanted: &WantedTask<'_>, now_ms: i64) -> Answer<Self> {
        let name = TableName::Tasks(wanted.kind);
        let (columns, table) = (tables.table(name)?, quote(wanted.kind.table()));
        let (ids, credits) = (tables.ids(name, "id")?, tables.ids(TableName::Credit, "id")?);
        let is_it = ids.is("id", wanted.id);
        let credit_id = columns.column_or("credit_id", literal::NULL);
        let free_trial = match tables.schema.has_free_trials(wanted.kind) {
            true => "is_free_trial IS TRUE",
            false => literal::NULL,
        };
        let user_id = tables.ids(name, "user_id")?.text("user_id");

        let mut statements = Statements::default();
        let owner = statements.add(tables.lock_owner(name, wanted.id)?);
        let task = statements.add(format!(
            "SELECT COALESCE({user_id}, ''), COALESCE(status, ''), {credit_id}, updated_at, {free_trial} \
             FROM {table} WHERE {is_it} FOR UPDATE"
        ));
        // The charge that the change sets, or else the task's own.
        let is_charge = match wanted.credit_id {
            Some(id) => credits.is("id", id),
            None => {
                // Locked again: in the app's transaction a plain read returns its snapshot.
                let own = format!("(SELECT {credit_id} FROM {table} WHERE {is_it} FOR UPDATE)");
                let own_ids = tables.ids(name, "credit_id")?;
                let bytes = own_ids.bytes(credit_id);
                let own_bytes = format!("(SELECT {bytes} FROM {table} WHERE {is_it} FOR UPDATE)");
                let (id, bytes) = (credits.from(&own_ids, &own), credits.bytes("id"));
                format!("id = {id} AND {bytes} = {own_bytes}")
            }
        };
        let charge = statements.add(charges(tables, &is_charge)? + " FOR UPDATE");
        let drawn_on = statements.add(grants_of::<W>(tables, &is_charge)?);
        let mut funds = None;
        if let Some(WantedCharge { credits, transaction_no, paying }) = wanted.charge {
            let taken = match transaction_no {
                Some(number) => statements.add(taken_numbers(&[number])),
                None => ReplyOf::NOTHING,
            };
            let owners = tables.ids(TableName::Credit, "user_id")?;
            let user_id = format!("(SELECT user_id FROM {table} WHERE {is_it}{})", W::NOW);
            let is_users =
                format!("user_id = {}", owners.from(&tables.ids(name, "user_id")?, &user_id));
            let extent = Extent::of(paying);
            let grants = statements.add(match extent {
                Extent::Plain => next_spendable::<W>(tables, &is_users, (now_ms, FEW))?,
                Extent::WithProvenance => {
                    spendable(tables, &is_users, (now_ms, Which::All(extent)))? + W::NOW
                }
            });
            funds = Some(Funds { credits, taken, grants, extent });
        }
        Ok(Self { statements, owner, task, charge, drawn_on, funds })
    }
}

/// The ids that exist, among these and those that their collation treats as equal.
fn taken(tables: &Tables, table: TableName, ids: &[&str]) -> Answer<Statement> {
    let ids = tables.ids(table, "id")?.many(ids);
    Ok(format!("SELECT id FROM {} WHERE id IN {ids}", quote(table.sql())))
}

/// The same for transaction numbers.
fn taken_numbers(numbers: &[&str]) -> Statement {
    let numbers = literal::texts(numbers);
    format!("SELECT transaction_no FROM credit WHERE transaction_no IN {numbers}")
}

/// Charges that meet a condition.
fn charges(tables: &Tables, condition: &str) -> Answer<Statement> {
    let user_id = tables.ids(TableName::Credit, "user_id")?.text("user_id");
    let details = tables.details()?;
    Ok(format!(
        "SELECT id, COALESCE({user_id}, ''), COALESCE(status = 'active', FALSE), COALESCE(credits, 0), \
         {details} FROM credit WHERE {condition} AND transaction_type = 'consume'"
    ))
}
