//! Properties of decoding: any text from JavaScript is a call, or an error that names the invalid argument.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value as Json, json};

use super::functions::{Call, Function};
use super::options::Environment;
use super::wire::{Argument, write_value};
use super::{decode, options};
use crate::domain::json::mended;
use crate::domain::options::RefundPolicy;
use crate::domain::paying::DrawOrder;
use crate::domain::properties::generators::{cases, edited, edits, json, number, text};
use crate::domain::value::Value;
use crate::echo::echo;
use crate::engine::{Operation, Write};
use crate::error::{Detail, Error, Family};
use crate::storage::location::Variables;

fn functions() -> Vec<&'static str> {
    Function::all().into_iter().map(Function::name).collect()
}

/// Names of arguments and fields of functions.
const KNOWN: [&str; 50] = [
    "allowRefunded",
    "apply",
    "atLeast",
    "atMost",
    "atomic",
    "below",
    "cooldownMs",
    "costCredits",
    "createdAt",
    "creditId",
    "credits",
    "cursor",
    "description",
    "errorMessage",
    "exceptScenes",
    "expiresAt",
    "from",
    "holdUntil",
    "id",
    "ifStatus",
    "ifUpdatedBefore",
    "limit",
    "limits",
    "mediaType",
    "metadata",
    "olderThanMs",
    "onProgress",
    "orderNo",
    "outputType",
    "over",
    "page",
    "periodEnd",
    "recover",
    "refundPolicy",
    "remainingCredits",
    "replaces",
    "replay",
    "rollover",
    "scene",
    "scenes",
    "status",
    "statuses",
    "subscriptionNo",
    "task",
    "to",
    "total",
    "transactionNo",
    "transactionType",
    "userId",
    "within",
];

