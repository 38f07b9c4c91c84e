//! Content of the page, whatever its format: rows of the threat model with the records of a run.

use super::claims::{COALITIONS, Coalition, ROWS, Row};
use crate::attack::{Bound, Record, Run, UNDEFENDED};

/// Judgement on an attack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Judgement {
    /// The limit holds, and every build without the law was broken.
    Holds,
    /// The number is beyond its limit.
    Fails,
    /// The attack did not succeed on a build without the law, so it shows nothing.
    ShowsNothing,
    /// The number has no limit.
    Published,
    /// The limit holds, but no build without the law was tried.
    Untried,
}

impl Judgement {
    pub(super) fn of(record: &Record) -> Self {
        let broken = |wanted| record.weakened.iter().any(|build| build.broken == Some(wanted));
        match record.limit {
            _ if !record.limit_holds => Self::Fails,
            _ if broken(false) => Self::ShowsNothing,
            None => Self::Published,
            Some(_) if broken(true) => Self::Holds,
            Some(_) => Self::Untried,
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "FAILS: the number is beyond its limit",
            Self::ShowsNothing => "SHOWS NOTHING: a build without the law stands",
            Self::Published => "published, not defended",
            Self::Untried => "holds, but untried on builds without the law",
        }
    }

    /// True if this spoils the run.
    pub(super) const fn is_bad(self) -> bool {
        matches!(self, Self::Fails | Self::ShowsNothing)
    }
}

/// Title of the page.
pub(super) const TITLE: &str = "What attackers learn";

/// Lines at the head: the run.
pub(super) fn head(run: &Run) -> [String; 2] {
    let Run { version, date, seed, quick, .. } = run;
    let size = if *quick { "quick run" } else { "full run" };
    let verdict = match run.holds {
        true => "Every limit holds, and every build without a law was broken.",
        false => "Not every limit holds, or an attack does not find what it should.",
    };
    [format!("Revision {version}. {date}, {size}, seed {seed}."), verdict.to_owned()]
}

/// Rows of the threat model with the records that attack each; what no row names comes last.
pub(super) fn rows(run: &Run) -> Vec<(&'static Row, Vec<&Record>)> {
    let named =
        |names: &[&str]| -> Vec<_> { names.iter().filter_map(|name| find(run, name)).collect() };
    let mut rows: Vec<_> = ROWS.iter().map(|row| (row, named(row.attacks))).collect();
    let placed = |record: &&Record| ROWS.iter().any(|row| row.attacks.contains(&&*record.name));
    let others: Vec<_> = run.attacks.iter().filter(|record| !placed(record)).collect();
    if !others.is_empty() {
        rows.push((&OTHERS, others));
    }
    rows
}

/// Coalitions with the records that say how much each learns.
pub(super) fn coalitions(run: &Run) -> Vec<(&'static Coalition, Vec<&Record>)> {
    let records = |coalition: &Coalition| {
        coalition.attacks.iter().filter_map(|name| find(run, name)).collect()
    };
    COALITIONS.iter().map(|coalition| (coalition, records(coalition))).collect()
}

/// The limit in words.
pub(super) fn limit(record: &Record) -> String {
    record.limit.map_or_else(|| UNDEFENDED.to_owned(), Bound::text)
}

/// The number with its interval, after what it counts.
pub(super) fn number(record: &Record) -> String {
    format!("{}: {}", record.number, record.found.interval.text())
}

fn find<'a>(run: &'a Run, name: &str) -> Option<&'a Record> {
    run.attacks.iter().find(|record| record.name == name)
}

/// Said of a row without an attack in the run.
pub(super) const NO_ATTACK: &str =
    "No attack of this run. Tests are named in docs/threat-model.md.";
/// Said of a coalition without an attack in the run.
pub(super) const NO_NUMBER: &str = "not measured in this run";
/// Said before the builds.
pub(super) const LEGEND: &str = "In each plot the shaded side of a limit is where a number should \
    lie: on the law by the claim, on a build that lacks the law because the attack must succeed \
    there. Bars are intervals that hold the number in 95 of 100 repetitions.";

const OTHERS: Row =
    Row { adversary: "Others", may_learn: "What the claims of these attacks say.", attacks: &[] };
