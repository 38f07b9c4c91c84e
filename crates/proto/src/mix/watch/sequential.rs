//! A sequential test of Wald's, restarted at zero as Page's: evidence for an attack adds up, evidence
//! for good order takes away, and never below nothing.

/// Evidence so far. Invariant: `0 <= evidence`.
pub(super) struct Sequential {
    evidence: f64,
    threshold: f64,
}

impl Sequential {
    /// A test that alarms above `threshold`.
    pub(super) const fn new(threshold: f64) -> Self {
        Self { evidence: 0.0, threshold }
    }

    /// Adds the logarithm of a likelihood ratio; true if that makes an alarm, which begins anew.
    pub(super) fn add(&mut self, evidence: f64) -> bool {
        self.evidence = (self.evidence + evidence).max(0.0);
        let alarm = self.evidence >= self.threshold;
        if alarm {
            self.evidence = 0.0;
        }
        alarm
    }
}
