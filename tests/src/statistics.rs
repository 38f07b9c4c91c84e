//! Statistics of samples.

/// Largest distance between the distribution of a sample and the exponential one with this mean
/// (Kolmogorov-Smirnov), to be held against [`distance_limit`].
#[must_use]
pub fn distance_from_exponential(sample: &[f64], mean: f64) -> f64 {
    distance(sample, |value| 1.0 - (-value / mean).exp())
}

/// The same for the uniform distribution from 0 to 1.
#[must_use]
pub fn distance_from_uniform(sample: &[f64]) -> f64 {
    distance(sample, |value| value)
}

/// What the distance of a sample of n from its law exceeds once in a thousand runs, if a run holds
/// so many samples against it: `sqrt(ln(2000 tests) / 2n)`, so 1.95 / sqrt(n) for one test
/// (Kolmogorov's asymptotic law, first term; the level is divided over the tests).
#[must_use]
pub fn distance_limit(n: usize, tests: usize) -> f64 {
    ((2_000.0 * count(tests)).ln() / (2.0 * count(n))).sqrt()
}

fn distance(sample: &[f64], law: impl Fn(f64) -> f64) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = count(sorted.len());
    let distance = |(at, value): (usize, &f64)| {
        let law = law(*value);
        (law - count(at) / n).abs().max((law - count(at + 1) / n).abs())
    };
    sorted.iter().enumerate().map(distance).fold(0.0, f64::max)
}

/// Pearson's coefficient of two samples of one length.
#[must_use]
pub fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let (one, other) = (deviations(one), deviations(other));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    product(&one, &other) / (product(&one, &one) * product(&other, &other)).sqrt()
}

/// The mean.
#[must_use]
pub fn mean(sample: &[f64]) -> f64 {
    sample.iter().sum::<f64>() / count(sample.len())
}

/// The value that a `part` of the sample does not exceed; `0 < part <= 1`, the sample not empty.
///
/// # Panics
/// If the sample is empty.
#[must_use]
pub fn quantile(sample: &[f64], part: f64) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = count(sorted.len());
    let reached = sorted.iter().enumerate().find(|(at, _)| count(at + 1) >= part * n);
    *reached.expect("the whole sample is at most its largest value").1
}

fn deviations(sample: &[f64]) -> Vec<f64> {
    let mean = mean(sample);
    sample.iter().map(|value| value - mean).collect()
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).expect("samples have under four thousand million values"))
}
