//! Definition of an attack: the claim that it tests, who attacks, the number that it gives, and the
//! builds on which it must succeed.

use rohrpost_measure::detection::Estimate;
use rohrpost_proto::weakness::Weakness;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::effort::Effort;

/// An attack on one claim of `docs/threat-model.md`.
pub(crate) struct Attack {
    /// Name on the command line.
    pub(crate) name: &'static str,
    /// The claim that is attacked.
    pub(crate) claim: &'static str,
    /// Who attacks.
    pub(crate) attacker: &'static str,
    /// What the attacker sees.
    pub(crate) sees: &'static str,
    /// What the attacker knows beside it, and does.
    pub(crate) knows: &'static str,
    /// The number, with its unit.
    pub(crate) number: &'static str,
    /// Limit of the number for the claim to hold; `None` where the number is only published.
    pub(crate) limit: Option<Bound>,
    /// True if the attack is part of `--quick`.
    pub(crate) quick: bool,
    /// Attacks, and gives the number.
    pub(crate) run: fn(&Effort<'_>) -> Measured,
    /// Builds that lack the law, on which the attack must succeed.
    pub(crate) weakened: &'static [Weakened],
}

/// A build that lacks a law.
pub(crate) struct Weakened {
    /// The build in words.
    pub(crate) what: &'static str,
    /// The way in which the law is taken back.
    pub(crate) how: How,
    /// Bound that the number must reach with all of its interval, or the attack has not succeeded.
    pub(crate) reaches: Bound,
}

/// The way in which a law is taken back.
pub(crate) enum How {
    /// By a switch of the protocol's own code.
    Law(Weakness),
    /// By several of them together, each of which holds the claim alone.
    Laws(&'static [Weakness]),
    /// By a model of the attack's own.
    Model(fn(&Effort<'_>) -> Measured),
}

impl How {
    /// Laws of the protocol that are taken back.
    pub(crate) const fn laws(&self) -> &[Weakness] {
        match self {
            Self::Law(law) => std::slice::from_ref(law),
            Self::Laws(laws) => laws,
            Self::Model(_) => &[],
        }
    }
}

/// A bound of a number.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// The number that an attack gave.
pub(crate) struct Measured {
    pub(crate) estimate: Estimate,
    /// Other values for scripts and for the report: parts of the number.
    pub(crate) details: Map<String, Value>,
    /// Success against what it costs, where an attack has that; the report draws it.
    pub(crate) curve: Option<Curve>,
}

/// Success of an attack against what it costs: messages, events, time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Curve {
    /// The cost, with its unit.
    pub(crate) over: String,
    /// The success in words.
    pub(crate) gives: String,
    /// Costs, rising, and the successes.
    pub(crate) points: Vec<(f64, Interval)>,
}

/// A number and the interval that holds it in 95 of 100 repetitions, as records have it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Interval {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Bound {
    /// Tells whether the number itself keeps the bound.
    pub(crate) fn holds(self, estimate: Estimate) -> bool {
        match self {
            Self::AtMost(bound) => estimate.value <= bound,
            Self::AtLeast(bound) => estimate.value >= bound,
        }
    }

    /// Tells whether the number keeps the bound with all of its interval.
    pub(crate) fn holds_surely(self, estimate: Estimate) -> bool {
        match self {
            Self::AtMost(bound) => estimate.high <= bound,
            Self::AtLeast(bound) => estimate.low >= bound,
        }
    }

    /// The bound in words.
    pub(crate) fn text(self) -> String {
        match self {
            Self::AtMost(bound) => format!("at most {}", text(bound)),
            Self::AtLeast(bound) => format!("at least {}", text(bound)),
        }
    }
}

impl Measured {
    pub(crate) fn new(estimate: Estimate) -> Self {
        Self { estimate, details: Map::new(), curve: None }
    }

    /// Adds a value for scripts.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Adds the curve of what the attack `gives` by what it costs, the `points` in the order of
    /// their costs.
    pub(crate) fn with_curve(
        mut self,
        over: &str,
        gives: &str,
        points: impl IntoIterator<Item = (f64, Estimate)>,
    ) -> Self {
        let points = points.into_iter().map(|(at, estimate)| (at, estimate.into())).collect();
        self.curve = Some(Curve { over: over.to_owned(), gives: gives.to_owned(), points });
        self
    }
}

impl From<Estimate> for Interval {
    fn from(estimate: Estimate) -> Self {
        let Estimate { value, low, high } = estimate;
        Self { value, low, high }
    }
}

impl Interval {
    /// The number, with its interval if it has one.
    pub(crate) fn text(self) -> String {
        let Self { value, low, high } = self;
        if low.to_bits() == high.to_bits() {
            return text(value);
        }
        format!("{} ({} to {})", text(value), text(low), text(high))
    }
}

/// A number with as many digits as people read.
pub(crate) fn text(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.000_1 => format!("{value:.1e}"),
        size if size < 10.0 => {
            format!("{value:.4}").trim_end_matches('0').trim_end_matches('.').into()
        }
        size if size < 1_000.0 => format!("{value:.1}"),
        _ => rohrpost_measure::report::number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_judged_by_the_number_and_a_success_by_its_interval() {
        let estimate = Estimate { value: 0.51, low: 0.49, high: 0.53 };
        assert!(Bound::AtMost(0.52).holds(estimate) && !Bound::AtMost(0.50).holds(estimate));
        assert!(!Bound::AtMost(0.52).holds_surely(estimate));
        assert!(Bound::AtLeast(0.49).holds_surely(estimate));
        assert!(!Bound::AtLeast(0.5).holds_surely(estimate));
    }

    #[test]
    fn numbers_have_the_digits_that_people_read() {
        let cases =
            [(0.0, "0"), (0.02, "0.02"), (3e-9, "3.0e-9"), (120.0, "120.0"), (9e3, "9 000")];
        cases.into_iter().for_each(|(value, wanted)| assert_eq!(text(value), wanted));
    }
}
