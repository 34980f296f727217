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
mod tests {
    use super::*;

    fn ms(time: &str) -> i64 {
        time.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn a_window_begins_and_ends_by_the_calendar() {
        use Per::{Day, Hour, Month, Ms, Week};
        let rows = [
            // zone, per, since; now; from, until
            (
                "UTC",
                Hour,
                "",
                "2026-11-30T02:34:32Z",
                "2026-11-30T02:00:00Z",
                "2026-11-30T03:00:00Z",
            ),
            (
                "UTC",
                Day,
                "",
                "2026-11-30T00:00:00Z",
                "2026-11-30T00:00:00Z",
                "2026-12-01T00:00:00Z",
            ),
            (
                "UTC",
                Day,
                "",
                "2026-11-30T23:59:59.999Z",
                "2026-11-30T00:00:00Z",
                "2026-12-01T00:00:00Z",
            ),
            // 2026-11-30 is a Monday.
            (
                "UTC",
                Week,
                "",
                "2026-11-30T00:00:00Z",
                "2026-11-30T00:00:00Z",
                "2026-12-07T00:00:00Z",
            ),
            (
                "UTC",
                Week,
                "",
                "2026-11-29T23:59:59Z",
                "2026-11-23T00:00:00Z",
                "2026-11-30T00:00:00Z",
            ),
            (
                "UTC",
                Month,
                "",
                "2026-12-31T12:00:00Z",
                "2026-12-01T00:00:00Z",
                "2027-01-01T00:00:00Z",
            ),
            (
                "UTC",
                Month,
                "",
                "2028-02-29T12:00:00Z",
                "2028-02-01T00:00:00Z",
                "2028-03-01T00:00:00Z",
            ),
            // Half an hour beside the full one.
            (
                "Asia/Kolkata",
                Hour,
                "",
                "2026-11-30T02:34:32Z",
                "2026-11-30T02:30:00Z",
                "2026-11-30T03:30:00Z",
            ),
            (
                "Asia/Kolkata",
                Day,
                "",
                "2026-11-30T20:00:00Z",
                "2026-11-30T18:30:00Z",
                "2026-12-01T18:30:00Z",
            ),
            // A day of 23 hours, and one of 25.
            (
                "Europe/Berlin",
                Day,
                "",
                "2026-03-29T10:00:00Z",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
            (
                "Europe/Berlin",
                Day,
                "",
                "2026-10-25T10:00:00Z",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
            ),
            (
                "America/New_York",
                Day,
                "",
                "2026-11-01T05:30:00Z",
                "2026-11-01T04:00:00Z",
                "2026-11-02T05:00:00Z",
            ),
            (
                "America/New_York",
                Hour,
                "",
                "2026-11-01T06:30:00Z",
                "2026-11-01T06:00:00Z",
                "2026-11-01T07:00:00Z",
            ),
            // Weeks and months over a change.
            (
                "Europe/Berlin",
                Week,
                "",
                "2026-03-30T00:00:00Z",
                "2026-03-29T22:00:00Z",
                "2026-04-05T22:00:00Z",
            ),
            (
                "Europe/Berlin",
                Week,
                "",
                "2026-03-29T21:59:59Z",
                "2026-03-22T23:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
            (
                "America/New_York",
                Month,
                "",
                "2026-11-15T00:00:00Z",
                "2026-11-01T04:00:00Z",
                "2026-12-01T05:00:00Z",
            ),
            // A midnight that does not exist: the clock goes from 24:00 to 1:00 (until 2018).
            (
                "America/Sao_Paulo",
                Day,
                "",
                "2018-11-04T12:00:00Z",
                "2018-11-04T03:00:00Z",
                "2018-11-05T02:00:00Z",
            ),
            // A day that does not exist, and a zone with an offset of 13 hours.
            (
                "Pacific/Apia",
                Day,
                "",
                "2011-12-30T12:00:00Z",
                "2011-12-30T10:00:00Z",
                "2011-12-31T10:00:00Z",
            ),
            // Billing cycles: the 31st, in shorter months the last day, and then the 31st again.
            (
                "UTC",
                Month,
                "2026-01-31T10:00:00Z",
                "2026-02-28T09:59:59Z",
                "2026-01-31T10:00:00Z",
                "2026-02-28T10:00:00Z",
            ),
            (
                "UTC",
                Month,
                "2026-01-31T10:00:00Z",
                "2026-02-28T10:00:00Z",
                "2026-02-28T10:00:00Z",
                "2026-03-31T10:00:00Z",
            ),
            (
                "UTC",
                Month,
                "2024-02-29T00:00:00Z",
                "2026-11-30T00:00:00Z",
                "2026-11-29T00:00:00Z",
                "2026-12-29T00:00:00Z",
            ),
            (
                "UTC",
                Month,
                "2027-01-15T00:00:00Z",
                "2026-11-30T00:00:00Z",
                "2026-11-15T00:00:00Z",
                "2026-12-15T00:00:00Z",
            ),
            // 10 o'clock stays 10 o'clock.
            (
                "Europe/Berlin",
                Day,
                "2026-01-01T09:00:00Z",
                "2026-07-01T08:30:00Z",
                "2026-07-01T08:00:00Z",
                "2026-07-02T08:00:00Z",
            ),
            (
                "Europe/Berlin",
                Month,
                "2026-01-10T09:00:00Z",
                "2026-07-10T08:00:00Z",
                "2026-07-10T08:00:00Z",
                "2026-08-10T08:00:00Z",
            ),
            (
                "Europe/Berlin",
                Week,
                "2026-03-26T09:00:00Z",
                "2026-04-02T07:59:59Z",
                "2026-03-26T09:00:00Z",
                "2026-04-02T08:00:00Z",
            ),
            (
                "UTC",
                Hour,
                "2026-11-30T00:20:00Z",
                "2026-11-30T02:34:32Z",
                "2026-11-30T02:20:00Z",
                "2026-11-30T03:20:00Z",
            ),
            (
                "UTC",
                Ms(5 * HOUR_MS),
                "2026-11-30T00:20:00Z",
                "2026-11-30T06:00:00Z",
                "2026-11-30T05:20:00Z",
                "2026-11-30T10:20:00Z",
            ),
            (
                "UTC",
                Ms(5 * HOUR_MS),
                "2026-11-30T09:00:00Z",
                "2026-11-30T06:00:00Z",
                "2026-11-30T04:00:00Z",
                "2026-11-30T09:00:00Z",
            ),
        ];
        for (name, per, since, now, from, until) in rows {
            let since_ms = (!since.is_empty()).then(|| ms(since));
            let found = window(per, since_ms, &zone(name).unwrap(), ms(now)).unwrap();
            let expected = Window { since_ms: ms(from), until_ms: Some(ms(until)) };
            assert_eq!(found, expected, "{name} {per:?} {since} at {now}");
        }
    }

    #[test]
    fn a_rolling_window_ends_now() {
        let found = window(Per::Ms(1000), None, &TimeZone::UTC, 5000);
        assert_eq!(found, Some(Window { since_ms: 4001, until_ms: None }));
    }

    #[test]
    fn a_time_zone_has_a_known_name() {
        let rows = [
            ("UTC", true),
            ("Europe/Berlin", true),
            ("america/new_york", true),
            ("Europe/Atlantis", false),
            ("CET+1", false),
            ("../etc/passwd", false),
            ("", false),
        ];
        for (name, is_there) in rows {
            assert_eq!(zone(name).is_some(), is_there, "{name}");
        }
    }

    /// Each window ends where the next one begins, and contains the time that was asked for.
    #[test]
    fn each_window_begins_where_another_ends() {
        for name in
            ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]
        {
            let zone = zone(name).unwrap();
            for per in [Per::Day, Per::Week, Per::Month] {
                for since_ms in [None, Some(ms("2025-12-31T22:10:00Z"))] {
                    let mut now_ms = ms("2026-01-01T00:00:00Z");
                    for _ in 0..400 {
                        let found = window(per, since_ms, &zone, now_ms).unwrap();
                        let until_ms = found.until_ms.unwrap();
                        assert!(found.since_ms <= now_ms && now_ms < until_ms, "{name} {per:?}");
                        let last = window(per, since_ms, &zone, until_ms - 1).unwrap();
                        assert_eq!(last, found, "{name} {per:?} {since_ms:?} before {until_ms}");
                        let next = window(per, since_ms, &zone, until_ms).unwrap();
                        assert_eq!(next.since_ms, until_ms, "{name} {per:?} {since_ms:?}");
                        now_ms = until_ms;
                    }
                }
            }
        }
    }
}
