//! Statistics of samples: quantiles, mean, deviation, and distances between distributions
//! (Kolmogorov-Smirnov).

use serde_json::{Value, json};

/// Numbers in rising order.
#[derive(Clone, Debug, Default)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// A sample of these numbers, in any order.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// Count of the numbers.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether the sample has no number.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers in rising order.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The smallest value that at least `share` of all do not exceed; zero of an empty sample.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = whole((share * count(self.len())).ceil());
        let index = usize::try_from(rank.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = self.len().saturating_sub(1);
        self.0.get(index.min(last)).copied().unwrap_or(0.0)
    }

    /// The smallest value that at least half of all do not exceed; zero of an empty sample.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The largest value; zero of an empty sample.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(0.0)
    }

    /// Median, 99th percentile and largest value.
    #[must_use]
    pub fn spread(&self) -> [f64; 3] {
        [self.median(), self.quantile(0.99), self.max()]
    }

    /// The mean; zero of an empty sample.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / count(self.len().max(1))
    }

    /// Standard deviation of the sample itself.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        (self.squares() / count(self.len().max(1))).sqrt()
    }

    /// Standard deviation of the numbers that the sample was drawn from, as far as it tells.
    #[must_use]
    pub fn estimated_deviation(&self) -> f64 {
        (self.squares() / (count(self.len()) - 1.0).max(1.0)).sqrt()
    }

    fn squares(&self) -> f64 {
        let mean = self.mean();
        self.0.iter().map(|value| (value - mean).powi(2)).sum()
    }

    /// Count of the values beyond `limit`.
    #[must_use]
    pub fn beyond(&self, limit: f64) -> usize {
        self.len() - self.0.partition_point(|value| *value <= limit)
    }

    /// The same numbers without signs.
    #[must_use]
    pub fn magnitudes(&self) -> Self {
        Self::new(self.0.iter().map(|value| value.abs()))
    }

    /// Largest distance between the distribution of the sample and `distribution`, the share of all
    /// values below one; to be held against [`distance_limit`].
    #[must_use]
    pub fn distance_from(&self, distribution: impl Fn(f64) -> f64) -> f64 {
        let n = count(self.len());
        let distance = |(at, value): (usize, &f64)| {
            let expected = distribution(*value);
            (expected - count(at) / n).abs().max((expected - count(at + 1) / n).abs())
        };
        self.0.iter().enumerate().map(distance).fold(0.0, f64::max)
    }

    /// Distance from the exponential distribution with this mean.
    #[must_use]
    pub fn distance_from_exponential(&self, mean: f64) -> f64 {
        self.distance_from(|value| 1.0 - (-value / mean).exp())
    }

    /// Distance from the uniform distribution between 0 and 1.
    #[must_use]
    pub fn distance_from_uniform(&self) -> f64 {
        self.distance_from(|value| value)
    }

    /// Distance from another sample, and the distance that two samples of one distribution and
    /// these sizes exceed once in a hundred times: `sqrt(ln(2 / 0.01) / 2 · (n + m) / (n m))`.
    #[must_use]
    pub fn distance(&self, other: &Self) -> (f64, f64) {
        let (n, m) = (count(self.len()), count(other.len()));
        let share = |sample: &Self, value: f64| {
            count(sample.0.partition_point(|each| *each <= value)) / count(sample.len())
        };
        let values = self.0.iter().chain(&other.0);
        let apart = |value: &f64| (share(self, *value) - share(other, *value)).abs();
        let distance = values.map(apart).fold(0.0, f64::max);
        (distance, (200_f64.ln() / 2.0 * (n + m) / (n * m)).sqrt())
    }

    /// Count, quantiles, mean and deviation for scripts.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "count": self.len(),
            "p1": self.quantile(0.01),
            "median": self.median(),
            "p99": self.quantile(0.99),
            "max": self.max(),
            "mean": self.mean(),
            "stddev": self.deviation(),
        })
    }
}

/// Distance from its distribution that a sample of n exceeds once in a thousand runs, if a run
/// holds so many samples against it: `sqrt(ln(2000 tests) / 2n)`, so 1.95 / sqrt(n) for one test
/// (Kolmogorov's asymptotic distribution, first term; the level is divided over the tests).
#[must_use]
pub fn distance_limit(n: usize, tests: usize) -> f64 {
    ((2_000.0 * count(tests)).ln() / (2.0 * count(n.max(1)))).sqrt()
}

