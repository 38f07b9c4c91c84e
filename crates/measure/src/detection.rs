//! Detection: how well a score tells the positives from the negatives.
//!
//! Metrics: the area under the curve of true against false positives (Hanley and McNeil, "The
//! meaning and use of the area under a ROC curve", 1982), and the share of positives found at a
//! fixed share of false alarms, as in MixMatch (PoPETs 2024).

use crate::statistics::{Sample, count};

/// A number and the interval that holds it in 95 of 100 repetitions.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// The number as it was found.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// A number that is known exactly.
    #[must_use]
    pub const fn exact(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// An area under the curve counted to either side of 1/2: less than that tells as much as more.
    #[must_use]
    pub fn either_way(self) -> Self {
        if self.value >= 0.5 {
            return self;
        }
        Self { value: 1.0 - self.value, low: 1.0 - self.high, high: 1.0 - self.low }
    }

    /// A number with a standard error: 1.96 of them to either side.
    #[must_use]
    pub fn normal(value: f64, error: f64) -> Self {
        Self { value, low: value - NORMAL * error, high: value + NORMAL * error }
    }

    /// The mean of independent values.
    #[must_use]
    pub fn mean(sample: &Sample) -> Self {
        Self::normal(sample.mean(), sample.estimated_deviation() / count(sample.len()).sqrt())
    }

    /// The share of successes among independent trials, with Wilson's interval ("Probable
    /// inference, the law of succession, and statistical inference", 1927).
    #[must_use]
    pub fn share(successes: f64, trials: f64) -> Self {
        let share = successes / trials;
        let squared = NORMAL * NORMAL;
        let scale = 1.0 + squared / trials;
        let middle = (share + squared / (2.0 * trials)) / scale;
        let variance = share * (1.0 - share) / trials + squared / (4.0 * trials * trials);
        let half = NORMAL * variance.sqrt() / scale;
        Self { value: share, low: (middle - half).max(0.0), high: (middle + half).min(1.0) }
    }
}

/// Scores of what an attacker looks for, and of everything else.
#[derive(Clone, Debug)]
pub struct Scores {
    positives: Sample,
    negatives: Sample,
}

impl Scores {
    /// Takes the scores, in any order; neither side may be empty.
    #[must_use]
    pub const fn new(positives: Sample, negatives: Sample) -> Self {
        Self { positives, negatives }
    }

    /// Takes scores with whether each belongs to what is looked for; there must be both.
    #[must_use]
    pub fn of_pairs<'a>(pairs: impl Iterator<Item = &'a (f64, bool)> + Clone) -> Self {
        let side = |sought: bool| {
            let scores = pairs.clone().filter(move |(_, is_sought)| *is_sought == sought);
            Sample::new(scores.map(|(score, _)| *score))
        };
        Self::new(side(true), side(false))
    }

    /// The chance that a positive's score exceeds a negative's, half of the ties counted: 1/2 for
    /// a score that tells nothing. The standard error is Hanley and McNeil's.
    #[must_use]
    pub fn area(&self) -> Estimate {
        let (n, m) = (count(self.positives.len()), count(self.negatives.len()));
        let negatives = self.negatives.values();
        let beaten = self.positives.values().iter().map(|score| {
            let below = negatives.partition_point(|other| other < score);
            let not_above = negatives.partition_point(|other| other <= score);
            f64::midpoint(count(below), count(not_above))
        });
        let area = beaten.sum::<f64>() / (n * m);
        let (both, twice) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
        let square = area * area;
        let spread = (n - 1.0) * (both - square) + (m - 1.0) * (twice - square);
        let variance = (area * (1.0 - area) + spread) / (n * m);
        Estimate::normal(area, variance.max(0.0).sqrt())
    }

    /// The share of positives above the score that only this share of negatives exceeds. Scores
    /// that tie with it count in proportion, as if a coin decided.
    #[must_use]
    pub fn found_at(&self, false_alarms: f64) -> Estimate {
        let (positives, negatives) = (self.positives.values(), self.negatives.values());
        let allowed = false_alarms * count(negatives.len());
        let threshold = self.negatives.quantile(1.0 - false_alarms);
        let split = |values: &[f64]| {
            let from = values.partition_point(|score| *score < threshold);
            let to = values.partition_point(|score| *score <= threshold);
            (count(values.len() - to), count(to - from))
        };
        let (false_above, false_ties) = split(negatives);
        let (above, ties) = split(positives);
        let part = ((allowed - false_above) / false_ties.max(1.0)).clamp(0.0, 1.0);
        Estimate::share(part.mul_add(ties, above), count(positives.len()))
    }
}

/// Weight of a value for one of two laws: `ln(p(value | one) / p(value | other))`, learnt from
/// samples of both.
#[derive(Clone, Debug)]
pub struct LikelihoodRatio {
    /// Upper ends of all bins but the last.
    ends: Vec<f64>,
    /// Logarithm of the ratio in each bin; one more than `ends`.
    ratios: Vec<f64>,
}

