//! Settlements, as tables.

use super::*;

const DRAWN: &str = r#"[{"creditId":"a","creditsToConsume":10,"creditsConsumed":7,"creditsBefore":7,"creditsAfter":0},{"creditId":"b","creditsToConsume":3,"creditsConsumed":3,"creditsBefore":9,"creditsAfter":6}]"#;

const RAISED: &str = r#"[{"creditId":"a","creditsConsumed":7},{"creditId":"b","creditsConsumed":3},{"creditId":"c","creditsConsumed":2}]"#;

fn charge(active: bool, credits: i64, detail: &str, metadata: Option<&str>) -> Charge {
    Charge {
        id: "c".into(),
        user_id: "u".into(),
        active,
        credits,
        consumed_detail: Some(detail.into()),
        metadata: metadata.map(str::to_owned),
    }
}

fn last(credits: i64) -> Result<Settlement> {
    let (kind, id, policy) = (TaskKind::Media, "t".to_owned(), RefundPolicy::Source);
    let credits = Value::Integer(credits);
    Settlement::of_task((kind, id), Some(&credits), &CallOptions::default(), policy)
}

fn to(credits: i64) -> Result<Settlement> {
    let credits = Value::Integer(credits);
    let (options, policy) = (CallOptions::default(), RefundPolicy::Source);
    Settlement::of_credits("c".to_owned(), Some(&credits), &options, policy)
}

fn over(credits: i64) -> Result<Settlement> {
    let options: Fields = [("over", Value::Text("available".to_owned()))].into_iter().collect();
    let (credits, policy) = (Value::Integer(credits), RefundPolicy::Source);
    Settlement::of_credits("c".to_owned(), Some(&credits), &options.into(), policy)
}

fn back(credits: Option<i64>) -> Result<Settlement> {
    let credits = credits.map(Value::Integer);
    let (id, policy) = ("c".to_owned(), RefundPolicy::Source);
    Settlement::of_charge(id, credits.as_ref(), &Fields::default(), policy)
}

