//! Revocations in any order give the same result: a payment that is refunded in part, refunded more, disputed, and the
//! dispute won, each delivered twice, while tasks are charged and fail.

use std::collections::HashMap;
use std::sync::LazyLock;

use media_credits::domain::call_options::CallOptions;
use media_credits::domain::paying::{DrawOrder, Paying};
use media_credits::domain::plan::Verb;
use media_credits::domain::renewal::Renewal;
use media_credits::domain::revocation::{Restoration, Revocation, Standing};
use media_credits::domain::table::TableName::Credit;
use media_credits::domain::value::{Fields, Value};
use media_credits::engine::local::read;
use media_credits::engine::{Outcome, Read, UserRead, Write};
use media_credits::error::Result;
use media_credits::storage::schema::Schema;
use media_credits::storage::store::{LoadFacts, Views};
use media_credits::storage::{Page, Row};
use proptest::prelude::*;

use crate::common::{
    add_user, apply, change_row, column, consume, create_task, credits_of, draws_of, fields,
    is_active, ledger, number, ready, text, time, update_task,
};
use crate::memory::Memory;

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| ledger(&[], None).unwrap().schema().unwrap().clone());

const NOW_MS: i64 = 1_795_380_509_000;
const USER: &str = "ada";

/// A step in the life of an order of 100 credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// This total is to be withdrawn.
    Revoked(i64),
    /// All of them are.
    Disputed,
    /// The revocation is ended.
    Won,
    /// A task fails that had cost some of them.
    Failed(&'static str),
}

use Event::{Disputed, Failed, Revoked, Won};

/// A ledger with the grants of an order, some of which tasks have spent, and another grant.
struct World {
    memory: Memory,
    recovers: bool,
}

const ORDER: (&str, &str) = ("orderNo", "order");

fn target() -> Fields {
    fields(&[(ORDER.0, text(ORDER.1))])
}

/// A call of `revokeGrants`.
#[derive(Debug, Clone, Copy)]
struct Call<'c> {
    key: &'c str,
    of: (&'static str, &'static str),
    total: Option<i64>,
    recovers: bool,
}

impl World {
    /// `granted`: the order's grants. `costs`: the costs of tasks.
    fn new(granted: &[i64], costs: &[(&str, i64)], recovers: bool) -> Self {
        let mut memory = Memory::new(&SCHEMA);
        add_user(&mut memory, USER).unwrap();
        let mut world = Self { memory, recovers };
        for (at, credits) in granted.iter().enumerate() {
            world.grant(&format!("own-{at}"), "order", *credits);
        }
        costs
            .iter()
            .for_each(|(task, cost)| drop(world.write(&create_task(task, USER, *cost)).unwrap()));
        world.grant("other", "another", 1000);
        world
    }

    fn grant(&mut self, id: &str, order: &str, credits: i64) {
        let row = [
            ("id", text(id)),
            ("userId", text(USER)),
            ("transactionNo", text(&format!("no-{id}"))),
            ("transactionType", text("grant")),
            ("transactionScene", text("payment")),
            ("orderNo", text(order)),
            ("credits", Value::Integer(credits)),
            ("remainingCredits", Value::Integer(credits)),
            ("status", text("active")),
            // The order's own are drawn first.
            ("expiresAt", Value::time_or_null((order == "order").then_some(NOW_MS + 1000))),
            ("createdAt", Value::TimeMs(NOW_MS)),
            ("updatedAt", Value::TimeMs(NOW_MS)),
        ];
        change_row(&mut self.memory, Verb::Insert, (Credit, id), &row).unwrap();
    }

    fn write(&mut self, change: &Write) -> Result<Outcome> {
        apply(&mut self.memory, change, NOW_MS)
    }

    fn revoke(&mut self, transaction_no: &str, total: Option<i64>) -> Standing {
        let recovers = self.recovers;
        self.revoke_of(Call { key: transaction_no, of: ORDER, total, recovers })
    }

