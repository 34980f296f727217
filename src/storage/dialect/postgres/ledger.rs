//! Facts of the ledger: one round trip.
//!
//! All transactions lock in one order: the users by id, the task, the charge, each user's grants in draw order. So two
//! transactions of this package never deadlock.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;

use super::super::facts::{add_grants, add_spendable, add_whole_grants, read_spent, read_task};
use super::super::privileges::Command;
use super::Statement;
use super::account::{account, rows_of};
use super::grants::{
    LOCK_USERS, Which, complete, grants_of, more, next_and_whole_grants, next_grants, spendable,
    spendable_grants,
};
use super::limits::{Counts, spent_by};
use super::row::{SelectedRow, get, read_charges, read_grants};
use super::tables::Tables;
use super::value::Value;
use super::wire::{Mode, Replies, ReplyOf, Statements, Wire};
use crate::domain::charge::{Charge, ChargeFacts};
use crate::domain::grant::{Grant, GrantFacts, NewGrant};
use crate::domain::paying::Paying;
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

#[async_trait]
impl<W: Wire> LoadFacts for W {
    fn schema(&self) -> Result<&Schema> {
        self.tables().map(|tables| &*tables.schema)
    }

    async fn charge_facts(&mut self, wanted: &Wanted<'_>, now_ms: i64) -> Answer<Facts> {
        let asked = ChargeQuestions::new(self.tables()?, wanted, now_ms)?;
        let mode = if wanted.full_timeout { Mode::Write } else { Mode::WriteShortWait };
        let replies = asked.statements.begin(self, mode, "reading the balance").await?;
        let mut facts = asked.read(&replies, now_ms)?;
        complete(self, &mut facts, (&wanted.credits, &wanted.choices), now_ms).await?;
        Ok(facts)
    }

