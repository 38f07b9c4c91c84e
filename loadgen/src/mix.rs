//! `rohrpost-loadgen mix`: loads one real mix node over real links, and plays the rest of its
//! roster.
//!
//! The mix is a process of its own on a core of its own. The tool holds the keys of all other
//! nodes: it feeds the mix as its predecessors, takes what comes out as its successors, and hands
//! it documents as the relays. `docs/mix-capacity.md` says what is measured and how.

mod baseline;
mod breakdown;
mod closed_loop;
mod cores;
mod delays;
mod error;
mod generator;
mod interval;
mod journal;
mod null_mix;
mod overload;
mod pacer;
mod packets;
mod peers;
mod profile;
mod recovery;
mod replay;
mod saturation;
mod stages;
mod testbed;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use rohrpost_localnet::{SuiteChoice, end};
use rohrpost_measure::report::Report;
use rohrpost_packet::{Classic, Hybrid, Suite};
use rohrpost_proto::directory::roster::SuiteName;

use error::MixError;
pub(crate) use null_mix::NullMix;
use testbed::Testbed;

/// Options of `rohrpost-loadgen mix`.
#[derive(Args)]
pub(crate) struct Options {
    /// Suite of the packets.
    #[arg(long, value_enum, global = true, default_value_t = SuiteChoice::Hybrid)]
    suite: SuiteChoice,
    /// Print one JSON object on standard output instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    measurement: Measurement,
}

#[derive(Subcommand)]
enum Measurement {
    /// CPU per packet by stage (receive, unwrap, replay, delay, send), at half of the peak and near
    /// it.
    Profile(profile::Options),
    /// Half as much again as the mix can do: throughput, memory, shed packets, recovery.
    Overload(overload::Options),
    /// Realised delays against the exponential distribution of the roster.
    Delays(delays::Options),
    /// Recorded packets sent again, to the same process and to the mix after a restart: none passes.
    ///
    /// The tool builds packets for the mix and sends them five times. First they come out. Sent again to
    /// the same process, they are dropped as replays. Then the mix is ended and started again: it has a
    /// new key, and no memory of packets. The recorded ones are dropped for they name a key that is gone,
    /// and, in frames that name the new key instead, for their headers do not verify. At last new packets
    /// for the new key come out. Exit 1 if a recorded packet leaves the mix, or if the reasons on its
    /// metrics page do not account for every one.
    Replay(replay::Options),
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
        Err(error) => end(Err(error), MixError::exit_code),
    }
}

fn measure<S: Suite>(options: &Options, suite: SuiteName) -> Result<Report, MixError> {
    let mut testbed = Testbed::<S>::start(suite, options.json)?;
    let mut report = testbed.report();
    match &options.measurement {
        Measurement::Profile(profile) => profile::run(profile, &mut testbed, &mut report),
        Measurement::Overload(overload) => overload::run(overload, &mut testbed, &mut report),
        Measurement::Delays(delays) => delays::run(delays, &mut testbed, &mut report),
        Measurement::Replay(replay) => replay::run(replay, &mut testbed, &mut report),
    }?;
    Ok(report)
}
