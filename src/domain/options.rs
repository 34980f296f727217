//! Options that several functions share.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::value::{Fields, Value, describe};
use crate::error::{Error, Result};

/// Where refunded credits go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RefundPolicy {
    /// To the grants that they were drawn from, even if these have expired: the app's own behaviour.
    #[default]
    Source,
    /// To the same grants; credits that can't be spent there come as a new grant that expires after this many
    /// days.
    RegrantDays(u32),
}

impl RefundPolicy {
    /// The longest life of such a grant, in days: a hundred years.
    const MOST_DAYS: u32 = 36_500;

    /// Parses the option `refundPolicy`; `None` if it was not passed.
    pub fn parse(value: Option<&Value>) -> Result<Option<Self>> {
        let policy = match value {
            None => return Ok(None),
            Some(Value::Text(text)) if text == "source" => Some(Self::Source),
            Some(Value::Json(json)) => {
                let options: Option<BTreeMap<String, u32>> = serde_json::from_str(json).ok();
                let days = options.filter(|options| options.len() == 1);
                days.and_then(|options| options.get("regrantDays").copied())
                    .filter(|days| (1..=Self::MOST_DAYS).contains(days))
                    .map(Self::RegrantDays)
            }
            Some(_) => None,
        };
        policy.map(Some).ok_or_else(|| Error::InvalidArgument {
            name: "refundPolicy".to_owned(),
            expected: format!(
                "'source' or {{ regrantDays: a whole number from 1 to {} }}",
                Self::MOST_DAYS
            ),
            given: match value {
                Some(Value::Json(json)) => json.chars().take(60).collect(),
                other => describe(other),
            },
        })
    }
}

/// Conditions that a task must meet to be changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guards {
    /// Its status is one of these.
    pub statuses: Option<Vec<String>>,
    /// It was last changed before this time.
    pub updated_before_ms: Option<i64>,
}

impl Guards {
    /// The options' JavaScript names.
    pub const NAMES: [&str; 2] = ["ifStatus", "ifUpdatedBefore"];

    /// Parses the options `ifStatus` and `ifUpdatedBefore`.
    pub fn parse(options: &Fields) -> Result<Self> {
        Ok(Self {
            statuses: optional(options, "ifStatus")
                .map(|value| statuses("ifStatus", value))
                .transpose()?,
            updated_before_ms: time(options, "ifUpdatedBefore")?,
        })
    }

    /// Rejects a task that does not meet the conditions.
    pub fn check(&self, task_id: &str, status: &str, updated_at_ms: &Result<i64>) -> Result<()> {
        let in_state =
            self.statuses.as_ref().is_none_or(|some| some.iter().any(|one| one == status));
        let untouched = match (self.updated_before_ms, updated_at_ms) {
            (None, _) => true,
            (Some(before_ms), Ok(updated_at_ms)) => *updated_at_ms < before_ms,
            (Some(_), Err(unreadable)) if in_state => return Err(unreadable.clone()),
            (Some(_), Err(_)) => false,
        };
        if in_state && untouched {
            return Ok(());
        }
        Err(Error::TaskStateConflict {
            task_id: task_id.to_owned(),
            status: status.to_owned(),
            reason: if in_state {
                "and was changed since ifUpdatedBefore"
            } else {
                "which is none of ifStatus"
            },
        })
    }
}

/// An option's value; null counts as not passed.
fn optional<'a>(options: &'a Fields, name: &str) -> Option<&'a Value> {
    options.get(name).filter(|value| **value != Value::Null)
}

/// The object in an option, with known keys only; `None` if it is not an object.
pub fn object(name: &str, value: &Value, known: &[&str]) -> Result<Option<Map<String, Json>>> {
    let object = match value {
        Value::Json(json) => serde_json::from_str::<Map<String, Json>>(json).ok(),
        _ => None,
    };
    object.iter().try_for_each(|object| check_keys(name, object, known))?;
    Ok(object)
}

/// Rejects the first key of an object that is not in `known`. `name` is the option that contains the object.
pub(super) fn check_keys(name: &str, object: &Map<String, Json>, known: &[&str]) -> Result<()> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Error::UnknownField { table: name.to_owned(), field: key.clone() }),
    }
}

/// Parses a boolean option, false by default.
pub fn flag(options: &Fields, name: &str) -> Result<bool> {
    match optional(options, name) {
        None => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        given => Err(Error::InvalidArgument {
            name: name.to_owned(),
            expected: "true or false".to_owned(),
            given: describe(given),
        }),
    }
}