    fn revoke_of(&mut self, call: Call) -> Standing {
        let recover = if call.recovers { "available" } else { "none" };
        let mut options = fields(&[("transactionNo", text(call.key)), ("recover", text(recover))]);
        if let Some(total) = call.total {
            options.set("total", Value::Integer(total));
        }
        let target = fields(&[(call.of.0, text(call.of.1))]);
        let call = Revocation::parse(&target, &options.into()).unwrap();
        standing(self.write(&Write::Revoke(call)).unwrap())
    }

    fn take(&mut self, event: Event) {
        match event {
            Revoked(total) => drop(self.revoke(&format!("refund-{total}"), Some(total))),
            Disputed => drop(self.revoke("dispute", None)),
            Won => {
                let call =
                    Restoration::parse("dispute".to_owned(), &target(), &DrawOrder::default())
                        .unwrap();
                self.write(&Write::Restore(call)).unwrap();
            }
            Failed(task) => {
                self.write(&update_task(task, &[("status", text("failed"))])).unwrap();
            }
        }
    }

    /// The state of the order: the same call again returns it, and writes nothing.
    fn standing(&mut self, of: Event) -> Standing {
        match of {
            Revoked(total) => self.revoke(&format!("refund-{total}"), Some(total)),
            _ => self.revoke("dispute", None),
        }
    }

    /// The order becomes that of a subscription, of which 30 are carried over into its next period of 5.
    fn renew(&mut self) {
        for row in self.rows() {
            let Some(id) = row.text("id").filter(|id| id.starts_with("own")) else { continue };
            let subscription = [("subscriptionNo", text("s"))];
            change_row(&mut self.memory, Verb::Update, (Credit, id), &subscription).unwrap();
        }
        let renewal = fields(&[
            ("userId", text(USER)),
            ("subscriptionNo", text("s")),
            ("credits", Value::Integer(5)),
            ("periodEnd", Value::TimeMs(NOW_MS + 9000)),
            ("transactionNo", text("renewal")),
            ("rollover", Value::Json("{\"atMost\":30}".to_owned())),
        ]);
        self.write(&Write::Renew(Renewal::parse(renewal).unwrap())).unwrap();
    }

    fn rows(&mut self) -> Vec<Row> {
        ready(self.memory.list(&credits_of(USER), Page::whole(1, 1000))).unwrap()
    }

    fn left(&mut self, id: &str) -> i64 {
        let rows = self.rows();
        number(rows.iter().find(|row| row.text("id") == Some(id)).unwrap(), "remainingCredits")
    }

    fn balance(&mut self) -> i64 {
        let of_user = Read::OfUser(USER.to_owned(), UserRead::BalanceTotal(Paying::default()));
        match read(&mut self.memory, &of_user, NOW_MS).unwrap() {
            Outcome::Number(balance) => balance,
            other => panic!("{other:?}"),
        }
    }

    /// Granted minus remaining is what active charges drew; no grant holds more than was granted.
    fn check(&mut self) -> Result<(), TestCaseError> {
        let rows = self.rows();
        let (grants, charges): (Vec<&Row>, Vec<&Row>) =
            rows.iter().partition(|row| row.text("transactionType") == Some("grant"));
        let mut drawn: HashMap<String, i64> = HashMap::new();
        for charge in charges.into_iter().filter(|charge| is_active(charge)) {
            let draws = draws_of(charge);
            prop_assert_eq!(
                draws.iter().map(|(_, credits)| credits).sum::<i64>(),
                -number(charge, "credits")
            );
            draws
                .into_iter()
                .for_each(|(grant, credits)| *drawn.entry(grant).or_default() += credits);
        }
        for grant in grants {
            let (granted, left) = (number(grant, "credits"), number(grant, "remainingCredits"));
            let id = grant.text("id").unwrap();
            prop_assert!((0..=granted).contains(&left));
            prop_assert_eq!(granted - left, drawn.get(id).copied().unwrap_or(0), "{}", id);
            let is_dated = *column(grant, "deletedAt") != Value::Null;
            prop_assert_eq!(is_dated, !is_active(grant), "{}", id);
        }
        Ok(())
    }
}

