//! The hidden command `node relay|mixnode FILE` of every program that starts a local network, for
//! its children run that program again.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rohrpost_client::harmless;
use rohrpost_measure::output::{is_lost, tell};
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

/// The arguments of a tool, whose help says what exit code a wrong command line has.
///
/// # Errors
/// The exit code with which the tool ends: help or version are printed, or the line is wrong.
pub fn arguments<T: Parser>() -> Result<T, ExitCode> {
    T::try_parse().map_err(|error| {
        let wrong = error.use_stderr();
        match error.print().and_then(|()| std::io::stdout().flush()) {
            Err(_) => ExitCode::from(UNWRITABLE),
            Ok(()) if wrong => ExitCode::from(WRONG_USAGE),
            Ok(()) => ExitCode::SUCCESS,
        }
    })
}

/// Ends a program: an error goes to standard error, its code to the shell. Output that was lost is an
/// error, too.
pub fn end<E: std::fmt::Display>(result: Result<(), E>, code: impl Fn(&E) -> u8) -> ExitCode {
    match result {
        Ok(()) if is_lost() => {
            tell("error: standard output could not be written, and lacks lines");
            ExitCode::from(UNWRITABLE)
        }
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What stands in a file does not steer the terminal.
            tell(&format!("error: {}", harmless(&error.to_string())));
            ExitCode::from(code(&error))
        }
    }
}

/// The exit code for a command line that is wrong.
pub const WRONG_USAGE: u8 = 64;
/// The exit code where standard output takes nothing.
const UNWRITABLE: u8 = 73;
