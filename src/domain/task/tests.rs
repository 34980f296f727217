//! The rules of tasks, as tables.

use super::*;

fn fields(pairs: &[(&str, Value)]) -> Fields {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn charge(user_id: &str, active: bool, detail: &str) -> Charge {
    Charge {
        id: "c".into(),
        user_id: user_id.into(),
        active,
        consumed_detail: Some(detail.as_bytes().to_vec()),
    }
}

#[test]
fn new_tasks_as_passed() {
    let plain = [("id", text("t")), ("userId", text("u"))];
    let rows = [
        // what is added to a plain task, the cost; the code
        (vec![], Some(Value::Integer(10)), None),
        (vec![], Some(Value::Integer(0)), None),
        (vec![("creditId", text("c"))], Some(Value::Integer(0)), None),
        (vec![("creditId", Value::Null)], Some(Value::Integer(10)), None),
        (vec![("id", Value::Null)], Some(Value::Integer(10)), Some("INVALID_ID")),
        (vec![("id", text(""))], Some(Value::Integer(10)), Some("INVALID_ID")),
        (vec![("id", text("a\0b"))], Some(Value::Integer(10)), Some("INVALID_ID")),
        (vec![("id", text(&"x".repeat(256)))], Some(Value::Integer(10)), Some("INVALID_ID")),
        (vec![("userId", Value::Integer(1))], Some(Value::Integer(10)), Some("INVALID_ID")),
        (vec![], None, Some("INVALID_AMOUNT")),
        (vec![], Some(Value::Integer(-5)), Some("INVALID_AMOUNT")),
        (vec![("creditId", text("c"))], Some(Value::Integer(10)), Some("READ_ONLY_FIELD")),
        (vec![("status", text("failed"))], Some(Value::Integer(0)), None),
        (vec![("status", text("failed"))], Some(Value::Integer(10)), Some("READ_ONLY_FIELD")),
    ];
    for (added, cost, code) in rows {
        let mut task = fields(&plain);
        for (name, value) in &added {
            task.set(name, value.clone());
        }
        let parsed = NewTask::parse(task, cost.as_ref());
        assert_eq!(parsed.err().map(|error| error.code()), code, "{added:?} {cost:?}");
    }
}

#[test]
fn a_tasks_charge_reads_as_the_apps() -> Result<()> {
    let rows = [
        // outputType; description, metadata
        (
            Some(text("video")),
            "Media extraction: video",
            r#"{"type":"media-task","taskId":"t","outputType":"video"}"#,
        ),
        (
            None,
            "Media extraction: subtitle",
            r#"{"type":"media-task","taskId":"t","outputType":null}"#,
        ),
    ];
    for (output_type, description, metadata) in rows {
        let mut task = fields(&[("id", text("t")), ("userId", text("u"))]);
        if let Some(output_type) = output_type {
            task.set("outputType", output_type);
        }
        let charge = NewTask::parse(task, Some(&Value::Integer(10)))?.charge;
        let expected = fields(&[
            ("transactionScene", text("payment")),
            ("description", text(description)),
            ("metadata", Value::Json(metadata.into())),
        ]);
        assert_eq!(charge.map(|charge| charge.described), Some(expected));
    }
    Ok(())
}

#[test]
fn new_tasks_guards_in_order() -> Result<()> {
    let free = [("id", text("t")), ("userId", text("u")), ("creditId", text("c"))];
    let free = NewTask::parse(fields(&free), Some(&Value::Integer(0)))?;
    let paid = [("id", text("t")), ("userId", text("u"))];
    let paid = NewTask::parse(fields(&paid), Some(&Value::Integer(1)))?;
    let rows = [
        // task, user exists, task exists, its charge; the code
        (&paid, false, true, None, Some("USER_NOT_FOUND")),
        (&paid, true, true, None, Some("TASK_EXISTS")),
        (&paid, true, false, None, Some("INSUFFICIENT_CREDITS")),
        (&free, true, true, None, Some("TASK_EXISTS")),
        (&free, true, false, None, Some("CHARGE_NOT_FOUND")),
        (&free, true, false, Some(charge("v", true, "[]")), Some("CHARGE_OWNER_MISMATCH")),
        (&free, true, false, Some(charge("u", true, "[]")), None),
    ];
    for (task, user_exists, task_exists, named_charge, code) in rows {
        let funds = ChargeFacts { user_exists, ..ChargeFacts::default() };
        let facts = NewTaskFacts { task_exists, named_charge, funds };
        let ids = NewIds { id: "new".into(), transaction_no: "1".into() };
        let plan = plan_new_task(task, &facts, ids, 0);
        assert_eq!(plan.err().map(|error| error.code()), code, "{facts:?}");
    }
    Ok(())
}

#[test]
fn patches() -> Result<()> {
    let drawn = r#"[{"creditId":"g","creditsConsumed":10}]"#;
    let own = Some("own");
    let named = || fields(&[("status", text("failed")), ("creditId", text("named"))]);
    let fails = || fields(&[("status", text("failed"))]);
    let unnamed = || fields(&[("status", text("failed")), ("creditId", Value::Null)]);
    let moves = || fields(&[("status", text("translating")), ("creditId", text("named"))]);
    let u = |detail: &str| Some(charge("u", true, detail));
    type Row<'a> = (
        Fields,
        Option<&'a str>,
        Option<&'a str>,
        Option<Charge>,
        std::result::Result<i64, &'a str>,
    );
    let rows: [Row; 14] = [
        // patch, the task's charge, what is loaded, what is there; draws to refund or the code
        (fails(), own, own, u(drawn), Ok(1)),
        (unnamed(), own, own, u(drawn), Ok(1)),
        (named(), own, Some("named"), u(drawn), Ok(1)),
        (fails(), None, None, None, Ok(0)),
        (fails(), own, own, None, Ok(0)),
        (named(), own, Some("named"), None, Err("CHARGE_NOT_FOUND")),
        (fails(), own, own, Some(charge("v", true, drawn)), Err("CHARGE_OWNER_MISMATCH")),
        (named(), own, Some("named"), Some(charge("v", true, drawn)), Err("CHARGE_OWNER_MISMATCH")),
        (fails(), own, own, Some(charge("u", false, drawn)), Ok(0)),
        (fails(), own, own, Some(charge("u", false, "junk")), Ok(0)),
        (fails(), own, own, u("junk"), Err("CHARGE_CORRUPT")),
        (moves(), own, Some("named"), u("junk"), Ok(0)),
        (moves(), own, Some("named"), None, Err("CHARGE_NOT_FOUND")),
        (fields(&[("progress", Value::Integer(5))]), own, None, None, Ok(0)),
    ];
    for (fields, credit_id, loaded, charge, expected) in rows {
        let patch = TaskPatch::parse("t".into(), fields)?;
        let task = TaskFacts {
            user_id: "u".into(),
            status: "processing".into(),
            credit_id: credit_id.map(str::to_owned),
        };
        assert_eq!(patch.charge_to_load(&task), loaded, "{patch:?}");
        let checked = patch.check_charge(&task, charge.as_ref());
        let draws = checked
            .as_ref()
            .map(|refundable| refundable.as_ref().map_or(0, |some| some.draws.len() as i64))
            .map_err(Error::code);
        assert_eq!(draws, expected, "{patch:?} {charge:?}");
    }
    Ok(())
}

