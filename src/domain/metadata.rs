//! A charge's `metadata`: the task that it pays for, its settlement, its repairs and other changes.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};

use super::json;
use super::renewal::Period;
use super::revocation::Terms;
use super::table::TaskKind;
use super::value::Value;
use crate::error::{Error, Result};

/// The fields that only the ledger writes, and trusts when it reads them: [`with_settled`],
/// [`with_repaired`], [`with_given`], [`with_held`], [`with_status_before`], [`with_period`],
/// [`with_own_end`], [`with_top_up`], [`with_top_up_ended`]; and the types of the rows that the ledger makes
/// for itself: [`claim`], [`expiry`].
const OWN: [&str; 11] = [
    "settled",
    "repaired",
    "given",
    "held",
    "revocation",
    "revoked",
    "renewal",
    "carried",
    "expiry",
    "topUp",
    "topUpEnded",
];

/// The `type` of a regrant, whose `sources` the ledger alone writes.
const REGRANT: &str = "regrant";

/// The caller's metadata for a new row, without the ledger's own fields.
pub fn of_caller(passed: Value) -> Value {
    match passed {
        Value::Text(text) => Value::Text(without_own(text)),
        Value::Json(json) => Value::Json(without_own(json)),
        other => other,
    }
}

/// Text that is not a JSON object has no fields and stays as it is.
fn without_own(text: String) -> String {
    // Fast path: callers hardly ever pass such fields. Letters may be written as escapes.
    let may_have_any =
        OWN.iter().chain([&REGRANT]).any(|name| text.contains(name)) || text.contains("\\u");
    let members = || serde_json::from_str::<Members>(&text).ok();
    let Some(Members(members)) = may_have_any.then(members).flatten() else { return text };
    let is_type = |(name, value): &(Text<'_>, &RawValue)| {
        name.0 == "type" && read::<Text<'_>>(Some(value)).is_some_and(|Text(it)| it == REGRANT)
    };
    let is_regrant = members.iter().any(is_type);
    let is_own = |Text(name): &Text| {
        OWN.contains(&name.as_ref()) || (is_regrant && name.as_ref() == "sources")
    };
    if !members.iter().any(|(name, _)| is_own(name)) {
        return text;
    }
    let kept = members.iter().filter(|(name, _)| !is_own(name));
    let kept: Vec<String> =
        kept.map(|(Text(name), value)| format!("{}:{value}", json!(name))).collect();
    format!("{{{}}}", kept.join(","))
}

/// The id of the task that a charge pays for: `{"type":"media-task…","taskId":"…"}`.
pub fn task_id(kind: TaskKind, metadata: Option<&str>) -> Option<String> {
    let (found, task_id) = task(metadata)?;
    (found == kind).then_some(task_id)
}

/// The kind and id of the task that a charge pays for.
pub fn task(metadata: Option<&str>) -> Option<(TaskKind, String)> {
    let [charge_type, task_id] = fields(metadata?, ["type", "taskId"])?;
    let Text(charge_type) = read(charge_type)?;
    let is_of = |kind: &TaskKind| charge_type.starts_with(kind.charge_type());
    let kind = [TaskKind::Media, TaskKind::Ai].into_iter().find(is_of)?;
    Some((kind, read(task_id)?))
}

/// The same; if the type is the app's own and implies no kind, this kind is assumed.
pub fn task_of(kind: TaskKind, metadata: Option<&str>) -> Option<(TaskKind, String)> {
    let [task_id] = fields(metadata?, ["taskId"])?;
    task(metadata).or_else(|| Some((kind, read(task_id)?)))
}

/// Whether this is the metadata of the charge made at a task's creation.
pub fn is_of_creation(kind: TaskKind, metadata: Option<&str>) -> bool {
    let charge_type = metadata.and_then(|metadata| field(metadata, "type"));
    charge_type.is_some_and(|Text(charge_type)| charge_type == kind.charge_type())
}

