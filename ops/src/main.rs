//! `rohrpost-ops`: keys, roster and local network.

mod error;
mod folder;
mod keys;
mod roster;
mod trust;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rohrpost_localnet::{NodeCommand, arguments, end};

use roster::RosterCommand;
use trust::TrustCommand;

/// The operator's tool of Rohrpost.
///
/// Exit codes: 0 done, 1 the local network failed, 64 wrong usage, 65 a file is wrong, 66 a file cannot
/// be read, 71 the system refused something, 73 a file or standard output cannot be written, 77 no right
/// to capture, 130 interrupted.
#[derive(Parser)]
#[command(name = "rohrpost-ops", version = rohrpost_node::version())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a whole network on this machine and send a first message through it.
    Localnet(rohrpost_localnet::Options),
    /// Make an identity key for a node or an agency.
    Keygen {
        /// Path of the new key (PKCS#8 PEM, mode 0600); never overwritten.
        file: PathBuf,
    },
    /// Make and show the trust root of a network.
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Make, change, read, sign and verify rosters.
    #[command(subcommand)]
    Roster(RosterCommand),
    /// Run a node in this process; `localnet` does so for its children.
    #[command(hide = true, subcommand)]
    Node(NodeCommand),
}

fn main() -> ExitCode {
    let arguments: Arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    match arguments.command {
        Command::Localnet(options) => {
            end(rohrpost_localnet::run(&options), |error| error.exit_code())
        }
        Command::Keygen { file } => end(keys::keygen(&file), |error| error.exit_code()),
        Command::Trust(trust) => end(trust.run(), |error| error.exit_code()),
        Command::Roster(roster) => end(roster.run(), |error| error.exit_code()),
        Command::Node(node) => node.run(),
    }
}
