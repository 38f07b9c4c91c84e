//! The work of a hop and of a sender by Rohrpost, sphinx-packet and nym-outfox, measured side by
//! side in one process. `docs/benchmarks.md` says how to read the result.

mod contender;
mod measure;
mod report;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::contender::{Broken, Contender, outfox, rohrpost, sphinx};

/// Compares packet formats: unwrapping at a hop and building at a sender.
///
/// Each contender first carries a message through all its hops; then every round takes one sample
/// of every contender on one thread. The fastest round is what the code costs, the median what
/// this machine gave it. Run it on a quiet machine, built with `--release`.
#[derive(Parser)]
#[command(after_help = "Exit status: 0 done; 1 a target is missed (--check); \
    64 wrong usage; 70 a contender does not carry its message; 74 the result cannot be written.")]
struct Arguments {
    /// Rounds; a comparison needs at least 20.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(20..))]
    rounds: u16,
    /// Length of a sample.
    #[arg(long, value_name = "MS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    sample: u16,
    /// Fails unless unwrapping is at least 2.8 times (classic) and 1.6 times (hybrid) as fast as
    /// sphinx-packet's `process`, by the fastest rounds.
    #[arg(long)]
    check: bool,
    /// Prints an object for scripts instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let usage = error.use_stderr();
            let _ = error.print();
            return ExitCode::from(if usage { 64 } else { 0 });
        }
    };
    let contenders = match contenders() {
        Ok(contenders) => contenders,
        Err(Broken(name, error)) => {
            complain(&format!("{name} does not carry its message, so nothing was timed: {error}"));
            return ExitCode::from(70);
        }
    };
    run(&arguments, contenders)
}

fn contenders() -> Result<Vec<Contender>, Broken> {
    let mut all = rohrpost::contenders()?;
    all.extend(sphinx::contenders()?);
    all.extend(outfox::contenders()?);
    Ok(all)
}

fn run(arguments: &Arguments, contenders: Vec<Contender>) -> ExitCode {
    let rounds = usize::from(arguments.rounds);
    let sample = Duration::from_millis(arguments.sample.into());
    let timings = measure::measure(contenders, rounds, sample);
    let ratios = report::ratios(&timings);
    let mut out = io::stdout().lock();
    let written = if arguments.json {
        let object = report::object(rounds, &timings, &ratios);
        writeln!(out, "{object:#}")
    } else {
        report::table(&mut out, rounds, &timings, &ratios)
    };
    if let Err(error) = written {
        complain(&format!("cannot write the result: {error}"));
        return ExitCode::from(74);
    }
    let mut missed = ratios.iter().filter(|ratio| arguments.check && !ratio.is_met()).peekable();
    let code = ExitCode::from(u8::from(missed.peek().is_some()));
    for ratio in missed {
        complain(&format!(
            "unwrapping in the suite {} is {:.2} times as fast as sphinx-packet's process, and the \
             target is {}: repeat on a quiet machine, then look at the stages with \
             `cargo bench -p rohrpost-packet`",
            ratio.suite, ratio.fastest, ratio.target
        ));
    }
    code
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "bench-peers: {text}");
}