/// The metadata of a charge for a further step of a task: the caller's, with the task's id.
pub fn of_step(kind: TaskKind, task_id: &str, passed: Option<&Value>) -> Result<String> {
    let invalid = |expected: String| Error::InvalidArgument {
        name: "metadata".to_owned(),
        expected,
        given: super::value::describe(passed),
    };
    let mut metadata = match passed {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Json(text) | Value::Text(text)) if json::is_too_deep(text) => {
            return Err(Error::InvalidValue {
                table: "credit".to_owned(),
                field: "metadata".to_owned(),
                expected: json::expected(),
                given: super::value::describe(passed),
            });
        }
        Some(Value::Json(text) | Value::Text(text)) => object(&json::mended(text))
            .ok_or_else(|| invalid("an object, or the JSON text of one".to_owned()))?,
        Some(_) => return Err(invalid("an object, or the JSON text of one".to_owned())),
    };
    metadata.retain(|name, _| !OWN.contains(&name.as_str()));
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

/// Whether the caller allowed the task to be delivered although the charge was refunded.
pub fn is_given(metadata: Option<&str>) -> bool {
    metadata.and_then(|metadata| field(metadata, "given")) == Some(true)
}

/// Marks a charge whose task was delivered without payment. The rest stays as in [`with_settled`].
pub fn with_given(metadata: Option<&str>) -> String {
    with(metadata, "given", &Json::Bool(true))
}

/// The terms of a revocation's claim, if this is the metadata of one.
pub fn claim(metadata: Option<&str>) -> Option<Terms> {
    // Fast path: whole ledgers are read, and claims are rare.
    let metadata = metadata.filter(|text| text.contains("\"revocation\""))?;
    Terms::read(&field(metadata, "revocation")?)
}

/// A grant's status before claims closed it.
pub fn status_before(metadata: Option<&str>) -> Option<String> {
    let metadata = metadata.filter(|text| text.contains("\"revoked\""))?;
    field::<Text<'_>>(metadata, "revoked").map(|Text(status)| status.into_owned())
}

/// Records a grant's status before claims closed it, or removes the record. The rest stays as in
/// [`with_settled`].
pub fn with_status_before(metadata: Option<&str>, status: &Json) -> String {
    with(metadata, "revoked", status)
}

/// The period of a renewal, if this is the metadata of its grant.
pub fn period(metadata: Option<&str>) -> Option<Period> {
    let metadata = metadata.filter(|text| text.contains("\"renewal\""))?;
    Period::read(&field(metadata, "renewal")?)
}

/// Records the period of a renewal's grant. The rest stays as in [`with_settled`].
pub fn with_period(metadata: Option<&str>, period: &Json) -> String {
    with(metadata, "renewal", period)
}

/// The expiry that a grant had before a renewal carried it over.
pub fn own_end(metadata: Option<&str>) -> Option<i64> {
    field(metadata.filter(|text| text.contains("\"carried\""))?, "carried")
}

/// Records the expiry that a grant had before a renewal carried it over. The rest stays as in
/// [`with_settled`].
pub fn with_own_end(metadata: Option<&str>, end_ms: i64) -> String {
    with(metadata, "carried", &json!(end_ms))
}

/// The record of a write-off: its reason, and the credits that were granted again elsewhere. `None` for other
/// charges.
pub fn expiry(metadata: Option<&str>) -> Option<Map<String, Json>> {
    field(metadata.filter(|text| text.contains("\"expiry\""))?, "expiry")
}

/// A charge's credits before they were changed.
pub fn charged_at_first(metadata: Option<&str>) -> Option<i64> {
    field::<Map<String, Json>>(metadata?, "settled")?.get("charged")?.as_i64()
}

/// The metadata of a new top-up's grant. Metadata that is neither text nor JSON stays as it is and is
/// rejected later.
pub fn of_top_up(passed: Value, state: &str) -> Value {
    match passed {
        Value::Null => Value::Json(with_top_up(None, state)),
        Value::Text(text) | Value::Json(text) => Value::Json(with_top_up(Some(&text), state)),
        other => other,
    }
}

/// The state of a top-up; `None` if the grant is not one.
pub fn top_up(metadata: Option<&str>) -> Option<String> {
    // Fast path: whole ledgers are read, and top-ups are rare.
    let metadata = metadata.filter(|text| text.contains("\"topUp\""))?;
    let Text(state) = field(metadata, "topUp")?;
    Some(state.into_owned())
}

