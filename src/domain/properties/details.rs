//! Properties of draws and refunds: for any `consumed_detail` and `metadata`, nothing panics, and no credit is created
//! or lost.

use std::collections::HashMap;
use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::generators::{cases, edited, edits, json, number, text};
use crate::domain::call_options::CallOptions;
use crate::domain::charge::{Charge, ChargeFacts, ChargeRequest, plan_charge};
use crate::domain::credits::Credits;
use crate::domain::detail::WrittenDraw;
use crate::domain::grant::Grant;
use crate::domain::metadata::{self, Settled};
use crate::domain::options::RefundPolicy;
use crate::domain::plan::{NewIds, Plan, Stamp};
use crate::domain::quote::quote;
use crate::domain::refund::{Refund, give_back};
use crate::domain::refundable::{Origin, Refundable};
use crate::domain::regrant::Regrant;
use crate::domain::settle::{Settlement, plan_settlement};
use crate::domain::table::TableName;
use crate::domain::value::{Fields, Value};
use crate::error::{Error, Result};

const NOW_MS: i64 = 1_800_000_000_000;

fn stamp() -> Stamp {
    let ids = NewIds { id: "new".into(), transaction_no: "7".into() };
    Stamp { ids, now_ms: NOW_MS }
}

fn grant(id: String, credits: i64, remaining: i64, expires_at_ms: Option<i64>) -> Grant {
    let transaction_no = format!("no {id}");
    Grant { id, transaction_no, credits, remaining, expires_at_ms, active: true, provenance: None }
}

/// Spendable grants with different ids, and an amount that they can pay.
fn affordable() -> impl Strategy<Value = (Vec<Grant>, i64)> {
    let amount = || prop_oneof![3 => 1..100_i64, 1 => 1..=Credits::MAX];
    let expiry = prop::option::of(NOW_MS + 1..i64::MAX);
    let grants = vec((text(), amount(), any::<Index>(), expiry), 1..8).prop_map(|grants| {
        let grants = grants.into_iter().enumerate();
        let grants = grants.map(|(at, (id, credits, remaining, expires_at_ms))| {
            grant(format!("{at}{id}"), credits, 1 + below(remaining, credits), expires_at_ms)
        });
        grants.collect::<Vec<_>>()
    });
    (grants, any::<Index>()).prop_map(|(grants, amount)| {
        let available: i64 = grants.iter().map(|grant| grant.remaining).sum();
        let amount = 1 + below(amount, available.min(Credits::MAX));
        (grants, amount)
    })
}

fn below(index: Index, bound: i64) -> i64 {
    index.index(usize::try_from(bound).unwrap()).try_into().unwrap()
}

fn consume(grants: &[Grant], credits: i64) -> Result<Charge> {
    let parameters = [("userId", Value::Text("u".into())), ("credits", Value::Integer(credits))];
    let parameters = parameters.into_iter().collect();
    let request = ChargeRequest::parse(&parameters, &CallOptions::default())?;
    let facts =
        ChargeFacts { user_exists: true, grants: grants.to_vec(), ..ChargeFacts::default() };
    let plan = plan_charge(&request, &facts, stamp())?;
    Ok(written(&plan.rows[0].fields, charge(credits, None, None)))
}

fn charge(credits: i64, consumed_detail: Option<Vec<u8>>, metadata: Option<String>) -> Charge {
    let (id, user_id) = ("charge".to_owned(), "u".to_owned());
    Charge { id, user_id, active: true, credits, consumed_detail, metadata }
}

/// A charge after these columns were written.
fn written(fields: &Fields, mut charge: Charge) -> Charge {
    for (name, value) in fields.iter() {
        match (name, value) {
            ("status", Value::Text(status)) => charge.active = status == "active",
            ("credits", Value::Integer(credits)) => charge.credits = -credits,
            ("consumedDetail", Value::Json(json)) => {
                charge.consumed_detail = Some(json.clone().into_bytes());
            }
            ("metadata", Value::Json(json)) => charge.metadata = Some(json.clone()),
            _ => {}
        }
    }
    charge
}

fn total(draws: &[WrittenDraw]) -> i64 {
    draws.iter().map(|draw| draw.credits_consumed).sum()
}

/// The grants after a plan's returns.
fn after_returns(mut grants: Vec<Grant>, plan: &Plan) -> Vec<Grant> {
    for (id, credits) in &plan.returns {
        grants.iter_mut().find(|grant| grant.id == *id).unwrap().remaining += credits;
    }
    grants
}

