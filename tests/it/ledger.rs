//! In memory, any sequence of grants, charges, tasks, failures and passing time keeps the invariants, and does what a
//! naive model does. `sequence/` tests that other stores do the same as memory.

use std::collections::BTreeMap;

use media_credits::domain::credits::Credits;
use media_credits::domain::options::RefundPolicy;
use media_credits::domain::paying::Paying;
use media_credits::domain::plan::Verb;
use media_credits::domain::refund::Refund;
use media_credits::domain::settle::Settlement;
use media_credits::domain::table::TableName;
use media_credits::domain::value::{Fields, Value};
use media_credits::engine::local::read;
use media_credits::engine::{Outcome, Read, UserRead, Write};
use media_credits::error::Error;
use media_credits::storage::store::{LoadFacts, Store};
use media_credits::storage::{Page, Row};
use proptest::prelude::*;

use crate::common::{
    add_user, apply, change_row, column, consume, create_task, credits_of, draws_of, grant, ledger,
    number, row, text, update_task,
};
use crate::memory::Memory;

const USERS: [&str; 2] = ["ada", "bob"];
/// Times are whole seconds, so that both units hold them.
const TICK_MS: i64 = 1000;
const START_MS: i64 = 1_795_380_509_000;

#[derive(Debug, Clone)]
enum Step {
    Grant {
        user: usize,
        credits: i64,
        lives_ticks: Option<i64>,
    },
    Consume {
        user: usize,
        credits: i64,
    },
    Task {
        user: usize,
        cost: i64,
    },
    /// Fails one of the tasks so far.
    Fail {
        task: usize,
    },
    /// A translation: charges, gives the charge to a task, and fails the task with that charge.
    FailedTranslation {
        task: usize,
        credits: i64,
    },
    Wait {
        ticks: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let user = 0..USERS.len();
    let task = 0..64_usize;
    prop_oneof![
        3 => (user.clone(), 1..60_i64, prop::option::of(1..12_i64))
            .prop_map(|(user, credits, lives_ticks)| Step::Grant { user, credits, lives_ticks }),
        3 => (user.clone(), 1..80_i64).prop_map(|(user, credits)| Step::Consume { user, credits }),
        3 => (user, 0..60_i64).prop_map(|(user, cost)| Step::Task { user, cost }),
        3 => task.clone().prop_map(|task| Step::Fail { task }),
        1 => (task, 1..20_i64)
            .prop_map(|(task, credits)| Step::FailedTranslation { task, credits }),
        2 => (0..4_i64).prop_map(|ticks| Step::Wait { ticks }),
    ]
}

/// The remaining credits of a grant, in draw order: its key sorts as the rule demands.
type DrawOrder = (bool, i64, i64, String);

#[derive(Default)]
struct Model {
    grants: [BTreeMap<DrawOrder, i64>; USERS.len()],
    tasks: Vec<ModelTask>,
    now_ms: i64,
}

struct ModelTask {
    user: usize,
    /// What its charge drew, until that is refunded.
    draws: Vec<(DrawOrder, i64)>,
}

impl Model {
    fn spendable(&self, user: usize) -> impl Iterator<Item = (&DrawOrder, i64)> {
        let now_ms = self.now_ms;
        self.grants[user]
            .iter()
            .filter(move |((never, expires_at_ms, ..), _)| *never || *expires_at_ms > now_ms)
            .map(|(key, remaining)| (key, *remaining))
    }

    fn balance(&self, user: usize) -> i64 {
        self.spendable(user).map(|(_, remaining)| remaining).sum()
    }

    fn charge(&mut self, user: usize, credits: i64) -> Result<Vec<(DrawOrder, i64)>, Error> {
        let available = self.balance(user);
        if available < credits {
            return Err(Error::InsufficientCredits { required: credits, available, balance: None });
        }
        let mut left = credits;
        let mut draws = Vec::new();
        for (key, remaining) in self.spendable(user) {
            let drawn = remaining.min(left);
            if drawn > 0 {
                draws.push((key.clone(), drawn));
                left -= drawn;
            }
        }
        for (key, drawn) in &draws {
            *self.grants[user].get_mut(key).unwrap() -= drawn;
        }
        Ok(draws)
    }

