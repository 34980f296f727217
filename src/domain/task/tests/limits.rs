//! Limits and free trials, as tables.

use super::*;

#[test]
fn limits_of_a_plan() -> Result<()> {
    let trial = |value: Value| vec![("isFreeTrial", value)];
    let one = |name: &'static str| vec![(name, Value::Integer(1))];
    let both = vec![("maxActive", Value::Integer(2)), ("freeTrialLimit", Value::Integer(2))];
    let rows = [
        // the task's fields, options, unfinished tasks, used trials; trials used by it, or the code
        (vec![], vec![], 9, 9, Ok(0)),
        (vec![], one("maxActive"), 0, 9, Ok(0)),
        (vec![], one("maxActive"), 1, 0, Err("TOO_MANY_ACTIVE_TASKS")),
        (vec![], vec![("maxActive", Value::Integer(0))], 0, 0, Err("TOO_MANY_ACTIVE_TASKS")),
        (vec![], vec![("maxActive", Value::Null)], 9, 0, Ok(0)),
        (trial(Value::Bool(true)), vec![], 0, 9, Ok(0)),
        (trial(Value::Bool(true)), one("freeTrialLimit"), 9, 0, Ok(1)),
        (trial(Value::Integer(1)), one("freeTrialLimit"), 0, 0, Ok(1)),
        (trial(text("true")), one("freeTrialLimit"), 0, 0, Ok(1)),
        (trial(Value::Bool(true)), one("freeTrialLimit"), 0, 1, Err("FREE_TRIAL_USED_UP")),
        (trial(Value::Bool(false)), one("freeTrialLimit"), 0, 1, Ok(0)),
        (trial(Value::Null), one("freeTrialLimit"), 0, 1, Ok(0)),
        (trial(Value::Bool(true)), both.clone(), 2, 2, Err("TOO_MANY_ACTIVE_TASKS")),
        (trial(Value::Bool(true)), both.clone(), 1, 2, Err("FREE_TRIAL_USED_UP")),
        (trial(Value::Bool(true)), both, 1, 1, Ok(1)),
        // A task that is created as failed uses nothing.
        (
            vec![("isFreeTrial", Value::Bool(true)), ("status", text("failed"))],
            one("freeTrialLimit"),
            0,
            1,
            Ok(0),
        ),
    ];
    for (said, options, active, free_trials_used, expected) in rows {
        let mut task = fields(&[("id", text("t")), ("userId", text("u"))]);
        for (name, value) in said {
            task.set(name, value);
        }
        let task = NewTask::parse(Media, task, Some(&Value::Integer(0)), &fields(&options).into())?;
        let funds = ChargeFacts { user_exists: true, ..ChargeFacts::default() };
        let facts = NewTaskFacts { active, free_trials_used, funds, ..NewTaskFacts::default() };
        let planned = plan_new_task(&task, &facts, stamp(0)).map(|plan| plan.free_trials);
        assert_eq!(planned.map_err(|error| error.code()), expected, "{task:?} {facts:?}");
    }
    Ok(())
}

#[test]
fn a_trial_comes_back_when_its_task_fails() -> Result<()> {
    let rows = [
        // a free trial, its status, the patch's status; the change in used trials
        (true, "pending", Some("failed"), -1),
        (true, "extracted", Some("failed"), -1),
        (true, "failed", Some("failed"), 0),
        (true, "failed", None, 0),
        (true, "processing", Some("extracted"), 0),
        (true, "processing", None, 0),
        // Work on it resumes.
        (true, "failed", Some("processing"), 1),
        // The translation failed: the user keeps the extraction, which was free.
        (true, "translating", Some("failed"), 0),
        // A returned trial is used again.
        (true, "failed", Some("translating"), 1),
        (false, "pending", Some("failed"), 0),
        (false, "failed", Some("processing"), 0),
    ];
    let with_status = rows.map(|(free_trial, status, patched, expected)| {
        let patched = patched.iter().map(|status| ("status", text(status))).collect();
        (free_trial, status, patched, expected)
    });
    // The patch may also change the mark.
    let mark = |mark: Value| vec![("isFreeTrial", mark)];
    let failed = |mark: Value| vec![("isFreeTrial", mark), ("status", text("failed"))];
    let with_mark = [
        (true, "pending", mark(Value::Bool(true)), 0),
        (true, "pending", mark(Value::Integer(0)), -1),
        (false, "pending", mark(text("true")), 1),
        (false, "failed", mark(Value::Bool(true)), 0),
        (false, "pending", failed(Value::Bool(true)), 0),
        (true, "pending", failed(Value::Bool(false)), -1),
    ];
    for (free_trial, status, patched, expected) in with_status.into_iter().chain(with_mark) {
        let task = TaskFacts { free_trial: Some(free_trial), ..task(status, None) };
        let patch = patch(fields(&patched))?;
        let (plan, _) = plan_patch(&patch, &task, OnCharge::Nothing, 0);
        assert_eq!(plan.free_trials, expected, "{task:?} {patch:?}");
        // A trial that stays used is no longer marked, so that it can't count twice.
        let used_up = free_trial && patch.fails() && task.status == "translating";
        let no = Value::Bool(false);
        let mark = if used_up { Some(&no) } else { patch.fields.get("isFreeTrial") };
        let row = plan.rows.last().and_then(|row| row.fields.get("isFreeTrial"));
        assert_eq!(row, mark, "{task:?} {patch:?}");
        let uncounted = TaskFacts { free_trial: None, ..task };
        let (plan, _) = plan_patch(&patch, &uncounted, OnCharge::Nothing, 0);
        assert_eq!(plan.free_trials, 0, "{uncounted:?} {patch:?}");
    }
    Ok(())
}