/// A value, as `encodeValue` in `lib/wire.js` encodes it.
fn value() -> impl Strategy<Value = Json> {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    prop_oneof![
        8 => (1..60_i64).prop_map(Json::from),
        4 => number().prop_map(Json::from),
        8 => text().prop_map(Json::from),
        4 => select(vec!["u", "failed", "completed", "grant", "active", "source"]).prop_map(Json::from),
        2 => any::<bool>().prop_map(Json::from),
        2 => any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Json::from),
        2 => Just(Json::Null),
        2 => prop::option::of(number()).prop_map(|time_ms| json!({ "$date": time_ms })),
        3 => json().prop_map(|json| json!({ "$json": json.to_string() })),
        1 => select(vec![r#"["pending"]"#, r#"{"regrantDays":7}"#]).prop_map(|json| json!({ "$json": json })),
        1 => vec(any::<u8>(), 0..6).prop_map(move |bytes| json!({ "$bytes": hex(bytes) })),
        1 => select(vec!["NaN", "Infinity", "-Infinity"]).prop_map(|name| json!({ "$number": name })),
        1 => any::<i128>().prop_map(|number| json!({ "$bigint": number.to_string() })),
        2 => Just(json!({ "$undefined": true })),
        1 => text().prop_map(|what| json!({ "$unsupported": what })),
    ]
}

/// The fields of an object, some with known names.
fn fields(value: BoxedStrategy<Json>) -> impl Strategy<Value = Json> {
    let key = prop_oneof![20 => select(KNOWN.to_vec()).prop_map(str::to_owned), 1 => text()];
    vec((key, value), 0..5)
        .prop_map(|fields| json!({ "$fields": fields.into_iter().collect::<Map<_, _>>() }))
}

/// Any argument.
fn passed() -> impl Strategy<Value = Json> {
    value().prop_recursive(3, 32, 5, |inner| {
        prop_oneof![
            fields(value().boxed()),
            fields(inner.clone().boxed()),
            vec(inner, 0..4).prop_map(|list| json!({ "$list": list })),
        ]
    })
}

/// Valid arguments. Each function uses the first of these that it accepts.
fn takings() -> Vec<Json> {
    let object = |fields: Json| json!({ "$fields": fields });
    let list = |item: Json| json!({ "$list": [item] });
    let (task, credits) =
        (json!({ "id": "t", "userId": "u" }), json!({ "userId": "u", "credits": 5 }));
    let (task, credits) = (object(task), object(credits));
    let (none, stuck) = (object(json!({})), object(json!({ "olderThanMs": 60_000 })));
    let (failed, processing) =
        (object(json!({ "status": "failed" })), object(json!({ "status": "processing" })));
    let user = object(json!({ "userId": "u" }));
    vec![
        json!([task, 5, none]),
        json!([list(object(json!({ "task": task, "costCredits": 5 }))), none]),
        json!([task, none]),
        json!([list(task), none]),
        json!(["t", object(json!({ "credits": 5 })), processing, none]),
        json!(["t", failed, none]),
        json!(["t", 5, none]),
        json!([credits, none]),
        json!([list(credits), none]),
        json!(["u", 1, 20]),
        json!(["u", 5]),
        json!(["u", none]),
        json!([stuck, 10, 0]),
        json!([stuck]),
        json!([object(json!({ "apply": true })), list(json!("u"))]),
        json!([object(json!({ "orderNo": "o" })), object(json!({ "transactionNo": "n" }))]),
        json!([object(json!({
            "userId": "u", "subscriptionNo": "s", "credits": 5, "transactionNo": "n", "periodEnd": { "$date": 5 },
        }))]),
        json!(["t", { "$date": 5 }]),
        json!([object(json!({ "userId": "u", "below": 5, "credits": 5, "transactionNo": "n" }))]),
        json!([object(json!({ "within": 5, "atLeast": 5 }))]),
        json!([user, "t"]),
        json!([user]),
        json!(["t"]),
        json!([]),
    ]
}

/// Valid arguments of this function.
fn right(name: &str) -> Vec<Json> {
    let taken = takings().into_iter().find(|arguments| read(name, &arguments.to_string()).is_ok());
    taken.unwrap().as_array().unwrap().clone()
}

/// An error of a caller.
#[derive(Debug, Clone)]
enum Slip {
    Replaced(Index, Json),
    Added(Index, &'static str, Json),
    Removed(Index),
    OneMore(Json),
}

fn slips() -> impl Strategy<Value = Vec<Slip>> {
    let any_value = || prop_oneof![6 => value(), 1 => passed()];
    let at = any::<Index>;
    let known = select(KNOWN.to_vec());
    let slip = prop_oneof![
        4 => (at(), any_value()).prop_map(|(at, value)| Slip::Replaced(at, value)),
        4 => (at(), known, any_value()).prop_map(|(at, name, value)| Slip::Added(at, name, value)),
        1 => at().prop_map(Slip::Removed),
        1 => any_value().prop_map(Slip::OneMore),
    ];
    vec(slip, 0..3)
}

/// The paths of a call's values, except for names that need escaping in a JSON pointer.
fn places(value: &Json, at: &str, found: &mut Vec<String>) {
    let inner: Vec<(String, &Json)> = match value {
        Json::Array(list) => {
            list.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect()
        }
        Json::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in inner.into_iter().filter(|(name, _)| !name.contains(['/', '~'])) {
        let at = format!("{at}/{name}");
        if !name.starts_with('$') {
            found.push(at.clone());
        }
        places(value, &at, found);
    }
}

fn slipped(arguments: Vec<Json>, slips: Vec<Slip>) -> Vec<Json> {
    let mut arguments = Json::from(arguments);
    for slip in slips {
        let mut found = Vec::new();
        places(&arguments, "", &mut found);
        let at = |index: &Index| (!found.is_empty()).then(|| index.get(&found).as_str());
        match slip {
            Slip::Replaced(index, value) => {
                let Some(at) = at(&index) else { continue };
                *arguments.pointer_mut(at).unwrap() = value;
            }
            Slip::Removed(index) => {
                let Some((parent, name)) = at(&index).and_then(|at| at.rsplit_once('/')) else {
                    continue;
                };
                match arguments.pointer_mut(parent).unwrap() {
                    Json::Array(list) => drop(list.remove(name.parse().unwrap())),
                    Json::Object(fields) => drop(fields.remove(name)),
                    _ => {}
                }
            }
            Slip::Added(index, name, value) => {
                let at = at(&index).map(|at| format!("{at}/$fields"));
                let fields = at.and_then(|at| arguments.pointer_mut(&at)?.as_object_mut());
                fields.map(|fields| fields.insert(name.to_owned(), value));
            }
            Slip::OneMore(value) => arguments.as_array_mut().unwrap().push(value),
        }
    }
    arguments.as_array().unwrap().clone()
}

fn call() -> impl Strategy<Value = (&'static str, Vec<Json>)> {
    let junk = prop::option::weighted(0.2, vec(passed(), 0..5));
    (select(functions()), slips(), junk)
        .prop_map(|(name, slips, junk)| (name, junk.unwrap_or_else(|| slipped(right(name), slips))))
}

/// Whether JSON of this shape may come from `lib/wire.js`: the rules of `wire.rs`, implemented independently.
fn is_well_formed(passed: &Json) -> bool {
    let Json::Object(object) = passed else { return !passed.is_array() };
    let mut tagged = object.iter();
    let (Some((tag, content)), None) = (tagged.next(), tagged.next()) else { return false };
    let text = content.as_str();
    match tag.as_str() {
        "$fields" => content.as_object().is_some_and(|fields| fields.values().all(is_well_formed)),
        "$list" => content.as_array().is_some_and(|list| list.iter().all(is_well_formed)),
        "$date" => content.is_null() || content.is_i64(),
        "$undefined" => content.is_boolean(),
        "$json" | "$bigint" | "$unsupported" => text.is_some(),
        "$bytes" => text.is_some_and(|text| {
            text.len() % 2 == 0 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        }),
        "$number" => text.is_some_and(|text| text.parse::<f64>().is_ok()),
        _ => false,
    }
}

/// Checks that a caller error names the invalid argument, also in its message.
fn check_refusal(error: &Error) -> Result<(), TestCaseError> {
    prop_assert_eq!(error.family(), Family::Caller, "{:?}", error);
    let details = error.details();
    let field = details.iter().find(|(name, _)| *name == "field");
    let Some((_, Detail::Text(field))) = field else {
        return Err(TestCaseError::fail(format!("{error:?} names no field")));
    };
    let message = error.to_string();
    let shown = echo(field);
    let named = message.contains(&*shown) || message.contains(&format!("{shown:?}"));
    prop_assert!(named, "{} does not name {}", message, field);
    Ok(())
}

fn read(name: &str, arguments: &str) -> Result<Operation, Error> {
    let active_statuses = vec!["processing".to_owned()];
    let refund_policy = RefundPolicy::Source;
    let defaults =
        decode::Defaults { refund_policy, draw_order: DrawOrder::default(), active_statuses };
    // As for databases whose user ids are text.
    match Function::named(name).unwrap().read(arguments, &defaults)? {
        Call { user_by_number: Some(refusal), .. } => Err(refusal),
        Call { operation, .. } => Ok(operation),
    }
}

/// A field of the first argument, if that is an object.
fn passed_field<'a>(arguments: &'a [Json], name: &str) -> Option<&'a Json> {
    arguments.first()?.get("$fields")?.get(name)
}

proptest! {
    #![proptest_config(cases(4096))]

    #[test]
    fn a_call_is_read_or_says_what_is_wrong((name, arguments) in call()) {
        let text = Json::from(arguments.clone()).to_string();
        let outcome = read(name, &text);
        prop_assert_eq!(format!("{:?}", read(name, &text)), format!("{:?}", &outcome));
        match outcome {
            Err(error) => check_refusal(&error)?,
            Ok(Operation::Write(Write::Charge(charging))) => {
                let user_id = passed_field(&arguments, "userId");
                prop_assert_eq!(user_id, Some(&json!(charging.user_id())));
                let credits = charging.charge().map_or(0, |charge| charge.credits.get());
                let cost = passed_field(&arguments, if name == "consumeCredits" { "credits" } else { "costCredits" });
                let cost = if name == "createMediaTask" { arguments.get(1) } else { cost };
                let cost = cost.filter(|cost| cost.get("$undefined").is_none());
                prop_assert_eq!(cost.unwrap_or(&json!(0)).as_i64().or_else(|| bigint(cost?)), Some(credits));
            }
            Ok(_) => {}
        }
    }

    #[test]
    fn text_that_wire_js_does_not_write_is_an_error(
        (name, arguments) in call(),
        edits in edits(3),
        junk in prop::option::weighted(0.2, json()),
    ) {
        let text = junk.unwrap_or(Json::from(arguments)).to_string();
        let text = String::from_utf8_lossy(&edited(text.into_bytes(), &edits)).into_owned();
        let well_formed = serde_json::from_str::<Vec<Json>>(&text)
            .is_ok_and(|arguments| arguments.iter().all(is_well_formed));
        match read(name, &text) {
            Err(Error::Internal(_)) => {}
            outcome => {
                prop_assert!(well_formed, "{}", text);
                outcome.err().as_ref().map_or(Ok(()), check_refusal)?;
            }
        }
    }

    #[test]
    fn options_are_read_or_say_what_is_wrong(options in connect_options(), provider in text()) {
        let environment = || {
            let schema = provider.clone();
            let (url, log) = ("file:local.db".to_owned(), String::new());
            let max_connections = provider.clone();
            let postgres = Variables::from([("PGHOST".to_owned(), provider.clone())]);
            let auth_token = provider.clone();
            let provider = provider.clone();
            Environment { url, provider, schema, max_connections, auth_token, postgres, log }
        };
        match options::read(&Json::from(vec![options]).to_string(), &environment()) {
            Err(error) => check_refusal(&error)?,
            Ok(options) => {
                let sqlite = options.settings.sqlite;
                prop_assert!((1..=1_000_000).contains(&sqlite.max_queue));
                prop_assert!(sqlite.database.busy_timeout.as_millis() <= 600_000);
                let most = options.settings.postgres.database.max_connections;
                prop_assert!((1..=1000).contains(&most));
            }
        }
    }

    /// Values of columns survive encoding and decoding, except those that JSON can't express.
    #[test]
    fn values_survive_the_round_trip(value in column_value()) {
        let mut text = String::new();
        write_value(&mut text, &value);
        let read: Argument = serde_json::from_str(&text)?;
        let expected = match value {
            Value::Real(number) => whole(number).map_or(value, Value::Integer),
            Value::Json(json) => Value::Json(mended(&json).into_owned()),
            other => other,
        };
        // NaN does not equal itself.
        prop_assert_eq!(format!("{:?}", read), format!("{:?}", Argument::Value(expected)));
    }
}

/// JavaScript has only one type of number.
fn whole(number: f64) -> Option<i64> {
    let text = number.to_string();
    text.parse().ok().filter(|whole: &i64| whole.to_string() == text)
}

fn bigint(value: &Json) -> Option<i64> {
    value.get("$bigint")?.as_str()?.parse().ok()
}

fn connect_options() -> impl Strategy<Value = Json> {
    let numbers =
        ["busyTimeoutMs", "connectTimeoutMs", "maxConnections", "maxQueue", "statementTimeoutMs"];
    let texts = [
        ("durability", "normal"),
        ("journalMode", "keep"),
        ("refundPolicy", "source"),
        ("schema", "app"),
        ("timestampUnit", "s"),
        ("url", "postgres://app:secret@db/app"),
    ];
    let right = prop_oneof![
        (select(numbers.to_vec()), 1..100_i64).prop_map(|(name, number)| (name, json!(number))),
        select(texts.to_vec()).prop_map(|(name, text)| (name, json!(text))),
    ];
    let names: Vec<&str> = texts.iter().map(|(name, _)| *name).chain(numbers).collect();
    let option = prop_oneof![6 => right, 1 => (select(names), passed())];
    let odd = prop::option::weighted(0.1, (text(), value()));
    (vec(option, 0..6), odd).prop_map(|(options, odd)| {
        let options = options.into_iter().map(|(name, value)| (name.to_owned(), value));
        json!({ "$fields": options.chain(odd).collect::<Map<_, _>>() })
    })
}

fn column_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number().prop_map(Value::Integer),
        prop::num::f64::ANY.prop_map(Value::Real),
        select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e308, -0.0]).prop_map(Value::Real),
        text().prop_map(Value::Text),
        number().prop_map(Value::TimeMs),
        json().prop_map(|json| Value::Json(json.to_string())),
        vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
    ]
}

#[test]
fn right_calls_are_read() {
    let functions = functions();
    assert!(functions.contains(&"createMediaTask"), "{functions:?}");
    for name in functions {
        let outcome = read(name, &Json::from(right(name)).to_string());
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
    }
}
