//! `rohrpost-ops`: keys, roster and local network.

mod check;
mod error;
mod folder;
mod keys;
mod roster;
mod sight;
mod trust;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rohrpost_localnet::{NodeCommand, arguments, end};

use roster::RosterCommand;
use trust::TrustCommand;

/// The operator's tool of Rohrpost.
///
/// Exit codes: 0 done, 1 the local network failed or a check has found something, 64 wrong usage, 65 a
/// file is wrong, 66 a file cannot be read, 69 no relay answers, 71 the system refused something, 73 a
/// file or standard output cannot be written, 77 no right to capture, 130 interrupted.
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
    /// Look at a network once: every node, and own ones by their pages.
    ///
    /// Each node is dialed at the addresses of the roster and must hold its key. A relay shows, as to any
    /// client, its clock, its newest roster and its newest document; that takes half a minute. Exit code 0
    /// if all is as it should be, 1 if not.
    Check {
        /// Directory with trust.toml, roster.toml and roster.sig.
        #[arg(long = "network", value_name = "DIR")]
        network: PathBuf,
        /// Configuration of an own node on this machine, whose pages are looked at as well.
        #[arg(long = "node", value_name = "FILE")]
        nodes: Vec<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
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
        Command::Check { network, nodes, json } => {
            end(check::run(&network, &nodes, json), |error| error.exit_code())
        }
        Command::Node(node) => node.run(),
    }
}
