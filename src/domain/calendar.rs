//! Windows of time: calendar periods in a time zone, periods from a point in time, and rolling windows. The time zones
//! are bundled, so they are the same on every machine.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp, Zoned};

use super::value::Value;
use crate::error::Period;

/// The length of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// 60 minutes.
    Hour,
    /// From midnight to midnight, which can be 23 or 25 hours.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first of a month to the first of the next.
    Month,
    /// This many milliseconds.
    Ms(i64),
}

/// The units of a calendar, as an option `per` names them.
const UNITS: [(&str, Per); 4] =
    [("hour", Per::Hour), ("day", Per::Day), ("week", Per::Week), ("month", Per::Month)];

impl Per {
    /// Reads an option `per`: a unit's name, or milliseconds.
    pub fn parse(value: &Value) -> Option<Self> {
        /// A hundred years.
        const LONGEST_MS: i64 = 3_155_760_000_000;
        match value {
            Value::Text(per) => UNITS.iter().find(|(unit, _)| unit == per).map(|(_, per)| *per),
            Value::Integer(ms) if (1..=LONGEST_MS).contains(ms) => Some(Self::Ms(*ms)),
            _ => None,
        }
    }

    /// The same for an error: as the option names it.
    pub fn period(self) -> Period {
        let unit = UNITS.iter().find(|(_, per)| *per == self);
        unit.map_or(Period::Ms(self.length_ms()), |(unit, _)| Period::Unit(unit))
    }

    /// Its length without a calendar: a day has 24 hours, a month 30 days.
    pub fn length_ms(self) -> i64 {
        match self {
            Self::Hour => HOUR_MS,
            Self::Day => 24 * HOUR_MS,
            Self::Week => 7 * 24 * HOUR_MS,
            Self::Month => 30 * 24 * HOUR_MS,
            Self::Ms(ms) => ms,
        }
    }
}

/// A window's start and end. Without an end it is a rolling window that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The start, inclusive.
    pub since_ms: i64,
    /// The end, exclusive.
    pub until_ms: Option<i64>,
}

const HOUR_MS: i64 = 3_600_000;

/// Looks up a time zone, such as `Europe/Berlin`.
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// Whether windows can be counted from this time: its year must have four digits.
pub fn can_begin(since_ms: i64) -> bool {
    const LAST_MS: i64 = 253_000_000_000_000;
    (0..=LAST_MS).contains(&since_ms)
}

/// The window that contains a time; `None` beyond the calendar's range of years.
pub fn window(per: Per, since_ms: Option<i64>, zone: &TimeZone, now_ms: i64) -> Option<Window> {
    let (from, until) = match (per, since_ms) {
        (Per::Ms(length_ms), None) => {
            return Some(Window {
                since_ms: now_ms.checked_sub(length_ms)?.checked_add(1)?,
                until_ms: None,
            });
        }
        (Per::Ms(length_ms), Some(since_ms)) => of_length(length_ms, since_ms, now_ms)?,
        (Per::Hour, Some(since_ms)) => of_length(HOUR_MS, since_ms, now_ms)?,
        (Per::Hour, None) => {
            let offset_s = i64::from(at(zone, now_ms)?.offset().seconds());
            of_length(HOUR_MS, -offset_s * 1000, now_ms)?
        }
        (per, None) => {
            let today = at(zone, now_ms)?.date();
            let (first, length) = match per {
                Per::Week => {
                    let since_monday = today.weekday().to_monday_zero_offset();
                    (today.checked_sub(Span::new().days(since_monday)).ok()?, Span::new().weeks(1))
                }
                Per::Month => (today.first_of_month(), Span::new().months(1)),
                _ => (today, Span::new().days(1)),
            };
            let next = first.checked_add(length).ok()?;
            let midnight = |date: jiff::civil::Date| {
                Some(date.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond())
            };
            (midnight(first)?, midnight(next)?)
        }
        (per, Some(since_ms)) => of_calendar(per, &at(zone, since_ms)?, now_ms)?,
    };
    Some(Window { since_ms: from, until_ms: Some(until) })
}

fn at(zone: &TimeZone, time_ms: i64) -> Option<Zoned> {
    Some(Timestamp::from_millisecond(time_ms).ok()?.to_zoned(zone.clone()))
}

/// The window of a fixed length, counted from `since_ms`.
fn of_length(length_ms: i64, since_ms: i64, now_ms: i64) -> Option<(i64, i64)> {
    let from_ms = now_ms.checked_sub(now_ms.checked_sub(since_ms)?.rem_euclid(length_ms))?;
    Some((from_ms, from_ms.checked_add(length_ms)?))
}

/// The window of a day, week or month, counted from a time; in short months, from the month's last day.
fn of_calendar(per: Per, since: &Zoned, now_ms: i64) -> Option<(i64, i64)> {
    /// Close to the real length of a day; the loops below correct the difference.
    const DAY_MS: i64 = 86_400_000;
    let (days, span): (i64, fn(i64) -> Span) = match per {
        Per::Week => (7, |number| Span::new().weeks(number)),
        Per::Month => (30, |number| Span::new().months(number)),
        _ => (1, |number| Span::new().days(number)),
    };
    let begin = |number: i64| -> Option<i64> {
        Some(since.checked_add(span(number)).ok()?.timestamp().as_millisecond())
    };
    let passed_ms = now_ms.checked_sub(since.timestamp().as_millisecond())?;
    let mut number = match per {
        Per::Month => {
            let (now, since) = (at(since.time_zone(), now_ms)?.date(), since.date());
            i64::from(now.year() - since.year()) * 12 + i64::from(now.month() - since.month())
        }
        _ => passed_ms.div_euclid(days * DAY_MS),
    };
    while begin(number)? > now_ms {
        number -= 1;
    }
    while begin(number + 1)? <= now_ms {
        number += 1;
    }
    Some((begin(number)?, begin(number + 1)?))
}

#[cfg(test)]
mod tests;
