//! `rohrpost-relay`: a relay as a process of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// A relay of Rohrpost: takes clients into the network, keeps sealed envelopes until their owners
/// ask for them, and gathers the keys of all nodes. It keeps all of it in memory only.
///
/// Exit codes: 0 stopped by a signal, 69 an address is in use, 70 a bug, 71 the system refused,
/// 78 a file is wrong.
#[derive(Parser)]
#[command(version = rohrpost_node::version(), name = "rohrpost-relay")]
struct Arguments {
    /// The node's TOML file; docs/operating.md explains each key.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    rohrpost_node::main(rohrpost_relay::run(&arguments.config))
}
