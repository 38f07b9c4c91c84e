//! `rohrpost-loadgen`: loads a network of real nodes and measures what comes of it.

mod mix;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rohrpost_localnet::{NodeCommand, arguments, die_with_parent, end};

/// Loads a network of real nodes and measures what comes of it.
///
/// Exit codes: 0 done, 64 wrong usage; each command tells its own.
#[derive(Parser)]
#[command(name = "rohrpost-loadgen", version = rohrpost_node::version())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send messages between real clients and measure loss, latency and what the nodes use.
    Run(Box<run::Options>),
    /// Load one mix node: CPU per packet by stage, overload, delays, replays.
    ///
    /// A real mix runs as a process on a core of its own; this tool plays the rest of its roster
    /// over real links. Exit codes: 0 measured and all verdicts hold, 1 one does not hold, 64 wrong
    /// usage, 69 could not start, 70 the mix ended meanwhile, 71 the system refused.
    Mix(mix::Options),
    /// Run the links of a mix in this process, without the mix.
    #[command(hide = true)]
    NullMix(mix::NullMix),
    /// Run a node in this process; a local network does so for its children.
    #[command(hide = true, subcommand)]
    Node(NodeCommand),
}

fn main() -> ExitCode {
    let arguments: Arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    match arguments.command {
        Command::Run(options) => end(run::run(&options), |error| error.exit_code()),
        Command::Mix(options) => mix::run(&options),
        Command::NullMix(part) => {
            die_with_parent();
            rohrpost_node::main(part.run())
        }
        Command::Node(node) => node.run(),
    }
}
