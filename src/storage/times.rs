//! Times, as a database stores them.

use std::ops::Range;

/// The unit of times in SQLite, which has no type for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampUnit {
    /// Epoch milliseconds, as in ShipAny.
    Milliseconds,
    /// Epoch seconds.
    Seconds,
}

impl TimestampUnit {
    /// A time in the database's unit. Seconds are rounded down, so that `expires_at > now` has the same
    /// result in both units.
    pub fn from_ms(self, time_ms: i64) -> i64 {
        match self {
            Self::Milliseconds => time_ms,
            Self::Seconds => time_ms.div_euclid(1000),
        }
    }

    /// A time in the database's unit with its fraction, for comparison with stored values.
    pub fn exactly_from_ms(self, time_ms: i64) -> f64 {
        match self {
            Self::Milliseconds => time_ms as f64,
            Self::Seconds => time_ms as f64 / 1e3,
        }
    }

    /// A stored time, in milliseconds.
    pub fn to_ms(self, stored: i64) -> i64 {
        within_dates(match self {
            Self::Milliseconds => stored,
            Self::Seconds => stored.saturating_mul(1000),
        })
    }

    /// A stored time with a fraction, rounded up, so that `expires_at > now` has the same result for both.
    /// `None` for a Julian day number, as from `julianday`, which is not a time in these units.
    pub fn fraction_to_ms(self, stored: f64) -> Option<i64> {
        /// The years 1 to 9999. As seconds or milliseconds, these numbers fall in the first months of 1970.
        const JULIAN_DAYS: Range<f64> = 1_721_425.5..5_373_484.5;
        if JULIAN_DAYS.contains(&stored) {
            return None;
        }
        let micros = match self {
            Self::Milliseconds => stored * 1e3,
            Self::Seconds => stored * 1e6,
        };
        // Floats that are too large become the largest integer.
        Some(within_dates((micros.round() / 1e3).ceil() as i64))
    }

    /// The unit, as in the option `timestampUnit`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        }
    }
}

/// The latest time that a `Date` can hold.
pub const LATEST_MS: i64 = 8_640_000_000_000_000;

/// Limits a time to the range of `Date`.
pub fn within_dates(time_ms: i64) -> i64 {
    time_ms.clamp(-LATEST_MS, LATEST_MS)
}
