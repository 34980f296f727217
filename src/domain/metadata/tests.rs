use super::*;

#[test]
fn the_task_of_a_charge() {
    use TaskKind::{Ai, Media};
    let rows = [
        // kind, metadata; the task's id, whether the charge created it
        (Media, Some(r#"{"type":"media-task","taskId":"t","outputType":null}"#), Some("t"), true),
        (Media, Some(r#"{"type":"media-task-translation","taskId":"t"}"#), Some("t"), false),
        (Media, Some(r#"{"type":"ai-task","taskId":"t"}"#), None, false),
        (Ai, Some(r#"{"type":"ai-task","mediaType":"image","taskId":"t"}"#), Some("t"), true),
        (Media, Some(r#"{"type":"media-task","taskId":7}"#), None, true),
        (Media, Some(r#"{"type":1,"t\u0079pe":"media-task","taskId":"t"}"#), Some("t"), true),
        (Media, Some(r#"{"type":"media-task","taskId":"t","e":1e400}"#), Some("t"), true),
        (Media, Some(r#"{"type":"media-task","taskId":"t"} more"#), None, false),
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
        // what the caller passed; what is written, or `None`
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
        (
            text(r#"{"given":true,"settled":{"charged":9,"credits":5},"repaired":1}"#),
            Some(r#"{"taskId":"t","type":"media-task-step"}"#),
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
fn callers_cannot_set_the_ledgers_own_fields() {
    let rows = [
        // what the caller passed; what is kept
        (r#"{"settled":{"charged":1000000000,"credits":10}}"#, "{}"),
        (
            r#"{ "n": 12345678901234567890123, "settled":1, "repaired":[], "given":true, "held":true, "e":1e400 }"#,
            r#"{"n":12345678901234567890123,"e":1e400}"#,
        ),
        (r#"{"\u0073ettled":1,"s\u0065t\u0074led":2,"a":"\u00e9"}"#, r#"{"a":"\u00e9"}"#),
        (r#"{"settled":1,"a\"b":[1, 2],"settled":2}"#, r#"{"a\"b":[1, 2]}"#),
        (r#"{"mine": {"settled":true}}"#, r#"{"mine": {"settled":true}}"#),
        (r#"["settled"]"#, r#"["settled"]"#),
        (r#""settled""#, r#""settled""#),
        ("settled", "settled"),
        (r#"{"settled":1"#, r#"{"settled":1"#),
        (
            r#"{"type":"regrant","chargeId":"c","sources":[{"a":1}]}"#,
            r#"{"type":"regrant","chargeId":"c"}"#,
        ),
        (r#"{"sources":[1],"type":"\u0072egrant"}"#, r#"{"type":"\u0072egrant"}"#),
        (r#"{"type":"gift","sources":["regrant"]}"#, r#"{"type":"gift","sources":["regrant"]}"#),
        ("", ""),
    ];
    for (passed, kept) in rows {
        let json = of_caller(Value::Json(passed.to_owned()));
        assert_eq!(json, Value::Json(kept.to_owned()), "{passed}");
        let text = of_caller(Value::Text(passed.to_owned()));
        assert_eq!(text, Value::Text(kept.to_owned()), "{passed}");
    }
    assert_eq!(of_caller(Value::Null), Value::Null);
}

#[test]
fn a_settlement_is_written_into_any_metadata() {
    let settlement = Settled { charged: 10, credits: 6, uncollected: 0 };
    let rows = [
        // metadata before; metadata after
        (None, r#"{"settled":{"charged":10,"credits":6}}"#),
        (Some("{}"), r#"{"settled":{"charged":10,"credits":6}}"#),
        (
            Some(r#"{"taskId":"t", "n":12345678901234567890123, "e":1e400}"#),
            r#"{"taskId":"t", "n":12345678901234567890123, "e":1e400,"settled":{"charged":10,"credits":6}}"#,
        ),
        (
            Some(r#"{"settled":{"charged":1,"credits":1},"a":1} "#),
            r#"{"settled":{"charged":10,"credits":6},"a":1}"#,
        ),
        (
            Some(r#"{"settled" : true , "e":1e400,"taskId":"t"}"#),
            r#"{"settled" : {"charged":10,"credits":6} , "e":1e400,"taskId":"t"}"#,
        ),
        (Some(r#"{"\u0073ettled":true}"#), r#"{"\u0073ettled":{"charged":10,"credits":6}}"#),
        (Some("plain text"), r#"{"metadata":"plain text","settled":{"charged":10,"credits":6}}"#),
        (Some("[1,2]"), r#"{"metadata":[1,2],"settled":{"charged":10,"credits":6}}"#),
    ];
    for (before, expected) in rows {
        let after = with_settled(before, settlement);
        assert_eq!(after, expected, "{before:?}");
        assert_eq!(settled(Some(&after), 6, true), Some(settlement), "{before:?}");
    }
}

#[test]
fn a_hold_and_its_end_are_written_into_any_metadata() {
    let rows = [
        // metadata before; the metadata of a hold, and of an ended one
        (None, r#"{"held":true}"#, r#"{"held":false}"#),
        (Some("{}"), r#"{"held":true}"#, r#"{"held":false}"#),
        (Some(r#"{"a":1e400}"#), r#"{"a":1e400,"held":true}"#, r#"{"a":1e400,"held":false}"#),
        (
            Some("plain"),
            r#"{"metadata":"plain","held":true}"#,
            r#"{"metadata":"plain","held":false}"#,
        ),
    ];
    for (before, held, ended) in rows {
        assert!(!is_held(before), "{before:?}");
        assert_eq!(with_held(before, true), held);
        assert_eq!(with_held(Some(held), false), ended);
        assert_eq!((is_held(Some(held)), is_held(Some(ended))), (true, false));
    }
    for other in [r#"{"held":1}"#, r#"{"held":"true"}"#, r#"{"a":{"held":true}}"#, r#""held""#] {
        assert!(!is_held(Some(other)), "{other}");
    }
    assert!(is_held(Some(r#"{"h\u0065ld":true}"#)));
}

#[test]
fn a_repair_is_written_into_any_metadata() {
    let rows = [
        // metadata before; metadata after
        (None, r#"{"repaired":[1]}"#),
        (Some("{}"), r#"{"repaired":[1]}"#),
        (
            Some(r#"{"b":2, "n":12345678901234567890123, "a":1}"#),
            r#"{"b":2, "n":12345678901234567890123, "a":1,"repaired":[1]}"#,
        ),
        (Some(r#"{"repaired":[0],"a":1}"#), r#"{"repaired":[0,1],"a":1}"#),
        (Some(r#"{"repaired":"yes","a":1}"#), r#"{"repaired":["yes",1],"a":1}"#),
        (Some("plain text"), r#"{"metadata":"plain text","repaired":[1]}"#),
        (Some(""), r#"{"metadata":"","repaired":[1]}"#),
    ];
    for (before, expected) in rows {
        assert_eq!(with_repaired(before, vec![json!(1)]), expected, "{before:?}");
    }
}

#[test]
fn a_settlement_is_believed_if_the_row_agrees() {
    let said = |charged: i64, credits: i64| {
        Some(format!(r#"{{"settled":{{"charged":{charged},"credits":{credits}}}}}"#))
    };
    let rows = [
        // metadata, the row's credits, whether it is active; whether it is trusted
        (said(10, 6), 6, true, true),
        (said(10, 10), 10, true, true),
        (said(10, 6), 6, false, true),
        (said(10, 0), 6, false, true),
        (said(10, 0), 10, false, true),
        (said(10, 0), 10, true, false),
        (said(10, 6), 7, true, false),
        (said(3, 6), 6, true, true),
        (said(0, 6), 6, true, false),
        (said(-3, 6), 6, true, false),
        (said(3, 6), 7, true, false),
        (said(3, 2), 10, true, false),
        (None, 6, true, false),
        (Some("junk".to_owned()), 6, true, false),
        (Some(r#"{"settled":true}"#.to_owned()), 6, true, false),
        (Some(r#"{"settled":{"credits":6}}"#.to_owned()), 6, true, false),
    ];
    for (metadata, credits, active, believed) in rows {
        let found = settled(metadata.as_deref(), credits, active);
        assert_eq!(found.is_some(), believed, "{metadata:?} {credits} {active}");
    }
    let lacking = |charged: i64, credits: i64, uncollected: &str| {
        let numbers = format!(r#""charged":{charged},"credits":{credits}"#);
        format!(r#"{{"settled":{{{numbers},"uncollected":{uncollected}}}}}"#)
    };
    let rows = [
        // metadata of a charge of 12; its requested credits, if they are trusted
        (lacking(10, 12, "3"), Some(15)),
        (lacking(12, 12, "3"), Some(15)),
        (lacking(10, 12, "0"), Some(12)),
        (lacking(13, 12, "3"), None),
        (lacking(0, 12, "3"), None),
        (lacking(10, 12, "-3"), None),
        (lacking(10, 12, "1.5"), None),
        (lacking(10, 12, "null"), None),
        (lacking(10, 12, "9223372036854775807"), Some(i64::MAX)),
    ];
    for (metadata, requested) in rows {
        let found = settled(Some(&metadata), 12, true);
        assert_eq!(found.map(Settled::requested), requested, "{metadata}");
    }
}
