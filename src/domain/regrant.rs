//! New grants for credits that were refunded to grants that can't be spent. The old grant gets the credits
//! back too, so that its own balance is complete; extending it later must not make them spendable twice.

use std::collections::HashMap;

use serde_json::json;

use super::credits::Credits;
use super::refundable::{Origin, Refundable};
use super::revocation::Held;
use super::value::{Fields, Value};

/// The credits of an ended grant that were granted again in these other grants. They must not be spent twice
/// if the grant is extended, or withdrawn with its payment. Credits that an extension has written off already
/// do not count.
pub fn granted_anew(held: &Held, others: &[Held]) -> i64 {
    let Some(end_ms) = held.grant.expires_at_ms else { return 0 };
    let since = others.iter().filter(|other| other.created_at_ms.is_none_or(|made| made >= end_ms));
    let sources = since.flat_map(|other| &other.made_of);
    let of_it = sources.filter(|source| source.credit_id == held.grant.id);
    let credits = of_it.fold(0, |sum: i64, source| sum.saturating_add(source.credits.max(0)));
    credits.min(held.grant.remaining).max(0)
}

/// A new grant for refunded credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regrant {
    /// Its `id`.
    pub grant_id: String,
    /// The number of credits.
    pub credits: i64,
    /// Its expiry.
    pub expires_at_ms: i64,
}

/// Refunded credits that can't be spent in their grant.
pub(super) struct Unusable<'r> {
    /// The grant that they were drawn from.
    pub(super) grant_id: &'r str,
    /// The row that a new grant is modelled on: the grant, or the charge if the grant no longer exists.
    pub(super) origin_id: &'r str,
    /// The number of credits.
    pub(super) credits: i64,
}

/// Credits from grants with the same scene, order and subscription.
struct Group<'r> {
    origin: &'r Origin,
    credits: i64,
    sources: Vec<&'r Unusable<'r>>,
}

/// The new grants and their rows: one for each scene, order and subscription, in the order of the returns.
pub(super) fn regrant(
    refundable: &Refundable,
    unusable: &[Unusable<'_>],
    days: u32,
    now_ms: i64,
) -> Vec<(Regrant, Fields)> {
    const DAY_MS: i64 = 86_400_000;
    // Rounded up to whole seconds, which every database can store.
    let expires_at_ms = now_ms + (-now_ms).rem_euclid(1000) + i64::from(days) * DAY_MS;
    let new_grant = |group: &Group<'_>| {
        let regrant = Regrant {
            grant_id: group.origin.ids.id.clone(),
            // Only a `consumed_detail` that was edited by hand can exceed this.
            credits: group.credits.min(Credits::MAX),
            expires_at_ms,
        };
        let row = new_row(&regrant, group, refundable, now_ms);
        (regrant, row)
    };
    groups(refundable, unusable).iter().map(new_grant).collect()
}

fn groups<'r>(refundable: &'r Refundable, unusable: &'r [Unusable<'r>]) -> Vec<Group<'r>> {
    let mut groups: Vec<Group<'r>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for source in unusable.iter().filter(|source| source.credits > 0) {
        let origin = refundable.origins.get(source.origin_id).filter(|origin| !origin.withdrawn);
        let Some(origin) = origin else { continue };
        let place = *places.entry(format!("{:?}", origin.kept)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => {
                group.credits = group.credits.saturating_add(source.credits);
                group.sources.push(source);
            }
            None => groups.push(Group { origin, credits: source.credits, sources: vec![source] }),
        }
    }
    groups
}

