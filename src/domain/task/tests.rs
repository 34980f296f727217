//! The rules of tasks, as tables.

mod limits;

use super::*;
use crate::domain::charge::{ChargeFacts, NewIds};
use crate::domain::options::RefundPolicy;
use crate::domain::plan::{RowChange, Verb};
use crate::domain::refund::Refund;
use crate::domain::table::{
    TableName,
    TaskKind::{Ai, Media},
};

fn new_task(fields: Fields, cost: i64) -> Result<NewTask> {
    NewTask::parse(Media, fields, Some(&Value::Integer(cost)), &Fields::default())
}

fn patch(patched: Fields) -> Result<TaskPatch> {
    patch_with(patched, &[])
}

fn patch_with(patched: Fields, options: &[(&str, Value)]) -> Result<TaskPatch> {
    TaskPatch::parse(Media, "t".into(), patched, &fields(options), RefundPolicy::Source)
}

fn task(status: &str, credit_id: Option<&str>) -> TaskFacts {
    TaskFacts {
        user_id: "u".into(),
        status: status.into(),
        credit_id: credit_id.map(str::to_owned),
        updated_at_ms: Ok(5),
        free_trial: None,
    }
}

fn ids() -> NewIds {
    NewIds { id: "new".into(), transaction_no: "1".into() }
}

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
        credits: 10,
        consumed_detail: Some(detail.as_bytes().to_vec()),
        metadata: None,
    }
}

