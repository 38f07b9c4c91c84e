//! Independence of two things that were counted together: Pearson's chi-square test.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::statistics::{count, float};

/// Outcome of a chi-square test.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ChiSquare {
    /// The sum over all cells of the squared difference from what is expected, over that.
    pub statistic: f64,
    /// Degrees of freedom of the table.
    pub degrees: f64,
    /// The chance of a statistic at least as large where the law holds.
    pub p: f64,
}

impl ChiSquare {
    /// Tests whether rows and columns of a table of counts are independent. Rows and columns
    /// without a count say nothing and are left out; with fewer than two of either, `p` is 1.
    #[must_use]
    pub fn independence(table: &[Vec<u64>]) -> Self {
        let sum = |row: &Vec<u64>| row.iter().sum::<u64>();
        let width = table.iter().map(Vec::len).max().unwrap_or(0);
        let column = |at: usize| table.iter().filter_map(|row| row.get(at)).sum::<u64>();
        let columns: Vec<_> = (0..width).map(column).collect();
        let all = float(columns.iter().sum());
        let mut statistic = 0.0;
        for row in table.iter().filter(|row| sum(row) > 0) {
            for (at, total) in columns.iter().enumerate().filter(|(_, total)| **total > 0) {
                let expected = float(sum(row)) * float(*total) / all;
                let found = float(row.get(at).copied().unwrap_or(0));
                statistic += (found - expected).powi(2) / expected;
            }
        }
        let used =
            |totals: &mut dyn Iterator<Item = u64>| totals.filter(|total| *total > 0).count();
        let rows = used(&mut table.iter().map(sum));
        let columns = used(&mut columns.iter().copied());
        Self::of(statistic, count(rows.saturating_sub(1)) * count(columns.saturating_sub(1)))
    }

    /// Tests counts against these shares, which add up to one.
    #[must_use]
    pub fn fit(counts: &[u64], shares: &[f64]) -> Self {
        let all = float(counts.iter().sum());
        let part = |(found, share): (&u64, &f64)| {
            let expected = all * share;
            (float(*found) - expected).powi(2) / expected
        };
        let statistic = counts.iter().zip(shares).map(part).sum();
        Self::of(statistic, count(counts.len().saturating_sub(1)))
    }

    fn of(statistic: f64, degrees: f64) -> Self {
        // There is no distribution without a degree of freedom, and nothing to reject.
        let p = ChiSquared::new(degrees).map_or(1.0, |law| law.sf(statistic));
        Self { statistic, degrees, p }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles of the table in every textbook: 5 % at 3.841 for one degree, 11.070 for five;
    /// 0.1 % at 10.828 for one.
    #[test]
    fn chances_are_those_of_the_table() {
        for (statistic, degrees, p) in
            [(3.841, 1.0, 0.05), (11.070, 5.0, 0.05), (10.828, 1.0, 0.001)]
        {
            let found = ChiSquare::of(statistic, degrees).p;
            assert!((found - p).abs() < p * 1e-3, "{statistic} {degrees}: {found}");
        }
    }

    /// Fisher's own kind of table: 10 20 / 30 40 has a statistic of 0.794 (1 degree), p 0.373.
    #[test]
    fn a_table_of_four_is_tested() {
        let found = ChiSquare::independence(&[vec![10, 20], vec![30, 40]]);
        assert!((found.statistic - 0.793_65).abs() < 1e-4, "{found:?}");
        assert!((found.p - 0.373).abs() < 1e-3, "{found:?}");
    }

    #[test]
    fn what_was_never_counted_says_nothing() {
        let found = ChiSquare::independence(&[vec![10, 0, 20], vec![0, 0, 0], vec![30, 0, 40]]);
        assert_eq!(found, ChiSquare::independence(&[vec![10, 20], vec![30, 40]]));
        assert_eq!(ChiSquare::independence(&[vec![5, 7]]).p, 1.0);
        assert_eq!(ChiSquare::independence(&[]).p, 1.0);
    }

    /// Mendel's peas: 315, 108, 101, 32 at 9:3:3:1 have a statistic of 0.470, p 0.925.
    #[test]
    fn counts_are_held_against_shares() {
        let shares = [9.0, 3.0, 3.0, 1.0].map(|share| share / 16.0);
        let found = ChiSquare::fit(&[315, 108, 101, 32], &shares);
        assert!((found.statistic - 0.470).abs() < 1e-3, "{found:?}");
        assert!((found.p - 0.925).abs() < 1e-3, "{found:?}");
    }
}
