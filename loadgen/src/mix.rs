//! `rohrpost-loadgen mix`: loads one real mix node over real links, and plays the rest of its roster.
//!
//! The mix is a process of its own on a core of its own. The tool holds the keys of all other nodes:
//! it feeds the mix as its predecessors, takes what comes out as its successors, and hands it
//! documents as the relays. `docs/mix-capacity.md` says what is measured and how.

mod alone;
mod breakdown;
mod cores;
mod delays;
mod feed;
mod journal;
mod neighbours;
mod overload;
mod part;
mod peak;
mod process;
mod profile;
mod recovery;
mod scrape;
mod stand;
mod statistics;
mod stock;
mod subject;
mod window;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use rohrpost_localnet::SuiteChoice;
use rohrpost_localnet::output::tell;
use rohrpost_packet::{Classic, Hybrid, Suite, WrapError};
use rohrpost_proto::roster::SuiteName;

use crate::report::{self, Report};
pub(crate) use part::Part;

/// Options of `rohrpost-loadgen mix`.
#[derive(Args)]
pub(crate) struct Options {
    /// Suite of the packets.
    #[arg(long, value_enum, global = true, default_value_t = SuiteChoice::Hybrid)]
    suite: SuiteChoice,
    /// One JSON object on standard output instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Subcommand)]
enum Measurement {
    /// CPU per packet by stage (receive, unwrap, replay, delay, send), at half of the peak and near it.
    Profile(profile::Options),
    /// Half as much again as the mix can do: throughput, memory, shed packets, recovery.
    Overload(overload::Options),
    /// Realised delays against the exponential law of the roster.
    Delays(delays::Options),
}

/// Measures and prints; the exit code says whether all verdicts hold.
pub(crate) fn run(options: &Options) -> ExitCode {
    let result = match options.suite {
        SuiteChoice::Hybrid => measure::<Hybrid>(options, SuiteName::Hybrid),
        SuiteChoice::Classic => measure::<Classic>(options, SuiteName::Classic),
    };
    match result {
        Ok(report) => {
            report.show(options.json);
            ExitCode::from(u8::from(!report.holds()))
        }
        Err(error) => {
            tell(&format!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn measure<S: Suite>(options: &Options, suite: SuiteName) -> Result<Report, MixError> {
    match &options.measurement {
        Measurement::Profile(profile) => profile::run::<S>(profile, suite, options.json),
        Measurement::Overload(overload) => overload::run::<S>(overload, suite, options.json),
        Measurement::Delays(delays) => delays::run::<S>(delays, suite, options.json),
    }
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
enum MixError {
    /// The mix or its surroundings do not come up.
    #[error("{0}")]
    Start(String),
    /// The mix, or a process in its place, has ended meanwhile.
    #[error("the measured process is gone: {0}")]
    Ended(String),
    /// No packet comes through.
    #[error(
        "no packet comes out of the mix; is loopback filtered? `mix delays` tells what it drops"
    )]
    Nothing,
    /// A stock that does not fit.
    #[error(
        "the packets of this load take {} MiB, and {} MiB can be had; use fewer --seconds or \
         --packets, or --suite classic",
        bytes >> 20, available >> 20
    )]
    Memory {
        /// What it takes.
        bytes: u64,
        /// What the system can give.
        available: u64,
    },
    /// A packet that cannot be built.
    #[error("packets cannot be built: {0}")]
    Build(WrapError),
    /// The system refused something.
    #[error("{0}")]
    System(std::io::Error),
}

impl MixError {
    /// After sysexits.h: 64 usage, 69 could not start, 70 ended meanwhile, 71 the system refused.
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Memory { .. } => 64,
            Self::Start(_) | Self::Nothing => 69,
            Self::Ended(_) | Self::Build(_) => 70,
            Self::System(_) => 71,
        }
    }
}
