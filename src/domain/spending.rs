//! Spending limits within a window of time. Refunded charges do not count; settled ones count with their
//! final number of credits.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::calendar::{Per, can_begin, window, zone};
use super::value::{Fields, Value, describe};
use crate::error::{Error, Result};

/// A limit on a user's spending.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// The maximum number of credits in a window.
    credits: i64,
    per: Per,
    /// The time from which windows are counted; `None` for calendar or rolling windows.
    since_ms: Option<i64>,
    /// Only charges with this scene count; all if `None`.
    scene: Option<String>,
    zone: TimeZone,
}

/// A call's limits. All of them apply.
pub type Limits = Arc<[Limit]>;

/// The maximum number of limits in a call.
pub const MOST_LIMITS: usize = 10;

/// Which of a user's charges to add up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spending {
    /// Charges made at this time or later.
    pub since_ms: i64,
    /// Charges with this scene; all if `None`.
    pub scene: Option<String>,
    /// Whether to return each charge with its time, instead of the sum.
    pub each: bool,
}

/// The credits of one charge with its time, or the sum of several without a time.
pub type Spent = (i64, Option<i64>);

impl Limit {
    /// Rejects an option `limits` that is not a list. Lists are parsed earlier and are null here.
    pub fn check_option(options: &Fields) -> Result<()> {
        match options.get("limits") {
            None | Some(Value::Null) => Ok(()),
            given => Err(no_list(describe(given))),
        }
    }

    /// Parses the limit at this index of the list.
    pub fn parse(at: usize, fields: &Fields) -> Result<Self> {
        const MOST_CREDITS: i64 = (1 << 53) - 1;
        let name = |field: &str| format!("limits[{at}].{field}");
        let invalid = |field: &str, expected: &str| Error::InvalidArgument {
            name: name(field),
            expected: expected.to_owned(),
            given: describe(fields.get(field)),
        };
        fields.only("a limit", &["credits", "per", "since", "scene", "timeZone"])?;
        let given = |field: &str| fields.get(field).filter(|value| **value != Value::Null);
        let credits = match given("credits") {
            Some(Value::Integer(credits)) if (0..=MOST_CREDITS).contains(credits) => *credits,
            _ => return Err(invalid("credits", "a whole number from 0")),
        };
        let per = given("per").and_then(Per::parse);
        let per = per.ok_or_else(|| {
            invalid("per", "'hour', 'day', 'week', 'month' or a whole number of milliseconds")
        })?;
        let since_ms = match given("since") {
            None => None,
            Some(Value::TimeMs(time_ms)) if can_begin(*time_ms) => Some(*time_ms),
            Some(Value::TimeMs(_)) => return Err(invalid("since", "a time from 1970 to 9986")),
            Some(other) => {
                return Err(Error::InvalidDate { field: name("since"), given: other.describe() });
            }
        };
        let scene = match given("scene") {
            None => None,
            Some(Value::Text(scene)) if !scene.is_empty() && !scene.contains('\0') => {
                Some(scene.clone())
            }
            Some(_) => return Err(invalid("scene", "a scene")),
        };
        let zone = match given("timeZone") {
            None => TimeZone::UTC,
            Some(_) if matches!(per, Per::Ms(_)) => {
                return Err(invalid(
                    "timeZone",
                    "left out: a number of milliseconds needs no time zone",
                ));
            }
            Some(value) => value.as_text().and_then(zone).ok_or_else(|| {
                invalid("timeZone", "the name of a time zone, such as 'Europe/Berlin'")
            })?,
        };
        Ok(Self { credits, per, since_ms, scene, zone })
    }

    /// Whether charges with this scene count.
    fn counts(&self, scene: Option<&str>) -> bool {
        self.scene.as_deref().is_none_or(|counted| scene == Some(counted))
    }

    fn spending(&self, now_ms: i64) -> Option<Spending> {
        let window = window(self.per, self.since_ms, &self.zone, now_ms)?;
        let each = window.until_ms.is_none();
        Some(Spending { since_ms: window.since_ms, scene: self.scene.clone(), each })
    }

    /// When this many credits can be spent, given earlier spending; `None` if the limit itself is lower.
    fn resets_at_ms(&self, credits: i64, spent: &[Spent], now_ms: i64) -> Option<i64> {
        let left = self.credits - credits;
        if left < 0 {
            return None;
        }
        let window = window(self.per, self.since_ms, &self.zone, now_ms)?;
        let (None, Per::Ms(length_ms)) = (window.until_ms, self.per) else {
            return window.until_ms;
        };
        // The newest charges leave the window last. The newest charge that no longer fits must leave first.
        let mut newest: Vec<(i64, i64)> =
            spent.iter().map(|(credits, at_ms)| (at_ms.unwrap_or(now_ms), *credits)).collect();
        newest.sort_unstable_by(|one, other| other.cmp(one));
        let mut kept: i64 = 0;
        let leaves = newest.into_iter().find(|(_, credits)| {
            kept = kept.saturating_add(*credits);
            kept > left
        });
        leaves.map(|(at_ms, _)| at_ms.saturating_add(length_ms))
    }
}

