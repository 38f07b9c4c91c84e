//! The hidden command `node relay|mixnode FILE` of every program that starts a local network, for
//! its children run that program again.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use rohrpost_measure::output::tell;
use tokio::runtime::{Builder, Runtime};

use crate::child::die_with_parent;

/// A node to run in this process.
#[derive(Subcommand)]
pub enum NodeCommand {
    /// Run a relay.
    Relay {
        /// Configuration of the relay.
        file: PathBuf,
    },
    /// Run a mix node.
    Mixnode {
        /// Configuration of the mix.
        file: PathBuf,
    },
}

impl NodeCommand {
    /// Runs the node until it ends, or its parent does.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        die_with_parent();
        rohrpost_node::main(match self {
            Self::Relay { file } => rohrpost_relay::run(file),
            Self::Mixnode { file } => rohrpost_mixnode::run(file),
        })
    }
}

/// The runtime of a tool with a network, which leaves the cores to the nodes.
///
/// # Errors
/// The system refuses threads.
pub fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// Ends a program: an error goes to standard error, its code to the shell.
pub fn end<E: std::fmt::Display>(result: Result<(), E>, code: impl Fn(&E) -> u8) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {error}"));
            ExitCode::from(code(&error))
        }
    }
}
