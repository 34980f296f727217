//! Renewals that arrive in any order, and again, end the same.

use std::sync::LazyLock;

use media_credits::domain::grant::NewGrant;
use media_credits::domain::renewal::Renewal;
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
const DAY_MS: i64 = 86_400_000;

/// A period: its credits, and how many of those before live on at the most.
type Said = (i64, Option<i64>);

/// Periods end a day after the other, the first one yesterday.
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

/// What is left of each grant, and when it ends. What left one is what active charges drew from it.
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
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn in_any_order_and_twice_they_end_the_same(
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
        // What has nothing to do with the subscription is as it was.
        for (number, ends_ms) in [("top-up", end_ms(2)), ("other", end_ms(1))] {
            prop_assert!(found.contains(&(number.to_owned(), 50, Some(ends_ms))));
        }
        prop_assert!(found.contains(&("long over".to_owned(), 50, Some(end_ms(0) - 30 * DAY_MS))));
    }
}
