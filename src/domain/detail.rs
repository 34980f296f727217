//! A charge's `consumed_detail`: its draws from grants, in the app's format.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::credits::Credits;
use crate::error::{Error, Result};

/// One item of `consumed_detail`: what a charge drew from one grant. The app's pages and its old refund code
/// read these keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Draw {
    /// The grant's `id`.
    pub credit_id: String,
    /// The grant's `transaction_no`.
    pub transaction_no: String,
    /// The grant's expiry in ISO 8601; null if it never expires.
    pub expires_at: Option<String>,
    /// The credits that remained to be drawn before this item.
    pub credits_to_consume: i64,
    /// The credits drawn from this grant.
    pub credits_consumed: i64,
    /// The grant's remaining credits before the draw.
    pub credits_before: i64,
    /// The grant's remaining credits after the draw.
    pub credits_after: i64,
    /// Always 1000, as in the app.
    pub batch_size: i64,
    /// The item's number, counted from 1.
    pub batch_no: i64,
}

/// The parts of a [`Draw`] that a refund needs, written by this package or by the app.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenDraw {
    /// The grant's `id`.
    pub credit_id: String,
    /// The credits drawn from it.
    pub credits_consumed: i64,
}

/// Writes `consumed_detail`.
pub(super) fn write_detail(draws: &[Draw]) -> Result<String> {
    serde_json::to_string(draws).map_err(|error| Error::Internal(error.to_string()))
}

/// Reads `consumed_detail`, or says why it can't be read.
pub fn parse_detail(detail: Option<&[u8]>) -> Result<Vec<WrittenDraw>, String> {
    let detail = detail.ok_or("it is NULL")?;
    let text = std::str::from_utf8(detail).map_err(|error| error.to_string())?;
    let items: Vec<Item> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let draws: Vec<WrittenDraw> = items.into_iter().map(|Item(draw)| draw).collect();
    match draws.iter().find(|draw| !(0..=Credits::MAX).contains(&draw.credits_consumed)) {
        Some(draw) => Err(format!("creditsConsumed is {}", draw.credits_consumed)),
        None => Ok(draws),
    }
}

/// An item that must be a JSON object: serde alone would also accept an array of matching values.
struct Item(WrittenDraw);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Item;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Item, A::Error> {
                WrittenDraw::deserialize(MapAccessDeserializer::new(object)).map(Item)
            }
        }

        text.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_read_or_its_fault_is_named() {
        let item = |credits: &str| format!(r#"[{{"creditId":"g","creditsConsumed":{credits}}}]"#);
        let rows: [(Option<String>, Result<usize, &str>); 13] = [
            // consumed_detail; its items or the reason
            (Some("[]".into()), Ok(0)),
            (Some(item("10")), Ok(1)),
            (Some(item("0")), Ok(1)),
            (None, Err("it is NULL")),
            (Some(String::new()), Err("EOF while parsing")),
            (Some("{}".into()), Err("invalid type: map")),
            (Some("null".into()), Err("invalid type: null")),
            (Some("[{}]".into()), Err("missing field `creditId`")),
            (Some(r#"[["g",10]]"#.into()), Err("expected an object")),
            (Some(item("-1")), Err("creditsConsumed is -1")),
            (Some(item("2147483648")), Err("creditsConsumed is 2147483648")),
            (Some(item("1.5")), Err("invalid type: floating point")),
            (Some(item("\"10\"")), Err("invalid type: string")),
        ];
        for (consumed_detail, expected) in rows {
            match (parse_detail(consumed_detail.as_deref().map(str::as_bytes)), expected) {
                (Ok(draws), Ok(items)) => assert_eq!(draws.len(), items, "{consumed_detail:?}"),
                (Err(reason), Err(part)) => {
                    assert!(reason.contains(part), "{consumed_detail:?}: {reason}");
                }
                (read, _) => assert_eq!(format!("{read:?}"), format!("{expected:?}")),
            }
        }
    }

    #[test]
    fn a_detail_is_text_even_in_unread_fields() {
        let detail = br#"[{"creditId":"g","creditsConsumed":1,"transactionNo":"~"}]"#;
        let damaged = detail.map(|byte| if byte == b'~' { 0xff } else { byte });
        assert!(parse_detail(Some(detail)).is_ok());
        assert!(parse_detail(Some(&damaged)).is_err_and(|reason| reason.contains("invalid utf-8")));
    }
}
