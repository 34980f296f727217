//! The rules of tasks, as tables.

mod limits;
mod patches;

use super::*;
use crate::domain::call_options::CallOptions;
use crate::domain::charge::ChargeFacts;
use crate::domain::options::RefundPolicy;
use crate::domain::plan::{NewIds, Stamp};
use crate::domain::plan::{RowChange, Verb};
use crate::domain::refund::Refund;
use crate::domain::table::{
    TableName,
    TaskKind::{Ai, Media},
};

fn new_task(fields: Fields, cost: i64) -> Result<NewTask> {
    NewTask::parse(Media, fields, Some(&Value::Integer(cost)), &CallOptions::default())
}

fn patch(patched: Fields) -> Result<TaskPatch> {
    patch_with(patched, &[])
}

fn patch_with(patched: Fields, options: &[(&str, Value)]) -> Result<TaskPatch> {
    TaskPatch::parse((Media, "t".into()), patched, &fields(options), RefundPolicy::Source)
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

fn stamp(now_ms: i64) -> Stamp {
    Stamp { ids: NewIds { id: "new".into(), transaction_no: "1".into() }, now_ms }
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

/// A charge made for a media task.
fn made_for(task_id: &str, active: bool) -> Charge {
    let metadata = Some(format!(r#"{{"type":"media-task-step","taskId":"{task_id}"}}"#));
    Charge { metadata, ..charge("u", active, "[]") }
}

#[test]
fn new_tasks_as_passed() {
    let plain = [("id", text("t")), ("userId", text("u"))];
    let rows = [
        // fields added to a plain task, the cost; the code
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
        let parsed = NewTask::parse(Media, task, cost.as_ref(), &CallOptions::default());
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
        let plan = plan_new_task(task, &facts, stamp(0));
        assert_eq!(plan.err().map(|error| error.code()), code, "{facts:?}");
    }
    Ok(())
}

#[test]
fn an_ai_tasks_charge_reads_as_the_apps() -> Result<()> {
    let plain = [("id", text("t")), ("userId", text("u")), ("mediaType", text("image"))];
    let rows = [
        // costCredits, scene; the charged credits, their scene
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
        let parsed = NewTask::parse(Ai, task, None, &CallOptions::default());
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
fn an_option_of_an_update_is_read_or_refused() {
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
fn a_step_charges_a_task_that_is_not_finished() -> Result<()> {
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
        grants: vec![crate::domain::grant::Grant {
            id: "g".into(),
            transaction_no: "2".into(),
            credits: 50,
            remaining: 50,
            expires_at_ms: None,
            active: true,
            provenance: None,
        }],
        spent: Vec::new(),
    };
    for (charge, patched, status, expected) in rows {
        let planned = StepCharge::parse(
            (Media, "t".into()),
            &fields(&charge),
            fields(&patched),
            &CallOptions::default(),
        )
        .and_then(|step| plan_step_charge(&step, &task(status, Some("old")), &funds, stamp(9)));
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
    let (patch, options) = (Fields::default(), fields(&options).into());
    let step = StepCharge::parse((Media, "t".into()), &charge, patch, &options)?;
    let checked = step.check(&task("completed", None));
    assert_eq!(checked.err().map(|error| error.code()), Some("TASK_STATE_CONFLICT"));
    Ok(())
}
