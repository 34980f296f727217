//! Values as JSON text, in both directions.
//!
//! A JSON object always represents a value that JSON lacks, and its only key is the type:
//! `{"$date":1795380509258}`, `{"$json":"[1,2]"}`, `{"$bytes":"00ff"}`, `{"$bigint":"9007199254740993"}`,
//! `{"$number":"NaN"}`; an invalid date is `{"$date":null}`, and `{"$unsupported":"a function"}` is a value
//! that can't be encoded. `{"$fields":{…}}` is an object of fields, `{"$list":[…]}` a list of such objects.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use crate::domain::hex::{from_hex, to_hex};
use crate::domain::json::mended;
use crate::domain::value::Value;

/// An argument or field of a call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Argument {
    /// `undefined`.
    Nothing,
    /// A value.
    Value(Value),
    /// An object of fields.
    Fields(Vec<(String, Argument)>),
    /// A list of requests.
    List(Vec<Argument>),
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PassedVisitor)
    }
}

struct PassedVisitor;

impl<'de> Visitor<'de> for PassedVisitor {
    type Value = Argument;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value or a tagged object")
    }

    fn visit_unit<E>(self) -> Result<Argument, E> {
        Ok(Argument::Value(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Argument, E> {
        Ok(Argument::Value(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Argument, E> {
        Ok(Argument::Value(Value::Integer(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Argument, E> {
        Ok(Argument::Value(match i64::try_from(value) {
            Ok(value) => Value::Integer(value),
            // The loss of precision is acceptable: no column or amount holds such a number, and it only
            // appears in a message.
            Err(_) => Value::Real(value as f64),
        }))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Argument, E> {
        Ok(Argument::Value(Value::Real(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Argument, E> {
        Ok(Argument::Value(Value::Text(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Argument, E> {
        Ok(Argument::Value(Value::Text(value)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Argument, A::Error> {
        let tag: String =
            map.next_key()?.ok_or_else(|| de::Error::custom("an object has no tag"))?;
        let passed = match tag.as_str() {
            "$fields" => Argument::Fields(map.next_value::<FieldList>()?.0),
            "$list" => Argument::List(map.next_value()?),
            "$date" => match map.next_value::<Option<i64>>()? {
                Some(time_ms) => Argument::Value(Value::TimeMs(time_ms)),
                None => Argument::Value(Value::InvalidDate),
            },
            "$json" => {
                let json: String = map.next_value()?;
                let mended = match mended(&json) {
                    Cow::Owned(mended) => Some(mended),
                    Cow::Borrowed(_) => None,
                };
                Argument::Value(Value::Json(mended.unwrap_or(json)))
            }
            "$bytes" => {
                let bytes = from_hex(&map.next_value::<String>()?);
                Argument::Value(Value::Bytes(bytes.ok_or_else(|| de::Error::custom("not hex"))?))
            }
            "$number" => {
                let number: String = map.next_value()?;
                Argument::Value(Value::Real(number.parse().map_err(de::Error::custom)?))
            }
            "$bigint" => {
                let number: String = map.next_value()?;
                let unfit = || Value::Unsupported(format!("the bigint {number}"));
                Argument::Value(number.parse().map_or_else(|_| unfit(), Value::Integer))
            }
            "$undefined" => map.next_value::<bool>().map(|_| Argument::Nothing)?,
            "$unsupported" => Argument::Value(Value::Unsupported(map.next_value()?)),
            other => return Err(de::Error::custom(format!("unknown tag {other}"))),
        };
        Ok(passed)
    }
}

/// The fields of an object, in the caller's order.
struct FieldList(Vec<(String, Argument)>);

impl<'de> Deserialize<'de> for FieldList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = FieldList;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FieldList, A::Error> {
                let mut fields = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(FieldList(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// Appends a text as JSON.
pub(super) fn write_text(out: &mut String, text: &str) {
    let plain = text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
    if plain {
        out.push('"');
        out.push_str(text);
        return out.push('"');
    }
    // This can't fail: a str is UTF-8, and it is written to memory.
    if let Ok(json) = serde_json::to_string(text) {
        out.push_str(&json);
    }
}

/// Appends a value as JSON.
pub(super) fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Integer(value) => write_number(out, value),
        Value::Real(value) if value.is_finite() => write_number(out, value),
        Value::Real(value) => {
            let name = match *value {
                f64::INFINITY => "Infinity",
                f64::NEG_INFINITY => "-Infinity",
                _ => "NaN",
            };
            write_tagged(out, "$number", |out| write_text(out, name));
        }
        Value::Text(text) => write_text(out, text),
        Value::TimeMs(time_ms) => {
            write_tagged(out, "$date", |out| write_number(out, time_ms));
        }
        Value::Json(json) => write_tagged(out, "$json", |out| write_text(out, json)),
        Value::Bytes(bytes) => write_tagged(out, "$bytes", |out| write_text(out, &to_hex(bytes))),
        // No column holds these.
        Value::InvalidDate | Value::Unsupported(_) => out.push_str("null"),
    }
}

fn write_number(out: &mut String, number: impl fmt::Display) {
    // Writing to a String can't fail.
    let _ = write!(out, "{number}");
}

fn write_tagged(out: &mut String, tag: &str, write: impl FnOnce(&mut String)) {
    out.push_str("{\"");
    out.push_str(tag);
    out.push_str("\":");
    write(out);
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_cannot_express() {
        let rows = [
            (f64::NAN, r#"{"$number":"NaN"}"#),
            (f64::INFINITY, r#"{"$number":"Infinity"}"#),
            (f64::NEG_INFINITY, r#"{"$number":"-Infinity"}"#),
        ];
        for (number, expected) in rows {
            let mut text = String::new();
            write_value(&mut text, &Value::Real(number));
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn bytes_are_pairs_of_digits() {
        let rows: [(&str, Option<&[u8]>); 5] =
            [("", Some(&[])), ("00ff", Some(&[0, 255])), ("00f", None), ("+f", None), ("é", None)];
        for (text, expected) in rows {
            assert_eq!(from_hex(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_read_to_the_last_digit() {
        for number in [0.30000000000000004, 98.60000000000001, 4.611610279044275e82, 5e-324] {
            for text in [format!("{number}"), format!("{number:e}")] {
                let read: Argument = serde_json::from_str(&text).unwrap();
                assert_eq!(read, Argument::Value(Value::Real(number)), "{text}");
            }
        }
    }
}
