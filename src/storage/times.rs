//! Times as a database keeps them.

use std::ops::Range;

/// How SQLite keeps times. It has no type for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampUnit {
    /// Epoch milliseconds, as ShipAny does.
    Milliseconds,
    /// Epoch seconds.
    Seconds,
}

impl TimestampUnit {
    /// A time as the database keeps it. Seconds round down, so that `expires_at > now` says the same
    /// in both units.
    pub fn from_ms(self, time_ms: i64) -> i64 {
        match self {
            Self::Milliseconds => time_ms,
            Self::Seconds => time_ms.div_euclid(1000),
        }
    }

    /// A time to compare with what the database keeps, which may have a fraction.
    pub fn exactly_from_ms(self, time_ms: i64) -> f64 {
        match self {
            Self::Milliseconds => time_ms as f64,
            Self::Seconds => time_ms as f64 / 1e3,
        }
    }

    /// A time that the database keeps, in milliseconds.
    pub fn to_ms(self, stored: i64) -> i64 {
        within_dates(match self {
            Self::Milliseconds => stored,
            Self::Seconds => stored.saturating_mul(1000),
        })
    }

    /// A time with a fraction, rounded up, so that `expires_at > now` says the same of both. `None`: it is the
    /// number of a day, as `julianday` counts them, which no column of times in these units means.
    pub fn fraction_to_ms(self, stored: f64) -> Option<i64> {
        /// The years 1 to 9999. As seconds or milliseconds they are in the first months of 1970.
        const JULIAN_DAYS: Range<f64> = 1_721_425.5..5_373_484.5;
        if JULIAN_DAYS.contains(&stored) {
            return None;
        }
        let micros = match self {
            Self::Milliseconds => stored * 1e3,
            Self::Seconds => stored * 1e6,
        };
        // A float that is too large becomes the largest whole number.
        Some(within_dates((micros.round() / 1e3).ceil() as i64))
    }

    /// The unit as the option `timestampUnit` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        }
    }
}

/// The last time that a `Date` holds.
pub const LATEST_MS: i64 = 8_640_000_000_000_000;

/// What is before all times that a `Date` holds, or after them, is the first or the last of these.
pub fn within_dates(time_ms: i64) -> i64 {
    time_ms.clamp(-LATEST_MS, LATEST_MS)
}
