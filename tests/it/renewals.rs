//! Renewals that arrive in any order, and repeatedly, give the same result.

use std::sync::LazyLock;

use media_credits::domain::grant::NewGrant;
use media_credits::domain::renewal::{Extension, Renewal};
use media_credits::domain::value::{Fields, Value};
use media_credits::engine::{Outcome, Write};
use media_credits::storage::Page;
use media_credits::storage::schema::Schema;
use media_credits::storage::store::{LoadFacts, Views};
use proptest::prelude::*;

use crate::common::{
    add_user, apply, credits_of, draws_of, fields, is_active, ledger, number, ready, text, time,
};
use crate::memory::Memory;

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| ledger(&[], None).unwrap().schema().unwrap().clone());

const NOW_MS: i64 = 1_795_380_509_000;
const CASES: u32 = 400;
const DAY_MS: i64 = 86_400_000;

/// A period: its credits, and how many of the earlier ones are carried over at most.
type Said = (i64, Option<i64>);

/// The periods end one day after another, the first one yesterday.
fn end_ms(number: usize) -> i64 {
    NOW_MS + (i64::try_from(number).unwrap() - 1) * DAY_MS
}

fn renewal(number: usize, (credits, at_most): Said) -> Write {
    let mut row = fields(&[
        ("userId", text("u")),
        ("subscriptionNo", text("s")),
        ("credits", Value::Integer(credits)),
        ("periodEnd", Value::TimeMs(end_ms(number))),
        ("transactionNo", text(&format!("renewal-{number}"))),
    ]);
    if let Some(at_most) = at_most {
        row.set("rollover", Value::Json(format!("{{\"atMost\":{at_most}}}")));
    }
    Write::Renew(Renewal::parse(row).unwrap())
}

fn begun() -> Memory {
    let mut memory = Memory::new(&SCHEMA);
    add_user(&mut memory, "u").unwrap();
    let grant = |number: &str, subscription: Option<&str>, ends_ms: Option<i64>| {
        let row = fields(&[
            ("userId", text("u")),
            ("credits", Value::Integer(50)),
            ("subscriptionNo", Value::text_or_null(subscription)),
            ("transactionNo", text(number)),
            ("expiresAt", Value::time_or_null(ends_ms)),
        ]);
        Write::Grant(NewGrant::parse(row, &Fields::default()).unwrap())
    };
    for made in [
        grant("first", Some("s"), Some(end_ms(0) - DAY_MS / 2)),
        grant("long over", Some("s"), Some(end_ms(0) - 30 * DAY_MS)),
        grant("top-up", None, Some(end_ms(2))),
        grant("other", Some("another"), Some(end_ms(1))),
    ] {
        apply(&mut memory, &made, NOW_MS).unwrap();
    }
    memory
}

