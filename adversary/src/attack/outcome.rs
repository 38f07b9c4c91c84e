//! Outcome of an attack: the number on the law and on the builds that lack it, held against their
//! bounds; shown as a table or as JSON.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use rohrpost_measure::progress;

use super::definition::{Attack, Bound, How, Interval, Measured, Weakened};
use super::effort::{CAN_WEAKEN, Effort};
use super::record::{Build, Found, Record};

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
        let attempt = |what: &str, weaknesses, run: fn(&Effort<'_>) -> Measured| {
            let bar = progress::bar(silent, 0, progress::BAR);
            bar.set_message(format!("{}: {what}", attack.name));
            let measured = run(&Effort { seed, quick, weaknesses, bar: &bar });
            ProgressBar::finish_and_clear(&bar);
            measured
        };
        let found = attempt("the law", &[], attack.run);
        let weakened = attack.weakened.iter().map(|weakened| {
            let measured = match weakened.how {
                How::Model(run) => Some(attempt(weakened.what, &[], run)),
                _ if !CAN_WEAKEN => None,
                _ => Some(attempt(weakened.what, weakened.how.laws(), attack.run)),
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
        let limit = attack.limit.map_or_else(|| UNDEFENDED.to_owned(), Bound::text);
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
    pub(crate) fn record(&self) -> Record {
        let Self { attack, found, took, .. } = self;
        let weakened = self.weakened.iter().map(|(weakened, found)| Build {
            build: weakened.what.into(),
            must_be: weakened.reaches,
            found: found.as_ref().map(Found::of),
            broken: found.as_ref().map(|found| broken(weakened, found)),
        });
        Record {
            name: attack.name.into(),
            claim: attack.claim.into(),
            attacker: attack.attacker.into(),
            sees: attack.sees.into(),
            knows: attack.knows.into(),
            number: attack.number.into(),
            found: Found::of(found),
            limit: attack.limit,
            limit_holds: self.limit_holds(),
            weakened: weakened.collect(),
            holds: self.holds(),
            seconds: took.as_secs_f64(),
        }
    }
}

fn broken(weakened: &Weakened, found: &Measured) -> bool {
    weakened.reaches.holds_surely(found.estimate)
}

fn number(measured: &Measured) -> String {
    Interval::from(measured.estimate).text()
}

/// Limit of a number that is published and not defended.
pub(crate) const UNDEFENDED: &str = "none: published, not defended";
/// How to run the attacks on builds that lack a law.
pub(crate) const HOW_TO_WEAKEN: &str = "builds that lack a law need the feature danger-weaken; \
    `cargo adversary attack NAME` has it";