/// The error for an option `limits` that is not a list.
pub fn no_list(given: String) -> Error {
    let expected = format!("a list of at most {MOST_LIMITS} limits: {{ credits, per, … }}");
    Error::InvalidArgument { name: "limits".to_owned(), expected, given }
}

/// The sums that a charge with this scene needs: for each limit that applies, its index and what to add up.
pub fn spending(limits: &[Limit], scene: Option<&str>, now_ms: i64) -> Vec<(usize, Spending)> {
    let counts = limits.iter().enumerate().filter(|(_, limit)| limit.counts(scene));
    counts.filter_map(|(at, limit)| Some((at, limit.spending(now_ms)?))).collect()
}

/// Rejects a charge that exceeds a limit; if several are exceeded, the error names the one that resets last.
/// `spent` has the spending for each limit that applies, by index.
pub fn check(
    limits: &[Limit],
    credits: i64,
    spent: &[(usize, Vec<Spent>)],
    now_ms: i64,
) -> Result<()> {
    let mut last: Option<(i64, Error)> = None;
    for (at, limit, spent) in
        spent.iter().filter_map(|(at, spent)| Some((*at, limits.get(*at)?, spent)))
    {
        let total = spent.iter().fold(0_i64, |total, (credits, _)| total.saturating_add(*credits));
        if total.saturating_add(credits) <= limit.credits {
            continue;
        }
        let resets_at_ms = limit.resets_at_ms(credits, spent, now_ms);
        let order = resets_at_ms.unwrap_or(i64::MAX);
        if last.as_ref().is_none_or(|(other, _)| order > *other) {
            let error = Error::SpendingLimit {
                required: credits,
                spent: total,
                limit_index: at,
                limit: limit.credits,
                per: limit.per.period(),
                resets_at_ms,
            };
            last = Some((order, error));
        }
    }
    last.map_or(Ok(()), |(_, error)| Err(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn fields(more: &[(&'static str, Value)]) -> Fields {
        let mut all: Fields =
            [("credits", Value::Integer(100)), ("per", text("day"))].into_iter().collect();
        more.iter().for_each(|(name, value)| all.set(name, value.clone()));
        all
    }

    fn limit(credits: i64, per: Value, more: &[(&'static str, Value)]) -> Limit {
        let own = [("credits", Value::Integer(credits)), ("per", per)];
        Limit::parse(0, &fields(&[&own[..], more].concat())).unwrap()
    }

    #[test]
    fn a_spending_limit_is_read_or_refused() {
        let rows = [
            // what differs from 100 a day; the code
            (vec![], None),
            (vec![("credits", Value::Integer(0))], None),
            (vec![("credits", Value::Null)], Some("INVALID_ARGUMENT")),
            (vec![("credits", Value::Integer(-1))], Some("INVALID_ARGUMENT")),
            (vec![("credits", Value::Real(1.5))], Some("INVALID_ARGUMENT")),
            (vec![("credits", text("100"))], Some("INVALID_ARGUMENT")),
            (vec![("per", Value::Integer(1))], None),
            (vec![("per", Value::Integer(0))], Some("INVALID_ARGUMENT")),
            (vec![("per", Value::Integer(i64::MAX))], Some("INVALID_ARGUMENT")),
            (vec![("per", text("year"))], Some("INVALID_ARGUMENT")),
            (vec![("per", Value::Null)], Some("INVALID_ARGUMENT")),
            (vec![("since", Value::TimeMs(7))], None),
            (vec![("since", Value::Null)], None),
            (vec![("since", Value::TimeMs(-1))], Some("INVALID_ARGUMENT")),
            (vec![("since", Value::TimeMs(8_640_000_000_000_000))], Some("INVALID_ARGUMENT")),
            (vec![("since", Value::InvalidDate)], Some("INVALID_DATE")),
            (vec![("since", text("2026-01-01"))], Some("INVALID_DATE")),
            (vec![("scene", text("payment"))], None),
            (vec![("scene", text(""))], Some("INVALID_ARGUMENT")),
            (vec![("scene", Value::Json("[]".into()))], Some("INVALID_ARGUMENT")),
            (vec![("timeZone", text("Asia/Tokyo"))], None),
            (vec![("timeZone", text("Asia/Nowhere"))], Some("INVALID_ARGUMENT")),
            (vec![("timeZone", Value::Integer(9))], Some("INVALID_ARGUMENT")),
            (
                vec![("timeZone", text("Asia/Tokyo")), ("per", Value::Integer(5))],
                Some("INVALID_ARGUMENT"),
            ),
            (vec![("most", Value::Integer(5))], Some("UNKNOWN_FIELD")),
        ];
        for (more, code) in rows {
            let parsed = Limit::parse(0, &fields(&more));
            assert_eq!(parsed.err().map(|error| error.code()), code, "{more:?}");
        }
    }

    #[test]
    fn limits_reject_charges_above_them() {
        let day = || limit(10, text("day"), &[]);
        let hour = || limit(4, text("hour"), &[]);
        let rolling = || limit(10, Value::Integer(5 * HOUR_MS), &[]);
        let now_ms = 30 * HOUR_MS + 60_000;
        let sum = |credits| vec![(credits, None)];
        let each = |spent: &[(i64, i64)]| -> Vec<Spent> {
            spent.iter().map(|(credits, at_ms)| (*credits, Some(*at_ms))).collect()
        };
        type Refused = (usize, i64, i64, Option<i64>);
        type Row = (Vec<(Limit, Vec<Spent>)>, i64, Option<Refused>);
        let rows: Vec<Row> = vec![
            // limits with what was spent, credits; the limit that refuses (index, credits), what was spent, when
            // it resets
            (vec![(day(), sum(0))], 10, None),
            (vec![(day(), sum(4))], 6, None),
            (vec![(day(), sum(4))], 7, Some((0, 10, 4, Some(48 * HOUR_MS)))),
            (vec![(day(), sum(0))], 11, Some((0, 10, 0, None))),
            (vec![(day(), sum(12))], 1, Some((0, 10, 12, Some(48 * HOUR_MS)))),
            (vec![(day(), Vec::new())], 11, Some((0, 10, 0, None))),
            (vec![(day(), sum(4)), (hour(), sum(4))], 1, Some((1, 4, 4, Some(31 * HOUR_MS)))),
            (vec![(day(), sum(10)), (hour(), sum(4))], 1, Some((0, 10, 10, Some(48 * HOUR_MS)))),
            (vec![(hour(), sum(4)), (day(), sum(10))], 1, Some((1, 10, 10, Some(48 * HOUR_MS)))),
            (vec![(day(), sum(10)), (hour(), sum(0))], 5, Some((1, 4, 0, None))),
            (vec![(rolling(), each(&[(3, 100), (3, 200), (3, 300)]))], 1, None),
            (
                vec![(rolling(), each(&[(3, 300), (3, 100), (3, 200)]))],
                2,
                Some((0, 10, 9, Some(100 + 5 * HOUR_MS))),
            ),
            (
                vec![(rolling(), each(&[(3, 100), (3, 200), (3, 300)]))],
                5,
                Some((0, 10, 9, Some(200 + 5 * HOUR_MS))),
            ),
            (
                vec![(rolling(), each(&[(3, 100), (3, 200), (3, 300)]))],
                10,
                Some((0, 10, 9, Some(300 + 5 * HOUR_MS))),
            ),
            (vec![(rolling(), each(&[(3, 100)]))], 11, Some((0, 10, 3, None))),
        ];
        for (known, credits, expected) in rows {
            let (limits, spent): (Vec<Limit>, Vec<Vec<Spent>>) = known.into_iter().unzip();
            let spent: Vec<_> = spent.into_iter().enumerate().collect();
            let refused = match check(&limits, credits, &spent, now_ms) {
                Err(Error::SpendingLimit {
                    required,
                    spent,
                    limit_index: at,
                    limit,
                    per,
                    resets_at_ms,
                }) => {
                    assert_eq!((required, per), (credits, limits[at].per.period()));
                    Some((at, limit, spent, resets_at_ms))
                }
                other => other.map(|()| None).unwrap(),
            };
            assert_eq!(refused, expected, "{credits} within {limits:?}");
        }
    }

    #[test]
    fn a_limit_of_a_scene_counts_its_charges_only() {
        let limits = [
            limit(1, text("day"), &[("scene", text("chat"))]),
            limit(1, Value::Integer(1000), &[]),
        ];
        let asked = |scene| -> Vec<(usize, Option<String>, bool)> {
            let asked = spending(&limits, scene, 5000).into_iter();
            asked.map(|(at, Spending { scene, each, .. })| (at, scene, each)).collect()
        };
        let of_any = (1, None, true);
        let of_chat = (0, Some("chat".to_owned()), false);
        assert_eq!(asked(Some("chat")), [of_chat, of_any.clone()]);
        assert_eq!(asked(Some("image")), std::slice::from_ref(&of_any));
        assert_eq!(asked(None), [of_any]);
    }
}
