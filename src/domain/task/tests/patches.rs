//! What patches refund, deliver and reject.

use super::*;

#[test]
fn a_patch_decides_which_charge_is_refunded() -> Result<()> {
    let drawn = r#"[{"creditId":"g","creditsConsumed":10}]"#;
    let own = Some("own");
    let named = || fields(&[("status", text("failed")), ("creditId", text("named"))]);
    let fails = || fields(&[("status", text("failed"))]);
    let unnamed = || fields(&[("status", text("failed")), ("creditId", Value::Null)]);
    let moves = || fields(&[("status", text("translating")), ("creditId", text("named"))]);
    let u = |detail: &str| Some(charge("u", true, detail));
    type Row<'a> = (Fields, Option<&'a str>, Option<&'a str>, Option<Charge>, Result<i64, &'a str>);
    let rows: [Row; 14] = [
        // the patch, the task's charge, the charge to load, the loaded one; draws to refund or the code
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
        let patch = patch(fields)?;
        let task = task("processing", credit_id);
        assert_eq!(patch.charge_to_load(&task), loaded, "{patch:?}");
        let checked = patch.check(&task, charge.as_ref(), true);
        let draws = checked
            .as_ref()
            .map(|found| match found {
                OnCharge::Refunds(refundable) => refundable.draws.len() as i64,
                OnCharge::Nothing | OnCharge::GivesAway { .. } => 0,
            })
            .map_err(Error::code);
        assert_eq!(draws, expected, "{patch:?} {charge:?}");
    }
    Ok(())
}

