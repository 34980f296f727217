use super::*;
use crate::domain::books::{Times, draws_of};
use crate::domain::revocation::{State, Terms};
use crate::domain::table::TaskKind;

const NOW: i64 = 1000;

/// A grant made at 1.
fn grant(id: &str, credits: i64, remaining: i64, expires_at_ms: Option<i64>) -> GrantEntry {
    let times = Times {
        created_at_ms: Some(1),
        updated_at_ms: Some(90),
        expires_at_ms,
        ..Times::default()
    };
    GrantEntry {
        id: id.to_owned(),
        credits,
        remaining,
        active: true,
        state: State::Open,
        times,
        confirmed_ms: None,
    }
}

/// A charge with its original credits, its draws now, and the times of creation and change.
fn charge(
    id: &str,
    charged: i64,
    draws: &[(&str, i64)],
    (made_ms, changed_ms): (i64, i64),
) -> ChargeEntry {
    ChargeEntry {
        id: id.to_owned(),
        active: true,
        credits: draws.iter().map(|(_, credits)| credits).sum(),
        charged,
        forgiven: false,
        written_off: None,
        claim: None,
        held: false,
        draws: draws_of(draws),
        task: Some((TableName::Tasks(TaskKind::Media), format!("task of {id}"))),
        times: Times {
            created_at_ms: Some(made_ms),
            updated_at_ms: Some(changed_ms),
            ..Times::default()
        },
    }
}

/// The same charge, refunded.
fn refunded(id: &str, charged: i64, draws: &[(&str, i64)], times: (i64, i64)) -> ChargeEntry {
    ChargeEntry { active: false, ..charge(id, charged, draws, times) }
}

/// The same charge as a claim on withdrawn grants.
fn claim(charge: ChargeEntry) -> ChargeEntry {
    let terms = Terms { grants: vec!["g".to_owned()], total: 10, recovers: false };
    ChargeEntry { claim: Some(terms), task: None, ..charge }
}

fn all(limit: usize) -> Query {
    Query { limit, ..Query::default() }
}

