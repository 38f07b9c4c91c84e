//! `rohrpost`: the command for people.

mod command;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use command::{Arguments, CommandError};

fn main() -> ExitCode {
    match command::run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(CommandError::exit_code(&error))
        }
    }
}
