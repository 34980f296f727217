//! Columns and the values that they accept, the same for every storage.

use std::borrow::Cow;

use super::json;
use super::value::{Value, iso8601};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text. An object is stored as JSON.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Real,
    /// Booleans.
    Boolean,
    /// Times: `Date`s in JavaScript.
    Timestamp,
    /// JSON: everything that `JSON.stringify` accepts.
    Json,
    /// Any other type; values are passed through.
    Other,
}

/// A limit on the values of a column, within its type. SQLite's types have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    /// No limit.
    None,
    /// The largest whole number; the smallest is its negative less one.
    Largest(i64),
    /// The maximum length of a text in characters.
    Characters(usize),
    /// The maximum length of a text in bytes.
    Bytes(usize),
    /// The earliest and the latest time.
    Times(i64, i64),
    /// The only texts that are accepted.
    OneOf(Vec<String>),
    /// UUIDs in the form in which a database writes them.
    Uuid,
    /// No value: the database computes the column.
    Computed,
}

/// Columns with numbers of credits, by their JavaScript names. They accept numbers only: text in their place
/// is a bug of the caller that must surface.
const AMOUNTS: [&str; 3] = ["credits", "remainingCredits", "costCredits"];

/// Why a column rejects a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// The column holds times, and the value is not a valid `Date`.
    Time,
    /// What the column expects.
    Expected(String),
}

/// Converts a value to the column's type, if that loses nothing; other values are returned as they are.
///
/// The app's own database layer converts these values too, and apps rely on it: YouTube's API gives counts as
/// text. A number is not converted to a time: Drizzle's time columns accept only a `Date`.
pub fn in_form(kind: Kind, value: &Value) -> Cow<'_, Value> {
    let other_form = match (kind, value) {
        (Kind::Integer, Value::Text(text)) => whole_number(text).map(Value::Integer),
        (Kind::Real, Value::Text(text)) => decimal_number(text).map(Value::Real),
        (Kind::Boolean, Value::Integer(number @ (0 | 1))) => Some(Value::Bool(*number == 1)),
        (Kind::Boolean, Value::Text(text)) => text.parse().ok().map(Value::Bool),
        (Kind::Text, Value::Integer(number)) => Some(Value::Text(number.to_string())),
        (Kind::Text, Value::Real(number)) if number.is_finite() => {
            Some(Value::Text(number_text(*number)))
        }
        (Kind::Text, Value::Bool(value)) => Some(Value::Text(value.to_string())),
        _ => None,
    };
    other_form.map_or(Cow::Borrowed(value), Cow::Owned)
}

/// Rejects a value that a column can't hold. `key` is the column's JavaScript name.
pub fn check(key: &str, kind: Kind, limit: &Limit, value: &Value) -> Result<(), Misfit> {
    let value = if AMOUNTS.contains(&key) { Cow::Borrowed(value) } else { in_form(kind, value) };
    let expected = match (kind, value.as_ref()) {
        _ if *limit == Limit::Computed => "left out: the database computes it",
        (_, Value::InvalidDate) => return Err(Misfit::Time),
        (_, Value::Null) => return Ok(()),
        (_, Value::Unsupported(_)) if kind != Kind::Timestamp => {
            "a value that a database can store"
        }
        (_, Value::Real(number)) if !number.is_finite() => "a finite number",
        // PostgreSQL can't store NUL characters, and SQLite's own functions stop at them.
        (_, Value::Text(text)) if text.contains('\0') => "text without NUL characters",
        (Kind::Json, Value::Json(json)) if json::is_too_deep(json) => {
            return Err(Misfit::Expected(json::expected()));
        }
        (Kind::Text, Value::Text(text) | Value::Json(text)) => return check_text(limit, text),
        (Kind::Integer, Value::Integer(number)) => return check_integer(limit, *number),
        (Kind::Timestamp, Value::TimeMs(time_ms)) => return check_time(limit, *time_ms),
        (Kind::Real, Value::Integer(_) | Value::Real(_))
        | (Kind::Boolean, Value::Bool(_))
        | (Kind::Json | Kind::Other, _) => return Ok(()),
        (Kind::Timestamp, _) => return Err(Misfit::Time),
        (Kind::Text, _) => "text",
        (Kind::Integer, _) => "a whole number",
        (Kind::Real, _) => "a number",
        (Kind::Boolean, _) => "true or false",
    };
    Err(Misfit::Expected(expected.to_owned()))
}