    fn refund(&mut self, user: usize, draws: &[(DrawOrder, i64)]) -> Refund {
        let mut refund = Refund::default();
        for (key, drawn) in draws {
            *self.grants[user].get_mut(key).unwrap() += drawn;
            refund.credits += drawn;
            if key.0 || key.1 > self.now_ms {
                refund.spendable += drawn;
            }
        }
        refund
    }
}

fn rows(store: &mut dyn Store, user: usize) -> Vec<Row> {
    let list = Read::List(credits_of(USERS[user]), Page::whole(1, 1000));
    match read(store, &list, 0).unwrap() {
        Outcome::Rows(rows) => rows,
        other => panic!("{other:?} has no rows"),
    }
}

fn check_invariants(store: &mut dyn Store, model: &Model) {
    for (user, name) in USERS.iter().enumerate() {
        let mut left_grants = 0;
        let mut drawn = 0;
        let mut remaining = BTreeMap::new();
        for row in rows(store, user) {
            if row.text("transactionType") == Some("grant") {
                let (credits, rest) = (number(&row, "credits"), number(&row, "remainingCredits"));
                assert!((0..=credits).contains(&rest), "{rest} left of {credits}");
                left_grants += credits - rest;
                remaining.insert(row.text("id").unwrap().to_owned(), rest);
            } else if row.text("status") == Some("active") {
                let sum: i64 = draws_of(&row).iter().map(|(_, credits)| credits).sum();
                assert_eq!(sum, -number(&row, "credits"));
                drawn += sum;
            }
        }
        assert_eq!(left_grants, drawn, "what left the grants of {name}");
        let expected: BTreeMap<_, _> =
            model.grants[user].iter().map(|(key, rest)| (key.3.clone(), *rest)).collect();
        assert_eq!(remaining, expected, "what is left of the grants of {name}");
        let balance = read(
            store,
            &Read::OfUser(name.to_string(), UserRead::BalanceTotal(Paying::default())),
            model.now_ms,
        )
        .unwrap();
        assert!(matches!(balance, Outcome::Number(number) if number == model.balance(user)));
    }
}

fn check_charge(
    outcome: Result<Outcome, Error>,
    expected: &Result<Vec<(DrawOrder, i64)>, Error>,
) -> Option<Row> {
    match (outcome, expected) {
        (Ok(outcome), Ok(_)) => Some(row(outcome)),
        (Err(error), Err(expected)) => {
            assert_eq!(&error, expected);
            None
        }
        (outcome, expected) => panic!("{outcome:?} instead of {expected:?}"),
    }
}

fn expected_draws(draws: &[(DrawOrder, i64)]) -> Vec<(String, i64)> {
    draws.iter().map(|(key, credits)| (key.3.clone(), *credits)).collect()
}

fn find_charge(store: &mut dyn Store, user: usize, id: &str) -> Row {
    rows(store, user).into_iter().find(|row| row.text("id") == Some(id)).expect("the charge")
}

fn take(store: &mut dyn Store, model: &mut Model, step: &Step) {
    let now_ms = model.now_ms;
    match *step {
        Step::Wait { ticks } => model.now_ms += ticks * TICK_MS,
        Step::Grant { user, credits, lives_ticks } => {
            let expires_at_ms = lives_ticks.map(|ticks| now_ms + ticks * TICK_MS);
            let made =
                row(apply(store, &grant(USERS[user], credits, expires_at_ms), now_ms).unwrap());
            let id = made.text("id").unwrap().to_owned();
            let key = (expires_at_ms.is_none(), expires_at_ms.unwrap_or(0), now_ms, id);
            model.grants[user].insert(key, credits);
        }
        Step::Consume { user, credits } => {
            let expected = model.charge(user, credits);
            let outcome = apply(store, &consume(USERS[user], credits), now_ms);
            if let Some(charge) = check_charge(outcome, &expected) {
                assert_eq!(draws_of(&charge), expected_draws(&expected.unwrap()));
            }
        }
        Step::Task { user, cost } => {
            let id = model.tasks.len().to_string();
            let expected = if cost == 0 { Ok(Vec::new()) } else { model.charge(user, cost) };
            let outcome = apply(store, &create_task(&id, USERS[user], cost), now_ms);
            let Some(task) = check_charge(outcome, &expected) else { return };
            let draws = expected.unwrap();
            match column(&task, "creditId") {
                Value::Null => assert_eq!(cost, 0),
                credit_id => {
                    let charge = find_charge(store, user, credit_id.as_text().unwrap());
                    assert_eq!(draws_of(&charge), expected_draws(&draws));
                }
            }
            model.tasks.push(ModelTask { user, draws });
        }
        Step::Fail { task } => {
            let Some(at) = task.checked_rem(model.tasks.len()) else { return };
            let draws = std::mem::take(&mut model.tasks[at].draws);
            let expected = model.refund(model.tasks[at].user, &draws);
            let patch = [("status", text("failed")), ("progress", Value::Integer(0))];
            fail(store, &update_task(&at.to_string(), &patch), now_ms, expected);
        }
        Step::FailedTranslation { task, credits } => {
            let Some(at) = task.checked_rem(model.tasks.len()) else { return };
            let user = model.tasks[at].user;
            let expected = model.charge(user, credits);
            let outcome = apply(store, &consume(USERS[user], credits), now_ms);
            let Some(charge) = check_charge(outcome, &expected) else { return };
            let credit_id = ("creditId", column(&charge, "id").clone());
            let patch = [("status", text("translating")), credit_id.clone()];
            apply(store, &update_task(&at.to_string(), &patch), now_ms).unwrap();
            // The extraction's charge no longer belongs to this task: it stays active.
            model.tasks[at].draws.clear();
            let expected = model.refund(user, &expected.unwrap());
            let patch = [("status", text("failed")), credit_id];
            fail(store, &update_task(&at.to_string(), &patch), now_ms, expected);
        }
    }
}

fn fail(store: &mut dyn Store, failure: &Write, now_ms: i64, expected: Refund) {
    match apply(store, failure, now_ms).unwrap() {
        Outcome::Updated(_, refund) => assert_eq!(refund, Some(expected)),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_keeps_the_invariants(steps in prop::collection::vec(step(), 1..60)) {
        let declared = ledger(&[], None).unwrap();
        let mut memory = Memory::new(declared.schema().unwrap());
        USERS.iter().for_each(|user| add_user(&mut memory, user).unwrap());
        let mut model = Model { now_ms: START_MS, ..Model::default() };
        for step in &steps {
            take(&mut memory, &mut model, step);
            check_invariants(&mut memory, &model);
        }
    }
}

/// An operator grants the largest amount more than once. SQL computes its own sums, so SQLite is tested too.
#[test]
fn sums_that_overflow_do_not_panic() {
    let mut database = ledger(&["u"], None).unwrap();
    let mut memory = Memory::new(database.schema().unwrap());
    add_user(&mut memory, "u").unwrap();
    charge_from_all_there_is(&mut database);
    charge_from_all_there_is(&mut memory);
}

fn charge_from_all_there_is(store: &mut dyn Store) {
    for (id, kind, credits) in
        [("g", "grant", i64::MAX), ("h", "grant", i64::MAX), ("c", "consume", i64::MIN)]
    {
        let row = [
            ("id", text(id)),
            ("userId", text("u")),
            ("transactionNo", text(id)),
            ("transactionType", text(kind)),
            ("credits", Value::Integer(credits)),
            ("remainingCredits", Value::Integer(credits.max(0))),
            ("status", text("active")),
            ("consumedDetail", text("[]")),
        ];
        change_row(store, Verb::Insert, (TableName::Credit, id), &row).unwrap();
    }
    let refund = Settlement::of_charge("c".into(), None, &Fields::default(), RefundPolicy::Source);
    let amount = Credits::parse("credits", Some(&Value::Integer(10))).unwrap();
    apply(store, &consume("u", 10), START_MS).unwrap();
    apply(store, &Write::Settle(refund.unwrap()), START_MS).unwrap();
    let quote = Read::OfUser("u".into(), UserRead::Quote(amount, Paying::default()));
    let Outcome::Quote(quote) = read(store, &quote, START_MS).unwrap() else { panic!("no quote") };
    assert_eq!(quote.available, i64::MAX);
}
