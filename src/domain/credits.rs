//! The valid range of a number of credits.

use super::value::{Value, describe};
use crate::error::{Error, Result};

/// A number of credits to grant or to charge: 1 to 2,147,483,647, the largest value of PostgreSQL's
/// `integer`. Sums of credits are `i64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credits(i32);

impl Credits {
    /// The largest amount.
    pub const MAX: i64 = i32::MAX as i64;

    /// Parses an argument that must be at least 1.
    pub fn parse(name: &'static str, value: Option<&Value>) -> Result<Self> {
        Self::read(name, 1, value)?.ok_or_else(|| invalid(name, 1, value))
    }

    /// Parses an argument that may be 0, which means free: `None`.
    pub fn parse_or_zero(name: &'static str, value: Option<&Value>) -> Result<Option<Self>> {
        Self::read(name, 0, value)
    }

    fn read(name: &'static str, min: i64, value: Option<&Value>) -> Result<Option<Self>> {
        match value {
            Some(Value::Integer(0)) => Ok(None),
            Some(Value::Integer(amount)) if *amount > 0 => i32::try_from(*amount)
                .map(|amount| Some(Self(amount)))
                .map_err(|_| invalid(name, min, value)),
            _ => Err(invalid(name, min, value)),
        }
    }

    /// The number.
    pub fn get(self) -> i64 {
        i64::from(self.0)
    }
}

fn invalid(name: &'static str, min: i64, value: Option<&Value>) -> Error {
    Error::InvalidAmount { name, min, given: describe(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_positive_whole_number() {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let rows = [
            // value, as an amount, as a cost
            (Some(Value::Integer(1)), Some(1), Some(Some(1))),
            (Some(Value::Integer(2_147_483_647)), Some(2_147_483_647), Some(Some(2_147_483_647))),
            (Some(Value::Integer(2_147_483_648)), None, None),
            (Some(Value::Integer(i64::MIN)), None, None),
            (Some(Value::Integer(0)), None, Some(None)),
            (Some(Value::Integer(-5)), None, None),
            (Some(Value::Real(1.5)), None, None),
            (Some(Value::Real(f64::NAN)), None, None),
            (Some(Value::Real(f64::INFINITY)), None, None),
            (Some(Value::Bool(true)), None, None),
            (Some(Value::Null), None, None),
            (text("10"), None, None),
            (text(""), None, None),
            (None, None, None),
        ];
        for (value, amount, cost) in rows {
            let read = Credits::parse("credits", value.as_ref()).map(Credits::get);
            assert_eq!(read.clone().ok(), amount, "{value:?}");
            assert!(amount.is_some() || read.is_err_and(|e| e.code() == "INVALID_AMOUNT"));
            let read = Credits::parse_or_zero("costCredits", value.as_ref());
            assert_eq!(read.ok().map(|cost| cost.map(Credits::get)), cost, "{value:?}");
        }
    }

    #[test]
    fn the_message_names_the_argument_and_its_value() {
        let said = Credits::parse("credits", Some(&Value::Text("10".into())));
        assert_eq!(
            said.map_err(|error| error.to_string()),
            Err("credits must be a whole number from 1 to 2147483647, got the text \"10\"".into())
        );
    }
}