/// When a top-up was confirmed or abandoned.
pub fn top_up_ended(metadata: Option<&str>) -> Option<i64> {
    field(metadata.filter(|text| text.contains("\"topUpEnded\""))?, "topUpEnded")
}

/// Records a top-up's final state and its time. The rest stays as in [`with_settled`].
pub fn with_top_up_ended(metadata: Option<&str>, state: &str, now_ms: i64) -> String {
    with(Some(&with_top_up(metadata, state)), "topUpEnded", &json!(now_ms))
}

/// Records a top-up's state. The rest stays as in [`with_settled`].
pub fn with_top_up(metadata: Option<&str>, state: &str) -> String {
    with(metadata, "topUp", &json!(state))
}

/// The metadata of a new hold. Metadata that is neither text nor JSON stays as it is and is rejected later.
pub fn of_hold(passed: Value) -> Value {
    match passed {
        Value::Null => Value::Json(with_held(None, true)),
        Value::Text(text) | Value::Json(text) => Value::Json(with_held(Some(&text), true)),
        other => other,
    }
}

/// Whether a charge is a hold, which is refunded at its end unless it was settled or kept.
pub fn is_held(metadata: Option<&str>) -> bool {
    // Fast path: whole ledgers are read, and holds are rare.
    let may_say = |text: &&str| text.contains("\"held\"") || text.contains("\\u");
    metadata.filter(may_say).and_then(|metadata| field(metadata, "held")) == Some(true)
}

/// Records whether a charge is still a hold. The rest stays as in [`with_settled`].
pub fn with_held(metadata: Option<&str>, held: bool) -> String {
    with(metadata, "held", &Json::Bool(held))
}

/// A settlement, as the charge's metadata records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The charge's credits before settlement.
    pub charged: i64,
    /// The charge's credits after settlement.
    pub credits: i64,
    /// The credits that the user's balance could not cover.
    pub uncollected: i64,
}

impl Settled {
    /// The final number of credits that the caller asked for.
    pub fn requested(self) -> i64 {
        self.credits.saturating_add(self.uncollected)
    }
}

/// A grant whose credits were granted again, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The grant's `id`.
    pub credit_id: String,
    /// The number of credits.
    pub credits: i64,
}

