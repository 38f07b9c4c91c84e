//! `rohrpost-adversary attack NAME|all`: what attackers learn, and whether they would learn more if
//! a law of the network were missing (`docs/anonymity.md`).
//!
//! Each attack has a file and knows no other; what it is, is an [`Attack`], and [`ATTACKS`] names
//! all. A new one is a file beside the others with a `pub(super) const ATTACK`, and a line there.

mod acknowledgements;
mod blending;
mod definition;
mod effort;
mod entropy;
mod independence;
mod letters_by_key;
mod outcome;
mod pairing;
mod presence;
mod replayed_envelopes;
mod session_to_mailbox;

use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use rohrpost_measure::output::{say, tell};
use serde_json::json;

use definition::Attack;
use effort::CAN_WEAKEN;
use outcome::{HOW_TO_WEAKEN, Outcome, Setting};

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
    &independence::ATTACK,
    &pairing::ATTACK,
    &session_to_mailbox::ATTACK,
    &letters_by_key::ATTACK,
    &entropy::ATTACK,
    &blending::NOTICE,
    &blending::FLOOD,
    &replayed_envelopes::ATTACK,
    &acknowledgements::ATTACK,
    &presence::ATTACK,
];

/// Attacks and prints; the exit code says whether all limits hold and all weakened builds break.
pub(crate) fn run(options: &Options) -> ExitCode {
    let all = options.name == ALL;
    if all && !CAN_WEAKEN {
        tell(&format!("error: {HOW_TO_WEAKEN}; without them nothing says that an attack works"));
        return ExitCode::from(WRONG_USAGE);
    }
    let chosen = ATTACKS.iter().copied().filter(|attack| match all {
        true => attack.quick || !options.quick,
        false => attack.name == options.name,
    });
    let Options { seed, quick, json, .. } = *options;
    let mut outcomes = Vec::new();
    for attack in chosen {
        let outcome = Outcome::of(attack, Setting { seed, quick, silent: json });
        if !json {
            show(&outcome, all);
        }
        outcomes.push(outcome);
    }
    let holds = outcomes.iter().all(Outcome::holds);
    if json {
        let attacks: Vec<_> = outcomes.iter().map(Outcome::json).collect();
        say(&json!({ "seed": seed, "quick": quick, "holds": holds, "attacks": attacks })
            .to_string());
    }
    ExitCode::from(u8::from(!holds))
}

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

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(ATTACKS.iter().map(|attack| attack.name).chain([ALL]))
}

const ALL: &str = "all";
/// Exit code `EX_USAGE` of sysexits.
pub(crate) const WRONG_USAGE: u8 = 64;

#[cfg(test)]
mod tests;
