//! One random sequence of all operations, the same on each store: after each step its outcome and the whole
//! ledger are the same on all of them, and the invariants of `docs/ledger.md` hold on each.
//!
//! `PROPTEST_CASES=2000 cargo test --test it sequence` tries more of them.

mod accounts;
mod charging;
mod effects;
mod generators;
mod guards;
mod invariants;
mod over_wire;
mod rows;
mod steps;
mod stores;

use std::cell::RefCell;
use std::rc::Rc;

use media_credits::domain::table::TableName::{self, Credit};
use media_credits::engine::{Charging, Operation, Outcome, Read, Write};
use media_credits::error::Result;
use media_credits::storage::Row;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{TestRunner, contextualize_config};

use self::charging::{Key, New};
use self::effects::Effect;
use self::rows::{Ledger, id, pick};
use self::steps::{Paid, Request, Step, USERS};
use self::stores::Subject;
use crate::common::time;

type Checked<T = ()> = Result<T, TestCaseError>;
type Stores = Vec<(&'static str, Box<dyn Subject>)>;

/// Times are whole seconds, so that all units hold them.
const START_MS: i64 = 1_795_380_509_000;
const HOUR_MS: i64 = 3_600_000;

#[test]
fn any_sequence_of_operations_comes_to_the_same_sound_ledger_on_each_store() {
    let folder = tempfile::tempdir().unwrap();
    let stores = RefCell::new(stores::all(folder.path(), "sequence"));
    let config = ProptestConfig {
        cases: 24,
        max_shrink_iters: 1000,
        failure_persistence: None,
        ..Default::default()
    };
    let mut runner = TestRunner::new(contextualize_config(config));
    let outcome = runner.run(&generators::steps(), |steps| {
        let mut stores = stores.borrow_mut();
        let mut case = Case::new(&mut stores);
        steps.iter().try_for_each(|step| case.take(step))
    });
    outcome.unwrap();
}

#[test]
fn a_revocation_ends_for_its_own_user_if_another_user_has_the_same_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut stores = stores::all(folder.path(), "same_order");
    let grant = |user| Request::Grant {
        user,
        credits: 1,
        lives_ms: None,
        sold: ("payment", Some(0)),
        key: Key { number: None, replay: false },
    };
    for (owner, other) in [("ada", "bob"), ("bob", "ada")] {
        let of = || Paid::Order(0);
        let revoke = Request::Revoke { of: of(), total: None, number: 0, recovers: false };
        let restore = Request::Restore { number: 0, of: Some(of()) };
        let mut case = Case::new(&mut stores);
        for request in [grant(owner), revoke, grant(other), restore] {
            case.take(&Step::Ask(request)).unwrap();
        }
    }
}

/// A ledger on each store, which begins with only two users.
struct Case<'s> {
    stores: &'s mut Stores,
    ledgers: Vec<Rc<Ledger>>,
    now_ms: i64,
}

impl<'s> Case<'s> {
    fn new(stores: &'s mut Stores) -> Self {
        stores.iter_mut().for_each(|(_, store)| store.start(&USERS[..2]));
        let ledgers = stores.iter().map(|_| Rc::default()).collect();
        let mut case = Self { stores, ledgers, now_ms: START_MS };
        case.look();
        case
    }

    fn look(&mut self) {
        let now_ms = self.now_ms;
        for ((_, store), ledger) in self.stores.iter_mut().zip(&mut self.ledgers) {
            *ledger = Rc::new(Ledger::of(store.as_mut(), ledger, now_ms));
        }
    }

    /// Takes a step. The invariants hold after it, whatever it was.
    fn take(&mut self, step: &Step) -> Checked {
        self.step(step)?;
        self.ledgers.iter().try_for_each(|ledger| invariants::check(ledger, self.now_ms))
    }

    fn step(&mut self, step: &Step) -> Checked {
        match step {
            Step::Wait { ms } => self.now_ms += ms,
            Step::ChargeEach(all) => self.charge_each(all)?,
            Step::End { grant, status } => {
                let now_ms = self.now_ms;
                let row = |ledger: &Ledger| {
                    // Apps mark expired grants so.
                    let is_over =
                        |row: &&Row| time(row, "expiresAt").is_some_and(|end| end <= now_ms);
                    let may_end = |row: &&Row| *status != "expired" || is_over(row);
                    Some((Credit, id(pick(ledger.grants().filter(may_end), grant)?).to_owned()))
                };
                self.set_status(row, status);
            }
            Step::FailAndRepair { task } => self.fail_and_repair(task)?,
            Step::Ask(request) => {
                let of = |ledger: &Rc<Ledger>| request.operation(ledger, self.now_ms);
                // Requests whose arguments are refused before a store is called have other tests.
                if let Ok(operations) = self.ledgers.iter().map(of).collect::<Result<Vec<_>>>() {
                    self.ask_and_check(&operations)?;
                }
            }
        }
        Ok(())
    }