#[test]
fn a_statement_has_an_entry_for_each_movement() {
    use EntryKind::{Adjustment, Charge, Expiry, Grant, Refund, Revocation, Settlement};
    let withdrawn = |grant: GrantEntry| GrantEntry { active: false, ..grant };
    type Row = (&'static str, Vec<GrantEntry>, Vec<ChargeEntry>, Vec<(EntryKind, i64, i64, i64)>);
    let rows: Vec<Row> = vec![
        // the case, grants, charges; for each entry its kind, time, credits and balance
        ("nothing", vec![], vec![], vec![]),
        (
            "a charge of two grants",
            vec![grant("g", 10, 0, Some(2000)), grant("h", 5, 3, None)],
            vec![charge("a", 12, &[("g", 10), ("h", 2)], (5, 5))],
            vec![(Grant, 1, 10, 10), (Grant, 1, 5, 15), (Charge, 5, -12, 3)],
        ),
        (
            "a refund",
            vec![grant("g", 10, 10, None)],
            vec![refunded("a", 4, &[("g", 4)], (5, 7))],
            vec![(Grant, 1, 10, 10), (Charge, 5, -4, 6), (Refund, 7, 4, 10)],
        ),
        (
            "a settlement",
            vec![grant("g", 10, 6, None)],
            vec![charge("a", 9, &[("g", 4)], (5, 7))],
            vec![(Grant, 1, 10, 10), (Charge, 5, -9, 1), (Settlement, 7, 5, 6)],
        ),
        (
            "a settlement that was refunded then",
            vec![grant("g", 10, 10, None)],
            vec![refunded("a", 9, &[("g", 4)], (5, 7))],
            vec![(Grant, 1, 10, 10), (Charge, 5, -9, 1), (Settlement, 7, 5, 6), (Refund, 7, 4, 10)],
        ),
        (
            "a settlement of more than there ever was",
            vec![grant("g", 10, 6, None)],
            vec![charge("a", 1_000_000_000, &[("g", 4)], (5, 5))],
            vec![(Grant, 1, 10, 10), (Charge, 5, -4, 6)],
        ),
        (
            "a top-up that was confirmed later",
            vec![GrantEntry { confirmed_ms: Some(7), ..grant("g", 10, 6, None) }],
            vec![charge("a", 4, &[("g", 4)], (8, 8))],
            vec![(Grant, 7, 10, 10), (Charge, 8, -4, 6)],
        ),
        (
            "an expiry",
            vec![grant("g", 10, 6, Some(500))],
            vec![charge("a", 4, &[("g", 4)], (5, 5))],
            vec![(Grant, 1, 10, 10), (Charge, 5, -4, 6), (Expiry, 500, -6, 0)],
        ),
        (
            "a refund that came after the expiry",
            vec![grant("g", 10, 10, Some(500))],
            vec![refunded("a", 4, &[("g", 4)], (5, 700))],
            vec![
                (Grant, 1, 10, 10),
                (Charge, 5, -4, 6),
                (Expiry, 500, -6, 0),
                (Refund, 700, 4, 4),
                (Expiry, 700, -4, 0),
            ],
        ),
        (
            "two refunds in the same moment after the expiry",
            vec![grant("g", 10, 10, Some(500))],
            vec![refunded("a", 4, &[("g", 4)], (5, 700)), refunded("b", 6, &[("g", 6)], (6, 700))],
            vec![
                (Grant, 1, 10, 10),
                (Charge, 5, -4, 6),
                (Charge, 6, -6, 0),
                (Refund, 700, 4, 4),
                (Refund, 700, 6, 10),
                (Expiry, 700, -10, 0),
            ],
        ),
        (
            "a settlement after the expiry",
            vec![grant("g", 10, 6, Some(500))],
            vec![charge("a", 10, &[("g", 4)], (5, 700))],
            vec![
                (Grant, 1, 10, 10),
                (Charge, 5, -10, 0),
                (Settlement, 700, 6, 6),
                (Expiry, 700, -6, 0),
            ],
        ),
        (
            "a settlement that drew more, and a refund",
            vec![grant("g", 10, 4, None), grant("h", 9, 6, None)],
            vec![
                charge("a", 4, &[("g", 6), ("h", 3)], (5, 8)),
                refunded("b", 1, &[("h", 2)], (6, 9)),
            ],
            vec![
                (Grant, 1, 10, 10),
                (Grant, 1, 9, 19),
                (Charge, 5, -4, 15),
                (Charge, 6, -1, 14),
                (Settlement, 8, -5, 9),
                (Settlement, 9, -1, 8),
                (Refund, 9, 2, 10),
            ],
        ),
        (
            "a settlement that other code wrote, of what was drawn elsewhere",
            vec![grant("g", 10, 9, None)],
            vec![charge("a", 2, &[("g", 1), ("x", 5)], (5, 8))],
            vec![(Grant, 1, 10, 10), (Charge, 5, 0, 10), (Settlement, 8, -1, 9)],
        ),
        (
            "a grant that the app withdrew",
            vec![withdrawn(grant("g", 10, 10, None))],
            vec![],
            vec![(Grant, 1, 10, 10), (Revocation, 90, -10, 0)],
        ),
        (
            "a grant of which the app took the rest",
            vec![GrantEntry { state: State::Emptied, ..withdrawn(grant("g", 10, 0, None)) }],
            vec![charge("a", 4, &[("g", 4)], (5, 5))],
            vec![(Grant, 1, 10, 10), (Charge, 5, -4, 6), (Revocation, 90, -6, 0)],
        ),
        (
            "what revocations took, and one that took nothing",
            vec![grant("g", 10, 4, None)],
            vec![claim(charge("a", 6, &[("g", 6)], (5, 5))), claim(charge("b", 0, &[], (6, 6)))],
            vec![(Grant, 1, 10, 10), (Revocation, 5, -6, 4)],
        ),
        (
            "a grant that the app marked when it had expired",
            vec![withdrawn(grant("g", 10, 10, Some(50)))],
            vec![],
            vec![(Grant, 1, 10, 10), (Expiry, 50, -10, 0)],
        ),
        (
            "a grant that was old when it was made",
            vec![grant("g", 10, 10, Some(0))],
            vec![],
            vec![(Grant, 1, 10, 10), (Expiry, 1, -10, 0)],
        ),
        (
            "a charge that took nothing from anywhere",
            vec![grant("g", 10, 10, None)],
            vec![charge("a", 0, &[], (5, 5)), charge("b", 3, &[("x", 3)], (6, 6))],
            vec![(Grant, 1, 10, 10), (Charge, 5, 0, 10), (Charge, 6, 0, 10)],
        ),
        (
            "credits that were minted",
            vec![grant("g", 100, 130, None)],
            vec![refunded("a", 30, &[("g", 30)], (5, 6))],
            vec![
                (Grant, 1, 100, 100),
                (Charge, 5, -30, 70),
                (Refund, 6, 30, 100),
                (Adjustment, 90, 30, 130),
            ],
        ),
        (
            "an overdrawn grant takes nothing from another one",
            vec![grant("g", 5, -5, None), grant("h", 7, 7, None)],
            vec![charge("a", 10, &[("g", 10)], (5, 5))],
            vec![(Grant, 1, 5, 5), (Grant, 1, 7, 12), (Charge, 5, -10, 2), (Adjustment, 90, 5, 7)],
        ),
    ];
    for (about, grants, charges, expected) in rows {
        let balance: i64 = grants
            .iter()
            .filter(|grant| grant.active && grant.times.expires_at_ms.is_none_or(|at| at > NOW))
            .map(|grant| grant.remaining.max(0))
            .sum();
        let books = Books { grants, charges, ..Books::of("u") };
        let found = statement(&books, &all(100), NOW);
        let entries: Vec<_> = found
            .entries
            .iter()
            .map(|entry| (entry.kind, entry.at_ms, entry.credits, entry.balance))
            .collect();
        assert_eq!(entries, expected, "{about}");
        assert_eq!(entries.last().map_or(0, |entry| entry.3), balance, "{about}");
    }
}

#[test]
fn the_pages_of_a_statement_make_the_whole() -> Result<()> {
    let charges = (0..5).map(|at| charge(&format!("c {at}"), 1, &[("g", 1)], (10, 10)));
    let books = Books {
        grants: vec![grant("g", 9, 4, None)],
        charges: charges.collect(),
        ..Books::of("u")
    };
    let whole = statement(&books, &all(100), NOW).entries;
    assert_eq!(whole.len(), 6);
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = statement(&books, &Query { after, ..all(2) }, NOW);
        assert_eq!(page.opening_balance, pages.last().map_or(0, |entry: &Entry| entry.balance));
        pages.extend(page.entries);
        match page.next {
            Some(next) => after = Some(Cursor::parse(&next)?),
            None => break,
        }
    }
    assert_eq!(pages, whole);
    Ok(())
}

