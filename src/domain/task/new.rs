//! A new task, and the charge that pays for it.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::json;

use super::{FAILED, check_made_for, is_true, own_charge};
use crate::domain::call_options::CallOptions;
use crate::domain::charge::{Charge, ChargeFacts, ChargeRequest, plan_charge};
use crate::domain::column::{Kind, in_form};
use crate::domain::credits::Credits;
use crate::domain::options;
use crate::domain::own::Own;
use crate::domain::paying::Scenes;
use crate::domain::plan::{Plan, Stamp, Verb, set_times};
use crate::domain::spending::Limit;
use crate::domain::table::{TableName, TaskKind};
use crate::domain::value::{Fields, Value};
use crate::error::{Error, Result};

/// A requested task.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// Its kind.
    pub kind: TaskKind,
    /// Its `id`, chosen by the caller.
    pub id: String,
    /// Its charge; `None` if it is free.
    pub charge: Option<ChargeRequest>,
    /// The user's id.
    pub user_id: String,
    /// An earlier charge that pays for the task instead of a new one.
    pub credit_id: Option<String>,
    /// Its columns, as passed.
    pub fields: Fields,
    /// Whether a repeated call returns the existing task.
    pub replay: bool,
    /// The maximum number of the user's unfinished paid tasks, including this one.
    pub max_active: Option<i64>,
    /// The number of free trials that the user has in total, if this task uses one.
    pub free_trial_limit: Option<i64>,
}

impl NewTask {
    /// Parses the arguments of `createMediaTask`. The cost of an AI task is its field `costCredits`.
    pub fn parse(
        kind: TaskKind,
        mut fields: Fields,
        cost: Option<&Value>,
        options: &CallOptions,
    ) -> Result<Self> {
        let function = Self::function(kind);
        options::without_transaction(function, &fields)?;
        fields.remove("tx");
        Self::check_options(kind, options)?;
        let id = fields.id("id")?;
        let user_id = fields.id("userId")?;
        let credit_id = fields.optional_id("creditId")?;
        let cost = match kind {
            TaskKind::Media => Credits::parse_or_zero("costCredits", cost)?,
            TaskKind::Ai => match fields.get("costCredits") {
                None => None,
                cost => Credits::parse_or_zero("costCredits", cost)?,
            },
        };
        if cost.is_some() && credit_id.is_some() {
            return Err(Error::ReadOnlyField {
                field: "creditId",
                reason: "the task's own charge sets it; leave it out, or pass 0 for costCredits",
            });
        }
        let failed = fields.get("status").and_then(Value::as_text) == Some(FAILED);
        if failed && (cost.is_some() || credit_id.is_some()) {
            return Err(Error::ReadOnlyField {
                field: "status",
                reason: "a failed task keeps no charge; create it with another status, or without one",
            });
        }
        let own = Own::option(function, options)?;
        let paying = options.paying()?;
        let charge = cost.map(|credits| ChargeRequest {
            user_id: user_id.clone(),
            credits,
            transaction_no: None,
            described: describe(kind, &id, &fields),
            own,
            paying,
            limits: Arc::clone(&options.limits),
            replay: false,
        });
        let takes_trial = !failed && fields.get("isFreeTrial").is_some_and(is_true);
        Ok(Self {
            kind,
            id,
            charge,
            user_id,
            credit_id,
            replay: options::replay(options, "id", &fields)?,
            max_active: options::limit(options, "maxActive")?,
            free_trial_limit: options::limit(options, "freeTrialLimit")?.filter(|_| takes_trial),
            fields,
        })
    }

    fn function(kind: TaskKind) -> &'static str {
        match kind {
            TaskKind::Media => "createMediaTask",
            TaskKind::Ai => "createAITask",
        }
    }

    /// Rejects options that are invalid for any task.
    pub fn check_options(kind: TaskKind, options: &Fields) -> Result<()> {
        let function = Self::function(kind);
        let trials: &[&str] = if kind == TaskKind::Media { &["freeTrialLimit"] } else { &[] };
        let known = [&["replay", "maxActive", "limits", "charge"], trials, &Scenes::NAMES].concat();
        options.only(function, &known)?;
        Scenes::parse(options)?;
        Limit::check_option(options)?;
        options::flag(options, "replay")?;
        options::limit(options, "maxActive")?;
        options::limit(options, "freeTrialLimit")?;
        Own::option(function, options)?;
        Ok(())
    }

    /// Whether the task counts as unfinished. Without a status, the table's default is an unfinished one.
    pub fn is_at_risk(&self) -> bool {
        let status = self.fields.get("status").and_then(Value::as_text);
        status.is_none_or(|status| self.kind.statuses_at_risk().contains(&status))
    }

    /// Whether the user already has the result.
    fn is_delivered(&self) -> bool {
        let status = self.fields.get("status").and_then(Value::as_text);
        status.is_some_and(|status| self.kind.delivered_statuses().contains(&status))
    }
}

