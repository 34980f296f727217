//! Users whose credits expire soon.

use super::options::count;
use super::value::{Fields, Value, check_id};
use crate::error::{Error, Result};

/// Which users to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiringQuery {
    /// Credits that expire within this many milliseconds from now count.
    pub within_ms: i64,
    /// The minimum number of expiring credits of a user.
    pub at_least: i64,
    /// Only users whose id is greater than this one.
    pub after: Option<String>,
    /// Maximum number of users.
    pub limit: u32,
}

/// A user's expiring credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiring {
    /// The user's id.
    pub user_id: String,
    /// The number of credits.
    pub credits: i64,
    /// The number of grants that they belong to.
    pub grants: i64,
    /// The earliest expiry.
    pub first_ms: i64,
}

impl ExpiringQuery {
    /// Parses the query of `listExpiring`.
    pub fn parse(query: &Fields) -> Result<Self> {
        const DEFAULT_LIMIT: u32 = 100;
        const LARGEST_LIMIT: u32 = 1000;
        /// A hundred years.
        const LONGEST_MS: i64 = 3_155_760_000_000;
        query.only("listExpiring", &["within", "atLeast", "cursor", "limit"])?;
        let whole = |name: &str, most: i64| match query.get(name) {
            Some(Value::Integer(number)) if (1..=most).contains(number) => Ok(*number),
            given => Err(Error::InvalidArgument {
                name: name.to_owned(),
                expected: format!("a whole number from 1 to {most}"),
                given: super::value::describe(given),
            }),
        };
        let after = match query.get("cursor") {
            None | Some(Value::Null) => None,
            cursor => Some(check_id("cursor", cursor)?),
        };
        Ok(Self {
            within_ms: whole("within", LONGEST_MS)?,
            at_least: if query.get("atLeast").is_some() {
                whole("atLeast", (1 << 53) - 1)?
            } else {
                1
            },
            after,
            limit: count("limit", query.get("limit"), DEFAULT_LIMIT, LARGEST_LIMIT)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_for_expiring_credits_is_read_or_refused() {
        let rows = [
            // what differs from a day; the code
            (("atLeast", Value::Integer(5)), None),
            (("within", Value::Integer(0)), Some("INVALID_ARGUMENT")),
            (("within", Value::Integer(i64::MAX)), Some("INVALID_ARGUMENT")),
            (("within", Value::Text("1d".into())), Some("INVALID_ARGUMENT")),
            (("within", Value::Null), Some("INVALID_ARGUMENT")),
            (("atLeast", Value::Integer(0)), Some("INVALID_ARGUMENT")),
            (("atLeast", Value::Null), Some("INVALID_ARGUMENT")),
            (("cursor", Value::Null), None),
            (("cursor", Value::Text("u".into())), None),
            (("cursor", Value::Text(String::new())), Some("INVALID_ID")),
            (("limit", Value::Integer(1000)), None),
            (("limit", Value::Integer(1001)), Some("INVALID_ARGUMENT")),
            (("page", Value::Integer(1)), Some("UNKNOWN_FIELD")),
        ];
        for ((name, value), code) in rows {
            let mut query: Fields = [("within", Value::Integer(86_400_000))].into_iter().collect();
            query.set(name, value.clone());
            let parsed = ExpiringQuery::parse(&query);
            assert_eq!(parsed.err().map(|error| error.code()), code, "{name} {value:?}");
        }
        assert!(ExpiringQuery::parse(&Fields::default()).is_err());
    }
}
