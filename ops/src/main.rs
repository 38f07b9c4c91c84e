//! `rohrpost-ops`: keys, roster and local network.

mod ceremony;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rohrpost_localnet::{NodeCommand, arguments, end};

/// The operator's tool of Rohrpost.
///
/// Exit codes: 0 done, 1 the local network failed, 64 wrong usage, 65 a file is wrong, 71 the system
/// refused something, 73 a file or standard output cannot be written, 77 no right to capture, 130
/// interrupted.
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
    /// Sign and check rosters.
    #[command(subcommand)]
    Roster(RosterCommand),
    /// Run a node in this process; `localnet` does so for its children.
    #[command(hide = true, subcommand)]
    Node(NodeCommand),
}

#[derive(Subcommand)]
enum RosterCommand {
    /// Sign roster.toml as one agency; adds to roster.sig.
    Sign {
        /// Directory with trust.toml, roster.toml and roster.sig.
        #[arg(long, value_name = "DIR")]
        network: PathBuf,
        /// The agency's name in trust.toml.
        #[arg(long, value_name = "NAME")]
        agency: String,
        /// The agency's signing key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Check trust root, roster and signatures, and say what they hold.
    Check {
        /// Directory with trust.toml, roster.toml and roster.sig.
        #[arg(long, value_name = "DIR")]
        network: PathBuf,
    },
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
        Command::Keygen { file } => end(ceremony::keygen(&file), |error| error.exit_code()),
        Command::Roster(RosterCommand::Sign { network, agency, key }) => {
            end(ceremony::sign(&network, &agency, &key), |error| error.exit_code())
        }
        Command::Roster(RosterCommand::Check { network }) => {
            end(ceremony::check(&network), |error| error.exit_code())
        }
        Command::Node(node) => node.run(),
    }
}