fn standing(outcome: Outcome) -> Standing {
    match outcome {
        Outcome::Standing { standing, .. } => standing,
        other => panic!("{other:?}"),
    }
}

const TWICE: [Event; 8] =
    [Revoked(30), Revoked(30), Revoked(60), Revoked(60), Disputed, Disputed, Won, Won];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_order_gives_the_same_result(
        events in Just([&TWICE[..], &[Failed("a"), Failed("c")]].concat()).prop_shuffle(),
        granted in prop::sample::select(vec![vec![100], vec![40, 60], vec![10, 20, 70]]),
        costs in (1..50_i64, 1..30_i64, 1..30_i64),
        recovers in any::<bool>(),
    ) {
        let costs = [("a", costs.0), ("b", costs.1), ("c", costs.2)];
        let spent: i64 = costs.iter().map(|(_, cost)| cost).sum();
        prop_assume!(spent <= 100);
        let mut world = World::new(&granted, &costs[..], recovers);
        for event in &events {
            world.take(*event);
            world.check()?;
        }
        // The dispute was won, and 60 is the largest claim that stands. One task has not failed.
        let kept = costs[1].1;
        let standing = world.standing(Revoked(60));
        prop_assert_eq!(standing.spent, kept);
        prop_assert_eq!(standing.revoked + standing.outstanding, 60);
        let balance = world.balance();
        prop_assert_eq!(balance, 1000 + 100 - kept - standing.revoked);
        let short = (60 - (100 - kept)).max(0);
        prop_assert_eq!(standing.outstanding, if recovers { 0 } else { short });
        prop_assert_eq!(standing.remaining, (100 - kept - 60).max(0));
        prop_assert_eq!(world.left("other"), 1000 - if recovers { short } else { 0 });
    }

    #[test]
    fn revocations_of_a_grant_and_of_its_whole_order_withdraw_as_many_in_each_order(
        totals in prop::collection::vec(prop::option::of(5..90_i64), 4),
        recovers in prop::collection::vec(any::<bool>(), 3),
        costs in (1..40_i64, 1..30_i64, 1..30_i64),
        order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let call = |key, of, at: usize| {
            Call { key, of, total: totals[at], recovers: recovers.get(at).copied().unwrap_or(false) }
        };
        let calls = [
            call("a", ORDER, 0),
            call("b", ORDER, 1),
            call("dispute", ORDER, 2),
            call("one", ("creditId", "own-0"), 3),
        ];
        let costs = [("a", costs.0), ("b", costs.1), ("c", costs.2)];
        let result = |order: &[usize]| -> std::result::Result<_, TestCaseError> {
            let mut world = World::new(&[40, 60], &costs, false);
            for at in order {
                match at {
                    0..=7 => drop(world.revoke_of(calls[at / 2])),
                    8 | 9 => world.take(Won),
                    _ => world.take(Failed(["a", "c"][at - 10])),
                }
                world.check()?;
            }
            // The grant alone may hold more or less of what is left.
            prop_assert!(world.revoke_of(calls[3]).revoked <= 40);
            let Standing { revoked, outstanding, .. } = world.revoke_of(calls[0]);
            Ok((world.balance(), revoked, outstanding))
        };
        let sorted: Vec<usize> = (0..12).collect();
        prop_assert_eq!(result(&order)?, result(&sorted)?);
    }

    #[test]
    fn no_order_ends_above_what_it_granted(
        steps in prop::collection::vec(
            prop_oneof![
                4 => prop::sample::select(TWICE.to_vec()).prop_map(Ok),
                2 => (1..60_i64).prop_map(Err),
                1 => Just(Ok(Failed("a"))),
            ],
            1..30,
        ),
        recovers in any::<bool>(),
    ) {
        let mut world = World::new(&[30, 70], &[("a", 50)], recovers);
        let (mut charged, mut claimed, mut disputed, mut won) = (0, 0, false, false);
        let mut is_spent = true;
        for step in steps {
            match step {
                Ok(event) => {
                    world.take(event);
                    match event {
                        Revoked(total) => claimed = claimed.max(total),
                        Disputed => disputed = true,
                        Won => won = true,
                        Failed(_) => is_spent = false,
                    }
                }
                Err(credits) => {
                    if world.write(&consume(USER, credits)).is_ok() {
                        charged += credits;
                    }
                }
            }
            world.check()?;
            if claimed == 0 && !disputed {
                continue;
            }
            let due = if disputed && !won { 100 } else { claimed };
            let asked = if disputed { Disputed } else { Revoked(claimed) };
            let standing = world.standing(asked);
            prop_assert_eq!(standing.revoked + standing.outstanding, due, "{:?}", standing);
            prop_assert!(standing.outstanding >= 0 && standing.spent <= 100);
            let spent = charged + if is_spent { 50 } else { 0 };
            prop_assert_eq!(world.balance(), 1100 - spent - standing.revoked, "{:?}", standing);
        }
    }
}

