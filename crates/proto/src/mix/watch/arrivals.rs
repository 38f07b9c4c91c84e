//! Tests of the packets that each operator brings: do they stop, and do they come all at once then.

use super::alarm::Alarm;

/// Tests of all operators before a mix.
pub(super) struct Arrivals {
    operators: Vec<Operator>,
}

/// What an operator brings, by its own measure.
#[derive(Clone, Default)]
struct Operator {
    /// Periods for which it is watched.
    periods: u32,
    /// Mean of the packets per period, over the last [`MINUTES`] periods or so.
    lately: f64,
    /// The same over the last [`HALF_HOUR`] periods or so.
    long: f64,
    /// Evidence for a tenth of the usual rate. Invariant: `0 <= silence <= SILENCE_LIMIT`.
    silence: f64,
    /// Packets that are missing since the silence began.
    missing: f64,
    /// Periods since then.
    silent_for: u32,
}

impl Arrivals {
    pub(super) fn new(operators: usize) -> Self {
        Self { operators: vec![Operator::default(); operators] }
    }

    /// Goes on with these operators, each with what is known of it by the place that it had.
    pub(super) fn follow(&mut self, had: impl Iterator<Item = Option<usize>>) {
        let known =
            |place: Option<usize>| place.and_then(|place| self.operators.get(place)).cloned();
        self.operators = had.map(|place| known(place).unwrap_or_default()).collect();
    }

    /// Judges the packets of one period, by operator: whether the mix is starved, and whether packets
    /// were held back.
    pub(super) fn judge(&mut self, came: &[u64]) -> [Option<Alarm>; 2] {
        let mut held = false;
        for (operator, packets) in self.operators.iter_mut().zip(came) {
            let packets = float(*packets);
            if operator.periods >= MINUTES {
                held |= operator.judge(packets);
            }
            operator.learn(packets);
        }
        let silence = self.operators.iter().map(|operator| operator.silence);
        let (sum, most) = (silence.clone().sum::<f64>(), silence.fold(0.0, f64::max));
        // Where one operator is all there is, its silence is all there is to see.
        let counted = if self.operators.len() == 1 { sum } else { sum - most };
        let starved = counted >= SILENCE_THRESHOLD;
        if starved {
            self.operators.iter_mut().for_each(Operator::begin_anew);
        }
        [starved.then_some(Alarm::Starved), held.then_some(Alarm::HeldBack)]
    }
}

impl Operator {
    /// Takes the packets of a period into the means.
    fn learn(&mut self, packets: f64) {
        self.periods = self.periods.saturating_add(1);
        self.lately += (packets - self.lately) / f64::from(self.periods.min(MINUTES));
        self.long += (packets - self.long) / f64::from(self.periods.min(HALF_HOUR));
    }

    /// The usual rate: what the last minutes and the last half hour both bear out, so that neither
    /// a slow evening nor the end of a burst looks like silence.
    const fn usual(&self) -> f64 {
        self.lately.min(self.long)
    }

    /// Judges a period's packets; true if those of a gap have come all at once. Of n packets where
    /// r are usual, the likelihood ratio of a tenth of the rate is `10⁻ⁿ · e^(9r/10)`: evidence for an
    /// attack where fewer than two of five come.
    fn judge(&mut self, packets: f64) -> bool {
        let surplus = packets - self.usual();
        let gap = self.silent_for >= GAP_PERIODS && self.missing >= GAP_PACKETS;
        let held = gap && surplus >= self.missing / 2.0;
        if held {
            self.begin_anew();
            return true;
        }
        let evidence = 0.9 * self.usual() - packets * std::f64::consts::LN_10;
        self.silence = (self.silence + evidence).clamp(0.0, SILENCE_LIMIT);
        if self.silence > 0.0 {
            self.silent_for += 1;
            self.missing = (self.missing - surplus).max(0.0);
        } else {
            self.begin_anew();
        }
        false
    }

    fn begin_anew(&mut self) {
        (self.silence, self.missing, self.silent_for) = (0.0, 0.0, 0);
    }
}

#[expect(clippy::cast_precision_loss, reason = "53 bits hold what a mix counts in a period")]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

/// Periods of the shorter mean, for which nothing is judged at first: two minutes by default.
const MINUTES: u32 = 120;
/// Periods of the longer mean.
const HALF_HOUR: u32 = 1_800;
/// Threshold for the silence of all operators but the most silent one: 10⁷ periods in good order,
/// four months by default.
const SILENCE_THRESHOLD: f64 = 16.0;
/// Bound of the evidence for one operator's silence, so that a long one is forgotten within seconds
/// of its end.
const SILENCE_LIMIT: f64 = 40.0;
/// Shortest gap, in periods, whose packets all at once are an alarm: a hold of less passes.
const GAP_PERIODS: u32 = 4;
/// Fewest packets that a gap misses: fewer come together by chance.
const GAP_PACKETS: f64 = 12.0;
