//! A renewal's period, as the metadata of its grant records it.

use serde_json::{Value as Json, json};

use crate::domain::credits::Credits;
use crate::domain::value::{Value, describe};
use crate::error::{Error, Result};

/// A period of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// When it ends.
    pub end_ms: i64,
    /// The subscription that this one replaces.
    pub replaces: Option<String>,
    /// What lives on of earlier periods; each keeps its end, if `None`.
    pub rollover: Option<Rollover>,
}

/// What lives on of earlier periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollover {
    /// Maximum number of credits.
    pub at_most: i64,
    /// Also of those that have ended so long ago.
    pub grace_ms: i64,
}

impl Rollover {
    const DEFAULT_GRACE_MS: i64 = 3 * 86_400_000;
    /// A year.
    const MOST_GRACE_MS: i64 = 366 * 86_400_000;

    /// Reads the parameter `rollover`.
    pub(super) fn parse(value: Option<&Value>) -> Result<Option<Self>> {
        let object = match value {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Json(json)) => serde_json::from_str(json).ok(),
            Some(_) => None,
        };
        let read = |object: Json| {
            let object = object.as_object()?;
            if object.keys().any(|key| !["atMost", "graceMs"].contains(&key.as_str())) {
                return None;
            }
            let number = |key: &str, most: i64| {
                object.get(key)?.as_i64().filter(|number| (0..=most).contains(number))
            };
            let grace_ms = match object.get("graceMs") {
                None => Self::DEFAULT_GRACE_MS,
                Some(_) => number("graceMs", Self::MOST_GRACE_MS)?,
            };
            Some(Self { at_most: number("atMost", Credits::MAX)?, grace_ms })
        };
        object.and_then(read).map(Some).ok_or_else(|| Error::InvalidArgument {
            name: "rollover".to_owned(),
            expected: "{ atMost, graceMs? }, whole numbers from 0, graceMs at most a year"
                .to_owned(),
            given: describe(value),
        })
    }
}

impl Period {
    /// As it stands in metadata.
    pub fn as_json(&self) -> Json {
        let rollover = self.rollover.map(
            |Rollover { at_most, grace_ms }| json!({ "atMost": at_most, "graceMs": grace_ms }),
        );
        json!({ "end": self.end_ms, "replaces": self.replaces, "rollover": rollover })
    }

    /// Reads it.
    pub fn read(written: &Json) -> Option<Self> {
        let rollover = match written.get("rollover")? {
            Json::Null => None,
            said => Some(Rollover {
                at_most: said.get("atMost")?.as_i64()?,
                grace_ms: said.get("graceMs")?.as_i64()?,
            }),
        };
        let replaces = written.get("replaces")?.as_str().map(str::to_owned);
        Some(Self { end_ms: written.get("end")?.as_i64()?, replaces, rollover })
    }
}