impl LikelihoodRatio {
    /// Learns the ratio in bins that hold equally much of both samples together, with one
    /// observation added to each so that no bin decides alone (Laplace).
    #[must_use]
    pub fn learn(one: &Sample, other: &Sample, bins: usize) -> Self {
        let both = Sample::new(one.values().iter().chain(other.values()).copied());
        let ends = (1..bins).map(|bin| both.quantile(count(bin) / count(bins)));
        let mut ends: Vec<_> = ends.collect();
        ends.dedup();
        let shares = |sample: &Sample| -> Vec<f64> {
            let upto = |end: &f64| sample.len() - sample.beyond(*end);
            let upto: Vec<_> = ends.iter().map(upto).chain([sample.len()]).collect();
            let before = std::iter::once(&0).chain(&upto);
            let all = count(sample.len()) + count(upto.len());
            before.zip(&upto).map(|(from, to)| (count(to - from) + 1.0) / all).collect()
        };
        let ratios = shares(one).into_iter().zip(shares(other)).map(|(a, b)| (a / b).ln());
        Self { ratios: ratios.collect(), ends }
    }

    /// Weight of this value.
    #[must_use]
    pub fn of(&self, value: f64) -> f64 {
        self.ratios[self.ends.partition_point(|end| *end < value)]
    }
}

/// Standard errors on either side of 95 % of a normal distribution.
const NORMAL: f64 = 1.959_963_984_540_054;

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-4
    }

    fn scores(positives: &[f64], negatives: &[f64]) -> Scores {
        Scores::new(Sample::new(positives.iter().copied()), Sample::new(negatives.iter().copied()))
    }

    /// Seven of nine pairs are in order, and one ties.
    #[test]
    fn the_area_counts_pairs_in_order() {
        let area = scores(&[0.9, 0.8, 0.3], &[0.7, 0.3, 0.1]).area();
        assert!(near(area.value, 7.5 / 9.0), "{area:?}");
        let (best, worst) = (scores(&[2.0, 3.0], &[0.0, 1.0]), scores(&[0.0], &[1.0]));
        assert_eq!((best.area().value, worst.area().value), (1.0, 0.0));
    }

    /// The example of Hanley and McNeil 1982, table II: 51 abnormal and 58 normal images rated 1
    /// to 5 have an area of 0.893 with a standard error of 0.032.
    #[test]
    fn the_area_of_the_first_paper_and_its_error() {
        let ratings = |counts: [usize; 5]| {
            let values = [1.0, 2.0, 3.0, 4.0, 5.0].into_iter().zip(counts);
            values.flat_map(|(value, n)| vec![value; n]).collect::<Vec<f64>>()
        };
        let area = scores(&ratings([3, 2, 2, 11, 33]), &ratings([33, 6, 6, 11, 2])).area();
        assert!((area.value - 0.893).abs() < 0.001, "{area:?}");
        assert!(((area.high - area.value) / NORMAL - 0.032).abs() < 0.001, "{area:?}");
    }

    #[test]
    fn what_is_found_at_a_share_of_false_alarms() {
        let negatives: Vec<_> = (0..100).map(f64::from).collect();
        let found = scores(&[98.5, 99.5, 200.0, 3.0], &negatives).found_at(0.01);
        assert!(near(found.value, 0.75), "one negative in a hundred may lie above: {found:?}");
        let ties = scores(&[1.0; 50], &[1.0; 50]).found_at(0.01);
        assert!(near(ties.value, 0.01), "a score that says nothing finds the share: {ties:?}");
    }

    /// Wilson's interval of 8 in 10 (Brown, Cai, DasGupta 2001): 0.490 to 0.943.
    #[test]
    fn shares_have_wilsons_interval() {
        let share = Estimate::share(8.0, 10.0);
        assert!((share.low - 0.4902).abs() < 1e-3 && (share.high - 0.9433).abs() < 1e-3);
        assert!(Estimate::share(0.0, 50.0).low < 1e-12);
    }

    #[test]
    fn a_mean_has_the_interval_of_its_error() {
        let mean = Estimate::mean(&Sample::new((1..=100).map(f64::from)));
        assert!(near(mean.value, 50.5) && near(mean.high - mean.value, NORMAL * 2.901_149));
    }

    #[test]
    fn a_ratio_is_learnt_from_both_samples() {
        let low = Sample::new((0..1_000).map(f64::from));
        let high = Sample::new((500..1_500).map(f64::from));
        let ratio = LikelihoodRatio::learn(&high, &low, 4);
        assert!(ratio.of(100.0) < -3.0 && ratio.of(1_400.0) > 3.0);
        assert!(ratio.of(700.0).abs() < 0.2, "both hold what lies between: {ratio:?}");
    }
}