    async fn task_facts(
        &mut self,
        wanted: &WantedTask<'_>,
        now_ms: i64,
    ) -> Answer<Option<FoundTask>> {
        let asked = TaskQuestions::new(self.tables()?, wanted, now_ms)?;
        let replies = asked.statements.begin(self, Mode::Write, "reading a task").await?;
        let Some(row) = replies[asked.task].first() else { return Ok(None) };
        let task = read_task(row, wanted)?;
        let charge = read_charges(&replies[asked.charge])?.into_iter().next();
        let drawn_on = read_grants(&replies[asked.drawn_on])?;
        let funds = match asked.funds {
            Some(funds) => {
                let mut facts = Facts::default();
                let extent = funds.choice.map_or(Extent::Plain, Extent::of);
                add_spendable(&mut facts, &replies[funds.grants], (extent, now_ms))?;
                let user_id = task.user_id.as_str();
                let needs = BTreeMap::from([(user_id, funds.credits)]);
                let choices = funds.choice.map(|paying| (user_id, vec![paying])).into_iter();
                complete(self, &mut facts, (&needs, &choices.collect()), now_ms).await?;
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
        let tables = self.tables()?;
        tables.may_charge(&[], false)?;
        let id = tables.id(TableName::Credit, id)?;
        let mut statements = Statements::default();
        statements.add(Statement::new(tables.taking_turns(&lock_owner("credit")), [id.clone()]));
        let charge = statements.add(Statement::new(charges("ARRAY[$1]"), [id.clone()]));
        let grants = statements.add(Statement::new(grants_of("$1"), [id]));
        let replies = statements.begin(self, Mode::Write, "reading a charge").await?;
        let charge = read_charges(&replies[charge])?.into_iter().next();
        Ok((charge, read_grants(&replies[grants])?))
    }

    async fn grant_facts(&mut self, grant: &NewGrant) -> Answer<GrantFacts> {
        let tables = self.tables()?;
        tables.may(TableName::User, &[Command::Select])?;
        tables.may(TableName::Credit, &[Command::Select, Command::Insert])?;
        let (id, transaction_no) = (grant.id.as_deref(), grant.transaction_no.as_deref());
        let mut statements = Statements::default();
        let user = statements.add(tables.lock_user(&grant.user_id, id, transaction_no)?);
        let replies = statements.begin(self, Mode::Write, "reading a user").await?;
        Ok(match replies[user].first() {
            None => GrantFacts::default(),
            Some(row) => GrantFacts {
                user_exists: true,
                id_taken: get(row, 0)?,
                transaction_no_taken: get(row, 1)?,
            },
        })
    }

    async fn account(&mut self, wanted: &WantedAccount<'_>) -> Answer<Account> {
        account(self, wanted).await
    }

    async fn rows_of(&mut self, user_id: &str, picks: &[Pick<'_>]) -> Answer<Vec<Row>> {
        rows_of(self, user_id, picks).await
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
        let known: HashSet<&str> = found.iter().map(|grant| grant.id.as_str()).collect();
        if refundable.draws.iter().all(|draw| known.contains(draw.credit_id.as_str())) {
            return Ok(found);
        }
        let ids = refundable.draws.iter().map(|draw| &draw.credit_id);
        let user = self.tables()?.id(TableName::User, refundable.user_id.as_str())?;
        let values = [user, self.tables()?.ids(TableName::Credit, ids)?];
        let grants = Statement::new(include_str!("sql/grants_by_id.sql"), values);
        read_grants(&more(self, grants, "reading grants").await?)
    }

    async fn grants_to_draw(
        &mut self,
        user_id: &str,
        (_, extent): (i64, Extent),
        now_ms: i64,
    ) -> Answer<Vec<Grant>> {
        let tables = self.tables()?;
        let users = tables.ids(TableName::User, [user_id])?;
        // Not just the first few: the app's own models may change these while the statement waits for their
        // locks.
        let all = spendable_grants(users, tables, now_ms, Which::All(extent))?;
        let mut facts = Facts::default();
        let rows = more(self, all, "reading the balance").await?;
        add_spendable(&mut facts, &rows, (extent, now_ms))?;
        Ok(facts.grants.remove(user_id).unwrap_or_default())
    }

    async fn spent(&mut self, user_id: &str, spending: &[Spending]) -> Answer<Vec<Vec<Spent>>> {
        let mut all = Vec::new();
        for spending in spending {
            let tables = self.tables()?;
            let user = tables.ids(TableName::User, [user_id])?;
            let asked = spent_by(tables, user, spending)?;
            let mut spent = read_spent(&more(self, asked, "reading charges").await?)?;
            all.push(spent.remove(user_id).unwrap_or_default());
        }
        Ok(all)
    }

    async fn has_task(&mut self, kind: TaskKind, id: &str) -> Answer<bool> {
        let tables = self.tables()?;
        if tables.schema.table(TableName::Tasks(kind)).is_err() {
            return Ok(false);
        }
        let text = format!("SELECT 1 FROM {} WHERE id = $1", kind.table());
        let task = Statement::new(text, [tables.id(TableName::Tasks(kind), id)?]);
        Ok(!more(self, task, "reading a task").await?.is_empty())
    }
}

/// The statements for the facts of charges and new tasks.
struct ChargeQuestions {
    statements: Statements,
    users: ReplyOf,
    tasks: Vec<(TaskKind, ReplyOf)>,
    transaction_nos: ReplyOf,
    charges: ReplyOf,
    grants: ReplyOf,
    whole_grants: ReplyOf,
    counts: Counts,
}

impl ChargeQuestions {
    fn new(tables: &Tables, wanted: &Wanted<'_>, now_ms: i64) -> Answer<Self> {
        let mut kinds: Vec<TaskKind> = Vec::new();
        for (kind, _) in &wanted.tasks {
            if !kinds.contains(kind) {
                tables.table(TableName::Tasks(*kind))?;
                kinds.push(*kind);
            }
        }
        tables.may_charge(&kinds, wanted.credits.values().any(|credits| *credits > 0))?;
        if !wanted.trials_of.is_empty() {
            tables.may(TableName::User, &[Command::Update])?;
        }
        let mut statements = Statements::default();
        let user_ids = tables.ids(TableName::User, wanted.credits.keys())?;
        let lock = tables.taking_turns(LOCK_USERS);
        let users = statements.add(Statement::new(lock, [user_ids.clone()]));
        let mut taken = |kind: TaskKind| {
            let of_kind = wanted.tasks.iter().filter(|(other, _)| *other == kind);
            let ids = tables.ids(TableName::Tasks(kind), of_kind.map(|(_, id)| id))?;
            let text = format!("SELECT id::text FROM {} WHERE id = ANY ($1)", kind.table());
            Ok((kind, statements.add(Statement::new(text, [ids]))))
        };
        let tasks = kinds.into_iter().map(&mut taken).collect::<Answer<_>>()?;
        let transaction_nos = match &wanted.transaction_nos[..] {
            [] => ReplyOf::NOTHING,
            numbers => statements.add(taken_numbers(numbers)),
        };
        let charges = match &wanted.charge_ids[..] {
            [] => ReplyOf::NOTHING,
            ids => {
                let ids = tables.ids(TableName::Credit, ids)?;
                statements.add(Statement::new(charges("$1"), [ids]))
            }
        };
        let (grants, whole_grants) =
            next_and_whole_grants(&mut statements, tables, wanted, now_ms)?;
        let counts = Counts::new(&mut statements, tables, wanted)?;
        Ok(Self {
            statements,
            users,
            tasks,
            transaction_nos,
            charges,
            grants,
            whole_grants,
            counts,
        })
    }

    fn read(&self, replies: &Replies<impl SelectedRow>, now_ms: i64) -> Answer<Facts> {
        let mut facts = Facts::default();
        for row in &replies[self.users] {
            facts.users.insert(get(row, 0)?);
        }
        for (kind, taken) in &self.tasks {
            for row in &replies[*taken] {
                facts.tasks.entry(*kind).or_default().insert(get(row, 0)?);
            }
        }
        for row in &replies[self.transaction_nos] {
            facts.transaction_nos.insert(get(row, 0)?);
        }
        for charge in read_charges(&replies[self.charges])? {
            facts.charges.insert(charge.id.clone(), charge);
        }
        self.counts.read(&mut facts, replies)?;
        add_grants(&mut facts, &replies[self.grants], now_ms)?;
        add_whole_grants(&mut facts, &replies[self.whole_grants], now_ms)?;
        Ok(facts)
    }
}

/// The statements for the facts of a task's change.
struct TaskQuestions<'w> {
    statements: Statements,
    task: ReplyOf,
    charge: ReplyOf,
    drawn_on: ReplyOf,
    funds: Option<Funds<'w>>,
}

/// The statements for the facts of a charge made with the change.
struct Funds<'w> {
    credits: i64,
    taken: ReplyOf,
    grants: ReplyOf,
    /// Which grants may pay, unless all may in the default order.
    choice: Option<&'w Paying>,
}

impl<'w> TaskQuestions<'w> {
    fn new(tables: &Tables, wanted: &WantedTask<'w>, now_ms: i64) -> Answer<Self> {
        let name = TableName::Tasks(wanted.kind);
        tables.may(name, &[Command::Update])?;
        tables.may_charge(&[], wanted.charge.is_some())?;
        let (columns, table) = (tables.table(name)?, wanted.kind.table());
        let charge_ids = tables.ids_of(TableName::Credit)?;
        let credit_id = columns.column_or("credit_id", charge_ids.null());
        let free_trial = match tables.schema.has_free_trials(wanted.kind) {
            true => "is_free_trial IS TRUE",
            false => "NULL::boolean",
        };
        let facts = include_str!("sql/task_facts.sql")
            .replace("{tasks}", table)
            .replace("{credit_id}", credit_id)
            .replace("{free_trial}", free_trial);
        let id = tables.id(name, wanted.id)?;
        // The charge that the change sets, or else the task's own.
        let charge = format!("COALESCE($2, (SELECT {credit_id} FROM {table} WHERE id = $1))");
        let of_charge = || [id.clone(), charge_ids.one(wanted.credit_id)];

        let mut statements = Statements::default();
        statements.add(Statement::new(tables.taking_turns(&lock_owner(table)), [id.clone()]));
        let task = statements.add(Statement::new(facts, [id.clone()]));
        let charges = Statement::new(charges(&format!("ARRAY[{charge}]")), of_charge());
        let charges = statements.add(charges);
        let drawn_on = statements.add(Statement::new(grants_of(&charge), of_charge()));
        let mut funds = None;
        if let Some(WantedCharge { credits, transaction_no, paying }) = wanted.charge {
            let taken = statements.add(taken_numbers(transaction_no.as_slice()));
            let user = format!("ARRAY(SELECT user_id FROM {table} WHERE id = $1)");
            let now = tables.time_for("expiresAt", now_ms)?;
            let choice = Some(paying).filter(|paying| !paying.is_plain());
            let grants = statements.add(match choice {
                None => Statement::new(next_grants(&user), [id, vec![credits].into(), now]),
                Some(_) => {
                    let text = spendable(Which::All(Extent::WithProvenance));
                    Statement::new(text.replace("ANY ($1)", &format!("ANY ({user})")), [id, now])
                }
            });
            funds = Some(Funds { credits, taken, grants, choice });
        }
        Ok(Self { statements, task, charge: charges, drawn_on, funds })
    }
}

/// Those of these transaction numbers that are in use.
fn taken_numbers(numbers: &[&str]) -> Statement {
    let numbers = numbers.iter().map(|number| (*number).to_owned()).collect();
    Statement::new(include_str!("sql/taken.sql"), [Value::Texts(numbers)])
}

/// Locks the user who owns the row of this table with the id in $1.
fn lock_owner(table: &str) -> String {
    include_str!("sql/lock_owner.sql").replace("{table}", table)
}

/// The charges with the ids in `charges`, an SQL array.
fn charges(charges: &str) -> String {
    include_str!("sql/charges.sql").replace("{charges}", charges)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::super::row::Cell;
    use super::super::testing::{TestRow, TestWire, row, tables_with};
    use super::*;

    fn grant(id: &'static str, remaining: i64) -> TestRow {
        let (credits, text) = (Cell::Integer(9), Cell::Text);
        let remaining = Cell::Integer(remaining);
        row(&[text(id), text(id), credits, remaining, Cell::Null, Cell::Bool(true), text("u")])
    }

    #[test]
    fn grants_that_do_not_cover_a_charge_are_looked_at_again_under_the_lock() {
        // The number of credits found by the first read, and the number of reads.
        for (found, looks) in [(5, 1), (4, 2)] {
            let wanted = Wanted { credits: BTreeMap::from([("u", 5)]), ..Wanted::default() };
            let user = vec![row(&[Cell::Text("u")])];
            let facts = vec![user, vec![grant("a", found)]];
            let again = vec![vec![grant("a", found), grant("b", 9), grant("c", 0)]];
            let answers = VecDeque::from([Ok(facts), Ok(again)]);
            let mut wire = TestWire { tables: tables_with("text"), answers, sent: Vec::new() };
            let answer =
                pin!(wire.charge_facts(&wanted, 0)).poll(&mut Context::from_waker(Waker::noop()));
            let Poll::Ready(Ok(facts)) = answer else { panic!("{answer:?}") };
            let ids: Vec<_> = facts.grants["u"].iter().map(|grant| grant.id.as_str()).collect();
            assert_eq!(ids, &["a", "b"][..looks]);
            let begins: Vec<_> = wire.sent.iter().map(|sent| (sent.begin, sent.end)).collect();
            assert_eq!(begins, &[(Some(Mode::WriteShortWait), None), (None, None)][..looks]);
            let asked: Vec<_> = wire.sent.iter().map(|sent| sent.statements.len()).collect();
            assert_eq!(asked, &[2, 1][..looks]);
        }
    }
}