/// Pearson's coefficient of two series of one length.
#[must_use]
pub fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let deviations = |series: &[f64]| -> Vec<f64> {
        let mean = series.iter().sum::<f64>() / count(series.len());
        series.iter().map(|value| value - mean).collect()
    };
    let (one, other) = (deviations(one), deviations(other));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    product(&one, &other) / (product(&one, &one) * product(&other, &other)).sqrt()
}

/// A count of things in memory as a float.
#[must_use]
pub fn count(n: usize) -> f64 {
    float(u64::try_from(n).unwrap_or(u64::MAX))
}

/// A count, a number of bytes or of microseconds as a float; all that is measured lies below 2^53.
#[expect(clippy::cast_precision_loss, reason = "whatever is counted lies below 2^53")]
#[must_use]
pub const fn float(n: u64) -> f64 {
    n as f64
}

/// The whole part of a number that is not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the whole part is asked for, and a cast from float saturates"
)]
#[must_use]
pub const fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_summed_up() {
        let sample = Sample::new((1..=100).rev().map(f64::from));
        assert_eq!((sample.quantile(0.01), sample.median()), (1.0, 50.0));
        assert_eq!((sample.quantile(0.99), sample.max()), (99.0, 100.0));
        assert!((sample.mean() - 50.5).abs() < 1e-12);
        assert!((sample.deviation() - 28.866_070_047_722_12).abs() < 1e-12);
        assert!((sample.estimated_deviation() - 29.011_491_975_882_016).abs() < 1e-12);
        assert_eq!((sample.beyond(98.0), sample.beyond(100.0)), (2, 0));
    }

    #[test]
    fn samples_of_nothing_and_of_one_have_values_too() {
        let nothing = Sample::default();
        assert_eq!((nothing.median(), nothing.max(), nothing.mean()), (0.0, 0.0, 0.0));
        let one = Sample::new([-7.0]);
        assert_eq!((one.quantile(0.01), one.quantile(0.99)), (-7.0, -7.0));
        assert_eq!(one.magnitudes().max(), 7.0);
    }

    #[test]
    fn quantiles_are_values_of_the_sample() {
        let sample = Sample::new((1..=200).rev().map(f64::from));
        assert_eq!(sample.spread(), [100.0, 198.0, 200.0]);
        assert_eq!(sample.quantile(1.0), 200.0);
        assert_eq!(Sample::new([3.0, 1.0, 2.0, 5.0, 4.0]).median(), 3.0);
        assert_eq!(Sample::default().spread(), [0.0; 3]);
        assert_eq!(Sample::new([7.0]).spread(), [7.0; 3]);
    }

    #[test]
    fn one_law_is_near_and_two_are_far() {
        let even = Sample::new((0..200).map(|i| f64::from(i * 2)));
        let odd = Sample::new((0..200).map(|i| f64::from(i * 2 + 1)));
        let (distance, critical) = even.distance(&odd);
        assert!(distance < critical, "{distance} {critical}");
        assert!((critical - 0.162_762).abs() < 1e-6, "1.6276 sqrt(400 / 40000): {critical}");
        let moved = Sample::new((0..200).map(|i| f64::from(i * 2 + 100)));
        let (distance, critical) = even.distance(&moved);
        assert!((distance - 0.25).abs() < 0.01 && distance > critical, "{distance}");
    }

    /// The quantiles of the distribution itself, in the middle of each n-th part.
    fn ideal(n: u32, mean: f64) -> Sample {
        let quantile = |at| -mean * (1.0 - (f64::from(at) + 0.5) / f64::from(n)).ln();
        Sample::new((0..n).map(quantile))
    }

    #[test]
    fn a_sample_of_the_law_is_half_a_step_from_it() {
        let distance = ideal(1_000, 0.2).distance_from_exponential(0.2);
        assert!((distance - 0.0005).abs() < 1e-9, "{distance}");
    }

    #[test]
    fn another_mean_and_a_shift_are_as_far_as_the_law_says() {
        // Means 1 and 2 differ most where exp(-x/2) - exp(-x) is largest: 1/4, at x = ln 4.
        let distance = ideal(10_000, 2.0).distance_from_exponential(1.0);
        assert!((distance - 0.25).abs() < 1e-3, "{distance}");
        let shifted = Sample::new(ideal(10_000, 0.2).values().iter().map(|value| value + 0.01));
        let distance = shifted.distance_from_exponential(0.2);
        assert!((distance - (1.0 - (-0.05_f64).exp())).abs() < 1e-3, "{distance}");
        assert!(distance > distance_limit(10_000, 1));
    }

    #[test]
    fn the_limit_for_a_hundred_thousand_is_that_of_the_table() {
        assert!((distance_limit(100_000, 1) - 0.006_165).abs() < 1e-6);
    }
}
