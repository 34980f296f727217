use super::*;
use crate::domain::books::{TaskEntry, draws_of};
use crate::domain::revocation::State;
use crate::domain::table::TaskKind;

const NOW: i64 = 1_800_000_000_000;

fn at(created_at_ms: i64) -> Times {
    Times { created_at_ms: Some(created_at_ms), ..Times::default() }
}

fn grant(id: &str, credits: i64, remaining: i64) -> GrantEntry {
    GrantEntry {
        id: id.to_owned(),
        credits,
        remaining,
        active: true,
        state: State::Open,
        times: at(NOW),
        confirmed_ms: None,
    }
}

fn charge(id: &str, active: bool, credits: i64, draws: &[(&str, i64)]) -> ChargeEntry {
    ChargeEntry {
        written_off: None,
        claim: None,
        id: id.to_owned(),
        active,
        credits,
        charged: credits,
        forgiven: false,
        held: false,
        draws: draws_of(draws),
        task: None,
        times: at(NOW),
    }
}

fn failed(credit_id: &str) -> TaskEntry {
    let (id, times) = (format!("task of {credit_id}"), changed_at(NOW - 3_600_000));
    TaskEntry::new((TaskKind::Media, id), "failed", Some(credit_id.to_owned()), times)
}

fn changed_at(updated_at_ms: i64) -> Times {
    Times { updated_at_ms: Some(updated_at_ms), ..Times::default() }
}

#[test]
fn only_certain_findings_are_repaired() {
    let unreadable = ChargeEntry { draws: Err("junk".to_owned()), ..charge("z", true, 1, &[]) };
    let refunded_twice = || charge("a", false, 30, &[("g", 30)]);
    type Row = (
        &'static str,
        Vec<GrantEntry>,
        Vec<ChargeEntry>,
        Vec<TaskEntry>,
        Vec<(&'static str, &'static str, Json, Json)>,
    );
    let rows: Vec<Row> = vec![
        // the case, grants, charges, tasks; for each repair its row, column, before and after
        (
            "books that are right",
            vec![grant("g", 10, 6)],
            vec![charge("a", true, 4, &[("g", 4)]), charge("b", false, 3, &[("g", 3)])],
            vec![failed("b")],
            vec![],
        ),
        (
            "a refund that came twice",
            vec![grant("g", 100, 130)],
            vec![refunded_twice()],
            vec![],
            vec![("g", "remainingCredits", json!(130), json!(100))],
        ),
        (
            "a refund that came three times, under other charges",
            vec![grant("g", 100, 140)],
            vec![refunded_twice(), charge("b", true, 20, &[("g", 20)])],
            vec![],
            vec![("g", "remainingCredits", json!(140), json!(80))],
        ),
        (
            "a grant that an operator may have raised by hand",
            vec![grant("g", 100, 90), grant("h", 100, 111)],
            vec![
                refunded_twice(),
                charge("b", true, 20, &[("g", 20)]),
                charge("c", false, 1, &[("h", 1)]),
            ],
            vec![],
            vec![],
        ),
        (
            "a refund that came twice, under a charge that does not add up",
            vec![grant("g", 100, 110)],
            vec![
                refunded_twice(),
                ChargeEntry { credits: 16, ..charge("b", true, 20, &[("g", 20)]) },
            ],
            vec![],
            vec![],
        ),
        (
            "more than was granted, for an unknown reason",
            vec![grant("g", 100, 130)],
            vec![],
            vec![],
            vec![],
        ),
        (
            "a charge whose draws can't be read",
            vec![grant("g", 100, 130)],
            vec![refunded_twice(), unreadable],
            vec![],
            vec![],
        ),
        (
            "a failure that was not refunded",
            vec![grant("g", 10, 6), grant("h", 5, 0)],
            vec![charge("a", true, 9, &[("h", 5), ("g", 4)])],
            vec![failed("a"), failed("a")],
            vec![
                ("a", "status", json!("active"), json!("deleted")),
                ("h", "remainingCredits", json!(0), json!(5)),
                ("g", "remainingCredits", json!(6), json!(10)),
            ],
        ),
        (
            "a failure of a charge that was overdrawn",
            vec![grant("g", 10, 0)],
            vec![charge("a", true, 10, &[]), charge("b", true, 10, &[("g", 10)])],
            vec![failed("a")],
            vec![],
        ),
        (
            "a failure whose grant is gone, or wrong",
            vec![grant("g", 10, 9)],
            vec![charge("a", true, 4, &[("x", 4)]), charge("b", true, 4, &[("g", 4)])],
            vec![failed("a"), failed("b")],
            vec![],
        ),
        (
            "a failure that the app may be refunding now",
            vec![grant("g", 10, 6)],
            vec![charge("a", true, 4, &[("g", 4)])],
            vec![TaskEntry { times: changed_at(NOW - 60_000), ..failed("a") }],
            vec![],
        ),
        (
            "a failure whose charge paid for another task too",
            vec![grant("g", 10, 6)],
            vec![charge("a", true, 4, &[("g", 4)])],
            vec![failed("a"), TaskEntry { failed: false, ..failed("a") }],
            vec![],
        ),
        (
            "a failure whose charge was made for another task",
            vec![grant("g", 10, 6)],
            vec![ChargeEntry {
                task: Some((TableName::Tasks(TaskKind::Ai), "task of a".to_owned())),
                ..charge("a", true, 4, &[("g", 4)])
            }],
            vec![failed("a")],
            vec![],
        ),
        (
            "a failure on a grant that had been refunded twice",
            vec![grant("g", 100, 110)],
            vec![refunded_twice(), charge("b", true, 20, &[("g", 20)])],
            vec![failed("b")],
            vec![
                ("g", "remainingCredits", json!(110), json!(80)),
                ("b", "status", json!("active"), json!("deleted")),
                ("g", "remainingCredits", json!(80), json!(100)),
            ],
        ),
        (
            "seconds among milliseconds, and the other way round",
            vec![GrantEntry { times: at(NOW / 1000), ..grant("g", 1, 1) }],
            vec![ChargeEntry { times: at(NOW * 1000), ..charge("a", false, 1, &[]) }],
            vec![],
            vec![
                (
                    "g",
                    "createdAt",
                    json!("1970-01-21T20:00:00.000Z"),
                    json!("2027-01-15T08:00:00.000Z"),
                ),
                (
                    "a",
                    "createdAt",
                    json!("+59009-09-24T08:00:00.000Z"),
                    json!("2027-01-15T08:00:00.000Z"),
                ),
            ],
        ),
        (
            "a time that means nothing in any unit",
            vec![GrantEntry { times: at(5), ..grant("g", 1, 1) }],
            vec![],
            vec![],
            vec![],
        ),
    ];
    for (about, grants, charges, tasks, expected) in rows {
        let books = Books { grants, charges, tasks, ..Books::of("u") };
        let found = fixes(&books, NOW);
        let found: Vec<_> = found
            .iter()
            .map(|fix| {
                (fix.credit_id.as_str(), fix.column, as_json(&fix.before), as_json(&fix.after))
            })
            .collect();
        assert_eq!(found, expected, "{about}");
    }
}

