//! `rohrpost-adversary`: what attackers learn, from the wire or by statistics.

mod attack;
mod wire;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rohrpost_localnet::end;

/// Tells what attackers learn.
///
/// Exit codes: 0 done, 1 a verdict does not hold, 2 the command line is wrong, 65 a file is not
/// what it should be, 66 a file cannot be read.
#[derive(Parser)]
#[command(name = "rohrpost-adversary", version = rohrpost_node::version())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell what an observer of the links sees in a capture: lengths, times, counts.
    Wire(wire::Options),
    /// Attack the anonymity of the traffic's schedule by statistics.
    #[command(subcommand)]
    Attack(attack::Attack),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Wire(options) => end(wire::run(&options), |error| error.exit_code()),
        Command::Attack(attack) => attack::run(&attack),
    }
}
