//! Properties of the ledger: after each request of a random sequence, the invariants of `docs/ledger.md`
//! hold, an audit finds nothing, a repair changes nothing, and statements add up. If a test then damages the
//! tables, an audit finds it, and a repair adds no damage.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value as Json;

use super::generators::cases;
use super::model::{Done, Row, Tables, USERS};
use super::steps::{Step, step};
use crate::domain::audit::{Audit, Finding, FindingKind, Owners};
use crate::domain::books::RowId;
use crate::domain::options::RefundPolicy;
use crate::domain::plan::Verb;
use crate::domain::repair::{changed_ids, fixes, plan_fixes};
use crate::domain::settle::Difference;
use crate::domain::statement::{AccountStatement, Cursor, Entry, Query, statement};
use crate::domain::table::TableName::{self, Credit, Tasks};
use crate::domain::table::TaskKind::{Ai, Media};
use crate::domain::value::Value;
use crate::error::Error;

type Checked = Result<(), TestCaseError>;

/// A charge's draws.
fn draws(charge: &Row) -> Vec<(String, i64)> {
    let items: Vec<Json> = serde_json::from_str(charge.text("consumedDetail").unwrap()).unwrap();
    let draw = |item: &Json| {
        let id = item["creditId"].as_str().unwrap().to_owned();
        (id, item["creditsConsumed"].as_i64().unwrap())
    };
    items.iter().map(draw).collect()
}

/// The task that a charge pays for.
fn task_of(charge: &Row) -> Option<RowId> {
    let metadata: Json = serde_json::from_str(charge.text("metadata")?).ok()?;
    let id = metadata["taskId"].as_str()?.to_owned();
    let kind = if metadata["type"].as_str()?.starts_with("ai-") { Ai } else { Media };
    Some((Tasks(kind), id))
}

/// The charge that a task refers to, if it exists.
fn charge_of<'a>(tables: &'a Tables, task: &Row) -> Option<&'a Row> {
    tables.row(Credit, task.text("creditId")?)
}

fn check_invariants(tables: &Tables) -> Checked {
    let mut drawn: HashMap<String, i64> = HashMap::new();
    for charge in tables.rows.iter().filter(|row| row.is_charge() && row.is_active()) {
        let mut took = 0;
        for (grant, credits) in draws(charge) {
            let owner = tables.row(Credit, &grant).and_then(|row| row.text("userId"));
            prop_assert_eq!(owner, charge.text("userId"), "{} drew on {}", &charge.id, grant);
            *drawn.entry(grant).or_default() += credits;
            took += credits;
        }
        prop_assert_eq!(took, -charge.number("credits"), "{}", &charge.id);
    }
    for row in &tables.rows {
        if row.is_grant() {
            let (granted, left) = (row.number("credits"), row.number("remainingCredits"));
            prop_assert!((0..=granted).contains(&left), "{} of {} in {}", left, granted, &row.id);
            prop_assert_eq!(
                granted - left,
                drawn.get(&row.id).copied().unwrap_or(0),
                "{}",
                &row.id
            );
        } else if row.is_charge() {
            let task = task_of(row).map(|(table, id)| tables.row(table, &id));
            let owner = task.map(|task| task.and_then(|task| task.text("userId")));
            prop_assert!(owner.is_none_or(|owner| owner == row.text("userId")), "{}", &row.id);
        } else {
            let charge = charge_of(tables, row);
            prop_assert!(row.text("creditId").is_none() || charge.is_some(), "{}", &row.id);
            let failed = row.text("status") == Some("failed");
            prop_assert!(!failed || charge.is_none_or(|charge| !charge.is_active()), "{}", &row.id);
        }
    }
    Ok(())
}

fn findings(tables: &Tables) -> Vec<Finding> {
    let of_user = |user: &&str| {
        let books = tables.books(user);
        let audit = Audit::of(&books);
        let owner = |row: RowId| {
            let owner = tables.row(row.0, &row.1)?.text("userId")?.to_owned();
            Some((row, owner))
        };
        let owners: Owners = audit.named_elsewhere().into_iter().filter_map(owner).collect();
        audit.findings(&owners)
    };
    USERS.iter().flat_map(of_user).collect()
}

