//! Times in a server's text format.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDateTime};

use crate::storage::times::{LATEST_MS, within_dates};

/// Parses a time as PostgreSQL's `to_json` or MySQL writes it: epoch milliseconds, rounded down.
pub fn parse_time(text: &str) -> Option<i64> {
    match text {
        "infinity" => return Some(LATEST_MS),
        "-infinity" => return Some(-LATEST_MS),
        _ => {}
    }
    if text.contains(' ') {
        // MySQL's format, with a four-digit year.
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
        return Some(within_dates(time.and_utc().timestamp_millis()));
    }
    // A five-digit year needs a sign.
    let years = text.find('-')?;
    let text = if years > 4 { Cow::Owned(format!("+{text}")) } else { Cow::Borrowed(text) };
    let zoned = DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%:z");
    let time = zoned.map(|time| time.to_utc()).ok().or_else(|| {
        let time = NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f");
        time.ok().map(|time| time.and_utc())
    });
    Some(within_dates(time?.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let rows = [
            ("1970-01-01T00:00:00.0015", Some(1)),
            ("1969-12-31T23:59:59.9995", Some(-1)),
            ("2026-12-11T18:08:29.25+02:00", Some(1_797_005_309_250)),
            ("1970-01-01T05:30:00+05:30", Some(0)),
            ("1970-01-01T00:00:00", Some(0)),
            ("12026-01-01T00:00:00", Some(317_336_745_600_000)),
            ("infinity", Some(LATEST_MS)),
            ("-infinity", Some(-LATEST_MS)),
            ("1970-01-01 00:00:00", Some(0)),
            ("1969-12-31 23:59:59.9995", Some(-1)),
            ("0000-00-00 00:00:00", None),
            ("1970-01-01", None),
            ("soon", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_time(text), expected, "{text}");
        }
    }
}