/// Grants that are not active were withdrawn, and each has its own order.
fn load(refundable: &mut Refundable, grants: &[Grant], policy: RefundPolicy) {
    refundable.grants = grants.to_vec();
    let origin = |id: &str| {
        let withdrawn = grants.iter().any(|grant| grant.id == id && !grant.active);
        let kept = [("orderNo", Value::Text(id.to_owned()))].into_iter().collect();
        let ids = NewIds { id: format!("new {id}"), transaction_no: format!("7 {id}") };
        (id.to_owned(), Origin { withdrawn, kept, ids })
    };
    refundable.origins = refundable.to_regrant(policy, NOW_MS).into_iter().map(origin).collect();
}

fn refund(charge: &Charge, grants: &[Grant], policy: RefundPolicy) -> Result<(Plan, Refund)> {
    let mut plan = Plan::new("u", TableName::Credit, &charge.id);
    let Some(mut refundable) = Refundable::of(charge)? else {
        return Ok((plan, Refund::default()));
    };
    load(&mut refundable, grants, policy);
    let refund = give_back(&mut plan, refundable, policy, NOW_MS);
    Ok((plan, refund))
}

/// Settles to `credits`, or refunds that many.
fn settle(
    charge: &Charge,
    grants: &[Grant],
    credits: Option<i64>,
    policy: RefundPolicy,
) -> Result<(Plan, Refund)> {
    let credits = credits.map(Value::Integer);
    let settlement =
        Settlement::of_charge(charge.id.clone(), credits.as_ref(), &Fields::default(), policy)?;
    let (charge, settling) = settlement.check(None, Some(charge.clone()), false)?;
    let settling = settling.map(|mut settling| {
        load(&mut settling.refundable, grants, policy);
        settling
    });
    let (plan, difference) = plan_settlement(&settlement, &charge, settling, NOW_MS)?;
    Ok((plan, difference.refund))
}

proptest! {
    #![proptest_config(cases(512))]

    /// A charge's draws add up to its credits, it empties all its grants but the last, and a quote returns
    /// the same draws.
    #[test]
    fn a_charge_can_be_read_and_adds_up((grants, credits) in affordable()) {
        let charge = consume(&grants, credits)?;
        let draws = charge.draws()?;
        prop_assert_eq!(total(&draws), credits);
        for (at, (draw, grant)) in draws.iter().zip(&grants).enumerate() {
            prop_assert_eq!(&draw.credit_id, &grant.id);
            prop_assert!((1..=grant.remaining).contains(&draw.credits_consumed));
            prop_assert!(at + 1 == draws.len() || draw.credits_consumed == grant.remaining);
        }
        let quoted = quote(&grants, Credits::parse("credits", Some(&Value::Integer(credits)))?);
        let quoted: Vec<_> =
            quoted.draws.into_iter().map(|draw| (draw.credit_id, draw.credits_consumed)).collect();
        prop_assert_eq!(quoted, pairs(&draws));
    }

    /// After a charge, two settlements and a refund, the grants are as before.
    #[test]
    fn a_refund_returns_all_charged_credits(
        (grants, credits) in affordable(),
        back in any::<Index>(),
        settles in any::<bool>(),
    ) {
        let policy = RefundPolicy::Source;
        let mut charge = consume(&grants, credits)?;
        let mut left = grants.clone();
        for draw in charge.draws()? {
            let grant = left.iter_mut().find(|grant| grant.id == draw.credit_id).unwrap();
            grant.remaining -= draw.credits_consumed;
        }
        let mut came_back = 0;
        let back = below(back, credits);
        if settles && back > 0 {
            let (plan, refund) = settle(&charge, &left, Some(back), policy)?;
            prop_assert_eq!(refund.credits, back);
            came_back += refund.credits;
            left = after_returns(left, &plan);
            charge = written(&plan.rows[0].fields, charge);
            prop_assert_eq!(total(&charge.draws()?), credits - back);
            prop_assert_eq!(charge.credits, credits - back);
            let (again, _) = settle(&charge, &left, Some(back), policy)?;
            prop_assert_eq!((again.rows, again.returns), (vec![], vec![]));
        }
        let (plan, last) = refund(&charge, &left, policy)?;
        prop_assert_eq!(came_back + last.credits, credits);
        prop_assert_eq!(last.spendable, last.credits);
        prop_assert_eq!(last.skipped, vec![]);
        prop_assert_eq!(after_returns(left, &plan), grants);
    }
}

/// A `consumed_detail`, printable in messages.
#[derive(Clone)]
struct Detail(Vec<u8>);

impl fmt::Debug for Detail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Any `consumed_detail`: bytes, JSON, or an app's that other code changed.
fn detail() -> impl Strategy<Value = Detail> {
    let genuine = (vec(item(), 0..6), edits(2))
        .prop_map(|(items, edits)| edited(format!("[{}]", items.join(",")).into_bytes(), &edits));
    prop_oneof![
        1 => vec(any::<u8>(), 0..40),
        1 => json().prop_map(|json| json.to_string().into_bytes()),
        2 => vec(item(), 0..6).prop_map(|items| format!("[{}]", items.join(",")).into_bytes()),
        3 => genuine,
    ]
    .prop_map(Detail)
}

