//! Histograms of sizes, such as durations in microseconds.
//!
//! Counting takes no lock and allocates nothing: it adds to counters in fixed arrays. A reader may miss the
//! sizes that are counted at the same time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

/// Four buckets for each power of two up to 2^33, which is more than two hours in microseconds.
const BUCKETS: usize = 128;

/// A histogram of numbers.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
    largest: AtomicU64,
}

/// The content of a histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Distribution {
    /// How many numbers were counted.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// An upper bound of the median, at most a quarter too large.
    pub median: u64,
    /// An upper bound of the 99th percentile, at most a quarter too large.
    pub p99: u64,
    /// The largest number.
    pub largest: u64,
}

impl Distribution {
    /// Their mean.
    pub fn mean(&self) -> f64 {
        // Exact up to 2^53, which is 285 years in microseconds.
        self.sum as f64 / self.count.max(1) as f64
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            sum: AtomicU64::new(0),
            largest: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Counts a number.
    pub fn count(&self, number: u64) {
        self.buckets[bucket_of(number)].fetch_add(1, Relaxed);
        self.sum.fetch_add(number, Relaxed);
        if number > self.largest.load(Relaxed) {
            self.largest.fetch_max(number, Relaxed);
        }
    }

    /// Counts a duration, in microseconds.
    pub fn count_time(&self, duration: Duration) {
        self.count(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts the time since `began`, in microseconds.
    pub fn count_since(&self, began: Instant) {
        self.count_time(began.elapsed());
    }

    /// Reads the current content.
    pub fn read(&self) -> Distribution {
        let counts: [u64; BUCKETS] = std::array::from_fn(|at| self.buckets[at].load(Relaxed));
        let count: u64 = counts.iter().sum();
        let largest = self.largest.load(Relaxed);
        // The upper bound of the bucket that contains this percentile.
        let percentile = |percent: u64| {
            let mut left = (count * percent).div_ceil(100);
            let at = counts.iter().position(|in_bucket| {
                let there = left <= *in_bucket;
                left = left.saturating_sub(*in_bucket);
                there
            });
            match at {
                Some(at) if at < BUCKETS - 1 => largest_in(at).min(largest),
                // The last bucket has no upper bound.
                _ => largest,
            }
        };
        Distribution {
            count,
            sum: self.sum.load(Relaxed),
            median: percentile(50),
            p99: percentile(99),
            largest,
        }
    }
}

/// The bucket, from the number's highest bit and the two below it. Numbers up to 7 have their own buckets.
fn bucket_of(number: u64) -> usize {
    let power = number.max(4).ilog2() - 2;
    // It is below 256.
    let bucket = u64::from(power * 4) + (number >> power);
    usize::try_from(bucket).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The largest number of a bucket.
fn largest_in(bucket: usize) -> u64 {
    let power = (bucket / 4).max(1) - 1;
    ((bucket - power * 4 + 1) as u64) * (1 << power) - 1
}

/// A histogram of microseconds as JSON.
pub fn durations(histogram: &Histogram) -> Json {
    let found = histogram.read();
    let ms = |us: u64| us as f64 / 1000.0;
    json!({
        "count": found.count,
        "totalMs": ms(found.sum),
        "meanMs": ms(found.mean().round() as u64),
        "p50Ms": ms(found.median),
        "p99Ms": ms(found.p99),
        "maxMs": ms(found.largest),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_bucket() {
        let rows = [
            // a number, its bucket, the largest number in the bucket
            (0, 0, 0),
            (1, 1, 1),
            (3, 3, 3),
            (4, 4, 4),
            (7, 7, 7),
            (8, 8, 9),
            (9, 8, 9),
            (10, 9, 11),
            (15, 11, 15),
            (16, 12, 19),
            (1000, 35, 1023),
            (1 << 32, 124, 5_368_709_119),
            ((1 << 33) - 1, 127, (1 << 33) - 1),
            (1 << 33, 127, (1 << 33) - 1),
            (u64::MAX, 127, (1 << 33) - 1),
        ];
        for (number, bucket, largest) in rows {
            assert_eq!((bucket_of(number), largest_in(bucket)), (bucket, largest), "{number}");
        }
    }

    #[test]
    fn buckets_follow_one_another_and_are_narrow() {
        for bucket in 1..BUCKETS {
            let (smallest, largest) = (largest_in(bucket - 1) + 1, largest_in(bucket));
            assert_eq!((bucket_of(smallest), bucket_of(largest)), (bucket, bucket));
            assert!(largest - smallest <= smallest / 4, "{smallest} to {largest}");
        }
    }

    #[test]
    fn a_histogram_reports_its_percentiles() {
        let rows = [
            // numbers; count, sum, median, 99th percentile, largest
            (vec![], (0, 0, 0, 0, 0)),
            (vec![0], (1, 0, 0, 0, 0)),
            (vec![1000], (1, 1000, 1000, 1000, 1000)),
            (vec![1, 2, 3], (3, 6, 2, 3, 3)),
            (vec![1, 2, 3, 7], (4, 13, 2, 7, 7)),
            (vec![100, 200, 300], (3, 600, 223, 300, 300)),
            ([vec![5; 99], vec![1000]].concat(), (100, 1495, 5, 5, 1000)),
            ([vec![5; 98], vec![1000; 2]].concat(), (100, 2490, 5, 1000, 1000)),
            // Beyond the last bucket's limit.
            (vec![1 << 40], (1, 1 << 40, 1 << 40, 1 << 40, 1 << 40)),
        ];
        for (numbers, (count, sum, median, p99, largest)) in rows {
            let histogram = Histogram::default();
            numbers.iter().for_each(|number| histogram.count(*number));
            let expected = Distribution { count, sum, median, p99, largest };
            assert_eq!(histogram.read(), expected, "{numbers:?}");
        }
    }

    #[test]
    fn a_histogram_reports_its_mean() {
        for (numbers, mean) in [(vec![], 0.0), (vec![3], 3.0), (vec![1, 2], 1.5)] {
            let histogram = Histogram::default();
            numbers.iter().for_each(|number| histogram.count(*number));
            assert_eq!(histogram.read().mean(), mean);
        }
    }
}
