//! `rohrpost-adversary wire`: what an observer of the links sees in a capture (`docs/traffic.md`).

mod flow;
mod grid;
mod pcap;
mod report;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rohrpost_localnet::capture::{Datagram, Legend};
use rohrpost_measure::output::say;

use pcap::{PcapError, PcapReader};
use report::Report;

/// Options of `rohrpost-adversary wire`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// A capture that `rohrpost-ops localnet --capture FILE` has written, or tcpdump's of the same
    /// network.
    file: PathBuf,
    /// Meaning of its addresses [default: FILE.legend.toml].
    #[arg(long, value_name = "FILE")]
    legend: Option<PathBuf>,
    /// Print one JSON object on standard output instead of tables.
    #[arg(long)]
    json: bool,
}

/// Prints the table of links and what it shows.
///
/// # Errors
/// A file cannot be read, or it is no capture or no legend.
pub(crate) fn run(options: &Options) -> Result<(), WireError> {
    let legend = read_legend(options)?;
    let datagrams = read_capture(&options.file)?;
    let flows = flow::flows(datagrams.into_iter(), &legend);
    if flows.is_empty() {
        return Err(WireError::Strange(options.file.clone()));
    }
    let report = Report::new(flows, &legend);
    if options.json {
        say(&report.json().to_string());
    } else {
        report.print();
    }
    Ok(())
}

fn read_legend(options: &Options) -> Result<Legend, WireError> {
    let path = options.legend.clone().unwrap_or_else(|| Legend::path(&options.file));
    let text = std::fs::read_to_string(&path)
        .map_err(|source| WireError::NoLegend { path: path.clone(), source })?;
    Legend::parse(&text).map_err(|error| WireError::Legend { path, message: error.to_string() })
}

/// All UDP datagrams of a capture; packets that are none are left out.
fn read_capture(path: &Path) -> Result<Vec<(Duration, Datagram)>, WireError> {
    let file =
        File::open(path).map_err(|source| WireError::Open { path: path.to_owned(), source })?;
    let read = |file| -> Result<_, PcapError> {
        let mut reader = PcapReader::new(BufReader::new(file))?;
        let mut datagrams = Vec::new();
        while let Some(record) = reader.next()? {
            datagrams.extend(Datagram::of(&record.bytes).map(|datagram| (record.at, datagram)));
        }
        Ok(datagrams)
    };
    read(file).map_err(|source| WireError::Pcap { path: path.to_owned(), source })
}

/// Failures to report on a capture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error(
        "cannot read {path}: {source}; captures come from `rohrpost-ops localnet --capture FILE`"
    )]
    Open { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Pcap { path: PathBuf, source: PcapError },
    #[error(
        "cannot read the legend {path}: {source}; `rohrpost-ops localnet --capture FILE` writes it \
         beside the capture, --legend names another place"
    )]
    NoLegend { path: PathBuf, source: io::Error },
    #[error(
        "{path} is no legend: {message}\nrestore it, or capture again with rohrpost-ops localnet"
    )]
    Legend { path: PathBuf, message: String },
    #[error(
        "{0} holds no datagram of a node of the legend; is the legend another capture's? --legend \
         names the right one"
    )]
    Strange(PathBuf),
}

impl WireError {
    /// 66 a file cannot be read, 65 it is not what it should be.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Open { .. } | Self::NoLegend { .. } => 66,
            Self::Pcap { .. } | Self::Legend { .. } | Self::Strange(_) => 65,
        }
    }
}