#[test]
fn a_settlement_charges_what_was_used() -> Result<()> {
    let fresh = || charge(true, 10, DRAWN, None);
    let to = |charged: i64, credits: i64| {
        format!(r#"{{"settled":{{"charged":{charged},"credits":{credits}}}}}"#)
    };
    let six = || charge(true, 6, r#"[{"creditId":"a","creditsConsumed":6}]"#, Some(&to(10, 6)));
    let refunded = || charge(false, 10, DRAWN, None);
    let failed_later = || Charge { active: false, ..six() };
    let overdrawn = || charge(true, 5, DRAWN, None);
    let raised = || charge(true, 12, RAISED, Some(&to(10, 12)));
    let lacking = r#"{"settled":{"charged":10,"credits":12,"uncollected":3}}"#;
    let short = || charge(true, 12, RAISED, Some(lacking));
    let short_then_failed = || Charge { active: false, ..short() };
    type Row<'a> = (Settlement, Charge, Result<Option<&'a [(&'a str, i64)]>, &'a str>);
    let rows: [Row; 42] = [
        // the settlement, the charge; the refund, nothing to do, or the code
        (last(10)?, fresh(), Ok(Some(&[]))),
        (last(8)?, fresh(), Ok(Some(&[("b", 2)]))),
        (last(7)?, fresh(), Ok(Some(&[("b", 3)]))),
        (last(6)?, fresh(), Ok(Some(&[("b", 3), ("a", 1)]))),
        (last(0)?, fresh(), Ok(Some(&[("a", 7), ("b", 3)]))),
        (last(11)?, fresh(), Err("SETTLE_EXCEEDS_CHARGE")),
        (last(6)?, six(), Ok(None)),
        (last(5)?, six(), Err("SETTLE_CONFLICT")),
        (last(0)?, six(), Err("SETTLE_CONFLICT")),
        (last(10)?, six(), Err("SETTLE_CONFLICT")),
        (last(0)?, refunded(), Ok(None)),
        (last(5)?, refunded(), Err("SETTLE_CONFLICT")),
        (last(6)?, failed_later(), Ok(None)),
        (last(0)?, failed_later(), Ok(None)),
        (last(5)?, failed_later(), Err("SETTLE_CONFLICT")),
        (last(2)?, overdrawn(), Err("CHARGE_CORRUPT")),
        (last(0)?, overdrawn(), Ok(Some(&[("a", 7), ("b", 3)]))),
        (last(2)?, charge(true, 10, "junk", None), Err("CHARGE_CORRUPT")),
        (back(None)?, fresh(), Ok(Some(&[("a", 7), ("b", 3)]))),
        (back(None)?, six(), Ok(Some(&[("a", 6)]))),
        (back(None)?, refunded(), Ok(None)),
        (back(Some(4))?, fresh(), Ok(Some(&[("b", 3), ("a", 1)]))),
        (back(Some(4))?, six(), Ok(None)),
        (back(Some(11))?, fresh(), Err("SETTLE_EXCEEDS_CHARGE")),
        // The draws of a higher cost are decided later.
        (over(15)?, fresh(), Ok(Some(&[]))),
        (over(10)?, fresh(), Ok(Some(&[]))),
        (over(6)?, fresh(), Ok(Some(&[("b", 3), ("a", 1)]))),
        (over(15)?, six(), Err("SETTLE_CONFLICT")),
        (over(15)?, refunded(), Err("SETTLE_CONFLICT")),
        (over(15)?, overdrawn(), Err("CHARGE_CORRUPT")),
        (over(12)?, raised(), Ok(None)),
        (last(12)?, raised(), Ok(None)),
        (over(15)?, raised(), Err("SETTLE_CONFLICT")),
        (last(15)?, raised(), Err("SETTLE_EXCEEDS_CHARGE")),
        (last(10)?, raised(), Err("SETTLE_CONFLICT")),
        (back(None)?, raised(), Ok(Some(&[("a", 7), ("b", 3), ("c", 2)]))),
        (back(Some(12))?, raised(), Err("SETTLE_EXCEEDS_CHARGE")),
        (over(15)?, short(), Ok(None)),
        (over(12)?, short(), Err("SETTLE_CONFLICT")),
        (over(15)?, short_then_failed(), Ok(None)),
        (over(0)?, short_then_failed(), Ok(None)),
        (over(14)?, short_then_failed(), Err("SETTLE_CONFLICT")),
    ];
    for (settlement, charge, expected) in rows {
        let checked = settlement.check_amount(&charge);
        let found = checked.as_ref().map_err(Error::code).map(|settling| {
            settling.as_ref().map(|settling| {
                let draws = settling.refundable.draws.iter();
                draws
                    .map(|draw| (draw.credit_id.as_str(), draw.credits_consumed))
                    .collect::<Vec<_>>()
            })
        });
        let expected = expected.map(|some| some.map(<[_]>::to_vec));
        assert_eq!(found, expected, "{settlement:?} {charge:?}");
    }
    Ok(())
}

/// The columns that a settlement changes.
fn changed(settlement: &Settlement, charge: &Charge) -> Result<Option<Fields>> {
    let (charge, settling) = settlement.check(None, Some(charge.clone()), false)?;
    let (plan, _) = plan_settlement(settlement, &charge, settling, 7)?;
    Ok(plan.rows.into_iter().next().map(|row| row.fields))
}

#[test]
fn a_hold_ends_only_once() -> Result<()> {
    let held = r#"{"held":true}"#;
    let hold = || charge(true, 10, DRAWN, Some(held));
    let plain = || charge(true, 10, DRAWN, None);
    let gone = || Charge { active: false, ..hold() };
    let partly = || {
        let metadata = r#"{"held":true,"settled":{"charged":10,"credits":6}}"#;
        charge(true, 6, r#"[{"creditId":"a","creditsConsumed":6}]"#, Some(metadata))
    };
    let kept = || Settlement::of_kept("c".to_owned());
    let release = || Settlement::of_release("c".to_owned(), RefundPolicy::Source);
    // Whether it is a hold afterwards, and its status.
    type Then = Option<(bool, &'static str)>;
    let rows: [(Settlement, Charge, Result<Then, &str>); 17] = [
        (kept(), hold(), Ok(Some((false, "active")))),
        (kept(), partly(), Ok(Some((false, "active")))),
        (kept(), plain(), Ok(None)),
        (kept(), gone(), Err("CHARGE_REFUNDED")),
        (release(), hold(), Ok(Some((true, "deleted")))),
        (release(), partly(), Ok(Some((true, "deleted")))),
        (release(), plain(), Ok(None)),
        (release(), gone(), Ok(None)),
        (to(6)?, hold(), Ok(Some((false, "active")))),
        (to(10)?, hold(), Ok(Some((false, "active")))),
        (to(0)?, hold(), Ok(Some((true, "deleted")))),
        (over(12)?, hold(), Ok(Some((false, "active")))),
        // A hold that was partly refunded before.
        (to(6)?, partly(), Ok(Some((false, "active")))),
        (to(5)?, partly(), Err("SETTLE_CONFLICT")),
        (back(Some(4))?, hold(), Ok(Some((true, "active")))),
        (back(Some(4))?, partly(), Ok(None)),
        (back(None)?, hold(), Ok(Some((true, "deleted")))),
    ];
    for (settlement, charge, expected) in rows {
        let then = changed(&settlement, &charge).map_err(|error| error.code());
        let then = then.map(|fields| {
            fields.map(|fields| {
                let held = fields.get("metadata").map(json);
                let ends = fields.get("expiresAt") == Some(&Value::Null);
                let held = metadata::is_held(held.as_deref());
                assert_eq!(ends, !held, "{settlement:?} {charge:?}");
                let status = fields.get("status").and_then(Value::as_text);
                (held, if status == Some("deleted") { "deleted" } else { "active" })
            })
        });
        assert_eq!(then, expected, "{settlement:?} {charge:?}");
    }
    Ok(())
}

#[test]
fn the_charge_exists_and_belongs_to_the_user() -> Result<()> {
    let task = |user_id: &str, credit_id: Option<&str>| TaskFacts {
        user_id: user_id.into(),
        status: "completed".into(),
        credit_id: credit_id.map(str::to_owned),
        updated_at_ms: Ok(0),
        free_trial: None,
    };
    let there = || Some(charge(true, 10, DRAWN, None));
    let rows = [
        // the settlement, the task, the charge; the code
        (last(5)?, Some(task("u", Some("c"))), there(), None),
        (last(5)?, Some(task("v", Some("c"))), there(), Some("CHARGE_OWNER_MISMATCH")),
        (last(5)?, Some(task("u", Some("c"))), None, Some("CHARGE_NOT_FOUND")),
        (last(5)?, Some(task("u", None)), None, Some("CHARGE_NOT_FOUND")),
        (back(None)?, None, there(), None),
        (back(None)?, None, None, Some("CHARGE_NOT_FOUND")),
    ];
    for (settlement, task, charge, code) in rows {
        let checked = settlement.check(task.as_ref(), charge, true);
        assert_eq!(checked.err().map(|error| error.code()), code, "{settlement:?} {task:?}");
    }
    let of_other = r#"{"type":"ai-task","taskId":"t"}"#;
    let rows = [
        // the settlement, whether the other task exists; the code
        (last(5)?, true, Some("CHARGE_OWNER_MISMATCH")),
        (last(5)?, false, None),
        (back(None)?, true, None),
    ];
    for (settlement, claimed, code) in rows {
        let charge = charge(true, 10, DRAWN, Some(of_other));
        let task = task("u", Some("c"));
        let checked = settlement.check(Some(&task), Some(charge), claimed);
        assert_eq!(checked.err().map(|error| error.code()), code, "{settlement:?} {claimed}");
    }
    Ok(())
}

#[test]
fn overflowing_numbers_do_not_panic() -> Result<()> {
    let item = |before: i64| {
        format!(r#"[{{"creditId":"a","creditsConsumed":10,"creditsBefore":{before}}}]"#)
    };
    for before in [i64::MIN, i64::MAX] {
        let settling = last(6)?.check_amount(&charge(true, 10, &item(before), None))?;
        assert_eq!(settling.map(|settling| settling.refundable.draws.len()), Some(1));
    }
    Ok(())
}

#[test]
fn the_charge_after_a_settlement() -> Result<()> {
    let rows = [
        // final credits; credits, status, consumed_detail
        (10, Some(-10), None, Some(DRAWN.to_owned())),
        (
            8,
            Some(-8),
            None,
            Some(
                DRAWN
                    .replace(r#""creditsToConsume":10"#, r#""creditsToConsume":8"#)
                    .replace(r#""creditsToConsume":3,"creditsConsumed":3"#, r#""creditsToConsume":1,"creditsConsumed":1"#)
                    .replace(r#""creditsAfter":6"#, r#""creditsAfter":8"#),
            ),
        ),
        (
            6,
            Some(-6),
            None,
            Some(
                r#"[{"creditId":"a","creditsToConsume":6,"creditsConsumed":6,"creditsBefore":7,"creditsAfter":1}]"#
                    .to_owned(),
            ),
        ),
        (0, None, Some("deleted"), None),
    ];
    for (credits, took, status, detail) in rows {
        let settling = last(credits)?.check_amount(&charge(true, 10, DRAWN, None))?;
        let fields = settling.expect("something to do").fields;
        assert_eq!(fields.get("credits"), took.map(Value::Integer).as_ref());
        assert_eq!(fields.get("status").and_then(Value::as_text), status);
        assert_eq!(fields.get("consumedDetail"), detail.map(Value::Json).as_ref());
        let settled = Settled { charged: 10, credits, uncollected: 0 };
        assert_eq!(
            fields.get("metadata"),
            Some(&Value::Json(metadata::with_settled(None, settled)))
        );
    }
    Ok(())
}

#[test]
fn a_higher_cost_is_drawn_as_far_as_the_balance_allows() -> Result<()> {
    let grant = |id: &str, remaining: i64| Grant {
        id: id.to_owned(),
        transaction_no: format!("no-{id}"),
        credits: 100,
        remaining,
        expires_at_ms: None,
        active: true,
        provenance: None,
    };
    let funds = [grant("b", 1), grant("c", 4)];
    let rows = [
        // credits, spendable grants; the draws, the uncollected credits
        (11, &funds[..], &[("b", 1)][..], 0),
        (13, &funds, &[("b", 1), ("c", 2)], 0),
        (15, &funds, &[("b", 1), ("c", 4)], 0),
        (18, &funds, &[("b", 1), ("c", 4)], 3),
        (18, &[], &[], 8),
    ];
    for (credits, funds, drawn, uncollected) in rows {
        let (settlement, charge) = (over(credits)?, charge(true, 10, DRAWN, None));
        let mut settling = settlement.check(None, Some(charge.clone()), false)?.1;
        let settling = settling.take().map(|one| Settling { funds: funds.to_vec(), ..one });
        let (plan, difference) = plan_settlement(&settlement, &charge, settling, 7)?;
        let draws = plan.draws.iter();
        let draws: Vec<_> =
            draws.map(|draw| (draw.credit_id.as_str(), draw.credits_consumed)).collect();
        assert_eq!(draws, drawn, "{credits}");
        let collected = drawn.iter().map(|(_, credits)| credits).sum();
        let refund = Refund::default();
        assert_eq!(difference, Difference { refund, collected, uncollected }, "{credits}");
        let took = credits - uncollected;
        let fields = &plan.rows[0].fields;
        assert_eq!(fields.get("credits"), Some(&Value::Integer(-took)), "{credits}");
        let after = Charge {
            credits: took,
            consumed_detail: fields.get("consumedDetail").map(|detail| json(detail).into()),
            metadata: fields.get("metadata").map(json),
            ..charge.clone()
        };
        let sum: i64 = after.draws()?.iter().map(|draw| draw.credits_consumed).sum();
        assert_eq!(sum, took, "{credits}");
        // A repeated settlement changes nothing and returns what is uncollected.
        let (after, again) = settlement.check(None, Some(after), false)?;
        assert_eq!(again, None, "{credits}");
        let (plan, difference) = plan_settlement(&settlement, &after, None, 8)?;
        assert!(plan.rows.is_empty() && plan.draws.is_empty(), "{credits}");
        assert_eq!(difference, Difference { uncollected, ..Difference::default() }, "{credits}");
    }
    Ok(())
}

fn json(value: &Value) -> String {
    match value {
        Value::Json(text) => text.clone(),
        other => panic!("{other:?}"),
    }
}

/// The exact bytes that the app's pages and refund code read.
#[test]
fn additional_items_have_the_format_of_the_first_ones() -> Result<()> {
    let (settlement, charge) = (over(12)?, charge(true, 10, DRAWN, None));
    let (_, settling) = settlement.check(None, Some(charge.clone()), false)?;
    let b = Grant {
        id: "b".to_owned(),
        transaction_no: "no".to_owned(),
        credits: 100,
        remaining: 6,
        expires_at_ms: Some(1_797_022_109_250),
        active: true,
        provenance: None,
    };
    let settling = settling.map(|settling| Settling { funds: vec![b], ..settling });
    let (plan, _) = plan_settlement(&settlement, &charge, settling, 7)?;
    let expected = concat!(
        r#"[{"creditId":"a","creditsToConsume":12,"creditsConsumed":7,"creditsBefore":7,"creditsAfter":0},"#,
        r#"{"creditId":"b","creditsToConsume":5,"creditsConsumed":3,"creditsBefore":9,"creditsAfter":6},"#,
        r#"{"creditId":"b","transactionNo":"no","expiresAt":"2026-12-11T20:48:29.250Z","creditsToConsume":2,"#,
        r#""creditsConsumed":2,"creditsBefore":6,"creditsAfter":4,"batchSize":1000,"batchNo":3}]"#
    );
    let detail = plan.rows[0].fields.get("consumedDetail");
    assert_eq!(detail, Some(&Value::Json(expected.to_owned())));
    Ok(())
}