/// The grants that this grant replaces, as [`regrant`](super::regrant) recorded them.
pub fn regrant_sources(metadata: Option<&str>) -> Vec<Source> {
    let metadata = metadata.filter(|text| text.contains("\"regrant\""));
    let found = metadata.and_then(|text| fields(text, ["type", "sources"]));
    let Some([kind, sources]) = found else { return Vec::new() };
    match read::<Text<'_>>(kind) {
        Some(Text(kind)) if kind == REGRANT => read(sources).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The settlement in a charge's metadata, if the charge's row agrees with it: old rows may hold metadata that
/// a caller chose.
pub fn settled(metadata: Option<&str>, credits: i64, active: bool) -> Option<Settled> {
    // Fast path: whole ledgers are read, and settlements are rare. Letters may be written as escapes.
    let may_say = |text: &&str| text.contains("\"settled\"") || text.contains("\\u");
    let written: Map<String, Json> = field(metadata.filter(may_say)?, "settled")?;
    let number = |name: &str| written.get(name)?.as_i64();
    let uncollected = written.get("uncollected").map_or(Some(0), Json::as_i64)?;
    let settled = Settled { charged: number("charged")?, credits: number("credits")?, uncollected };
    let agrees = settled.credits == credits || (!active && settled.credits == 0);
    // A charge with uncollected credits took everything that was available.
    let is_possible = match uncollected {
        0 => credits <= settled.charged || settled.charged > 0,
        _ => uncollected > 0 && (1..=settled.credits).contains(&settled.charged),
    };
    (agrees && is_possible).then_some(settled)
}

/// Adds a settlement to the metadata. Everything else stays byte for byte; metadata that is not an object
/// moves to the field `metadata`.
pub fn with_settled(metadata: Option<&str>, settled: Settled) -> String {
    let Settled { charged, credits, uncollected } = settled;
    let mut said = json!({ "charged": charged, "credits": credits });
    if uncollected > 0 {
        said["uncollected"] = uncollected.into();
    }
    with(metadata, "settled", &said)
}

/// Appends records of repairs to those of earlier ones. The rest stays as in [`with_settled`].
pub fn with_repaired(metadata: Option<&str>, records: Vec<Json>) -> String {
    let mut all = match metadata.and_then(|metadata| field(metadata, "repaired")) {
        None => Vec::new(),
        Some(Json::Array(earlier)) => earlier,
        // A value that the app wrote.
        Some(other) => vec![other],
    };
    all.extend(records);
    with(metadata, "repaired", &Json::Array(all))
}

fn with(metadata: Option<&str>, name: &str, value: &Json) -> String {
    let Some(text) = metadata else { return json!({ name: value }).to_string() };
    let Some([before]) = fields(text, [name]) else {
        let before = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        return json!({ "metadata": before, name: value }).to_string();
    };
    let text = text.trim();
    match before {
        // Replaced in place: other fields may hold values that can't be parsed and written back unchanged.
        Some(before) => splice(text, span(text, before.get()), value),
        None => {
            // An object ends with a brace; if another one comes before that, the object is empty.
            let open = text.strip_suffix('}').unwrap_or_default();
            let comma = if open.trim_end().ends_with('{') { "" } else { "," };
            format!("{open}{comma}\"{name}\":{value}}}")
        }
    }
}

/// The text with one part replaced.
fn splice(text: &str, part: Range<usize>, value: &Json) -> String {
    format!("{}{value}{}", &text[..part.start], &text[part.end..])
}

/// The position of a slice within its text.
fn span(text: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    start..start + part.len()
}

fn object(text: &str) -> Option<Map<String, Json>> {
    serde_json::from_str(text).ok()
}

/// A field of an object; `None` if it is missing or of another type.
fn field<'t, T: Deserialize<'t>>(text: &'t str, name: &str) -> Option<T> {
    let [field] = fields(text, [name])?;
    read(field)
}

fn read<'t, T: Deserialize<'t>>(field: Option<&'t RawValue>) -> Option<T> {
    serde_json::from_str(field?.get()).ok()
}

/// The named fields of an object, unparsed. Other fields are skipped without being stored, as whole ledgers
/// are read; nor are their numbers parsed, however large.
fn fields<'t, const N: usize>(
    text: &'t str,
    names: [&str; N],
) -> Option<[Option<&'t RawValue>; N]> {
    let mut text = serde_json::Deserializer::from_str(text);
    let fields = Named(names).deserialize(&mut text).ok()?;
    text.end().ok()?;
    Some(fields)
}

struct Named<'n, const N: usize>([&'n str; N]);

impl<'t, const N: usize> DeserializeSeed<'t> for Named<'_, N> {
    type Value = [Option<&'t RawValue>; N];

    fn deserialize<D: Deserializer<'t>>(self, text: D) -> Result<Self::Value, D::Error> {
        text.deserialize_map(self)
    }
}

impl<'t, const N: usize> Visitor<'t> for Named<'_, N> {
    type Value = [Option<&'t RawValue>; N];

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    /// If a name occurs twice, the last one counts, as in JavaScript.
    fn visit_map<A: MapAccess<'t>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut fields = [None; N];
        while let Some(Text(name)) = object.next_key()? {
            match fields.iter_mut().zip(self.0).find(|(_, wanted)| *wanted == name) {
                Some((field, _)) => *field = Some(object.next_value()?),
                None => _ = object.next_value::<IgnoredAny>()?,
            }
        }
        Ok(fields)
    }
}

/// All fields of an object in order, unparsed.
struct Members<'t>(Vec<(Text<'t>, &'t RawValue)>);

impl<'t> Deserialize<'t> for Members<'t> {
    fn deserialize<D: Deserializer<'t>>(text: D) -> Result<Self, D::Error> {
        struct All;

        impl<'t> Visitor<'t> for All {
            type Value = Members<'t>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'t>>(self, mut object: A) -> Result<Members<'t>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        text.deserialize_map(All)
    }
}

/// Text that is copied only if it contains escapes.
#[derive(Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

#[cfg(test)]
mod tests;
