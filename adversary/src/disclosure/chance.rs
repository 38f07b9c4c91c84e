//! Distance by which Alice must be ahead, when scores are sums of many small parts and so near
//! normal.

use rohrpost_measure::statistics::count;

/// The distance in standard deviations at which one normal score exceeds `others` of mean zero with
/// this chance: the root of `∫ φ(x - d) Φ(x)^others dx = chance`.
pub(super) fn distance(others: usize, chance: f64) -> f64 {
    let (mut low, mut high) = (0.0, 20.0);
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if ahead(count(others), middle) < chance {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The chance to be ahead of all others at this distance.
fn ahead(others: f64, distance: f64) -> f64 {
    let (mut below, mut ahead) = (0.0, 0.0);
    let mut x = -8.0;
    while x < distance + 8.0 {
        below += density(x + STEP / 2.0) * STEP;
        x += STEP;
        ahead += density(x - distance) * below.min(1.0).powf(others) * STEP;
    }
    ahead
}

fn density(x: f64) -> f64 {
    (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt()
}

const STEP: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_scores_differ_by_a_normal_of_variance_two() {
        assert!((distance(1, 0.95) - 1.644_854 * 2.0_f64.sqrt()).abs() < 0.01);
    }

    /// The greatest of 99 lies at 2.50 with deviation 0.43 (tables of normal order statistics).
    #[test]
    fn a_hundred_ask_for_more() {
        let distance = distance(99, 0.95);
        assert!((4.15..4.4).contains(&distance), "{distance}");
    }
}