/// A charge that was made for a media task.
fn made_for(task_id: &str, active: bool) -> Charge {
    let metadata = Some(format!(r#"{{"type":"media-task-step","taskId":"{task_id}"}}"#));
    Charge { metadata, ..charge("u", active, "[]") }
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
        let parsed = NewTask::parse(Media, task, cost.as_ref(), &Fields::default());
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
        let charge = new_task(task, 10)?.charge;
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
    let free = new_task(fields(&free), 0)?;
    let paid = [("id", text("t")), ("userId", text("u"))];
    let paid = new_task(fields(&paid), 1)?;
    let mut delivered = free.clone();
    delivered.fields.set("status", text("completed"));
    let rows = [
        // task, user exists, task exists, its charge; the code
        (&paid, false, true, None, Some("USER_NOT_FOUND")),
        (&paid, true, true, None, Some("TASK_EXISTS")),
        (&paid, true, false, None, Some("INSUFFICIENT_CREDITS")),
        (&free, true, true, None, Some("TASK_EXISTS")),
        (&free, true, false, None, Some("CHARGE_NOT_FOUND")),
        (&free, true, false, Some(charge("v", true, "[]")), Some("CHARGE_OWNER_MISMATCH")),
        (&free, true, false, Some(made_for("s", true)), Some("CHARGE_OWNER_MISMATCH")),
        (&free, true, false, Some(made_for("s", false)), None),
        (&free, true, false, Some(made_for("t", true)), None),
        (&free, true, false, Some(charge("u", true, "[]")), None),
        (&delivered, true, false, Some(charge("u", true, "[]")), None),
        (&delivered, true, false, Some(charge("u", false, "[]")), Some("TASK_REFUNDED")),
    ];
    for (task, user_exists, task_exists, named_charge, code) in rows {
        let funds = ChargeFacts { user_exists, ..ChargeFacts::default() };
        let facts = NewTaskFacts { task_exists, named_charge, funds, ..NewTaskFacts::default() };
        let plan = plan_new_task(task, &facts, ids(), 0);
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
    type Row<'a> = (Fields, Option<&'a str>, Option<&'a str>, Option<Charge>, Result<i64, &'a str>);
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
        let patch = patch(fields)?;
        let task = task("processing", credit_id);
        assert_eq!(patch.charge_to_load(&task), loaded, "{patch:?}");
        let checked = patch.check(&task, charge.as_ref(), true);
        let draws = checked
            .as_ref()
            .map(|found| found.refundable().map_or(0, |some| some.draws.len() as i64))
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
    let rows = [
        // kind, the patch of a task that names c, the charge, whether the task it was made for is there; the code
        (Media, fails(), own(true), false, None),
        (Media, fails(), other(true), true, mismatch),
        (Media, fails(), other(true), false, None),
        (Media, fails(), other(false), true, None),
        (Media, fails(), charge("u", true, "[]"), false, None),
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
        let patch = TaskPatch::parse(kind, "t".into(), patched, &none, RefundPolicy::Source)?;
        let checked = patch.check(&task("processing", Some("c")), Some(&charge), claimed);
        assert_eq!(checked.err().map(|error| error.code()), code, "{patch:?} {charge:?} {claimed}");
    }
    Ok(())
}

#[test]
fn a_charge_remembers_that_its_task_was_given_away() -> Result<()> {
    let given = r#"{"type":"media-task-step","taskId":"t","given":true}"#;
    let rows = [
        // the charge's metadata; what it becomes
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
        let (plan, refund) = plan_patch(&patch, &task, &on_charge, Vec::new(), ids(), 9);
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
fn a_failing_patch_always_says_what_was_refunded() -> Result<()> {
    let rows = [("failed", true), ("Failed", false), ("completed", false)];
    for (status, says) in rows {
        let patch = patch(fields(&[("status", text(status))]))?;
        let (plan, refund) =
            plan_patch(&patch, &task("pending", None), &OnCharge::Nothing, Vec::new(), ids(), 9);
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
fn an_ai_tasks_charge_reads_as_the_apps() -> Result<()> {
    let plain = [("id", text("t")), ("userId", text("u")), ("mediaType", text("image"))];
    let rows = [
        // costCredits, scene; what is charged, its scene
        (Some(Value::Integer(8)), "text-to-image", Ok(Some((8, text("text-to-image"))))),
        (Some(Value::Integer(8)), "", Ok(Some((8, text(""))))),
        (Some(Value::Integer(0)), "x", Ok(None)),
        (None, "x", Ok(None)),
        (Some(Value::Null), "x", Err("INVALID_AMOUNT")),
        (Some(Value::Integer(-8)), "x", Err("INVALID_AMOUNT")),
    ];
    for (cost, scene, expected) in rows {
        let mut task = fields(&plain);
        task.set("scene", text(scene));
        if let Some(cost) = cost {
            task.set("costCredits", cost);
        }
        let parsed = NewTask::parse(Ai, task, None, &Fields::default());
        let charge = parsed.map(|task| task.charge).map_err(|error| error.code());
        if let Ok(Some(charge)) = &charge {
            let described = fields(&[
                ("transactionScene", charge.described.get("transactionScene").cloned().unwrap()),
                ("description", text("generate image")),
                (
                    "metadata",
                    Value::Json(r#"{"type":"ai-task","mediaType":"image","taskId":"t"}"#.into()),
                ),
            ]);
            assert_eq!(charge.described, described);
        }
        let found = charge.map(|charge| {
            charge.map(|charge| {
                let scene = charge.described.get("transactionScene").cloned();
                (charge.credits.get(), scene.unwrap())
            })
        });
        assert_eq!(found, expected);
    }
    Ok(())
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
        let patch = TaskPatch::parse(kind, "t".into(), patched, &options, RefundPolicy::Source)?;
        let (task, charge) = (task("failed", Some("c")), charge("u", active, "[]"));
        let charge = patch.charge_to_load(&task).map(|_| &charge);
        let checked = patch.check(&task, charge, true);
        assert_eq!(checked.err().map(|error| error.code()), code, "{patch:?}");
    }
    Ok(())
}

#[test]
fn options_as_passed() {
    let rows = [
        // an option of an update; the code
        (("ifStatus", text("pending")), None),
        (("ifUpdatedBefore", Value::TimeMs(9)), None),
        (("allowRefunded", Value::Bool(true)), None),
        (("refundPolicy", text("source")), None),
        (("allowRefunded", text("yes")), Some("INVALID_ARGUMENT")),
        (("refundPolicy", text("mine")), Some("INVALID_ARGUMENT")),
        (("force", Value::Bool(true)), Some("UNKNOWN_FIELD")),
    ];
    for (option, code) in rows {
        let parsed = patch_with(Fields::default(), std::slice::from_ref(&option));
        assert_eq!(parsed.err().map(|error| error.code()), code, "{option:?}");
    }
}

#[test]
fn steps() -> Result<()> {
    let plain = || vec![("credits", Value::Integer(5))];
    let free = || vec![("credits", Value::Integer(0))];
    let moves = || vec![("status", text("translating"))];
    type Pairs = Vec<(&'static str, Value)>;
    let rows: [(Pairs, Pairs, &str, Result<&str, &str>); 13] = [
        // charge, patch, the task's status; its new charge or the code
        (plain(), moves(), "extracted", Ok("new")),
        (plain(), vec![], "extracted", Ok("new")),
        (free(), moves(), "extracted", Ok("")),
        (plain(), moves(), "failed", Ok("new")),
        (plain(), vec![], "failed", Err("READ_ONLY_FIELD")),
        (free(), vec![], "failed", Ok("")),
        (vec![], moves(), "extracted", Err("INVALID_AMOUNT")),
        (vec![("credits", Value::Integer(100))], moves(), "extracted", Err("INSUFFICIENT_CREDITS")),
        (vec![("remainingCredits", Value::Integer(5))], moves(), "extracted", Err("UNKNOWN_FIELD")),
        (plain(), vec![("status", text("failed"))], "extracted", Err("READ_ONLY_FIELD")),
        (plain(), vec![("creditId", text("c"))], "extracted", Err("READ_ONLY_FIELD")),
        (plain(), vec![("id", text("x"))], "extracted", Err("READ_ONLY_FIELD")),
        (
            vec![("credits", Value::Integer(5)), ("metadata", text("plain"))],
            moves(),
            "extracted",
            Err("INVALID_ARGUMENT"),
        ),
    ];
    let funds = ChargeFacts {
        user_exists: true,
        transaction_no_taken: false,
        grants: vec![crate::domain::charge::Grant {
            id: "g".into(),
            transaction_no: "2".into(),
            credits: 50,
            remaining: 50,
            expires_at_ms: None,
            active: true,
        }],
    };
    for (charge, patched, status, expected) in rows {
        let planned =
            Step::parse(Media, "t".into(), &fields(&charge), fields(&patched), &Fields::default())
                .and_then(|step| plan_step(&step, &task(status, Some("old")), &funds, ids(), 9));
        let new_charge = planned.as_ref().map(|plan| {
            let RowChange { table, verb, fields, .. } = plan.rows.last().unwrap();
            assert_eq!((*table, *verb), (TableName::Tasks(Media), Verb::Update));
            fields.get("creditId").and_then(Value::as_text).unwrap_or_default()
        });
        assert_eq!(new_charge.map_err(Error::code), expected, "{charge:?} {patched:?} {status}");
    }
    Ok(())
}

#[test]
fn guards_come_before_charges() -> Result<()> {
    let options = [("ifStatus", text("pending"))];
    let patch = patch_with(fields(&[("status", text("failed"))]), &options)?;
    let checked =
        patch.check(&task("completed", Some("c")), Some(&charge("v", true, "junk")), true);
    assert_eq!(checked.err().map(|error| error.code()), Some("TASK_STATE_CONFLICT"));

    let charge = fields(&[("credits", Value::Integer(5))]);
    let step = Step::parse(Media, "t".into(), &charge, Fields::default(), &fields(&options))?;
    let checked = step.check(&task("completed", None));
    assert_eq!(checked.err().map(|error| error.code()), Some("TASK_STATE_CONFLICT"));
    Ok(())
}