/// The remaining credits and the end of each grant. Checks that granted minus remaining is what active charges drew.
fn grants(memory: &mut Memory) -> Vec<(String, i64, Option<i64>)> {
    let rows = ready(memory.list(&credits_of("u"), Page::whole(1, 1000))).unwrap();
    let (grants, charges): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.text("transactionType") == Some("grant"));
    let mut found: Vec<_> = grants
        .iter()
        .map(|grant| {
            let drawn: i64 = charges
                .iter()
                .filter(|charge| is_active(charge))
                .flat_map(draws_of)
                .filter(|(id, _)| Some(id.as_str()) == grant.text("id"))
                .map(|(_, credits)| credits)
                .sum();
            let left = number(grant, "remainingCredits");
            assert_eq!(number(grant, "credits") - left, drawn, "{grant:?}");
            (grant.text("transactionNo").unwrap().to_owned(), left, time(grant, "expiresAt"))
        })
        .collect();
    found.sort();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() })]

    #[test]
    fn renewals_in_any_order_and_twice_give_the_same_result(
        said in prop::collection::vec((1..60_i64, prop::option::weighted(0.8, 0..80_i64)), 4),
        order in Just([0, 1, 2, 3, 0, 1, 2, 3].to_vec()).prop_shuffle(),
    ) {
        let mut expected = begun();
        for (number, said) in said.iter().enumerate() {
            apply(&mut expected, &renewal(number, *said), NOW_MS).unwrap();
        }
        let mut memory = begun();
        let mut seen = Vec::new();
        for number in order {
            let made = apply(&mut memory, &renewal(number, said[number]), NOW_MS).unwrap();
            let is_replayed = matches!(made, Outcome::Replayed(_));
            prop_assert_eq!(is_replayed, seen.contains(&number));
            seen.push(number);
        }
        let found = grants(&mut memory);
        prop_assert_eq!(&found, &grants(&mut expected));
        // Grants of other kinds have not changed.
        for (number, ends_ms) in [("top-up", end_ms(2)), ("other", end_ms(1))] {
            prop_assert!(found.contains(&(number.to_owned(), 50, Some(ends_ms))));
        }
        prop_assert!(found.contains(&("long over".to_owned(), 50, Some(end_ms(0) - 30 * DAY_MS))));
    }
}

/// A period of one of three subscriptions: when it ends, which subscription it replaces, and what is carried over.
#[derive(Debug, Clone)]
struct Told {
    of: usize,
    replaces: Option<usize>,
    ends: i64,
    said: Said,
    grace_ms: i64,
}

const SUBSCRIPTIONS: [&str; 3] = ["s", "t", "v"];

/// Periods of `s`, and of two others, each of which has replaced it with its first one.
fn line() -> impl Strategy<Value = Vec<Told>> {
    let said = (1..60_i64, prop::option::weighted(0.9, 0..80_i64));
    let grace = prop::sample::select(vec![0, DAY_MS, 3 * DAY_MS, 9 * DAY_MS]);
    let period = (0..3_usize, -4..5_i64, said, any::<bool>());
    (prop::collection::vec(period, 1..6), grace).prop_map(|(periods, grace_ms)| {
        let first =
            |of| periods.iter().filter(|period| period.0 == of).map(|period| period.1).min();
        let told = |&(of, ends, said, again): &(usize, i64, Said, bool)| {
            let replaces = (of != 0 && (again || Some(ends) == first(of))).then_some(0);
            Told { of, replaces, ends, said, grace_ms }
        };
        periods.iter().map(told).collect()
    })
}

fn renewal_of(number: usize, told: &Told) -> Write {
    let (credits, at_most) = told.said;
    let mut row = fields(&[
        ("userId", text("u")),
        ("subscriptionNo", text(SUBSCRIPTIONS[told.of])),
        ("credits", Value::Integer(credits)),
        ("periodEnd", Value::TimeMs(NOW_MS + told.ends * DAY_MS)),
        ("transactionNo", text(&format!("renewal-{number}"))),
    ]);
    if let Some(replaced) = told.replaces {
        row.set("replaces", text(SUBSCRIPTIONS[replaced]));
    }
    if let Some(at_most) = at_most {
        let grace_ms = told.grace_ms;
        let rollover = format!("{{\"atMost\":{at_most},\"graceMs\":{grace_ms}}}");
        row.set("rollover", Value::Json(rollover));
    }
    Write::Renew(Renewal::parse(row).unwrap())
}