#[test]
fn a_row_records_what_was_repaired() {
    let books = Books {
        grants: vec![grant("g", 100, 110)],
        charges: vec![charge("a", false, 30, &[("g", 30)]), charge("b", true, 20, &[("g", 20)])],
        tasks: vec![failed("b")],
        ..Books::of("u")
    };
    let metadata = [
        ("g".to_owned(), Some(r#"{"repaired":[1],"a":2}"#.to_owned())),
        ("b".to_owned(), Some("plain".to_owned())),
    ];
    let plan = plan_fixes(&fixes(&books, NOW), &metadata.into_iter().collect(), NOW);
    assert!(plan.gives());
    let record = |kind: &str, column: &str, before: Json, after: Json| {
        let at = "2027-01-15T08:00:00.000Z";
        json!({ "kind": kind, "column": column, "before": before, "after": after, "at": at })
    };
    let (twice, failed) = ("refunded-more-than-once", "failed-task-charged");
    let expected = [
        (
            "g",
            Verb::Update,
            ("remainingCredits", Value::Integer(100)),
            json!({
                "a": 2,
                "repaired": [
                    1,
                    record(twice, "remainingCredits", json!(110), json!(80)),
                    record(failed, "remainingCredits", json!(80), json!(100)),
                ],
            }),
        ),
        (
            "b",
            Verb::UpdateCharge,
            ("status", Value::Text("deleted".to_owned())),
            json!({
                "metadata": "plain",
                "repaired": [record(failed, "status", json!("active"), json!("deleted"))],
            }),
        ),
    ];
    assert_eq!(plan.rows.len(), expected.len());
    for (row, (id, verb, (column, value), metadata)) in plan.rows.iter().zip(expected) {
        assert_eq!((row.id.as_str(), row.verb), (id, verb));
        assert_eq!(row.fields.get(column), Some(&value));
        let Some(Value::Json(written)) = row.fields.get("metadata") else { panic!("{row:?}") };
        assert_eq!(serde_json::from_str::<Json>(written).unwrap(), metadata);
    }
}

/// A linear search for each repair's row would take minutes.
#[test]
fn a_refund_may_change_very_many_rows() {
    let ids: Vec<String> = (0..50_000).map(|at| format!("g{at}")).collect();
    let draws: Vec<(&str, i64)> = ids.iter().map(|id| (id.as_str(), 1)).collect();
    let grants = ids.iter().map(|id| grant(id, 1, 0)).collect();
    let charges = vec![charge("a", true, 50_000, &draws)];
    let books = Books { grants, charges, tasks: vec![failed("a")], ..Books::of("u") };
    let plan = plan_fixes(&fixes(&books, NOW), &HashMap::new(), NOW);
    assert_eq!(plan.rows.len(), 50_001);
}