/// An item, mostly valid; keys may be missing, repeated, reordered or hold other values.
fn item() -> impl Strategy<Value = String> {
    let value = || prop_oneof![3 => number().prop_map(Json::from), 1 => json()];
    let id = || select(vec!["a", "b", "c"]).prop_map(Json::from);
    let drawn = prop_oneof![8 => (0..100_i64).prop_map(Json::from), 1 => value()];
    let keys = ["creditsToConsume", "creditsBefore", "creditsAfter", "batchNo", "expiresAt"];
    let others = vec(
        (prop_oneof![4 => select(keys.to_vec()).prop_map(str::to_owned), 1 => text()], value()),
        0..4,
    );
    let change = prop_oneof![
        12 => Just(None),
        1 => (any::<Index>(), prop::option::of(json())).prop_map(Some),
    ];
    let id = prop_oneof![8 => id(), 1 => json()];
    (id, drawn, others, change, any::<Index>()).prop_map(|(id, drawn, others, change, turn)| {
        let mut fields = vec![("creditId".to_owned(), id), ("creditsConsumed".to_owned(), drawn)];
        fields.extend(others);
        match change {
            Some((at, None)) => drop(fields.remove(at.index(fields.len()))),
            Some((at, Some(json))) => {
                let (key, _) = fields[at.index(fields.len())].clone();
                fields.push((key, json));
            }
            None => {}
        }
        let turn = turn.index(fields.len());
        fields.rotate_left(turn);
        let fields: Vec<String> =
            fields.into_iter().map(|(key, json)| format!("{}:{json}", Json::from(key))).collect();
        format!("{{{}}}", fields.join(","))
    })
}

/// All fields of an object, including repeated ones, with unparsed values.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

/// The draws of a detail, read by independent code; `None` if it must be rejected.
fn plainly_read(detail: &str) -> Option<Vec<(String, i64)>> {
    let one = |item: &Pairs, name: &str| -> Option<Json> {
        let mut found = item.0.iter().filter(|(key, _)| key == name);
        let value = found.next()?.1;
        found.next().is_none().then(|| serde_json::from_str(value.get()).ok())?
    };
    let draw = |item: &Pairs| {
        let id = one(item, "creditId")?.as_str()?.to_owned();
        let drawn = one(item, "creditsConsumed")?.as_i64()?;
        (0..=Credits::MAX).contains(&drawn).then_some((id, drawn))
    };
    let items: Vec<Pairs> = serde_json::from_str(detail).ok()?;
    items.iter().map(draw).collect()
}

fn pairs(draws: &[WrittenDraw]) -> Vec<(String, i64)> {
    draws.iter().map(|draw| (draw.credit_id.clone(), draw.credits_consumed)).collect()
}

/// A subset of the grants that the details name, in any state.
fn found_grants() -> impl Strategy<Value = Vec<Grant>> {
    let one = |id: &'static str| {
        let numbers = (number(), number(), prop::option::of(number()), any::<bool>());
        prop::option::of(numbers.prop_map(move |(credits, remaining, expires_at_ms, active)| {
            Grant { active, ..grant(id.to_owned(), credits, remaining, expires_at_ms) }
        }))
    };
    (one("a"), one("b"), one("c")).prop_map(|(a, b, c)| [a, b, c].into_iter().flatten().collect())
}

