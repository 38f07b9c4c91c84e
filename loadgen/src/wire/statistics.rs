//! What is said of a sample: quantiles, mean, deviation; and whether two samples follow one law.

use serde_json::{Value, json};

/// Numbers in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// The smallest value that at least `share` of all do not exceed; zero of nothing.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let below = |rank: usize| count(rank) < share * count(self.0.len());
        let rank = (1..self.0.len()).find(|rank| !below(*rank)).unwrap_or(self.0.len());
        rank.checked_sub(1).and_then(|index| self.0.get(index)).copied().unwrap_or(0.0)
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.last().copied().unwrap_or(0.0)
    }

    pub(crate) fn mean(&self) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.0.iter().sum::<f64>() / count(self.0.len()) }
    }

    /// Standard deviation of the sample itself.
    pub(crate) fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares = self.0.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        if self.0.is_empty() { 0.0 } else { (squares / count(self.0.len())).sqrt() }
    }

    /// Share of values beyond `limit`.
    pub(crate) fn beyond(&self, limit: f64) -> usize {
        self.0.len() - self.0.partition_point(|value| *value <= limit)
    }

    /// The same without signs.
    pub(crate) fn magnitudes(&self) -> Self {
        Self::new(self.0.iter().map(|value| value.abs()).collect())
    }

    pub(crate) fn into_values(self) -> Vec<f64> {
        self.0
    }

    pub(crate) fn json(&self) -> Value {
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

    /// Kolmogorov-Smirnov distance to another sample, and the distance that two samples of one law
    /// and these sizes exceed once in a hundred times: `sqrt(ln(2 / 0.01) / 2 · (n + m) / (n m))`.
    pub(crate) fn distance(&self, other: &Self) -> (f64, f64) {
        let (n, m) = (count(self.len()), count(other.len()));
        let share = |sample: &Self, value: f64| {
            count(sample.0.partition_point(|each| *each <= value)) / count(sample.len())
        };
        let values = self.0.iter().chain(&other.0);
        let apart = |value: &f64| (share(self, *value) - share(other, *value)).abs();
        let distance = values.map(apart).fold(0.0, f64::max);
        (distance, (200_f64.ln() / 2.0 * (n + m) / (n * m)).sqrt())
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_summed_up() {
        let sample = Sample::new((1..=100).rev().map(f64::from).collect());
        assert_eq!((sample.quantile(0.01), sample.median()), (1.0, 50.0));
        assert_eq!((sample.quantile(0.99), sample.max()), (99.0, 100.0));
        assert!((sample.mean() - 50.5).abs() < 1e-12);
        assert!((sample.deviation() - 28.866_070_047_722_12).abs() < 1e-12);
        assert_eq!((sample.beyond(98.0), sample.beyond(100.0)), (2, 0));
    }

    #[test]
    fn samples_of_nothing_and_of_one_have_values_too() {
        let nothing = Sample::default();
        assert_eq!((nothing.median(), nothing.max(), nothing.mean()), (0.0, 0.0, 0.0));
        let one = Sample::new(vec![-7.0]);
        assert_eq!((one.quantile(0.01), one.quantile(0.99)), (-7.0, -7.0));
        assert_eq!(one.magnitudes().max(), 7.0);
    }

    #[test]
    fn one_law_is_near_and_two_are_far() {
        let even = Sample::new((0..200).map(|i| f64::from(i * 2)).collect());
        let odd = Sample::new((0..200).map(|i| f64::from(i * 2 + 1)).collect());
        let (distance, critical) = even.distance(&odd);
        assert!(distance < critical, "{distance} {critical}");
        assert!((critical - 0.162_762).abs() < 1e-6, "1.6276 sqrt(400 / 40000): {critical}");
        let moved = Sample::new((0..200).map(|i| f64::from(i * 2 + 100)).collect());
        let (distance, critical) = even.distance(&moved);
        assert!((distance - 0.25).abs() < 0.01 && distance > critical, "{distance}");
    }
}
