use super::*;
use crate::domain::revocation::{State, Terms};
use crate::domain::table::TaskKind;

const NOW: i64 = 1_800_000_000_000;

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

fn at(created_at_ms: i64) -> Times {
    Times { created_at_ms: Some(created_at_ms), ..Times::default() }
}

/// A charge with these draws, for the task with this id unless it is empty.
fn charge(id: &str, credits: i64, draws: &[(&str, i64)], task: &str) -> ChargeEntry {
    let item = |(grant, credits): &(&str, i64)| {
        format!(r#"{{"creditId":"{grant}","transactionNo":"1","creditsConsumed":{credits}}}"#)
    };
    let items: Vec<String> = draws.iter().map(item).collect();
    let detail = format!("[{}]", items.join(","));
    let metadata = format!(r#"{{"type":"media-task","taskId":"{task}"}}"#);
    let metadata = (!task.is_empty()).then_some(metadata.as_str());
    ChargeEntry::new(id.to_owned(), credits, true, at(NOW))
        .with_detail(Some(detail.as_bytes()), metadata)
}

/// The same charge, refunded.
fn refunded(id: &str, credits: i64, draws: &[(&str, i64)], task: &str) -> ChargeEntry {
    ChargeEntry { active: false, ..charge(id, credits, draws, task) }
}

/// A grant closed by claims.
fn closed(id: &str, credits: i64, remaining: i64) -> GrantEntry {
    let state = State::Closed("active".to_owned());
    GrantEntry { state, active: false, ..grant(id, credits, remaining) }
}

/// A claim on grant `g`, with its draws.
fn claim(id: &str, total: i64, draws: &[(&str, i64)]) -> ChargeEntry {
    let drawn = draws.iter().map(|(_, credits)| credits).sum();
    let terms = Terms { grants: vec!["g".to_owned()], total, recovers: false };
    ChargeEntry { claim: Some(terms), ..charge(id, drawn, draws, "") }
}

/// A write-off, and the part that was granted again in other grants.
fn written_off(id: &str, draws: &[(&str, i64)], anew: &[(&str, i64)]) -> ChargeEntry {
    let credits = draws.iter().map(|(_, credits)| credits).sum();
    let anew = anew.iter().map(|(id, credits)| ((*id).to_owned(), *credits)).collect();
    ChargeEntry { written_off: Some(anew), ..charge(id, credits, draws, "") }
}

/// A hold.
fn until(expires_at_ms: Option<i64>, charge: ChargeEntry) -> ChargeEntry {
    let times = Times { expires_at_ms, ..charge.times };
    ChargeEntry { held: true, times, ..charge }
}

fn task(id: &str, failed: bool, credit_id: &str) -> TaskEntry {
    task_that_is(if failed { "failed" } else { "pending" }, id, credit_id)
}

fn task_that_is(status: &str, id: &str, credit_id: &str) -> TaskEntry {
    TaskEntry::new((TaskKind::Media, id.to_owned()), status, Some(credit_id.to_owned()), at(NOW))
}

#[test]
fn an_audit_finds_each_contradiction() {
    use FindingKind::*;
    let unreadable = |id| {
        let draws = Err("EOF while parsing".to_owned());
        ChargeEntry { draws, ..charge(id, 10, &[], "") }
    };
    let in_seconds = || GrantEntry { times: at(NOW / 1000), ..grant("g", 9, 9) };
    type Row = (&'static str, Vec<GrantEntry>, Vec<ChargeEntry>, Vec<TaskEntry>, Vec<FindingKind>);
    let rows: Vec<Row> = vec![
        // the case, grants, charges, tasks; the findings
        ("nothing", vec![], vec![], vec![], vec![]),
        (
            "books that are right",
            vec![grant("g", 50, 35), grant("h", 5, 5)],
            vec![
                charge("a", 10, &[("g", 10)], "t"),
                charge("b", 5, &[("g", 5), ("h", 0)], ""),
                refunded("c", 7, &[("g", 7)], "f"),
            ],
            vec![task("t", false, "a"), task("f", true, "c"), task("free", true, "")],
            vec![],
        ),
        (
            "holds, one of which ends at no time, and one that has gone back",
            vec![grant("g", 50, 40)],
            vec![
                until(Some(NOW), charge("a", 4, &[("g", 4)], "")),
                until(None, charge("b", 6, &[("g", 6)], "")),
                ChargeEntry { held: false, ..until(None, refunded("c", 7, &[("g", 7)], "")) },
            ],
            vec![],
            vec![HoldWithoutDeadline],
        ),
        (
            "below zero",
            vec![grant("g", 5, -5)],
            vec![charge("a", 10, &[("g", 10)], "")],
            vec![],
            vec![GrantOutOfRange],
        ),
        (
            "credits that no charge drew",
            vec![grant("g", 5, 4)],
            vec![],
            vec![],
            vec![GrantDrawsDiffer],
        ),
        (
            "a draw that never left",
            vec![grant("g", 20, 20)],
            vec![charge("a", 10, &[("g", 10)], "")],
            vec![],
            vec![GrantDrawsDiffer],
        ),
        (
            "what two requests drew at once",
            vec![grant("g", 10, 0)],
            vec![charge("a", 10, &[("g", 10)], ""), charge("b", 10, &[], "")],
            vec![],
            vec![ChargeDrawsDiffer],
        ),
        (
            "a refund that came twice",
            vec![grant("g", 100, 110)],
            vec![refunded("a", 10, &[("g", 10)], "")],
            vec![],
            vec![GrantOutOfRange, RefundedMoreThanOnce],
        ),
        (
            "a refund that came twice, to a grant with room",
            vec![grant("g", 100, 90)],
            vec![refunded("a", 10, &[("g", 10)], ""), charge("b", 20, &[("g", 20)], "")],
            vec![],
            vec![RefundedMoreThanOnce],
        ),
        (
            "a grant that was raised by more than refunds explain",
            vec![grant("g", 100, 95)],
            vec![refunded("a", 1, &[("g", 1)], ""), charge("b", 20, &[("g", 20)], "")],
            vec![],
            vec![GrantDrawsDiffer],
        ),
        (
            "a draw on a charge",
            vec![],
            vec![charge("a", 1, &[("a", 1)], "")],
            vec![],
            vec![DrawOnForeignGrant],
        ),
        (
            "a detail that can't be read hides what left",
            vec![grant("g", 100, 90)],
            vec![unreadable("a")],
            vec![],
            vec![DetailUnreadable],
        ),
        (
            "a grant that is gone",
            vec![],
            vec![charge("a", 1, &[("x", 1)], "")],
            vec![],
            vec![DrawOnForeignGrant],
        ),
        (
            "a task that is gone",
            vec![grant("g", 1, 0)],
            vec![charge("a", 1, &[("g", 1)], "x")],
            vec![],
            vec![ChargeWithoutTask],
        ),
        (
            "a delivered task that was refunded, by another one that failed",
            vec![grant("g", 9, 9)],
            vec![refunded("a", 9, &[("g", 9)], "t")],
            vec![task_that_is("completed", "t", "a"), task("free", true, "a")],
            vec![DeliveredTaskRefunded],
        ),
        (
            "delivered tasks that were given away, and whose credits were given back",
            vec![grant("g", 9, 9)],
            vec![
                ChargeEntry { forgiven: true, ..refunded("a", 9, &[("g", 9)], "t") },
                refunded("b", 9, &[("g", 9)], "s"),
            ],
            vec![task_that_is("extracted", "t", "a"), task_that_is("processing", "s", "b")],
            vec![],
        ),
        (
            "a charge that is gone",
            vec![],
            vec![],
            vec![task("t", false, "x")],
            vec![TaskWithoutCharge],
        ),
        (
            "a grant for a charge",
            vec![grant("g", 1, 1)],
            vec![],
            vec![task("t", false, "g")],
            vec![TaskWithoutCharge],
        ),
        (
            "a failure that was not refunded",
            vec![grant("g", 1, 0)],
            vec![charge("a", 1, &[("g", 1)], "t")],
            vec![task("t", true, "a")],
            vec![FailedTaskCharged],
        ),
        (
            "a grant whose status says that the rest of it was taken",
            vec![GrantEntry { state: State::Emptied, active: false, ..grant("g", 50, 0) }],
            vec![charge("a", 10, &[("g", 10)], "")],
            vec![],
            vec![],
        ),
        (
            "the same, overdrawn",
            vec![GrantEntry { state: State::Emptied, active: false, ..grant("g", 5, 0) }],
            vec![charge("a", 10, &[("g", 10)], "")],
            vec![],
            vec![GrantDrawsDiffer],
        ),
        (
            "a grant that is withdrawn",
            vec![closed("g", 50, 40)],
            vec![charge("a", 10, &[("g", 10)], ""), claim("c", 50, &[])],
            vec![],
            vec![],
        ),
        (
            "a part that is withdrawn",
            vec![grant("g", 50, 30)],
            vec![claim("c", 20, &[("g", 20)])],
            vec![],
            vec![],
        ),
        (
            "what is outstanding",
            vec![closed("g", 50, 0)],
            vec![charge("a", 40, &[("g", 40)], ""), claim("c", 20, &[("g", 10)])],
            vec![],
            vec![],
        ),
        (
            "a claim after a part was written off",
            vec![grant("g", 50, 10)],
            vec![written_off("w", &[("g", 30)], &[]), claim("c", 40, &[("g", 10)])],
            vec![],
            vec![],
        ),
        (
            "a claim after what other grants have was written off",
            vec![grant("g", 50, 10)],
            vec![written_off("w", &[("g", 30)], &[("g", 30)]), claim("c", 20, &[("g", 10)])],
            vec![],
            vec![RevocationDiffers],
        ),
        (
            "a grant that no revocation claims",
            vec![closed("g", 50, 50)],
            vec![],
            vec![],
            vec![RevocationDiffers],
        ),
        (
            "one whose revocation has ended",
            vec![closed("g", 50, 50)],
            vec![ChargeEntry { active: false, ..claim("c", 50, &[]) }],
            vec![],
            vec![RevocationDiffers],
        ),
        (
            "a claim on all of a grant that can be spent",
            vec![grant("g", 50, 50)],
            vec![claim("c", 50, &[])],
            vec![],
            vec![RevocationDiffers],
        ),
        (
            "a claim that has drawn less",
            vec![grant("g", 50, 40)],
            vec![claim("c", 20, &[("g", 10)])],
            vec![],
            vec![RevocationDiffers],
        ),
        ("seconds among milliseconds", vec![in_seconds()], vec![], vec![], vec![WrongTimeUnit]),
    ];
    for (about, grants, charges, tasks, expected) in rows {
        let books = Books { grants, charges, tasks, ..Books::of("u") };
        let found = Audit::of(&books).findings(&Owners::new());
        let kinds: Vec<FindingKind> = found.iter().map(|finding| finding.kind).collect();
        assert_eq!(kinds, expected, "{about}: {found:?}");
    }
}

#[test]
fn findings_say_what_a_revocation_lacks() {
    let spent = || charge("a", 50, &[("g", 50)], "");
    let rows = [
        // a grant, charges; the message
        (
            grant("g", 50, 40),
            vec![claim("c", 20, &[("g", 10)])],
            "revocation c is owed 10 credits more, but grant g is not withdrawn",
        ),
        (
            grant("g", 50, 0),
            vec![spent(), claim("c", 50, &[("other", 50)])],
            "revocation c claims all of grant g, which is not withdrawn",
        ),
    ];
    for (held, charges, expected) in rows {
        let grants = vec![held, grant("other", 50, 0)];
        let books = Books { grants, charges, ..Books::of("u") };
        let found = Audit::of(&books).findings(&Owners::new());
        let found = found.iter().find(|finding| finding.kind == FindingKind::RevocationDiffers);
        assert_eq!(found.map(|finding| finding.message.as_str()), Some(expected));
    }
}

#[test]
fn findings_name_the_owner_of_foreign_rows() {
    let charges = vec![charge("a", 1, &[("x", 1)], "y")];
    let tasks = vec![task("t", false, "z")];
    let books = Books { charges, tasks, ..Books::of("u") };
    let audit = Audit::of(&books);
    let credit = |id: &str| (TableName::Credit, id.to_owned());
    let tasks = (TableName::Tasks(TaskKind::Media), "y".to_owned());
    assert_eq!(audit.named_elsewhere(), [credit("x"), tasks.clone(), credit("z")]);
    let owners: Owners =
        [(credit("x"), "v".to_owned()), (tasks, "w".to_owned())].into_iter().collect();
    let messages: Vec<String> =
        audit.findings(&owners).into_iter().map(|finding| finding.message).collect();
    assert_eq!(
        messages,
        [
            "charge a drew on grant x, which is user v's",
            "charge a was made for task y, which is user w's",
            "task t names charge z, which is missing",
        ]
    );
}

#[test]
fn times_in_another_unit() {
    let rows = [
        // a time, and the one that was meant
        (NOW, None),
        (NOW / 1000, Some(NOW)),
        (NOW * 1000, Some(NOW)),
        (0, None),
        (-1, None),
        (-62_135_596_800_000, None),
        (253_402_300_799_999, None),
        (253_402_300_800_000, None),
        (8_640_000_000_000_000, None),
        (i64::MIN, None),
        (i64::MAX, None),
    ];
    for (time_ms, meant) in rows {
        assert_eq!(in_right_unit(time_ms), meant, "{time_ms}");
        let grants = vec![GrantEntry { times: at(time_ms), ..grant("g", 9, 9) }];
        let found = Audit::of(&Books { grants, ..Books::of("u") }).findings(&Owners::new());
        assert_eq!(found.len(), usize::from(meant.is_some()), "{time_ms}");
    }
}

#[test]
fn overflowing_numbers_are_findings() {
    let grants = vec![grant("g", i64::MIN, i64::MAX), grant("h", i64::MAX, -1)];
    let books = Books { grants, ..Books::of("u") };
    assert!(Audit::of(&books).findings(&Owners::new()).len() >= 2);
}

/// Adding up all draws for each draw would take minutes.
#[test]
fn a_charge_may_have_very_many_draws() {
    let ids: Vec<String> = (0..50_000).map(|at| format!("g{at}")).collect();
    let draws: Vec<(&str, i64)> = ids.iter().map(|id| (id.as_str(), 1)).collect();
    let grants = ids.iter().map(|id| grant(id, 1, 0)).collect();
    let charges = vec![charge("a", 50_000, &draws, "")];
    let books = Books { grants, charges, ..Books::of("u") };
    assert_eq!(Audit::of(&books).findings(&Owners::new()), []);
}
