//! `rohrpost-mixnode`: a mix node as a process of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// A mix node of Rohrpost: opens one layer of each packet, holds it for the delay that its sender
/// drew, and passes it on. It keeps packet keys, queues and all else in memory only.
///
/// Exit codes: 0 stopped by a signal, 69 an address is in use, 70 a bug, 71 the system refused,
/// 78 a file is wrong.
#[derive(Parser)]
#[command(version = rohrpost_node::version(), name = "rohrpost-mixnode")]
struct Arguments {
    /// The node's TOML file; docs/operating.md explains each key.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    rohrpost_node::main(rohrpost_mixnode::run(&arguments.config))
}
