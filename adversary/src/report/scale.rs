//! Scale of an axis: values to places, and the marks that people read.

/// An axis, linear or logarithmic.
pub(super) struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Places of `low` and `high`.
    from: f64,
    to: f64,
}

impl Scale {
    /// A scale that holds all these values: logarithmic if those above zero differ by more than a
    /// factor of twenty, else from zero on. Zero lies at the low end of either.
    pub(super) fn over(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite() && *value > 0.0);
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in finite {
            (low, high) = (low.min(value), high.max(value));
        }
        if high == 0.0 {
            return Self { low: 0.0, high: 1.0, logarithmic: false, from, to };
        }
        if high / low > WIDE {
            let low = 10_f64.powf((low.max(high * FLOOR)).log10().floor());
            return Self { low, high: high * 1.1, logarithmic: true, from, to };
        }
        Self { low: 0.0, high: high * 1.05, logarithmic: false, from, to }
    }

    /// Place of a value; what lies outside is put at the end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Values to mark, rising; at most a dozen.
    pub(super) fn marks(&self) -> Vec<f64> {
        if !self.logarithmic {
            let rough = self.high / 6.0;
            let unit = 10_f64.powf(rough.log10().floor());
            let step = unit * ROUND.into_iter().find(|step| step * unit >= rough).unwrap_or(10.0);
            let marks = std::iter::successors(Some(0.0), |mark| Some(mark + step));
            return marks.take_while(|mark| *mark <= self.high).collect();
        }
        let decades = (self.high / self.low).log10();
        let step = if decades > 8.0 { 100.0 } else { 10.0 };
        let tens = std::iter::successors(Some(self.low), |mark| Some(mark * step));
        let tens = tens.take_while(|mark| *mark <= self.high * 1.001);
        let between: &[f64] = if decades < 2.5 { &ROUND[..3] } else { &ROUND[..1] };
        let marks = tens.flat_map(|ten| between.iter().map(move |times| times * ten));
        marks.filter(|mark| *mark <= self.high).collect()
    }
}

/// Steps that people count in.
const ROUND: [f64; 4] = [1.0, 2.0, 5.0, 10.0];
/// Factor between values from which on a scale is logarithmic.
const WIDE: f64 = 20.0;
/// Part of the highest value below which a logarithmic scale ends.
const FLOOR: f64 = 1e-12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_values_are_drawn_from_zero_and_far_ones_by_decades() {
        let near = Scale::over([0.2, 1.0], 0.0, 105.0);
        assert!((near.at(0.5) - 50.0).abs() < 1e-9 && near.at(0.0) == 0.0);
        assert_eq!(near.marks().len(), 6, "{:?}", near.marks());
        let far = Scale::over([1.0, 1_000.0], 0.0, 100.0);
        assert!((far.at(1_000.0) - far.at(100.0) - far.at(10.0)).abs() < 1e-9);
        assert_eq!(far.marks(), [1.0, 10.0, 100.0, 1_000.0]);
    }

    #[test]
    fn values_without_a_place_are_put_at_the_end() {
        let scale = Scale::over([f64::INFINITY, f64::NAN, 1e-3, 1.0], 0.0, 100.0);
        assert!(scale.at(0.0) == 0.0 && (scale.at(f64::INFINITY) - 100.0).abs() < 1e-9);
        assert!(Scale::over([0.0, 0.0], 0.0, 100.0).marks().len() > 1);
    }
}