/// Metadata as a caller or other code may have written it.
fn any_metadata() -> impl Strategy<Value = Option<String>> {
    let settled = (number(), number()).prop_map(|(charged, credits)| {
        format!(r#"{{"settled":{{"charged":{charged},"credits":{credits}}},"a":1e400,"b":{{}}}}"#)
    });
    let key = prop_oneof![text(), Just("settled".to_owned())];
    let fields = vec((key, json()), 0..5)
        .prop_map(|fields| fields.into_iter().collect::<Json>().to_string());
    let odd = [
        r#" {"n":12345678901234567890123} "#,
        r#"{"e":1e400,"settled":{}}"#,
        r#"{"\u0073ettled":1}"#,
        "[1e400]",
    ];
    let deep = format!(r#"{{"a":{}{},"settled":1}}"#, "[".repeat(200), "]".repeat(200));
    let odd: Vec<String> = odd.map(str::to_owned).into_iter().chain([deep]).collect();
    prop::option::of(prop_oneof![settled, fields, text(), select(odd)])
}

type Raw<'a> = HashMap<String, &'a RawValue>;

fn raw(text: &str) -> Option<HashMap<String, String>> {
    let fields: Option<Raw> = serde_json::from_str(text).ok();
    let kept = |(key, value): (String, &RawValue)| (key, value.get().to_owned());
    fields.map(|fields| fields.into_iter().map(kept).collect())
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn a_detail_is_read_as_its_text_says(detail in detail()) {
        let read = charge(10, Some(detail.0.clone()), None).draws();
        if let Err(error) = &read {
            prop_assert_eq!(error.code(), "CHARGE_CORRUPT");
        }
        let read = read.ok().map(|draws| pairs(&draws));
        let plainly = plainly_read(&String::from_utf8_lossy(&detail.0));
        // Invalid UTF-8 is allowed in places that are not read.
        if read.is_some() || std::str::from_utf8(&detail.0).is_ok() {
            prop_assert_eq!(read, plainly);
        }
    }

    /// A refund of a damaged charge or grant does not increase the damage.
    #[test]
    fn no_detail_mints_credits(
        (detail, metadata) in (detail(), any_metadata()),
        grants in found_grants(),
        (credits, back) in (number(), prop::option::of(number())),
        (active, regrants, settles) in any::<(bool, bool, bool)>(),
    ) {
        let policy = if regrants { RefundPolicy::RegrantDays(7) } else { RefundPolicy::Source };
        let charge = Charge { active, ..charge(credits, Some(detail.0), metadata) };
        let done = if settles {
            settle(&charge, &grants, back, policy)
        } else {
            refund(&charge, &grants, policy)
        };
        let (plan, refund) = match done {
            Ok(done) => done,
            Err(Error::Internal(message)) => return Err(TestCaseError::fail(message)),
            Err(_) => return Ok(()),
        };
        if plan.rows.is_empty() && plan.returns.is_empty() {
            prop_assert_eq!(refund.credits, 0);
        }
        let draws = charge.draws().unwrap_or_default();
        let returned: i64 = plan.returns.iter().map(|(_, credits)| credits).sum();
        prop_assert!(returned <= refund.credits && refund.credits <= total(&draws));
        for grant in &grants {
            let of_grant = |(id, _): &&(String, i64)| *id == grant.id;
            let returned: i64 = plan.returns.iter().filter(of_grant).map(|(_, n)| n).sum();
            let drawn: i64 = pairs(&draws).iter().filter(of_grant).map(|(_, n)| n).sum();
            prop_assert!((0..=drawn).contains(&returned));
            let room = i128::from(grant.credits) - i128::from(grant.remaining);
            prop_assert!(returned == 0 || i128::from(returned) <= room);
            // Credits of a withdrawn grant are not granted again, and no credits twice.
            let of_order = |regrant: &&Regrant| regrant.grant_id == format!("new {}", grant.id);
            let anew: Vec<i64> =
                refund.regranted.iter().filter(of_order).map(|regrant| regrant.credits).collect();
            let is_over = grant.active && !grant.is_spendable(NOW_MS) && returned > 0;
            let expected = if regrants && is_over { vec![returned] } else { vec![] };
            prop_assert_eq!(anew, expected);
        }
        let Some(row) = plan.rows.iter().find(|row| row.id == charge.id) else { return Ok(()) };
        let after = written(&row.fields, charge.clone());
        if after.active {
            let skipped: i64 = refund.skipped.iter().map(|skipped| skipped.credits).sum();
            prop_assert_eq!(after.credits + refund.credits + skipped, charge.credits);
            prop_assert_eq!(total(&after.draws()?), after.credits);
        }
    }

    /// A settlement is added to the metadata; everything else stays byte for byte.
    #[test]
    fn a_settlement_changes_nothing_else(
        before in any_metadata(),
        credits in 0..=Credits::MAX,
        more in -100..100_i64,
        lacks in 0..100_i64,
    ) {
        let charged = (credits + more).max(1);
        let uncollected = if charged <= credits { lacks } else { 0 };
        let settlement = Settled { charged, credits, uncollected };
        let after = metadata::with_settled(before.as_deref(), settlement);
        prop_assert_eq!(metadata::settled(Some(&after), credits, true), Some(settlement));
        let mut after = raw(&after).unwrap();
        after.remove("settled");
        match before.as_deref().map(|text| (text, raw(text))) {
            None => prop_assert!(after.is_empty()),
            Some((_, Some(mut fields))) => {
                fields.remove("settled");
                prop_assert_eq!(after, fields);
            }
            Some((text, None)) => {
                let kept = after.remove("metadata").unwrap();
                let string = serde_json::from_str::<String>(&kept).ok();
                prop_assert!(kept == text.trim() || string.as_deref() == Some(text)
                    || serde_json::from_str::<Json>(text).ok() == serde_json::from_str(&kept).ok());
                prop_assert!(after.is_empty());
            }
        }
    }
}