/// A statement ends with the balance, and its pages are the whole statement.
fn check_statements(tables: &Tables) -> Checked {
    for user in USERS {
        let books = tables.books(user);
        let page = |query: &Query| statement(&books, query, tables.now_ms);
        let whole = page(&Query { limit: usize::MAX, ..Query::default() });
        let last = whole.entries.last().map_or(0, |entry| entry.balance);
        prop_assert_eq!(last, tables.balance(user), "{:?}", &whole);
        let mut query = Query { limit: 7, ..Query::default() };
        let mut paged = Vec::new();
        loop {
            let AccountStatement { opening_balance, entries, next, .. } = page(&query);
            prop_assert_eq!(opening_balance, paged.last().map_or(0, |entry: &Entry| entry.balance));
            paged.extend(entries);
            let Some(next) = next else { break };
            query.after = Some(Cursor::parse(&next)?);
        }
        prop_assert_eq!(paged, whole.entries);
    }
    Ok(())
}

/// After a repair, nothing is repairable and nothing new is found. `found` are the findings before it.
fn check_repair(damaged: &Tables, found: &[Finding]) -> Checked {
    const HOUR_MS: i64 = 3_600_000;
    let mut repaired = damaged.clone();
    // A failure must be some minutes old to be repaired.
    repaired.now_ms += HOUR_MS;
    for user in USERS {
        let fixes = fixes(&repaired.books(user), repaired.now_ms);
        prop_assert!(!found.is_empty() || fixes.is_empty(), "{:?}", fixes);
        let metadata = |id: &str| {
            let metadata = repaired.row(Credit, id).and_then(|row| row.text("metadata"));
            (id.to_owned(), metadata.map(str::to_owned))
        };
        let metadata = changed_ids(&fixes).into_iter().map(metadata).collect();
        repaired.apply(&plan_fixes(&fixes, &metadata, repaired.now_ms));
    }
    for user in USERS {
        prop_assert_eq!(fixes(&repaired.books(user), repaired.now_ms), vec![]);
    }
    let left = findings(&repaired);
    let was_found = |one: &Finding| {
        found.iter().any(|other| other.kind == one.kind && other.rows[0] == one.rows[0])
    };
    let is_old = |one: &Finding| was_found(one) || paid_for_two(damaged, one);
    prop_assert!(left.iter().all(is_old), "{:?} after {:?}", &left, found);
    // A task can't refund a charge that paid for another task too.
    let is_its_own = |finding: &Finding| {
        let (task, charge) = (&finding.rows[0], &finding.rows[1].1);
        let books = damaged.books(&finding.user_id);
        let named_by = books.tasks.iter().filter(|task| task.credit_id.as_ref() == Some(charge));
        let made_for = books.charges.iter().find(|one| one.id == *charge);
        named_by.count() == 1
            && made_for.is_some_and(|one| one.task.as_ref().is_none_or(|made_for| made_for == task))
    };
    let can_be_mended = |finding: &Finding| match finding.kind {
        FindingKind::FailedTaskCharged => is_its_own(finding),
        FindingKind::WrongTimeUnit => finding.rows[0].0 == Credit,
        _ => false,
    };
    let is_left = left.iter().any(|finding| !paid_for_two(damaged, finding));
    prop_assert!(!is_left || !found.iter().all(can_be_mended), "{:?}", &left);
    Ok(())
}

/// A new grant has the scene of the grants that it replaces, none of which was withdrawn.
fn check_regrant(regrant: &Row, before: &Tables) -> Checked {
    let metadata: Json = serde_json::from_str(regrant.text("metadata").unwrap())?;
    for source in metadata["sources"].as_array().unwrap() {
        let source = before.row(Credit, source["creditId"].as_str().unwrap()).unwrap();
        prop_assert_eq!(source.text("transactionScene"), regrant.text("transactionScene"));
        prop_assert!(is_over(source), "{:?}", source);
    }
    Ok(())
}

/// Whether a grant may have expired: it was not withdrawn.
fn is_over(grant: &Row) -> bool {
    ["active", "expired"].contains(&grant.text("status").unwrap())
}

/// Each charge's original credits, and its refunded ones.
#[derive(Default)]
struct History(HashMap<String, (i64, i64)>);

