//! The period of a renewal, as its grant's metadata records it.

use serde_json::{Map, Value as Json, json};

use crate::domain::credits::Credits;
use crate::domain::options;
use crate::domain::value::{Value, describe};
use crate::error::{Error, Result};

/// A period of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// The end.
    pub end_ms: i64,
    /// The subscription that this one replaces.
    pub replaces: Option<String>,
    /// What is carried over from earlier periods; `None` if each keeps its expiry.
    pub rollover: Option<Rollover>,
}

/// How much is carried over from earlier periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollover {
    /// The maximum number of credits.
    pub at_most: i64,
    /// Grants that expired up to this many milliseconds ago are carried over too.
    pub grace_ms: i64,
}

impl Rollover {
    const DEFAULT_GRACE_MS: i64 = 3 * 86_400_000;
    /// The maximum grace time: 366 days.
    const MOST_GRACE_MS: i64 = 366 * 86_400_000;

    /// Parses the parameter `rollover`.
    pub(super) fn parse(value: Option<&Value>) -> Result<Option<Self>> {
        const NAME: &str = "rollover";
        let given = match value {
            None | Some(Value::Null) => return Ok(None),
            Some(given) => given,
        };
        let object = options::object(NAME, given, &["atMost", "graceMs"])?;
        object.as_ref().and_then(Self::of).map(Some).ok_or_else(|| Error::InvalidArgument {
            name: NAME.to_owned(),
            expected: "{ atMost, graceMs? }, whole numbers from 0, graceMs at most a year"
                .to_owned(),
            given: describe(value),
        })
    }

    fn of(object: &Map<String, Json>) -> Option<Self> {
        let number = |key: &str, most: i64| {
            object.get(key)?.as_i64().filter(|number| (0..=most).contains(number))
        };
        let grace_ms = match object.get("graceMs") {
            None => Self::DEFAULT_GRACE_MS,
            Some(_) => number("graceMs", Self::MOST_GRACE_MS)?,
        };
        Some(Self { at_most: number("atMost", Credits::MAX)?, grace_ms })
    }
}

impl Period {
    /// As JSON for the metadata.
    pub fn as_json(&self) -> Json {
        let rollover = self.rollover.map(
            |Rollover { at_most, grace_ms }| json!({ "atMost": at_most, "graceMs": grace_ms }),
        );
        json!({ "end": self.end_ms, "replaces": self.replaces, "rollover": rollover })
    }

    /// Parses the JSON of the metadata.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollover_is_read_or_refused() {
        let rollover = |at_most, grace_ms| Ok(Some((at_most, grace_ms)));
        let rows = [
            // rollover; what is carried over, or the code
            (r#"{"atMost":0}"#, rollover(0, 3 * 86_400_000)),
            (r#"{"atMost":5,"graceMs":0}"#, rollover(5, 0)),
            (
                r#"{"graceMs":31622400000,"atMost":2147483647}"#,
                rollover(Credits::MAX, 31_622_400_000),
            ),
            (r#"{"atMost":2147483648}"#, Err("INVALID_ARGUMENT")),
            (r#"{"atMost":5,"graceMs":31622400001}"#, Err("INVALID_ARGUMENT")),
            (r#"{"atMost":5,"graceMs":null}"#, Err("INVALID_ARGUMENT")),
            (r#"{"atMost":-1}"#, Err("INVALID_ARGUMENT")),
            (r#"{"atMost":1.5}"#, Err("INVALID_ARGUMENT")),
            (r#"{"atMost":"5"}"#, Err("INVALID_ARGUMENT")),
            ("{}", Err("INVALID_ARGUMENT")),
            ("[5]", Err("INVALID_ARGUMENT")),
            (r#"{"atMost":5,"days":3}"#, Err("UNKNOWN_FIELD")),
            (r#"{"days":null}"#, Err("UNKNOWN_FIELD")),
        ];
        for (json, expected) in rows {
            let parsed = Rollover::parse(Some(&Value::Json(json.to_owned())));
            let parsed = parsed.map(|it| it.map(|it| (it.at_most, it.grace_ms)));
            assert_eq!(parsed.map_err(|error| error.code()), expected, "{json}");
        }
        for value in [None, Some(Value::Null)] {
            assert_eq!(Rollover::parse(value.as_ref()), Ok(None));
        }
        assert!(Rollover::parse(Some(&Value::Integer(5))).is_err());
    }
}