/// Subscriptions have grants that renewals did not make.
fn subscribed(grants: &[(&str, i64)]) -> Memory {
    let mut memory = begun();
    for (number, ends) in grants {
        let row = fields(&[
            ("userId", text("u")),
            ("id", text(&format!("{number}{ends}"))),
            ("credits", Value::Integer(40)),
            ("subscriptionNo", text(number)),
            ("transactionNo", text(&format!("{number} until {ends}"))),
            ("expiresAt", Value::TimeMs(NOW_MS + ends * DAY_MS)),
        ]);
        let made = Write::Grant(NewGrant::parse(row, &Fields::default()).unwrap());
        apply(&mut memory, &made, NOW_MS).unwrap();
    }
    memory
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() })]

    #[test]
    fn subscriptions_that_replace_each_other_give_the_same_result_in_any_order(
        (told, order) in line().prop_flat_map(|told| {
            let twice: Vec<usize> = (0..told.len()).chain(0..told.len()).collect();
            (Just(told), Just(twice).prop_shuffle())
        }),
    ) {
        let mut expected = subscribed(&[("s", 1), ("s", 3), ("s", -3)]);
        for (number, told) in told.iter().enumerate() {
            apply(&mut expected, &renewal_of(number, told), NOW_MS).unwrap();
        }
        let mut memory = subscribed(&[("s", 1), ("s", 3), ("s", -3)]);
        for number in order {
            apply(&mut memory, &renewal_of(number, &told[number]), NOW_MS).unwrap();
        }
        prop_assert_eq!(grants(&mut memory), grants(&mut expected));
    }
}

/// The grants after renewals in this order, with this change of the ledger before the last one of them.
fn after(renewals: &[(usize, Told)], change: Option<&Write>) -> Vec<(String, i64, i64)> {
    let mut memory = subscribed(&[("t", 1), ("v", -2), ("v", 3)]);
    let (last, before) = renewals.split_last().unwrap();
    for (number, told) in before {
        apply(&mut memory, &renewal_of(*number, told), NOW_MS).unwrap();
    }
    change.into_iter().for_each(|change| drop(apply(&mut memory, change, NOW_MS).unwrap()));
    apply(&mut memory, &renewal_of(last.0, &last.1), NOW_MS).unwrap();
    let day = |ends_ms: Option<i64>| (ends_ms.unwrap_or(i64::MAX) - NOW_MS).div_euclid(DAY_MS);
    let all = grants(&mut memory).into_iter();
    all.map(|(number, left, ends_ms)| (number, left, day(ends_ms))).collect()
}

fn period(of: usize, replaces: Option<usize>, ends: i64) -> Told {
    Told { of, replaces, ends, said: (10, Some(25)), grace_ms: 3 * DAY_MS }
}

#[test]
fn an_upgrade_carries_over_the_replaced_subscription() {
    // `t` was replaced by `v`, whose next period does not say so again.
    let upgrade = (0, period(2, Some(1), 4));
    let next = (1, period(2, None, 5));
    for renewals in [[upgrade.clone(), next.clone()], [next, upgrade]] {
        let left = after(&renewals, None);
        for expected in [("t until 1", 0, 5), ("v until 3", 15, 5), ("renewal-0", 10, 5)] {
            let (number, left_of_it, ends) = expected;
            assert!(left.contains(&(number.to_owned(), left_of_it, ends)), "{left:?}");
        }
    }
}

#[test]
fn an_end_that_was_extended_stays_and_is_not_the_end_of_the_period() {
    let extend = |days: i64| {
        let end = Value::TimeMs(NOW_MS + days * DAY_MS);
        Write::Extend(Extension::parse("t1".to_owned(), Some(&end)).unwrap())
    };
    let rows = [
        // its new end, after a renewal until the second day; what is left of it, and its end, after one until
        // the fourth; and what the first one has then
        (9, (25, 9), 10),
        (4, (25, 4), 10),
        // It ends after the first one now, which is older.
        (3, (25, 4), 0),
    ];
    for (days, expected, first) in rows {
        let renewals = [(0, period(1, None, 2)), (1, period(1, None, 4))];
        let left = after(&renewals, Some(&extend(days)));
        let found = left.iter().find(|(number, ..)| number == "t until 1").unwrap();
        assert_eq!((found.1, found.2), expected, "{days}: {left:?}");
        assert!(left.contains(&("renewal-0".to_owned(), first, 4)), "{left:?}");
    }
}