impl History {
    /// Compares a request's result with the change of the balances.
    fn note(&mut self, step: &Step, before: &Tables, after: &Tables, done: &Done) -> Checked {
        let (plan, difference) = done;
        let user = plan.user_id.as_str();
        let gained = after.balance(user) - before.balance(user);
        let drawn: i64 = plan.draws.iter().map(|draw| draw.credits_consumed).sum();
        if let Some(Difference { collected, uncollected, .. }) = difference {
            prop_assert_eq!(drawn, *collected);
            prop_assert!(*uncollected == 0 || after.balance(user) == 0 || drawn == 0);
            if drawn > 0 {
                prop_assert_eq!(gained, -drawn);
                self.0.get_mut(&plan.reply.1).unwrap().0 += drawn;
            }
        } else if drawn > 0 {
            prop_assert_eq!(gained, -drawn);
            let charge = after
                .rows
                .iter()
                .find(|row| row.is_charge() && before.row(Credit, &row.id).is_none());
            self.0.insert(charge.unwrap().id.clone(), (drawn, 0));
        }
        if let Some(Difference { refund, .. }) = difference {
            prop_assert_eq!(gained, refund.spendable - drawn, "{:?}", refund);
            prop_assert_eq!(&refund.skipped, &vec![]);
            let policy = match step {
                Step::Update { policy, .. }
                | Step::Settle { policy, .. }
                | Step::Refund { policy, .. } => *policy,
                other => panic!("{other:?} gave something back"),
            };
            let regrants = policy != RefundPolicy::Source;
            let is_withdrawn = |id: &str| !is_over(before.row(Credit, id).unwrap());
            let to_withdrawn = plan.returns.iter().filter(|(id, _)| is_withdrawn(id));
            let withdrawn: i64 = to_withdrawn.map(|(_, credits)| credits).sum();
            let all_else = refund.credits - withdrawn;
            prop_assert!(!regrants || refund.spendable == all_else, "{:?}", refund);
            prop_assert!(regrants || refund.regranted.is_empty(), "{:?}", refund);
            for regrant in &refund.regranted {
                check_regrant(after.row(Credit, &regrant.grant_id).unwrap(), before)?;
            }
            let charge = plan.rows.iter().find(|row| row.verb == Verb::UpdateCharge);
            match charge {
                Some(charge) => self.0.get_mut(&charge.id).unwrap().1 += refund.credits,
                None => prop_assert_eq!(refund.credits, 0),
            }
        }
        for row in after.rows.iter().filter(|row| row.is_charge()) {
            let (took, came_back) = self.0[&row.id];
            let takes = if row.is_active() { -row.number("credits") } else { 0 };
            prop_assert_eq!(took - came_back, takes, "{}", &row.id);
        }
        Ok(())
    }
}

fn check_refusal(tables: &Tables, step: &Step, refusal: &Error) -> Checked {
    if let Error::InsufficientCredits { required, available, .. } = refusal {
        let user = match step {
            Step::Consume { user, .. } | Step::Create { user, .. } => Some(USERS[*user]),
            _ => None,
        };
        prop_assert!(available < required);
        prop_assert!(user.is_none_or(|user| tables.balance(user) == *available));
    }
    prop_assert!(!matches!(refusal.code(), "INTERNAL" | "CHARGE_CORRUPT"), "{}", refusal);
    Ok(())
}

/// Whether two tasks name one charge that was made for neither, one of them delivered and one refunded.
/// Callers may do that, and an audit reports it.
fn paid_for_two(tables: &Tables, finding: &Finding) -> bool {
    let [_, (_, charge), _, ..] = &finding.rows[..] else { return false };
    finding.kind == FindingKind::DeliveredTaskRefunded
        && tables.row(Credit, charge).is_some_and(|charge| task_of(charge).is_none())
}

/// Runs all steps and checks the invariants after each.
fn take_all(steps: &[Step]) -> Result<Tables, TestCaseError> {
    let mut tables = Tables::new();
    let mut history = History::default();
    for step in steps {
        let before = tables.clone();
        match tables.take(step) {
            Ok(Some(done)) => history.note(step, &before, &tables, &done)?,
            Ok(None) => {}
            Err(refusal) => check_refusal(&tables, step, &refusal)?,
        }
        check_invariants(&tables)?;
        let mut found = findings(&tables);
        found.retain(|finding| !paid_for_two(&tables, finding));
        prop_assert_eq!(found, vec![]);
        check_repair(&tables, &[])?;
        check_statements(&tables)?;
    }
    Ok(tables)
}