/// Parses an option that must be one of these words: its index.
pub fn choice(options: &Fields, name: &str, words: &[&str]) -> Result<Option<usize>> {
    let Some(value) = optional(options, name) else { return Ok(None) };
    let at = words.iter().position(|word| value.as_text() == Some(word));
    at.map(Some).ok_or_else(|| Error::InvalidArgument {
        name: name.to_owned(),
        expected: format!("'{}'", words.join("' or '")),
        given: value.describe(),
    })
}

/// Parses a whole number from 1 to `most`.
pub fn count(name: &str, value: Option<&Value>, default: u32, most: u32) -> Result<u32> {
    let count = match value {
        None => return Ok(default),
        Some(Value::Integer(count)) => u32::try_from(*count).ok(),
        Some(_) => None,
    };
    count.filter(|count| (1..=most).contains(count)).ok_or_else(|| Error::InvalidArgument {
        name: name.to_owned(),
        expected: format!("a whole number from 1 to {most}"),
        given: describe(value),
    })
}

/// Parses a limit, a whole number from 0. Null means no limit.
pub fn limit(options: &Fields, name: &str) -> Result<Option<i64>> {
    match optional(options, name) {
        None => Ok(None),
        Some(Value::Integer(limit)) if *limit >= 0 => Ok(Some(*limit)),
        given => Err(Error::InvalidArgument {
            name: name.to_owned(),
            expected: "a whole number from 0, or null for no limit".to_owned(),
            given: describe(given),
        }),
    }
}

/// Rejects `tx`, with which newer apps pass a transaction to their models, unless its value means "no
/// transaction" to the app as well.
pub fn without_transaction(function: &'static str, fields: &Fields) -> Result<()> {
    match optional(fields, "tx") {
        None | Some(Value::Bool(false) | Value::Integer(0)) => Ok(()),
        Some(Value::Text(text)) if text.is_empty() => Ok(()),
        Some(_) => Err(Error::TransactionNotSupported { function }),
    }
}

/// Parses the option `replay` of a function whose idempotency key is `key`, which it requires.
pub fn replay(options: &Fields, key: &'static str, fields: &Fields) -> Result<bool> {
    let replay = flag(options, "replay")?;
    if replay && fields.optional_id(key)?.is_none() {
        return Err(Error::InvalidArgument {
            name: key.to_owned(),
            expected: "given: replay identifies a call by it".to_owned(),
            given: describe(fields.get(key)),
        });
    }
    Ok(replay)
}

/// Parses a status or a list of statuses.
pub fn statuses(name: &str, value: &Value) -> Result<Vec<String>> {
    let statuses = match value {
        Value::Text(status) => Some(Json::from(vec![status.as_str()])),
        Value::Json(json) => serde_json::from_str(json).ok(),
        _ => None,
    };
    statuses.and_then(names).ok_or_else(|| Error::InvalidArgument {
        name: name.to_owned(),
        expected: format!("a status, or a list of at least one and at most {MOST_NAMES}"),
        given: value.describe(),
    })
}

/// The maximum length of a list of names. Apps have about a dozen; SQLite allows 32,766 parameters in a
/// statement.
pub(super) const MOST_NAMES: usize = 1000;

/// Parses a list of at least one name that a column can hold.
pub(super) fn names(list: Json) -> Option<Vec<String>> {
    /// NUL and the character that replaces it in JSON.
    const NO_LETTERS: [char; 2] = ['\0', char::REPLACEMENT_CHARACTER];
    let names: Vec<String> = serde_json::from_value(list).ok()?;
    let sound = (1..=MOST_NAMES).contains(&names.len())
        && names.iter().all(|one| !one.is_empty() && !one.contains(NO_LETTERS));
    sound.then_some(names)
}

/// Parses a time; null counts as not passed.
pub fn time(fields: &Fields, name: &str) -> Result<Option<i64>> {
    optional(fields, name).map(|value| time_ms(name, value)).transpose()
}