/// A replacement for a text, array or object that a column can't hold, when the row must be written in any
/// case: as much of the text as fits. `None` for values of other types, which are the caller's mistakes.
pub fn in_place_of(kind: Kind, limit: &Limit, value: &Value) -> Option<Value> {
    let text = match value {
        Value::Text(text) | Value::Json(text) => text.replace('\0', "\u{fffd}"),
        // JavaScript sends this for an object that is circular or nested too deeply.
        Value::Unsupported(what) if what.starts_with("an object") => what.clone(),
        _ => return None,
    };
    match (kind, limit) {
        (Kind::Text, Limit::None) | (Kind::Json, _) => Some(Value::Text(text)),
        (Kind::Text, Limit::Characters(most)) => {
            Some(Value::Text(text.chars().take(*most).collect()))
        }
        (Kind::Text, Limit::Bytes(most)) => {
            let ends = text.char_indices().map(|(at, character)| at + character.len_utf8());
            let end = ends.take_while(|end| end <= most).last().unwrap_or_default();
            Some(Value::Text(text[..end].to_owned()))
        }
        _ => None,
    }
}

fn check_text(limit: &Limit, text: &str) -> Result<(), Misfit> {
    match limit {
        Limit::Characters(most) if text.chars().count() > *most => {
            Err(Misfit::Expected(format!("text of at most {most} characters")))
        }
        Limit::Bytes(most) if text.len() > *most => {
            Err(Misfit::Expected(format!("text of at most {most} bytes")))
        }
        Limit::OneOf(allowed) if !allowed.iter().any(|one| one == text) => {
            Err(Misfit::Expected(format!("'{}'", allowed.join("', '"))))
        }
        Limit::Uuid if !is_uuid(text) => Err(Misfit::Expected(
            "a UUID in lower case, as crypto.randomUUID() makes it".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Whether a text is a UUID in the form that databases write.
pub fn is_uuid(text: &str) -> bool {
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match HYPHENS.contains(&at) {
            true => byte == b'-',
            false => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn check_integer(limit: &Limit, number: i64) -> Result<(), Misfit> {
    match limit {
        Limit::Largest(most) if !(-most - 1..=*most).contains(&number) => {
            Err(Misfit::Expected(format!("a whole number from {} to {most}", -most - 1)))
        }
        _ => Ok(()),
    }
}

fn check_time(limit: &Limit, time_ms: i64) -> Result<(), Misfit> {
    match limit {
        Limit::Times(first_ms, last_ms) if !(*first_ms..=*last_ms).contains(&time_ms) => {
            let iso = |time_ms: &i64| iso8601(*time_ms).unwrap_or_default();
            Err(Misfit::Expected(format!("a Date from {} to {}", iso(first_ms), iso(last_ms))))
        }
        _ => Ok(()),
    }
}

/// The whole number that a text represents exactly: `"007"`, `"+7"` and `"7.0"` are rejected.
fn whole_number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

/// The number that a decimal text represents, if it has at most 15 digits, which a float holds exactly.
fn decimal_number(text: &str) -> Option<f64> {
    const DIGITS: usize = 15;
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits(whole) && digits(fraction) && (whole == "0" || !whole.starts_with('0'));
    if !plain || whole.len() + fraction.len() > DIGITS {
        return None;
    }
    text.parse().ok()
}

/// A finite number, formatted as in JavaScript
/// (<https://tc39.es/ecma262/#sec-numeric-types-number-tostring>).
fn number_text(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if (1e-6..1e21).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    if size < 1.0 { text } else { text.replace('e', "e+") }
}

#[cfg(test)]
mod tests {
    use super::Kind::{Boolean, Integer, Json, Real, Text, Timestamp};
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    /// Checks what a column without a limit stores for a value, or what it expects instead.
    fn assert_kept(kind: Kind, value: &Value, expected: Result<Value, &str>) {
        let checked = check("views", kind, &Limit::None, value);
        let kept = checked.map(|()| in_form(kind, value).into_owned());
        let expected = expected.map_err(|expected| match expected {
            "a Date" => Misfit::Time,
            other => Misfit::Expected(other.to_owned()),
        });
        assert_eq!(kept, expected, "{kind:?} {value:?}");
    }

    #[test]
    fn columns_convert_or_reject_values() {
        let whole = Err("a whole number");
        let truth = Err("true or false");
        let number = Err("a number");
        let rows = [
            // column, value; what is kept, or what is expected instead
            (Integer, Value::Integer(56), Ok(Value::Integer(56))),
            (Integer, text("56"), Ok(Value::Integer(56))),
            (Integer, text("-56"), Ok(Value::Integer(-56))),
            (Integer, text("0"), Ok(Value::Integer(0))),
            (Integer, text("9223372036854775807"), Ok(Value::Integer(i64::MAX))),
            (Integer, text("9223372036854775808"), whole.clone()),
            (Integer, text("12abc"), whole.clone()),
            (Integer, text("1e3"), whole.clone()),
            (Integer, text(" 12"), whole.clone()),
            (Integer, text("12 "), whole.clone()),
            (Integer, text("12.0"), whole.clone()),
            (Integer, text("+12"), whole.clone()),
            (Integer, text("012"), whole.clone()),
            (Integer, text("-0"), whole.clone()),
            (Integer, text("0x10"), whole.clone()),
            (Integer, text("1_000"), whole.clone()),
            (Integer, text("１２"), whole.clone()),
            (Integer, text(""), whole.clone()),
            (Integer, Value::Real(1.5), whole.clone()),
            (Integer, Value::Bool(true), whole.clone()),
            (Integer, Value::TimeMs(1), whole),
            (Text, text("a"), Ok(text("a"))),
            (Text, Value::Integer(56), Ok(text("56"))),
            (Text, Value::Integer(-9_007_199_254_740_991), Ok(text("-9007199254740991"))),
            (Text, Value::Real(0.1), Ok(text("0.1"))),
            (Text, Value::Real(-1.5), Ok(text("-1.5"))),
            (Text, Value::Real(-0.0), Ok(text("0"))),
            (Text, Value::Real(1e21), Ok(text("1e+21"))),
            (Text, Value::Real(1.25e300), Ok(text("1.25e+300"))),
            (Text, Value::Real(1e20), Ok(text("100000000000000000000"))),
            (Text, Value::Real(0.000_001), Ok(text("0.000001"))),
            (Text, Value::Real(1.5e-7), Ok(text("1.5e-7"))),
            (Text, Value::Real(f64::NAN), Err("a finite number")),
            (Text, Value::Real(f64::INFINITY), Err("a finite number")),
            (Text, Value::Bool(true), Ok(text("true"))),
            (Text, Value::Bool(false), Ok(text("false"))),
            (Text, Value::TimeMs(1), Err("text")),
            (Text, Value::Bytes(vec![1]), Err("text")),
            (Text, text("a\0b"), Err("text without NUL characters")),
            (Boolean, Value::Bool(true), Ok(Value::Bool(true))),
            (Boolean, Value::Integer(1), Ok(Value::Bool(true))),
            (Boolean, Value::Integer(0), Ok(Value::Bool(false))),
            (Boolean, text("true"), Ok(Value::Bool(true))),
            (Boolean, text("false"), Ok(Value::Bool(false))),
            (Boolean, Value::Integer(2), truth.clone()),
            (Boolean, text("TRUE"), truth.clone()),
            (Boolean, text("1"), truth.clone()),
            (Boolean, text("yes"), truth.clone()),
            (Boolean, text(""), truth),
            (Real, Value::Integer(5), Ok(Value::Integer(5))),
            (Real, text("12.5"), Ok(Value::Real(12.5))),
            (Real, text("-12.50"), Ok(Value::Real(-12.5))),
            (Real, text("12"), Ok(Value::Real(12.0))),
            (Real, text("1e3"), number.clone()),
            (Real, text("12abc"), number.clone()),
            (Real, text(".5"), number.clone()),
            (Real, text("012.5"), number.clone()),
            (Real, text("NaN"), number.clone()),
            (Real, text("0.1234567890123456789"), number),
            (Timestamp, Value::TimeMs(1), Ok(Value::TimeMs(1))),
            (Timestamp, text("2026-11-28T00:00:00.000Z"), Err("a Date")),
            (Timestamp, Value::Integer(1_797_022_109_250), Err("a Date")),
            (Timestamp, Value::InvalidDate, Err("a Date")),
            (Json, text("56"), Ok(text("56"))),
            (Json, Value::Bool(true), Ok(Value::Bool(true))),
            (Integer, Value::Null, Ok(Value::Null)),
            (
                Integer,
                Value::Unsupported("a function".into()),
                Err("a value that a database can store"),
            ),
        ];
        for (kind, value, expected) in rows {
            assert_kept(kind, &value, expected);
        }
    }

    #[test]
    fn limits_apply_to_the_converted_value() {
        let integer = Limit::Largest(i64::from(i32::MAX));
        let short = Limit::Characters(2);
        let (bytes, times) = (Limit::Bytes(3), Limit::Times(1000, 2000));
        let status = Limit::OneOf(vec!["pending".into(), "1".into()]);
        let uuid = "3b241101-e2bb-4255-8caf-4136c566a962";
        let rows = [
            // column, its limit, value; whether it is taken
            (Integer, &integer, text("2147483647"), true),
            (Integer, &integer, text("2147483648"), false),
            (Integer, &integer, text("-2147483648"), true),
            (Integer, &integer, text("-2147483649"), false),
            (Text, &short, Value::Integer(56), true),
            (Text, &short, Value::Integer(-56), false),
            (Text, &short, Value::Bool(true), false),
            (Text, &bytes, text("aé"), true),
            (Text, &bytes, text("éé"), false),
            (Timestamp, &times, Value::TimeMs(1000), true),
            (Timestamp, &times, Value::TimeMs(2000), true),
            (Timestamp, &times, Value::TimeMs(2001), false),
            (Timestamp, &times, Value::TimeMs(999), false),
            (Timestamp, &times, Value::Null, true),
            (Text, &status, text("pending"), true),
            (Text, &status, Value::Integer(1), true),
            (Text, &status, Value::Integer(2), false),
            (Text, &Limit::Uuid, text(uuid), true),
            (Text, &Limit::Uuid, text(&uuid.to_uppercase()), false),
            (Text, &Limit::Uuid, text(&uuid.replace('-', "")), false),
            (Text, &Limit::Uuid, text(&uuid.replace('-', "0")), false),
            (Text, &Limit::Uuid, Value::Null, true),
            (Integer, &Limit::Computed, Value::Integer(1), false),
            (Integer, &Limit::Computed, Value::Null, false),
        ];
        for (kind, limit, value, taken) in rows {
            assert_eq!(check("views", kind, limit, &value).is_ok(), taken, "{limit:?} {value:?}");
        }
    }

    #[test]
    fn amounts_are_numbers() {
        for key in AMOUNTS {
            assert!(check(key, Integer, &Limit::None, &Value::Integer(5)).is_ok(), "{key}");
            assert!(check(key, Integer, &Limit::None, &text("5")).is_err(), "{key}");
        }
    }
}