/// A change by hand that breaks an invariant.
#[derive(Debug)]
struct Damage {
    table: TableName,
    id: String,
    /// The column and its new value; `None` deletes the row.
    change: Option<(&'static str, Value)>,
    /// The row that a finding must name, and its possible kinds.
    shows: RowId,
    kinds: &'static [FindingKind],
}

/// All possible damages.
fn damages(tables: &Tables, by: i64) -> Vec<Damage> {
    use FindingKind::*;
    const DRAWS: &[FindingKind] = &[GrantOutOfRange, RefundedMoreThanOnce, GrantDrawsDiffer];
    let mut damages = Vec::new();
    for row in &tables.rows {
        let own = || (row.table, row.id.clone());
        let mut damage = |change, shows: RowId, kinds| {
            let (table, id) = own();
            damages.push(Damage { table, id, change, shows, kinds });
        };
        let integer = |name, number| Some((name, Value::Integer(number)));
        let text = |name, text: &str| Some((name, Value::Text(text.to_owned())));
        let in_seconds = Value::TimeMs(tables.now_ms / 1000);
        damage(Some(("createdAt", in_seconds)), own(), &[WrongTimeUnit]);
        if row.is_grant() {
            for name in ["credits", "remainingCredits"] {
                damage(integer(name, row.number(name) + by), own(), DRAWS);
                damage(integer(name, row.number(name) - by), own(), DRAWS);
            }
        }
        if row.is_charge() {
            let drawn = draws(row).into_iter().find(|(_, credits)| *credits > 0);
            let grant = drawn.map(|(id, _)| (Credit, id)).unwrap();
            if !row.is_active() {
                damage(text("status", "active"), grant, DRAWS);
                continue;
            }
            damage(text("status", "deleted"), grant.clone(), DRAWS);
            damage(None, grant, DRAWS);
            damage(integer("credits", row.number("credits") + by), own(), &[ChargeDrawsDiffer]);
            damage(integer("credits", row.number("credits") - by), own(), &[ChargeDrawsDiffer]);
            let detail = row.text("consumedDetail").unwrap();
            damage(text("consumedDetail", &detail[1..]), own(), &[DetailUnreadable]);
            damage(Some(("consumedDetail", Value::Null)), own(), &[DetailUnreadable]);
            let mut items: Vec<Json> = serde_json::from_str(detail).unwrap();
            items[0]["creditsConsumed"] =
                (items[0]["creditsConsumed"].as_i64().unwrap() + by).into();
            let more = Json::from(items).to_string();
            damage(text("consumedDetail", &more), own(), &[ChargeDrawsDiffer, DetailUnreadable]);
            let other = USERS.into_iter().find(|user| row.text("userId") != Some(user)).unwrap();
            damage(text("userId", other), own(), &[DrawOnForeignGrant]);
        }
        if row.is_task() {
            let charge = charge_of(tables, row).filter(|charge| charge.is_active());
            if charge.is_some() {
                damage(text("status", "failed"), own(), &[FailedTaskCharged]);
            }
            damage(text("creditId", "gone"), own(), &[TaskWithoutCharge]);
            let is_for = |charge: &&Row| {
                charge.is_charge() && charge.is_active() && task_of(charge) == Some(own())
            };
            if tables.rows.iter().find(is_for).is_some() {
                damage(None, own(), &[ChargeWithoutTask]);
            }
        }
    }
    damages
}

fn damaged(tables: &Tables, damage: &Damage) -> Tables {
    let mut tables = tables.clone();
    match &damage.change {
        None => tables.rows.retain(|row| (row.table, &row.id) != (damage.table, &damage.id)),
        Some((name, value)) => {
            tables.row_mut(damage.table, &damage.id).fields.set(name, value.clone());
        }
    }
    tables
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn any_sequence_keeps_the_invariants_and_an_audit_finds_any_damage(
        steps in vec(step(), 1..60),
        pick in any::<Index>(),
        by in 1..100_i64,
    ) {
        let tables = take_all(&steps)?;
        let damages = damages(&tables, by);
        if !damages.is_empty() {
            let damage = pick.get(&damages);
            let damaged = damaged(&tables, damage);
            let found = findings(&damaged);
            let shown = found.iter().any(|finding| {
                damage.kinds.contains(&finding.kind) && finding.rows.contains(&damage.shows)
            });
            prop_assert!(shown, "{:?}: {:?}", damage, &found);
            check_repair(&damaged, &found)?;
            check_statements(&damaged)?;
        }
    }
}
