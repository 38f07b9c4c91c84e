//! The statistics of the measurements, apart from what they are of.

use std::time::Duration;

/// The largest distance between the distribution of a sample, sorted here, and the exponential one
/// with this mean (Kolmogorov-Smirnov).
pub(super) fn distance_from_exponential(sample: &mut [f64], mean: f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let n = count(sample.len());
    let distance = |(at, value): (usize, &f64)| {
        let law = 1.0 - (-value / mean).exp();
        (law - count(at) / n).abs().max((law - count(at + 1) / n).abs())
    };
    sample.iter().enumerate().map(distance).fold(0.0, f64::max)
}

/// The distance that a true sample of `n` exceeds once in a thousand (level 0.1 %).
pub(super) fn distance_limit(n: usize) -> f64 {
    1.95 / count(n.max(1)).sqrt()
}

/// The smallest value that at least `part` of a sorted sample does not exceed; zero of none.
pub(super) fn quantile(sorted: &[Duration], part: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a length is between zero and it, and a cast from float saturates"
    )]
    let rank = (part * count(sorted.len())).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

/// Median, 99th percentile and largest of a sample, sorted here.
pub(super) fn spread(sample: &mut [Duration]) -> [Duration; 3] {
    sample.sort_unstable();
    [0.5, 0.99, 1.0].map(|part| quantile(sample, part))
}

/// An upper bound of the quantile of counts by upper bound (a Prometheus histogram's buckets,
/// cumulative): the bound of the bucket in which it lies; nothing of an empty histogram.
pub(super) fn bucket_quantile(buckets: &[(f64, u64)], part: f64) -> Option<f64> {
    let total = buckets.last().map(|(_, count)| *count).filter(|total| *total > 0)?;
    #[expect(clippy::cast_precision_loss, reason = "counts of packets are far below 2^53")]
    let wanted = part * total as f64;
    #[expect(clippy::cast_precision_loss, reason = "counts of packets are far below 2^53")]
    buckets.iter().find(|(_, count)| *count as f64 >= wanted).map(|(bound, _)| *bound)
}

/// By how much `sum` differs from `whole`, as a part of the whole.
pub(super) fn difference(sum: f64, whole: f64) -> f64 {
    if whole > 0.0 { (sum - whole) / whole } else { 1.0 }
}

/// A count as a float; samples are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "samples are far below 2^53")]
pub(super) const fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quantiles of the law itself, in the middle of each n-th part.
    fn ideal(n: u32, mean: f64) -> Vec<f64> {
        let quantile = |at| -mean * (1.0 - (f64::from(at) + 0.5) / f64::from(n)).ln();
        (0..n).map(quantile).collect()
    }

    #[test]
    fn a_sample_of_the_law_is_half_a_step_from_it() {
        let distance = distance_from_exponential(&mut ideal(1_000, 0.2), 0.2);
        assert!((distance - 0.0005).abs() < 1e-9, "{distance}");
    }

    #[test]
    fn another_mean_and_a_shift_are_as_far_as_the_law_says() {
        // Means 1 and 2 differ most where exp(-x/2) - exp(-x) is largest: 1/4, at x = ln 4.
        let distance = distance_from_exponential(&mut ideal(10_000, 2.0), 1.0);
        assert!((distance - 0.25).abs() < 1e-3, "{distance}");
        let mut shifted: Vec<_> = ideal(10_000, 0.2).iter().map(|value| value + 0.01).collect();
        let distance = distance_from_exponential(&mut shifted, 0.2);
        assert!((distance - (1.0 - (-0.05_f64).exp())).abs() < 1e-3, "{distance}");
        assert!(distance > distance_limit(10_000));
    }

    #[test]
    fn the_limit_for_a_hundred_thousand_is_that_of_the_table() {
        assert!((distance_limit(100_000) - 0.006_166).abs() < 1e-6);
    }

    #[test]
    fn quantiles_are_values_of_the_sample() {
        let millis = Duration::from_millis;
        let mut sample: Vec<_> = (1..=200).rev().map(millis).collect();
        assert_eq!(spread(&mut sample), [millis(100), millis(198), millis(200)]);
        assert_eq!(spread(&mut []), [Duration::ZERO; 3]);
        assert_eq!(spread(&mut [millis(7)]), [millis(7); 3]);
    }

    #[test]
    fn a_histograms_quantile_is_its_buckets_bound() {
        let buckets = [(0.001, 60), (0.005, 98), (0.01, 100), (f64::INFINITY, 100)];
        assert_eq!(bucket_quantile(&buckets, 0.5), Some(0.001));
        assert_eq!(bucket_quantile(&buckets, 0.99), Some(0.01));
        assert_eq!(bucket_quantile(&[(0.001, 0)], 0.5), None);
    }

    #[test]
    fn differences_are_parts_of_the_whole() {
        assert!((difference(90.0, 100.0) + 0.1).abs() < 1e-12);
        assert!((difference(1.0, 0.0) - 1.0).abs() < 1e-12);
    }
}