/// Parses a time.
pub fn time_ms(name: &str, value: &Value) -> Result<i64> {
    match value {
        Value::TimeMs(time_ms) => Ok(*time_ms),
        _ => Err(Error::InvalidDate { field: name.to_owned(), given: value.describe() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn json(json: &str) -> Value {
        Value::Json(json.to_owned())
    }

    #[test]
    fn a_refund_policy_is_read_or_refused() {
        use RefundPolicy::{RegrantDays, Source};
        let rows = [
            // refundPolicy; what it means, or nothing
            (None, Some(None)),
            (Some(text("source")), Some(Some(Source))),
            (Some(json(r#"{"regrantDays":30}"#)), Some(Some(RegrantDays(30)))),
            (Some(json(r#"{"regrantDays":36500}"#)), Some(Some(RegrantDays(36_500)))),
            (Some(json(r#"{"regrantDays":0}"#)), None),
            (Some(json(r#"{"regrantDays":36501}"#)), None),
            (Some(json(r#"{"regrantDays":1.5}"#)), None),
            (Some(json(r#"{"regrantDays":30,"more":1}"#)), None),
            (Some(json("[]")), None),
            (Some(json("[30]")), None),
            (Some(text("regrant")), None),
            (Some(Value::Null), None),
            (Some(Value::Integer(30)), None),
        ];
        for (value, expected) in rows {
            assert_eq!(RefundPolicy::parse(value.as_ref()).ok(), expected, "{value:?}");
        }
    }

    #[test]
    fn an_option_of_several_words_is_read_or_refused() {
        let rows = [
            // over; which it is, or nothing
            (None, Some(None)),
            (Some(Value::Null), Some(None)),
            (Some(text("refuse")), Some(Some(0))),
            (Some(text("available")), Some(Some(1))),
            (Some(text("all")), None),
            (Some(text("")), None),
            (Some(Value::Bool(true)), None),
            (Some(json(r#"["available"]"#)), None),
        ];
        for (value, expected) in rows {
            let options: Fields = value.iter().map(|value| ("over", value.clone())).collect();
            let chosen = choice(&options, "over", &["refuse", "available"]);
            assert_eq!(chosen.ok(), expected, "{value:?}");
        }
    }

    #[test]
    fn a_limit_is_read_or_refused() {
        let rows = [
            // maxActive; what it means, or nothing
            (None, Some(None)),
            (Some(Value::Null), Some(None)),
            (Some(Value::Integer(0)), Some(Some(0))),
            (Some(Value::Integer(3)), Some(Some(3))),
            (Some(Value::Integer(-1)), None),
            (Some(Value::Real(1.5)), None),
            (Some(Value::Real(f64::INFINITY)), None),
            (Some(text("3")), None),
            (Some(Value::Bool(true)), None),
        ];
        for (value, expected) in rows {
            let options: Fields = value.iter().map(|value| ("maxActive", value.clone())).collect();
            assert_eq!(limit(&options, "maxActive").ok(), expected, "{value:?}");
        }
    }

    #[test]
    fn guards_compare_a_task_with_its_options() -> Result<()> {
        let many = |number| json(&format!("[{}]", vec![r#""a""#; number].join(",")));
        let options = |pairs: &[(&'static str, Value)]| pairs.iter().cloned().collect::<Fields>();
        let rows = [
            // options, status, updated at; the code
            (options(&[]), "failed", 9, None),
            (options(&[("ifStatus", Value::Null)]), "failed", 9, None),
            (options(&[("ifStatus", text("pending"))]), "pending", 9, None),
            (options(&[("ifStatus", text("pending"))]), "failed", 9, Some("TASK_STATE_CONFLICT")),
            (options(&[("ifStatus", json(r#"["a","b"]"#))]), "b", 9, None),
            (options(&[("ifStatus", json(r#"["a","b"]"#))]), "c", 9, Some("TASK_STATE_CONFLICT")),
            (options(&[("ifUpdatedBefore", Value::TimeMs(10))]), "a", 9, None),
            (
                options(&[("ifUpdatedBefore", Value::TimeMs(9))]),
                "a",
                9,
                Some("TASK_STATE_CONFLICT"),
            ),
            (options(&[("ifStatus", json("[]"))]), "a", 9, Some("INVALID_ARGUMENT")),
            (options(&[("ifStatus", many(1000))]), "a", 9, None),
            (options(&[("ifStatus", many(1001))]), "a", 9, Some("INVALID_ARGUMENT")),
            (options(&[("ifStatus", json("[1]"))]), "a", 9, Some("INVALID_ARGUMENT")),
            (options(&[("ifStatus", json("[\"a\u{fffd}\"]"))]), "a", 9, Some("INVALID_ARGUMENT")),
            (options(&[("ifStatus", Value::Integer(1))]), "a", 9, Some("INVALID_ARGUMENT")),
            (options(&[("ifStatus", text(""))]), "a", 9, Some("INVALID_ARGUMENT")),
            (options(&[("ifUpdatedBefore", text("2026"))]), "a", 9, Some("INVALID_DATE")),
            (options(&[("ifUpdatedBefore", Value::InvalidDate)]), "a", 9, Some("INVALID_DATE")),
        ];
        for (options, status, updated_at_ms, code) in rows {
            let checked = Guards::parse(&options)
                .and_then(|guards| guards.check("t", status, &Ok(updated_at_ms)));
            assert_eq!(checked.err().map(|error| error.code()), code, "{options:?} {status}");
        }
        Ok(())
    }
}