#[test]
fn a_statement_has_only_entries_of_its_time() {
    let books = Books {
        grants: vec![grant("g", 9, 6, None)],
        charges: vec![charge("a", 1, &[("g", 1)], (10, 10)), charge("b", 2, &[("g", 2)], (20, 20))],
        ..Books::of("u")
    };
    type Row<'a> = (Option<i64>, Option<i64>, i64, &'a [i64]);
    let rows: [Row; 5] = [
        // from, to; opening balance, times of the entries
        (None, None, 0, &[1, 10, 20]),
        (Some(10), None, 9, &[10, 20]),
        (Some(11), Some(20), 8, &[]),
        (None, Some(20), 0, &[1, 10]),
        (Some(21), None, 6, &[]),
    ];
    for (from_ms, to_ms, opening_balance, expected) in rows {
        let found = statement(&books, &Query { from_ms, to_ms, ..all(9) }, NOW);
        let times: Vec<i64> = found.entries.iter().map(|entry| entry.at_ms).collect();
        assert_eq!((found.opening_balance, times.as_slice()), (opening_balance, expected));
        assert_eq!(found.next, None);
    }
}

#[test]
fn invalid_cursors_are_refused() {
    for text in ["", "x", "1", "1 grant", "x grant g", "1 gift g", "99999999999999999999 grant g"] {
        assert!(Cursor::parse(text).is_err(), "{text}");
    }
}