#[test]
fn credits_that_a_renewal_wrote_off_are_not_claimed_again() {
    let rows = [
        // how many of 100 are revoked in total, after a task of 20 and a renewal that wrote 50 off; what is revoked, outstanding,
        // and left
        (None, false, (80, 20, 0)),
        (Some(90), false, (80, 10, 0)),
        (Some(60), false, (60, 0, 20)),
        (Some(40), false, (50, 0, 30)),
        (None, true, (100, 0, 0)),
        (Some(90), true, (90, 0, 0)),
        (Some(60), true, (60, 0, 20)),
    ];
    for (total, recovers, (revoked, outstanding, remaining)) in rows {
        let mut world = World::new(&[100], &[("a", 20)], recovers);
        world.renew();
        let standing = world.revoke("claim", total);
        assert_eq!(standing, Standing { revoked, spent: 20, outstanding, remaining }, "{total:?}");
        world.check().unwrap();
        let recovered = (revoked - 80).max(0);
        assert_eq!(world.balance(), 1000 + 5 + remaining - recovered);
    }
}

#[test]
fn restored_credits_expire_when_the_renewal_ends_them() {
    let mut world = World::new(&[60, 40], &[], false);
    let target = || fields(&[("creditId", text("own-0"))]);
    let options = fields(&[("transactionNo", text("dispute"))]);
    let call = Revocation::parse(&target(), &options.into());
    world.write(&Write::Revoke(call.unwrap())).unwrap();
    world.renew();
    assert_eq!(world.balance(), 1000 + 5 + 30);
    let call = Restoration::parse("dispute".to_owned(), &target(), &DrawOrder::default()).unwrap();
    world.write(&Write::Restore(call)).unwrap();
    assert_eq!(world.balance(), 1000 + 5 + 30 + 60);
    for row in world.rows().iter().filter(|row| row.text("subscriptionNo") == Some("s")) {
        if row.text("transactionType") == Some("grant") {
            assert_eq!(time(row, "expiresAt"), Some(NOW_MS + 9000));
            assert!(is_active(row));
        }
    }
}

#[test]
fn recovered_credits_are_drawn_in_the_connections_order() {
    let mut world = World::new(&[100], &[("a", 50)], true);
    world.grant("gift", "gift", 1000);
    let scene = [("transactionScene", text("gift")), ("expiresAt", Value::Null)];
    change_row(&mut world.memory, Verb::Update, (Credit, "gift"), &scene).unwrap();
    let options = fields(&[("transactionNo", text("dispute")), ("recover", text("available"))]);
    let order = Value::Json("[{\"scenes\":[\"gift\"]}]".to_owned());
    let draw_order = DrawOrder::parse(Some(&order)).unwrap();
    let options = CallOptions { draw_order, ..options.into() };
    let call = Revocation::parse(&target(), &options).unwrap();
    world.write(&Write::Revoke(call)).unwrap();
    assert_eq!((world.left("gift"), world.left("other")), (950, 1000));
}
