//! The app's additional columns of `credit`, on rows that this package creates.

use serde_json::Value as Json;

use super::value::{Fields, Value};
use crate::error::{Error, Result};

/// The columns of every `credit` row that this package fills in, by their JavaScript names. Callers can't
/// pass them as additional columns.
const FILLED_IN: [&str; 13] = [
    "id",
    "userId",
    "transactionNo",
    "transactionType",
    "transactionScene",
    "credits",
    "remainingCredits",
    "expiresAt",
    "status",
    "createdAt",
    "updatedAt",
    "deletedAt",
    "consumedDetail",
];

/// A caller's additional columns for a charge.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Own {
    /// The name of the function or option, for messages.
    pub of: &'static str,
    /// The columns.
    pub fields: Fields,
}

impl Own {
    /// The fields that are not parameters. Rejects columns that this package fills in.
    pub fn beside(parameters: &[&str], of: &'static str, fields: &Fields) -> Result<Self> {
        let rest = fields.iter().filter(|(name, _)| !parameters.contains(name));
        let rest: Fields = rest.map(|(name, value)| (name.to_owned(), value.clone())).collect();
        if let Some((name, _)) = rest.iter().find(|(name, _)| FILLED_IN.contains(name)) {
            return Err(unknown(of, name));
        }
        Ok(Self { of, fields: rest })
    }

    /// Parses the option `charge`, an object.
    pub fn option(of: &'static str, options: &Fields) -> Result<Self> {
        const NAMED: [&str; 2] = ["description", "metadata"];
        let value = match options.get("charge") {
            None | Some(Value::Null) => return Ok(Self { of, fields: Fields::default() }),
            Some(value) => value,
        };
        let object = match value {
            Value::Json(json) => serde_json::from_str(json).ok(),
            _ => None,
        };
        let Some(Json::Object(columns)) = object else {
            return Err(Error::InvalidArgument {
                name: "charge".to_owned(),
                expected: "an object with columns of credit".to_owned(),
                given: value.describe(),
            });
        };
        let fields: Fields =
            columns.into_iter().map(|(name, json)| (name, of_json(json))).collect();
        match fields.iter().find(|(name, _)| NAMED.contains(name)) {
            None => Self::beside(&[], of, &fields),
            Some((name, _)) => Err(unknown(of, name)),
        }
    }

    /// Adds the columns to a row.
    pub fn add_to(&self, row: &mut Fields) {
        for (name, value) in self.fields.iter() {
            row.insert(name, value.clone());
        }
    }
}

fn unknown(of: &str, name: &str) -> Error {
    Error::UnknownField { table: of.to_owned(), field: name.to_owned() }
}

fn of_json(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::String(text) => Value::Text(text),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => number.as_f64().map_or(Value::Null, Value::Real),
        },
        other => Value::Json(other.to_string()),
    }
}

/// Whether this package sets this column on a new charge.
pub fn is_filled_in(key: &str) -> bool {
    !["expiresAt", "deletedAt", "transactionScene"].contains(&key) && FILLED_IN.contains(&key)
}

/// Whether a new grant copies this column from the grant that it replaces. `key` is the JavaScript name.
pub fn is_kept(key: &str) -> bool {
    ["transactionScene", "orderNo", "subscriptionNo"].contains(&key) || is_own(key)
}

/// Whether a column of `credit` was added by the app. `key` is the JavaScript name.
pub fn is_own(key: &str) -> bool {
    const OTHERS: [&str; 5] = ["userEmail", "orderNo", "subscriptionNo", "description", "metadata"];
    !FILLED_IN.contains(&key) && !OTHERS.contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_columns_of_a_charge_are_read_or_refused() {
        let json = |text: &str| Some(Value::Json(text.to_owned()));
        let rows = [
            // the option `charge`; the columns, or the code
            (None, Ok(0)),
            (Some(Value::Null), Ok(0)),
            (json("{}"), Ok(0)),
            (json(r#"{"orgId":"o","seats":5,"rate":0.5,"flag":true,"more":[1]}"#), Ok(5)),
            (json(r#"{"userEmail":"u@example.test"}"#), Ok(1)),
            (json("[]"), Err("INVALID_ARGUMENT")),
            (Some(Value::Text("orgId".to_owned())), Err("INVALID_ARGUMENT")),
            (json(r#"{"credits":5}"#), Err("UNKNOWN_FIELD")),
            (json(r#"{"status":"deleted"}"#), Err("UNKNOWN_FIELD")),
            (json(r#"{"metadata":{}}"#), Err("UNKNOWN_FIELD")),
        ];
        for (charge, expected) in rows {
            let options: Fields =
                charge.clone().map(|charge| ("charge", charge)).into_iter().collect();
            let own = Own::option("createMediaTask", &options);
            let columns = own.map(|own| own.fields.iter().count()).map_err(|error| error.code());
            assert_eq!(columns, expected, "{charge:?}");
        }
    }
}
