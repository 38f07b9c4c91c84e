//! Outcome of an attack: the number on the law and on the builds that lack it, held against their
//! bounds; shown as a table or as JSON.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use rohrpost_measure::progress;
use serde_json::{Value, json};

use super::definition::{Attack, Bound, How, Measured, Weakened, text};
use super::effort::{CAN_WEAKEN, Effort};

/// Setting that all attacks of a run share.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) quick: bool,
    /// True if no progress is shown.
    pub(crate) silent: bool,
}

/// What came of an attack.
pub(crate) struct Outcome {
    pub(crate) attack: &'static Attack,
    /// The number on the law.
    pub(crate) found: Measured,
    /// The numbers on the builds that lack it; `None` where this program cannot take the law back.
    pub(crate) weakened: Vec<(&'static Weakened, Option<Measured>)>,
    pub(crate) took: Duration,
}

impl Outcome {
    /// Attacks the law, and then each build that lacks it.
    pub(crate) fn of(attack: &'static Attack, setting: Setting) -> Self {
        let begun = Instant::now();
        let Setting { seed, quick, silent } = setting;
        let attempt = |what: &str, weakness, run: fn(&Effort<'_>) -> Measured| {
            let bar = progress::bar(silent, 0, progress::BAR);
            bar.set_message(format!("{}: {what}", attack.name));
            let measured = run(&Effort { seed, quick, weakness, bar: &bar });
            ProgressBar::finish_and_clear(&bar);
            measured
        };
        let found = attempt("the law", None, attack.run);
        let weakened = attack.weakened.iter().map(|weakened| {
            let measured = match weakened.how {
                How::Law(_) if !CAN_WEAKEN => None,
                How::Law(weakness) => Some(attempt(weakened.what, Some(weakness), attack.run)),
                How::Model(run) => Some(attempt(weakened.what, None, run)),
            };
            (weakened, measured)
        });
        let weakened = weakened.collect();
        Self { attack, found, weakened, took: begun.elapsed() }
    }

    /// True if the number keeps its limit.
    pub(crate) fn limit_holds(&self) -> bool {
        self.attack.limit.is_none_or(|limit| limit.holds(self.found.estimate))
    }

    /// True if the attack succeeded on every build without the law that was tried.
    pub(crate) fn breaks_weakened(&self) -> bool {
        let mut tried = self.weakened.iter();
        tried.all(|(weakened, found)| found.as_ref().is_none_or(|found| broken(weakened, found)))
    }

    /// True if the claim holds and the attack would have found a fault.
    pub(crate) fn holds(&self) -> bool {
        self.limit_holds() && self.breaks_weakened()
    }

    /// Lines for people: the number on the law, then on each build without it.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Self { attack, found, .. } = self;
        let limit = attack.limit.map_or_else(|| "none: published".to_owned(), Bound::text);
        let word = match (attack.limit, self.limit_holds()) {
            (None, _) => "states",
            (_, true) => "holds",
            (_, false) => "FAILS",
        };
        let mut lines = vec![format!(
            "{word:6}  {}: {} {} (limit: {limit})",
            attack.name,
            attack.number,
            number(found)
        )];
        for (weakened, found) in &self.weakened {
            let Some(found) = found else {
                lines.push(format!("        {} was not tried: {HOW_TO_WEAKEN}", weakened.what));
                continue;
            };
            let word = if broken(weakened, found) { "broken" } else { "STANDS" };
            let (what, found) = (weakened.what, number(found));
            lines
                .push(format!("{word:6}  - {what}: {found} (must be {})", weakened.reaches.text()));
        }
        lines
    }

    /// All that is known, for scripts and for the report.
    pub(crate) fn json(&self) -> Value {
        let Self { attack, found, took, .. } = self;
        let weakened = self.weakened.iter().map(|(weakened, found)| {
            json!({
                "build": weakened.what,
                "must_be": weakened.reaches.text(),
                "found": found.as_ref().map(measured),
                "broken": found.as_ref().map(|found| broken(weakened, found)),
            })
        });
        json!({
            "name": attack.name,
            "claim": attack.claim,
            "attacker": attack.attacker,
            "sees": attack.sees,
            "knows": attack.knows,
            "number": attack.number,
            "found": measured(found),
            "limit": attack.limit.map(Bound::text),
            "limit_holds": self.limit_holds(),
            "weakened": weakened.collect::<Vec<_>>(),
            "holds": self.holds(),
            "seconds": took.as_secs_f64(),
        })
    }
}

fn broken(weakened: &Weakened, found: &Measured) -> bool {
    weakened.reaches.holds_surely(found.estimate)
}

fn number(measured: &Measured) -> String {
    let estimate = measured.estimate;
    if estimate.low == estimate.high {
        return text(estimate.value);
    }
    format!("{} ({} to {})", text(estimate.value), text(estimate.low), text(estimate.high))
}

fn measured(measured: &Measured) -> Value {
    let estimate = measured.estimate;
    let mut all = measured.details.clone();
    all.insert("value".into(), estimate.value.into());
    all.insert("low".into(), estimate.low.into());
    all.insert("high".into(), estimate.high.into());
    Value::Object(all)
}

/// How to run the attacks on builds that lack a law.
pub(crate) const HOW_TO_WEAKEN: &str = "builds that lack a law need the feature danger-weaken; \
    `cargo adversary attack NAME` has it";
