//! Quotes: the result of a charge, without making it.

use super::charge::draw;
use super::credits::Credits;
use super::detail::Draw;
use super::grant::{Grant, total_remaining};

/// The result of a charge, if it were made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The credits that the charge would take.
    pub required: i64,
    /// The credits that the user can spend.
    pub available: i64,
    /// The draws; empty if the credits do not suffice.
    pub draws: Vec<Draw>,
    /// The next expiry among the spendable credits: its time, and how many credits expire then.
    pub next_expiry: Option<(i64, i64)>,
}

impl Quote {
    /// Whether the charge would be made.
    pub fn is_sufficient(&self) -> bool {
        self.available >= self.required
    }
}

/// Quotes a charge. `grants` are all spendable grants, in draw order.
pub fn quote(grants: &[Grant], credits: Credits) -> Quote {
    Quote {
        required: credits.get(),
        available: total_remaining(grants),
        draws: draw(grants, credits).unwrap_or_default(),
        next_expiry: next_expiry(grants),
    }
}

/// The next expiry: its time, and how many credits expire then.
pub fn next_expiry(grants: &[Grant]) -> Option<(i64, i64)> {
    let first_ms = grants.iter().filter_map(|grant| grant.expires_at_ms).min()?;
    let then = grants.iter().filter(|grant| grant.expires_at_ms == Some(first_ms));
    Some((first_ms, total_remaining(then)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::value::Value;

    #[test]
    fn a_quote_lists_the_draws_of_a_charge() {
        let grant = |id: &str, remaining, expires_at_ms| Grant {
            id: id.to_owned(),
            transaction_no: String::new(),
            credits: 100,
            remaining,
            expires_at_ms,
            active: true,
            provenance: None,
        };
        let grants = [grant("a", 5, Some(9)), grant("b", 7, Some(9)), grant("c", 8, None)];
        type Row<'a> = (&'a [Grant], i64, i64, &'a [(&'a str, i64)], Option<(i64, i64)>);
        let unlimited = [grant("d", i64::MAX, Some(9)), grant("e", i64::MAX, Some(9))];
        let rows: [Row; 6] = [
            // grants, credits; available, draws, what expires next
            (&grants, 6, 20, &[("a", 5), ("b", 1)], Some((9, 12))),
            (&grants, 20, 20, &[("a", 5), ("b", 7), ("c", 8)], Some((9, 12))),
            (&grants, 21, 20, &[], Some((9, 12))),
            (&grants[2..], 8, 8, &[("c", 8)], None),
            (&[], 1, 0, &[], None),
            (&unlimited, 1, i64::MAX, &[("d", 1)], Some((9, i64::MAX))),
        ];
        for (grants, credits, available, draws, next_expiry) in rows {
            let amount = Credits::parse("credits", Some(&Value::Integer(credits))).unwrap();
            let quote = quote(grants, amount);
            let drawn: Vec<_> = quote
                .draws
                .iter()
                .map(|draw| (draw.credit_id.as_str(), draw.credits_consumed))
                .collect();
            assert_eq!(quote.is_sufficient(), !draws.is_empty(), "{quote:?}");
            assert_eq!(
                (quote.required, quote.available, drawn.as_slice(), quote.next_expiry),
                (credits, available, draws, next_expiry)
            );
        }
    }
}
