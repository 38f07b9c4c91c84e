//! `rohrpost-loadgen`: loads a network of real nodes and measures what comes of it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rohrpost_ops::localnet;

/// Loads a network of real nodes and measures what comes of it.
#[derive(Parser)]
#[command(name = "rohrpost-loadgen", version = rohrpost_node::version())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
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
        Command::Node(node) => {
            localnet::die_with_parent();
            rohrpost_node::main(match node {
                NodeCommand::Relay { file } => rohrpost_relay::run(&file),
                NodeCommand::Mixnode { file } => rohrpost_mixnode::run(&file),
            })
        }
    }
}
