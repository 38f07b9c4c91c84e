//! Histograms of a metrics page: counts at or below rising bounds, the last bound infinite.

/// A Prometheus histogram: bound and count of values up to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram(Vec<(f64, f64)>);

impl Histogram {
    /// A histogram of these buckets, in any order; counts are cumulative.
    #[must_use]
    pub fn new(mut buckets: Vec<(f64, f64)>) -> Self {
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        Self(buckets)
    }

    /// Counts since an earlier reading of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |place: usize| earlier.0.get(place).map_or(0.0, |(_, count)| *count);
        let place = |(place, (bound, count)): (usize, &(f64, f64))| (*bound, count - before(place));
        Self(self.0.iter().enumerate().map(place).collect())
    }

    /// Adds the counts of a histogram with the same bounds.
    pub fn add(&mut self, other: &Self) {
        if self.0.is_empty() {
            self.clone_from(other);
            return;
        }
        for ((_, count), (_, more)) in self.0.iter_mut().zip(&other.0) {
            *count += more;
        }
    }

    /// The value below which this share of all values lies, evenly spread within a bucket. None of
    /// an empty histogram; the last finite bound if the value lies beyond that.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = self.wanted(share)?;
        let (mut bound_below, mut count_below) = (0.0, 0.0);
        for (bound, count) in self.0.iter().filter(|(bound, _)| bound.is_finite()) {
            if *count >= wanted {
                let within = (wanted - count_below) / (count - count_below).max(f64::MIN_POSITIVE);
                return Some(bound_below + (bound - bound_below) * within);
            }
            (bound_below, count_below) = (*bound, *count);
        }
        Some(bound_below)
    }

    /// An upper bound of the same value: the bound of the bucket in which it lies. None of an empty
    /// histogram.
    #[must_use]
    pub fn quantile_at_most(&self, share: f64) -> Option<f64> {
        let wanted = self.wanted(share)?;
        self.0.iter().find(|(_, count)| *count >= wanted).map(|(bound, _)| *bound)
    }

    /// Number of values that this share of all is; none of an empty histogram.
    fn wanted(&self, share: f64) -> Option<f64> {
        self.0.last().map(|(_, all)| *all).filter(|all| *all > 0.0).map(|all| all * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_within_their_bucket() {
        let buckets = Histogram::new(vec![(0.001, 90.0), (0.002, 95.0), (f64::INFINITY, 100.0)]);
        let quantile = |share| buckets.quantile(share).unwrap();
        assert!((quantile(0.45) - 0.0005).abs() < 1e-9);
        assert!((quantile(0.92) - 0.0014).abs() < 1e-9);
        assert!((quantile(0.99) - 0.002).abs() < 1e-9, "no more than the last bound is known");
        assert_eq!(Histogram::new(vec![(0.001, 0.0)]).quantile(0.5), None);
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn a_histograms_quantile_is_its_buckets_bound() {
        let buckets = [(0.001, 60.0), (0.005, 98.0), (0.01, 100.0), (f64::INFINITY, 100.0)];
        let buckets = Histogram::new(buckets.to_vec());
        assert_eq!(buckets.quantile_at_most(0.5), Some(0.001));
        assert_eq!(buckets.quantile_at_most(0.99), Some(0.01));
        assert_eq!(Histogram::new(vec![(0.001, 0.0)]).quantile_at_most(0.5), None);
    }

    #[test]
    fn histograms_are_added_bound_by_bound() {
        let mut sum = Histogram::default();
        sum.add(&Histogram::new(vec![(0.001, 1.0), (f64::INFINITY, 2.0)]));
        sum.add(&Histogram::new(vec![(0.001, 3.0), (f64::INFINITY, 5.0)]));
        assert_eq!(sum, Histogram::new(vec![(0.001, 4.0), (f64::INFINITY, 7.0)]));
    }
}