#[test]
fn a_failed_task_takes_no_active_charge() -> Result<()> {
    let charged = || ("creditId", text("c"));
    let rows = [
        // the task's status, the patch, whether the charge is active; the code
        ("failed", vec![charged()], true, Some("READ_ONLY_FIELD")),
        ("failed", vec![charged()], false, None),
        ("failed", vec![charged(), ("status", text("translating"))], true, None),
        ("failed", vec![charged(), ("status", text("failed"))], true, None),
        ("processing", vec![charged()], true, None),
    ];
    for (status, patch, active, code) in rows {
        let patch = TaskPatch::parse("t".into(), fields(&patch))?;
        let task = TaskFacts { user_id: "u".into(), status: status.into(), credit_id: None };
        let checked = patch.check_charge(&task, Some(&charge("u", active, "[]")));
        assert_eq!(checked.err().map(|error| error.code()), code, "{status} {patch:?}");
    }
    Ok(())
}

#[test]
fn a_failing_patch_always_says_what_was_refunded() -> Result<()> {
    let rows = [("failed", true), ("Failed", false), ("completed", false)];
    for (status, says) in rows {
        let patch = TaskPatch::parse("t".into(), fields(&[("status", text(status))]))?;
        let plan = plan_patch(&patch, None, Vec::new(), 9);
        assert_eq!(plan.refunded, says.then(Refund::default), "{status}");
        assert_eq!(plan.row.get("updatedAt"), Some(&Value::TimeMs(9)));
    }
    Ok(())
}

#[test]
fn a_patch_keeps_the_tasks_id_and_user() {
    for name in ["id", "userId"] {
        let patch = TaskPatch::parse("t".into(), fields(&[(name, text("other"))]));
        assert_eq!(patch.err().map(|error| error.code()), Some("READ_ONLY_FIELD"));
    }
}
