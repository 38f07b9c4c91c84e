//! `rohrpost-adversary attack NAME|all`: what attackers learn, and whether they would learn more if
//! a law of the network were missing (`docs/anonymity.md`).
//!
//! Each attack has a file and knows no other; what it is, is an [`Attack`], and [`ATTACKS`] names
//! all. A new one is a file beside the others with a `pub(super) const ATTACK`, and a line there.

mod acknowledgements;
mod blending;
mod collusion;
mod crafted_documents;
mod definition;
mod dropping;
mod effort;
mod entropy;
mod flow;
mod held_up;
mod idle_or_busy;
mod independence;
mod letters_by_key;
mod letters_by_time;
mod outcome;
mod pairing;
mod presence;
mod record;
mod replayed_envelopes;
mod replies;
mod sending_by_loops;
mod session_by_mixes;
mod session_to_mailbox;
mod shrunken_view;

use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use rohrpost_measure::output::{say, tell};

use definition::Attack;
use effort::CAN_WEAKEN;
use outcome::HOW_TO_WEAKEN;

pub(crate) use definition::{Bound, Interval, text};
pub(crate) use outcome::{Outcome, Setting, UNDEFENDED};
pub(crate) use record::{Record, Run};

/// Options of `rohrpost-adversary attack`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Attack to make, or `all` of them.
    #[arg(value_name = "NAME", value_parser = names())]
    name: String,
    /// Only what fits two minutes on two cores, with fewer trials.
    #[arg(long)]
    quick: bool,
    /// Makes the same trials again.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Print one JSON object on standard output instead of text.
    #[arg(long)]
    json: bool,
}

/// All attacks, in the order of the claims of `docs/threat-model.md`.
const ATTACKS: &[&Attack] = &[
    &idle_or_busy::ATTACK,
    &independence::ATTACK,
    &pairing::ATTACK,
    &session_by_mixes::ATTACK,
    &session_to_mailbox::ATTACK,
    &letters_by_key::ATTACK,
    &letters_by_time::BY_TIME,
    &letters_by_time::BY_COUNT,
    &sending_by_loops::ATTACK,
    &entropy::ATTACK,
    &blending::NOTICE,
    &blending::FLOOD,
    &dropping::AGES,
    &dropping::HALF,
    &replayed_envelopes::ATTACK,
    &acknowledgements::ATTACK,
    &presence::ATTACK,
    &flow::OBSERVER,
    &flow::COALITION,
    &held_up::ATTACK,
    &replies::ATTACK,
    &collusion::ATTACK,
    &shrunken_view::ATTACK,
    &crafted_documents::MIX,
    &crafted_documents::CLIENT,
];

/// Attacks and prints; the exit code says whether all limits hold and all weakened builds break.
pub(crate) fn run(options: &Options) -> ExitCode {
    let Options { seed, quick, json, .. } = *options;
    let setting = Setting { seed, quick, silent: json };
    let each = |outcome: &Outcome| {
        if !json {
            show(outcome, options.name == ALL);
        }
    };
    let run = match options.name.as_str() {
        ALL => all(setting, each),
        name => Ok(attempt(setting, |attack| attack.name == name, each)),
    };
    let run = match run {
        Ok(run) => run,
        Err(Unweakened) => {
            tell(&format!("error: {Unweakened}"));
            return ExitCode::from(rohrpost_localnet::WRONG_USAGE);
        }
    };
    if json {
        say(&serde_json::json!(run).to_string());
    }
    ExitCode::from(u8::from(!run.holds))
}

/// Makes all attacks, or those that are quick.
///
/// # Errors
/// This program cannot take laws back.
pub(crate) fn all(setting: Setting, each: impl Fn(&Outcome)) -> Result<Run, Unweakened> {
    if !CAN_WEAKEN {
        return Err(Unweakened);
    }
    Ok(attempt(setting, |attack| attack.quick || !setting.quick, each))
}

fn attempt(setting: Setting, chosen: impl Fn(&Attack) -> bool, each: impl Fn(&Outcome)) -> Run {
    let record = |attack| {
        let outcome = Outcome::of(attack, setting);
        each(&outcome);
        outcome.record()
    };
    let records = ATTACKS.iter().copied().filter(|attack| chosen(attack)).map(record).collect();
    Run::today(setting.seed, setting.quick, records)
}

/// The program takes no laws back, so nothing would say that an attack works.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{HOW_TO_WEAKEN}; without them nothing says that an attack works")]
pub(crate) struct Unweakened;

/// Prints an outcome; alone, with who attacked and what he saw.
fn show(outcome: &Outcome, brief: bool) {
    let attack = outcome.attack;
    if !brief {
        for (name, text) in [
            ("claim", attack.claim),
            ("attacker", attack.attacker),
            ("sees", attack.sees),
            ("knows", attack.knows),
        ] {
            say(&format!("{name:9} {text}"));
        }
        say("");
    }
    outcome.lines().iter().for_each(|line| say(line));
}

/// Prints an outcome among others.
pub(crate) fn show_briefly(outcome: &Outcome) {
    show(outcome, true);
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(ATTACKS.iter().map(|attack| attack.name).chain([ALL]))
}

const ALL: &str = "all";

/// Names of all attacks.
#[cfg(test)]
pub(crate) fn attack_names() -> impl Iterator<Item = &'static str> {
    ATTACKS.iter().map(|attack| attack.name)
}

#[cfg(test)]
mod tests;