    /// Makes a request, and compares its effects with the expected ones. A request that can be replayed is replayed.
    fn ask_and_check(&mut self, operations: &[Operation]) -> Checked {
        let effects = self.ask(operations)?;
        effects.iter().try_for_each(Effect::check)?;
        if effects.iter().any(|effect| effect.is_replayable()) {
            for effect in self.ask(operations)? {
                prop_assert!(effect.is_replayed(), "{:?}", effect.outcome);
                effect.check()?;
            }
        }
        Ok(())
    }

    /// Makes the same request on each store. The outcomes and the rows must be the same.
    fn ask(&mut self, operations: &[Operation]) -> Checked<Vec<Effect>> {
        let before = self.ledgers.clone();
        let now_ms = self.now_ms;
        let run = |((_, store), operation): (&mut (&str, Box<dyn Subject>), &Operation)| {
            match operation {
                Operation::Write(change) => store.write(change, now_ms),
                Operation::Read(question) => store.read(question, now_ms),
                other => panic!("{other:?} is not for a store"),
            }
        };
        let outcomes: Vec<_> = self.stores.iter_mut().zip(operations).map(run).collect();
        self.look();
        let effects: Vec<Effect> = operations
            .iter()
            .zip(outcomes)
            .zip(before.into_iter().zip(self.ledgers.iter().cloned()))
            .map(|((request, outcome), (before, after))| Effect {
                request: request.clone(),
                outcome,
                before,
                after,
                now_ms,
            })
            .collect();
        let [first, others @ ..] = effects.as_slice() else { panic!("no store") };
        for (effect, (name, _)) in others.iter().zip(&self.stores[1..]) {
            prop_assert_eq!(first.told(), effect.told(), "{}: {:?}", name, first.request);
            let (lines, expected) = (&effect.after.lines, &first.after.lines);
            prop_assert_eq!(lines, expected, "{}: {:?}", name, first.request);
        }
        Ok(effects)
    }

    /// Concurrent charges. Each store has the same outcomes, and each accepted charge has the effect of a single one,
    /// all or nothing.
    fn charge_each(&mut self, all: &[New]) -> Checked {
        let now_ms = self.now_ms;
        let of = |ledger: &Rc<Ledger>| -> Vec<Charging> {
            all.iter().filter_map(|new| new.charging(ledger, now_ms).ok()).collect()
        };
        let requests: Vec<Vec<Charging>> = self.ledgers.iter().map(of).collect();
        let before = self.ledgers.clone();
        let mut outcomes = Vec::new();
        for ((_, store), requests) in self.stores.iter_mut().zip(&requests) {
            let requests: Vec<&Charging> = requests.iter().collect();
            outcomes.push(store.charge_each(&requests, self.now_ms)?);
        }
        self.look();
        let told = |at: usize| -> Vec<String> {
            outcomes[at].iter().map(|outcome| self.ledgers[at].told(outcome)).collect()
        };
        for (at, (name, _)) in self.stores.iter().enumerate() {
            prop_assert_eq!(told(0), told(at), "{}: {:?}", name, requests[at]);
            let (lines, expected) = (&self.ledgers[at].lines, &self.ledgers[0].lines);
            prop_assert_eq!(lines, expected, "{}: {:?}", name, requests[at]);
        }
        for (at, (requests, outcomes)) in requests.into_iter().zip(outcomes).enumerate() {
            let made = requests.into_iter().zip(outcomes);
            let (accepted, rows) =
                made.filter_map(|(request, outcome)| Some((request, outcome.ok()?))).unzip();
            let (before, after) = (Rc::clone(&before[at]), Rc::clone(&self.ledgers[at]));
            let request = Operation::Write(Write::AtomicBatch(accepted));
            let outcome = Ok(Outcome::All(rows));
            Effect { request, outcome, before, after, now_ms }.check()?;
        }
        Ok(())
    }

    /// The app's own code changes a row, the same on each store.
    fn set_status(&mut self, row: impl Fn(&Ledger) -> Option<(TableName, String)>, status: &str) {
        for ((_, store), ledger) in self.stores.iter_mut().zip(&self.ledgers) {
            if let Some((table, id)) = row(ledger) {
                store.set_status(table, &id, status);
            }
        }
        self.look();
    }

    /// The app's own code fails a task and gives nothing back. An hour later a repair does.
    fn fail_and_repair(&mut self, task: &Index) -> Checked {
        self.set_status(|ledger| invariants::repairable(ledger, task), "failed");
        self.now_ms += HOUR_MS;
        let users = || USERS.map(str::to_owned).to_vec();
        let on_each = |operation: Operation| vec![operation; self.stores.len()];
        let (ask, repair) = (
            on_each(Operation::Read(Read::Fixes(users()))),
            on_each(Operation::Write(Write::Repair(users()))),
        );
        self.ask(&ask)?;
        self.ask(&repair).map(drop)
    }
}