#[test]
fn a_task_takes_and_refunds_its_own_charge_alone() -> Result<()> {
    let (own, other) = (|active| made_for("t", active), |active| made_for("s", active));
    let fails = || vec![("status", text("failed"))];
    let names = |id: &str| vec![("creditId", text(id))];
    let both = |id: &str| vec![("creditId", text(id)), ("status", text("failed"))];
    let delivers = || vec![("status", text("completed"))];
    let mismatch = Some("CHARGE_OWNER_MISMATCH");
    let metadata = || Some(r#"{"type":"subtitle","taskId":"s"}"#.to_owned());
    let named_by_the_app = || Charge { metadata: metadata(), ..charge("u", true, "[]") };
    let rows = [
        // kind, patch of a task that names c, the charge, whether the task it was made for exists; the code
        (Media, fails(), own(true), false, None),
        (Media, fails(), other(true), true, mismatch),
        (Media, fails(), other(true), false, None),
        (Media, fails(), other(false), true, None),
        (Media, fails(), charge("u", true, "[]"), false, None),
        (Media, fails(), named_by_the_app(), true, mismatch),
        (Media, fails(), named_by_the_app(), false, None),
        (Media, names("d"), named_by_the_app(), true, mismatch),
        (Media, names("d"), named_by_the_app(), false, None),
        (Ai, fails(), own(true), true, mismatch),
        (Media, both("c"), other(true), true, mismatch),
        (Media, both("c"), other(true), false, None),
        (Media, both("d"), other(true), false, mismatch),
        (Media, names("d"), other(true), false, mismatch),
        (Media, names("d"), other(false), true, None),
        (Media, names("d"), own(true), false, None),
        (Media, names("c"), other(true), true, None),
        (Media, delivers(), other(true), true, None),
    ];
    for (kind, patched, charge, claimed, code) in rows {
        let (patched, none) = (fields(&patched), Fields::default());
        let patch = TaskPatch::parse((kind, "t".into()), patched, &none, RefundPolicy::Source)?;
        let checked = patch.check(&task("processing", Some("c")), Some(&charge), claimed);
        assert_eq!(checked.err().map(|error| error.code()), code, "{patch:?} {charge:?} {claimed}");
    }
    Ok(())
}

#[test]
fn a_charge_records_that_its_task_was_delivered_unpaid() -> Result<()> {
    let given = r#"{"type":"media-task-step","taskId":"t","given":true}"#;
    let rows = [
        // the charge's metadata before; after
        (None, Some(r#"{"given":true}"#)),
        (made_for("t", false).metadata, Some(given)),
        (Some(given.to_owned()), None),
    ];
    for (metadata, expected) in rows {
        let patched = fields(&[("status", text("completed"))]);
        let patch = patch_with(patched, &[("allowRefunded", Value::Bool(true))])?;
        let charge = Charge { metadata, ..charge("u", false, "[]") };
        let task = task("failed", Some("c"));
        let on_charge = patch.check(&task, Some(&charge), false)?;
        let (plan, refund) = plan_patch(&patch, &task, on_charge.clone(), 9);
        let of_charge = plan.rows.iter().find(|row| row.table == TableName::Credit);
        let written = of_charge.and_then(|row| row.fields.get("metadata").cloned());
        assert_eq!(written, expected.map(|json| Value::Json(json.to_owned())), "{charge:?}");
        assert_eq!(refund, None);
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
    for (status, patched, active, code) in rows {
        let patch = patch(fields(&patched))?;
        let checked = patch.check(&task(status, None), Some(&charge("u", active, "[]")), true);
        assert_eq!(checked.err().map(|error| error.code()), code, "{status} {patch:?}");
    }
    Ok(())
}

#[test]
fn a_delivered_task_takes_no_refunded_charge() -> Result<()> {
    let rows = [
        // the task's status and charge, the patch's status, allowRefunded, whether the charge is active; the code
        ("completed", None, None, false, false, Some("TASK_REFUNDED")),
        ("extracted", Some("old"), None, false, false, Some("TASK_REFUNDED")),
        ("completed", None, None, true, false, None),
        ("completed", None, None, false, true, None),
        ("completed", Some("c"), None, false, false, None),
        ("completed", None, Some("processing"), false, false, None),
        ("processing", None, None, false, false, None),
    ];
    for (status, charge_id, patched, allowed, active, code) in rows {
        let mut named = fields(&[("creditId", text("c"))]);
        if let Some(status) = patched {
            named.set("status", text(status));
        }
        let options = [("allowRefunded", Value::Bool(allowed))];
        let patch = patch_with(named, &options)?;
        let charge = charge("u", active, "[]");
        let checked = patch.check(&task(status, charge_id), Some(&charge), true);
        assert_eq!(checked.err().map(|error| error.code()), code, "{status} {patch:?}");
    }
    Ok(())
}

#[test]
fn a_failing_patch_always_returns_a_refund() -> Result<()> {
    let rows = [("failed", true), ("Failed", false), ("completed", false)];
    for (status, says) in rows {
        let patch = patch(fields(&[("status", text(status))]))?;
        let (plan, refund) = plan_patch(&patch, &task("pending", None), OnCharge::Nothing, 9);
        assert_eq!(refund, says.then(Refund::default), "{status}");
        assert_eq!(plan.rows[0].fields.get("updatedAt"), Some(&Value::TimeMs(9)));
    }
    Ok(())
}

#[test]
fn a_patch_keeps_the_tasks_id_and_user() {
    for name in ["id", "userId"] {
        let patched = patch(fields(&[(name, text("other"))]));
        assert_eq!(patched.err().map(|error| error.code()), Some("READ_ONLY_FIELD"));
    }
}

#[test]
fn a_refunded_task_is_not_delivered() -> Result<()> {
    let rows = [
        // kind, the patch's status and creditId, allowRefunded, whether the charge is active; the code
        (Media, "completed", None, false, false, Some("TASK_REFUNDED")),
        (Media, "extracted", None, false, false, Some("TASK_REFUNDED")),
        (Media, "completed", Some(text("c")), false, false, Some("TASK_REFUNDED")),
        (Media, "completed", None, true, false, None),
        (Media, "completed", None, false, true, None),
        (Media, "processing", None, false, false, None),
        (Media, "completed", Some(Value::Null), false, false, None),
        (Ai, "success", None, false, false, Some("TASK_REFUNDED")),
        (Ai, "completed", None, false, false, None),
    ];
    for (kind, status, credit_id, allowed, active, code) in rows {
        let mut patched = fields(&[("status", text(status))]);
        if let Some(credit_id) = credit_id {
            patched.set("creditId", credit_id);
        }
        let options = fields(&[("allowRefunded", Value::Bool(allowed))]);
        let patch = TaskPatch::parse((kind, "t".into()), patched, &options, RefundPolicy::Source)?;
        let (task, charge) = (task("failed", Some("c")), charge("u", active, "[]"));
        let charge = patch.charge_to_load(&task).map(|_| &charge);
        let checked = patch.check(&task, charge, true);
        assert_eq!(checked.err().map(|error| error.code()), code, "{patch:?}");
    }
    Ok(())
}
