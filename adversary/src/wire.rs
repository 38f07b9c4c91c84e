//! `rohrpost-adversary wire`: what an observer of the links sees in a capture (`docs/traffic.md`).

mod flow;
mod grid;
mod report;
mod telling;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use rohrpost_localnet::capture::{Datagram, Manifest, PcapError, PcapReader, Record};
use rohrpost_measure::output::{say, tell};

use report::Report;

/// Options of `rohrpost-adversary wire`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// A capture that `rohrpost-ops localnet --capture FILE` has written, or tcpdump's of the same
    /// network.
    file: PathBuf,
    /// Meaning of its addresses [default: FILE.manifest.toml].
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Print one JSON object on standard output instead of tables.
    #[arg(long)]
    json: bool,
}

/// Prints the table of links and what it shows; the exit code says whether anything tells what it
/// must not.
pub(crate) fn run(options: &Options) -> ExitCode {
    match report(options) {
        Ok(holds) => ExitCode::from(u8::from(!holds)),
        Err(error) => {
            tell(&format!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn report(options: &Options) -> Result<bool, WireError> {
    let manifest = read_manifest(options)?;
    let datagrams = read_capture(&options.file)?;
    let flows = flow::flows(datagrams.into_iter(), &manifest);
    if flows.is_empty() {
        return Err(WireError::Strange(options.file.clone()));
    }
    let report = Report::new(flows, &manifest);
    if options.json {
        say(&report.json().to_string());
    } else {
        report.print();
    }
    Ok(report.holds())
}

fn read_manifest(options: &Options) -> Result<Manifest, WireError> {
    let path = options.manifest.clone().unwrap_or_else(|| Manifest::path(&options.file));
    let text = std::fs::read_to_string(&path)
        .map_err(|source| WireError::NoManifest { path: path.clone(), source })?;
    Manifest::parse(&text).map_err(|error| WireError::Manifest { path, message: error.to_string() })
}

/// All UDP datagrams of a capture; packets that are none are left out.
fn read_capture(path: &Path) -> Result<Vec<(Duration, Datagram)>, WireError> {
    let file =
        File::open(path).map_err(|source| WireError::Open { path: path.to_owned(), source })?;
    let read = |file| -> Result<_, PcapError> {
        let datagram = |record: Record| Some((record.at, Datagram::of(&record.bytes)?));
        let records = PcapReader::new(BufReader::new(file))?;
        records.filter_map(|record| record.map(datagram).transpose()).collect()
    };
    read(file).map_err(|source| WireError::Pcap { path: path.to_owned(), source })
}

/// Failures to report on a capture.
#[derive(Debug, thiserror::Error)]
enum WireError {
    #[error(
        "cannot read {path}: {source}; captures come from `rohrpost-ops localnet --capture FILE`"
    )]
    Open { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Pcap { path: PathBuf, source: PcapError },
    #[error(
        "cannot read the manifest {path}: {source}; `rohrpost-ops localnet --capture FILE` writes it \
         beside the capture, --manifest names another place"
    )]
    NoManifest { path: PathBuf, source: io::Error },
    #[error(
        "{path} is no manifest: {message}\nrestore it, or capture again with rohrpost-ops localnet"
    )]
    Manifest { path: PathBuf, message: String },
    #[error(
        "{0} holds no datagram of a node of the manifest; is the manifest another capture's? --manifest \
         names the right one"
    )]
    Strange(PathBuf),
}

impl WireError {
    /// 66 a file cannot be read, 65 it is not what it should be.
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Open { .. } | Self::NoManifest { .. } => 66,
            Self::Pcap { .. } | Self::Manifest { .. } | Self::Strange(_) => 65,
        }
    }
}
