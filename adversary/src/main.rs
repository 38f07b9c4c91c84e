//! `rohrpost-adversary`: what attackers learn, from the wire or by statistics.

mod attack;
mod cells;
mod disclosure;
mod pulls;
mod report;
mod wire;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rohrpost_localnet::arguments;

/// Tells what attackers learn.
///
/// Exit codes: 0 done, 1 a verdict does not hold, 64 wrong usage, 65 a file is not what it should
/// be, 66 a file cannot be read.
#[derive(Parser)]
#[command(name = "rohrpost-adversary", version = rohrpost_node::version())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell what an observer of the links sees in a capture: lengths, times, counts.
    ///
    /// For each client, pulls are held against the cells of odd slots, and letters against cover,
    /// by when cells leave: the area under the curve must be at most 0.55, which takes ten minutes
    /// to judge.
    ///
    /// Exit codes: 0 done, 1 something tells what it must not, 65 a file is not what it should be,
    /// 66 a file cannot be read. Cells far off the grid alone are the host's noise, and end in 0.
    Wire(wire::Options),
    /// Attack a claim of the threat model, and the builds that lack the law behind it.
    ///
    /// Each attack gives a number, held against a limit. Then it must succeed on builds that lack
    /// the law, or it would show nothing. Those need the feature danger-weaken, which
    /// `cargo adversary` sets; `all` is refused without it.
    ///
    /// Exit codes: 0 all limits hold and all builds without a law are broken, 1 not, 64 wrong usage.
    Attack(attack::Options),
    /// Make all attacks, and write one page with their numbers, limits and verdicts.
    ///
    /// Written are report.html, one file that loads nothing, report.md with its plots, and
    /// report.json.
    ///
    /// Exit codes: those of `attack all`, 65 a file is no run, 66 it cannot be read, 73 a page
    /// cannot be written.
    Report(report::Options),
    /// Two mailbox relays collude to tell by acknowledgements who writes to whom, in any setting.
    ///
    /// Alice writes to Bob, and Bob's client acknowledges. The relays of all mailboxes see when an
    /// envelope is handed to Bob and when one is stored for each of the users, loops among them.
    /// They know all delay distributions and give each user a score (log-likelihood, or the epochs
    /// of Martiny et al., NDSS 2021). Printed is the number of messages after which Alice ranks
    /// first in 95 % of the trials. Nothing is sent: a simulation that follows the traffic schedule
    /// of docs/traffic.md.
    ///
    /// Exit codes: 0 all verdicts hold, 1 one does not hold, 64 wrong usage.
    Disclosure(disclosure::Options),
}

fn main() -> ExitCode {
    let arguments: Arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    match arguments.command {
        Command::Wire(options) => wire::run(&options),
        Command::Attack(options) => attack::run(&options),
        Command::Report(options) => report::run(&options),
        Command::Disclosure(options) => disclosure::run(&options),
    }
}