fn new_row(regrant: &Regrant, group: &Group<'_>, refundable: &Refundable, now_ms: i64) -> Fields {
    let source =
        |source: &&Unusable<'_>| json!({ "creditId": source.grant_id, "credits": source.credits });
    let sources: Vec<_> = group.sources.iter().map(source).collect();
    let metadata =
        json!({ "type": "regrant", "chargeId": refundable.charge_id, "sources": sources });
    let text = |text: &str| Value::Text(text.to_owned());
    let Origin { kept, ids, .. } = group.origin;
    let mut row: Fields = [
        ("id", text(&ids.id)),
        ("userId", text(&refundable.user_id)),
        ("transactionNo", text(&ids.transaction_no)),
        ("transactionType", text("grant")),
        ("credits", Value::Integer(regrant.credits)),
        ("remainingCredits", Value::Integer(regrant.credits)),
        ("description", text("Refund of expired credits")),
        ("expiresAt", Value::TimeMs(regrant.expires_at_ms)),
        ("status", text("active")),
        ("createdAt", Value::TimeMs(now_ms)),
        ("updatedAt", Value::TimeMs(now_ms)),
        ("metadata", Value::Json(metadata.to_string())),
    ]
    .into_iter()
    .collect();
    kept.iter().for_each(|(name, value)| row.insert(name, value.clone()));
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::NewIds;

    /// A grant's scene and order, whether it was withdrawn, and the key of the grant that replaces it.
    type Kept<'a> = (&'a str, Option<&'a str>, bool);

    fn origin(id: &str, (scene, order, withdrawn): Kept<'_>) -> (String, Origin) {
        let text = |text: &str| Value::Text(text.to_owned());
        let order = order.map(|order| ("orderNo", text(order)));
        let kept = [("transactionScene", text(scene))].into_iter().chain(order).collect();
        let ids = NewIds { id: format!("new-{id}"), transaction_no: format!("7-{id}") };
        (id.to_owned(), Origin { withdrawn, kept, ids })
    }

    #[test]
    fn one_new_grant_for_each_scene_and_order() {
        type Row<'a> = (&'a [(&'a str, &'a str, i64)], &'a [(&'a str, i64, &'a [&'a str])]);
        let origins = [
            ("a", ("payment", Some("1"), false)),
            ("b", ("payment", Some("2"), false)),
            ("c", ("payment", Some("1"), false)),
            ("d", ("subscription", Some("1"), false)),
            ("e", ("gift", None, false)),
            ("w", ("payment", Some("1"), true)),
            ("charge", ("gift", None, false)),
        ];
        let rows: [Row; 9] = [
            // the grant, the row that a new one is modelled on, credits; the new grants, their credits and sources
            (&[], &[]),
            (&[("a", "a", 5)], &[("new-a", 5, &["a"])]),
            (&[("a", "a", 5), ("c", "c", 3)], &[("new-a", 8, &["a", "c"])]),
            // In the order of the returns, whatever the ids are.
            (
                &[("d", "d", 1), ("b", "b", 2), ("c", "c", 3), ("a", "a", 4)],
                &[("new-d", 1, &["d"]), ("new-b", 2, &["b"]), ("new-c", 7, &["c", "a"])],
            ),
            (&[("w", "w", 5)], &[]),
            (&[("w", "w", 5), ("a", "a", 1)], &[("new-a", 1, &["a"])]),
            (
                &[("x", "charge", 2), ("a", "a", 1), ("y", "charge", 3), ("e", "e", 1)],
                &[("new-charge", 6, &["x", "y", "e"]), ("new-a", 1, &["a"])],
            ),
            (&[("a", "a", 0), ("unknown", "unknown", 1)], &[]),
            (
                &[("a", "a", Credits::MAX), ("c", "c", i64::MAX)],
                &[("new-a", Credits::MAX, &["a", "c"])],
            ),
        ];
        for (went_back, expected) in rows {
            let unusable: Vec<_> = went_back
                .iter()
                .map(|&(grant_id, origin_id, credits)| Unusable { grant_id, origin_id, credits })
                .collect();
            let refundable = Refundable {
                charge_id: "charge".into(),
                user_id: "u".into(),
                draws: Vec::new(),
                grants: Vec::new(),
                origins: origins.iter().map(|(id, kept)| origin(id, *kept)).collect(),
            };
            let made = regrant(&refundable, &unusable, 1, 10);
            let told: Vec<(&str, i64, Vec<String>)> = made
                .iter()
                .map(|(regrant, row)| {
                    let Some(Value::Json(metadata)) = row.get("metadata") else {
                        panic!("{row:?}")
                    };
                    let metadata: serde_json::Value = serde_json::from_str(metadata).unwrap();
                    let sources = metadata["sources"].as_array().unwrap().iter();
                    let id =
                        |source: &serde_json::Value| source["creditId"].as_str().unwrap().into();
                    (regrant.grant_id.as_str(), regrant.credits, sources.map(id).collect())
                })
                .collect();
            let expected: Vec<(&str, i64, Vec<String>)> = expected
                .iter()
                .map(|(id, credits, sources)| {
                    (*id, *credits, sources.iter().map(|id| (*id).to_owned()).collect())
                })
                .collect();
            assert_eq!(told, expected, "{went_back:?}");
        }
    }

    #[test]
    fn a_new_grant_copies_columns_of_its_source() {
        let refundable = Refundable {
            charge_id: "charge".into(),
            user_id: "u".into(),
            draws: Vec::new(),
            grants: Vec::new(),
            origins: [origin("a", ("payment", Some("1"), false))].into(),
        };
        let unusable = [Unusable { grant_id: "a", origin_id: "a", credits: 5 }];
        let (regrant, row) = regrant(&refundable, &unusable, 2, 1).remove(0);
        assert_eq!(regrant.expires_at_ms, 1000 + 2 * 86_400_000);
        let text = |text: &str| Value::Text(text.to_owned());
        let expected = [
            ("id", text("new-a")),
            ("userId", text("u")),
            ("transactionNo", text("7-a")),
            ("transactionType", text("grant")),
            ("transactionScene", text("payment")),
            ("orderNo", text("1")),
            ("credits", Value::Integer(5)),
            ("remainingCredits", Value::Integer(5)),
            ("status", text("active")),
            ("expiresAt", Value::TimeMs(regrant.expires_at_ms)),
            ("createdAt", Value::TimeMs(1)),
        ];
        for (name, value) in expected {
            assert_eq!(row.get(name), Some(&value), "{name}");
        }
    }
}
