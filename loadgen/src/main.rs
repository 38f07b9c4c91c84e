//! `rohrpost-loadgen`: loads a network of real nodes and measures what comes of it.

mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rohrpost_loadgen::run;
use rohrpost_ops::{localnet, output};

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
    /// Run a node in this process; a local network does so for its children.
    #[command(hide = true, subcommand)]
    Node(NodeCommand),
}

#[derive(Subcommand)]
enum NodeCommand {
    /// Run a relay.
    Relay {
        /// Its configuration.
        file: PathBuf,
    },
    /// Run a mix node.
    Mixnode {
        /// Its configuration.
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Wire(options) => end(wire::run(&options), |error| error.exit_code()),
        Command::Run(options) => end(run::run(&options), |error| error.exit_code()),
        Command::Node(node) => {
            localnet::die_with_parent();
            rohrpost_node::main(match node {
                NodeCommand::Relay { file } => rohrpost_relay::run(&file),
                NodeCommand::Mixnode { file } => rohrpost_mixnode::run(&file),
            })
        }
    }
}

fn end<E: std::fmt::Display>(result: Result<(), E>, code: impl Fn(&E) -> u8) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::tell(&format!("error: {error}"));
            ExitCode::from(code(&error))
        }
    }
}
