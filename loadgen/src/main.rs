//! `rohrpost-loadgen`: loads a network of real nodes and measures what comes of it.

mod attack;
mod mix;
mod report;
mod wire;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rohrpost_loadgen::run;
use rohrpost_localnet::{NodeCommand, die_with_parent, end};

/// Loads a network of real nodes and measures what comes of it.
///
/// Exit codes: 0 done, 2 the command line is wrong, 65 a file is not what it should be, 66 a file
/// cannot be read.
#[derive(Parser)]
#[command(name = "rohrpost-loadgen", version = rohrpost_node::version())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tell what an observer of the links sees in a capture: lengths, times, counts.
    Wire(wire::Options),
    /// Send letters between real clients and measure loss, latency and what the nodes use.
    Run(Box<run::Options>),
    /// Load one mix node: CPU per packet by stage, overload, delays.
    ///
    /// A real mix runs as a process on a core of its own; this tool plays the rest of its roster over
    /// real links. Exit codes: 0 measured and all verdicts hold, 1 one does not hold, 64 wrong usage,
    /// 69 could not start, 70 the mix ended meanwhile, 71 the system refused.
    Mix(mix::Options),
    /// Attack the anonymity of the traffic law by statistics.
    Attack(attack::Options),
    /// Run half a mix in this process, to measure the links alone.
    #[command(hide = true, subcommand)]
    MixPart(mix::Part),
    /// Run a node in this process; a local network does so for its children.
    #[command(hide = true, subcommand)]
    Node(NodeCommand),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Wire(options) => end(wire::run(&options), |error| error.exit_code()),
        Command::Run(options) => end(run::run(&options), |error| error.exit_code()),
        Command::Mix(options) => mix::run(&options),
        Command::Attack(options) => attack::run(&options),
        Command::MixPart(part) => {
            die_with_parent();
            rohrpost_node::main(part.run())
        }
        Command::Node(node) => node.run(),
    }
}