/// What the app's pages show of a task's charge, with the app's texts and order of keys.
fn describe(kind: TaskKind, id: &str, fields: &Fields) -> Fields {
    let text = |name: &str| match fields.get(name).map(|value| in_form(Kind::Text, value)) {
        Some(Cow::Borrowed(Value::Text(text))) => Some(text.clone()),
        Some(Cow::Owned(Value::Text(text))) => Some(text),
        _ => None,
    };
    let (scene, description, metadata) = match kind {
        TaskKind::Media => {
            let output_type = text("outputType");
            let shown = output_type.as_deref().filter(|kind| !kind.is_empty());
            let shown = shown.unwrap_or("subtitle");
            (
                Value::Text("payment".to_owned()),
                format!("Media extraction: {shown}"),
                json!({ "type": kind.charge_type(), "taskId": id, "outputType": output_type }),
            )
        }
        TaskKind::Ai => {
            let media_type = text("mediaType");
            (
                Value::text_or_null(text("scene").as_deref()),
                format!("generate {}", media_type.as_deref().unwrap_or_default()),
                json!({ "type": kind.charge_type(), "mediaType": media_type, "taskId": id }),
            )
        }
    };
    let described = [
        ("transactionScene", scene),
        ("description", Value::Text(description)),
        ("metadata", Value::Json(metadata.to_string())),
    ];
    described.into_iter().collect()
}

/// The facts from the database that decide a new task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTaskFacts {
    /// Whether the task's `id` is in use.
    pub task_exists: bool,
    /// The charge named by [`NewTask::credit_id`], if it exists.
    pub named_charge: Option<Charge>,
    /// The number of the user's unfinished tasks of this kind, if that is limited.
    pub active: i64,
    /// The number of free trials that the user has used, if the task uses one.
    pub free_trials_used: i64,
    /// The user, and the grants if the task is charged.
    pub funds: ChargeFacts,
}

/// Decides a new task: guards in order of precedence, then the charge.
pub fn plan_new_task(task: &NewTask, facts: &NewTaskFacts, stamp: Stamp) -> Result<Plan> {
    if !facts.funds.user_exists {
        return Err(Error::UserNotFound { user_id: task.user_id.clone() });
    }
    if facts.task_exists {
        return Err(Error::TaskExists { task_id: task.id.clone() });
    }
    if let Some(credit_id) = &task.credit_id {
        let charge = own_charge(credit_id, facts.named_charge.as_ref(), &task.user_id)?;
        check_made_for(charge, charge.other_task(task.kind, &task.id))?;
        if task.is_delivered() && !charge.active {
            return Err(Error::TaskRefunded {
                task_id: task.id.clone(),
                charge_id: credit_id.clone(),
            });
        }
    }
    let active = facts.active;
    if let Some(max_active) = task.max_active.filter(|max_active| active >= *max_active) {
        return Err(Error::TooManyActiveTasks { active, max_active });
    }
    let used = facts.free_trials_used;
    if let Some(limit) = task.free_trial_limit.filter(|limit| used >= *limit) {
        return Err(Error::FreeTrialUsedUp { used, limit });
    }

    let table = TableName::Tasks(task.kind);
    let now_ms = stamp.now_ms;
    let mut row = task.fields.with_room(3);
    let mut plan = Plan::new(&task.user_id, table, &task.id);
    if let Some(request) = &task.charge {
        plan = plan_charge(request, &facts.funds, stamp)?;
        row.set("creditId", Value::Text(plan.reply.1));
        plan.reply = (table, task.id.clone());
    }
    plan.free_trials = i64::from(task.free_trial_limit.is_some());
    set_times(&mut row, now_ms);
    plan.push(table, Verb::Insert, &task.id, row);
    Ok(plan)
}
