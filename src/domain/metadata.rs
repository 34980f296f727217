//! What a charge's `metadata` says: which task it paid for, and how it was settled.

use serde_json::{Map, Value as Json, json};

use super::table::TaskKind;
use super::value::Value;
use crate::error::{Error, Result};

/// The task that a charge with this metadata paid for: `{"type":"media-task…","taskId":"…"}`.
pub fn task_id(kind: TaskKind, metadata: Option<&str>) -> Option<String> {
    let metadata = object(metadata?)?;
    let charge_type = metadata.get("type")?.as_str()?;
    let Some(Json::String(task_id)) = metadata.get("taskId") else { return None };
    charge_type.starts_with(kind.charge_type()).then(|| task_id.clone())
}

/// Whether this is the metadata of the charge that created a task.
pub fn is_of_creation(kind: TaskKind, metadata: Option<&str>) -> bool {
    let metadata = metadata.and_then(object);
    let charge_type = metadata.as_ref().and_then(|metadata| metadata.get("type"));
    charge_type.and_then(Json::as_str) == Some(kind.charge_type())
}

/// The metadata of a charge for a further step of a task: what the caller passed, with the task's id.
pub fn of_step(kind: TaskKind, task_id: &str, passed: Option<&Value>) -> Result<String> {
    let invalid = |expected: String| Error::InvalidArgument {
        name: "metadata".to_owned(),
        expected,
        given: super::value::describe(passed),
    };
    let mut metadata = match passed {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Json(text) | Value::Text(text)) => {
            object(text).ok_or_else(|| invalid("an object, or the JSON text of one".to_owned()))?
        }
        Some(_) => return Err(invalid("an object, or the JSON text of one".to_owned())),
    };
    let own = kind.charge_type();
    let step = metadata.entry("type").or_insert_with(|| json!(format!("{own}-step")));
    match step.as_str() {
        Some(step) if step.starts_with(own) && step != own => {}
        _ => {
            return Err(invalid(format!(
                "of a type like '{own}-translation'; '{own}' is the task's creation"
            )));
        }
    }
    metadata.insert("taskId".to_owned(), json!(task_id));
    Ok(Json::Object(metadata).to_string())
}

/// What a charge was settled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// What it took at first.
    pub charged: i64,
    /// What it took in the end.
    pub credits: i64,
}

/// What the metadata says of a settlement.
pub fn settled(metadata: Option<&str>) -> Option<Settled> {
    let metadata = object(metadata?)?;
    let number = |name: &str| metadata.get("settled")?.get(name)?.as_i64();
    Some(Settled { charged: number("charged")?, credits: number("credits")? })
}

/// The metadata with a settlement added. What is no object stands under `metadata` from then on.
pub fn with_settled(metadata: Option<&str>, settled: Settled) -> String {
    let mut all = match metadata {
        None => Map::new(),
        Some(text) => object(text).unwrap_or_else(|| {
            let before = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
            Map::from_iter([("metadata".to_owned(), before)])
        }),
    };
    let Settled { charged, credits } = settled;
    all.insert("settled".to_owned(), json!({ "charged": charged, "credits": credits }));
    Json::Object(all).to_string()
}

fn object(text: &str) -> Option<Map<String, Json>> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_of_a_charge() {
        use TaskKind::{Ai, Media};
        let rows = [
            // kind, metadata; the task's id, whether the charge created it
            (
                Media,
                Some(r#"{"type":"media-task","taskId":"t","outputType":null}"#),
                Some("t"),
                true,
            ),
            (Media, Some(r#"{"type":"media-task-translation","taskId":"t"}"#), Some("t"), false),
            (Media, Some(r#"{"type":"ai-task","taskId":"t"}"#), None, false),
            (Ai, Some(r#"{"type":"ai-task","mediaType":"image","taskId":"t"}"#), Some("t"), true),
            (Media, Some(r#"{"type":"media-task","taskId":7}"#), None, true),
            (Media, Some(r#"{"taskId":"t"}"#), None, false),
            (Media, Some("[]"), None, false),
            (Media, Some("junk"), None, false),
            (Media, None, None, false),
        ];
        for (kind, metadata, id, created) in rows {
            assert_eq!(task_id(kind, metadata).as_deref(), id, "{metadata:?}");
            assert_eq!(is_of_creation(kind, metadata), created, "{metadata:?}");
        }
    }

    #[test]
    fn the_metadata_of_a_step() {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let rows = [
            // what the caller passed; what is written, or nothing
            (None, Some(r#"{"taskId":"t","type":"media-task-step"}"#)),
            (Some(Value::Null), Some(r#"{"taskId":"t","type":"media-task-step"}"#)),
            (
                text(r#"{"a":1,"taskId":"other"}"#),
                Some(r#"{"a":1,"taskId":"t","type":"media-task-step"}"#),
            ),
            (
                Some(Value::Json(r#"{"type":"media-task-translation"}"#.into())),
                Some(r#"{"taskId":"t","type":"media-task-translation"}"#),
            ),
            (text(r#"{"type":"media-task"}"#), None),
            (text(r#"{"type":"ai-task-step"}"#), None),
            (text(r#"{"type":7}"#), None),
            (text("plain"), None),
            (text("[1]"), None),
            (Some(Value::Integer(1)), None),
        ];
        for (passed, expected) in rows {
            let written = of_step(TaskKind::Media, "t", passed.as_ref()).ok();
            let read = |json: &str| serde_json::from_str::<Json>(json).unwrap();
            assert_eq!(written.as_deref().map(read), expected.map(read), "{passed:?}");
        }
    }

    #[test]
    fn settlements() {
        let settlement = Settled { charged: 10, credits: 6 };
        let rows = [
            // metadata before; a key that is still there
            (None, "settled"),
            (Some(r#"{"type":"media-task","taskId":"t"}"#), "taskId"),
            (Some(r#"{"settled":{"charged":1,"credits":1}}"#), "settled"),
            (Some("plain text"), "metadata"),
            (Some("[1,2]"), "metadata"),
        ];
        for (before, key) in rows {
            let after = with_settled(before, settlement);
            assert_eq!(settled(Some(&after)), Some(settlement), "{before:?}");
            assert!(object(&after).unwrap().contains_key(key), "{before:?}");
        }
        for unsettled in
            [None, Some("junk"), Some(r#"{"settled":true}"#), Some(r#"{"settled":{"credits":1}}"#)]
        {
            assert_eq!(settled(unsettled), None, "{unsettled:?}");
        }
    }
}
