//! `rohrpost-adversary report`: all attacks in one run, on one page.
//!
//! Written are `report.html`, one file that loads nothing, `report.md` with its plots beside it,
//! and `report.json`, from which `--from` makes the pages again.

mod claims;
mod html;
mod literature;
mod markdown;
mod markup;
mod page;
mod plot;
mod scale;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use rohrpost_measure::output::{say, tell};

use crate::attack::{self, Run, Setting, Unweakened};

/// Options of `rohrpost-adversary report`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Directory for the pages; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "attack-report")]
    out: PathBuf,
    /// Shows a run that `attack all --json` has printed, instead of attacking.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "seed"])]
    from: Option<PathBuf>,
    /// Only what fits two minutes on two cores, with fewer trials.
    #[arg(long)]
    quick: bool,
    /// Makes the same trials again.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
}

/// Attacks or reads a run, and writes its pages; the exit code is that of `attack all`.
pub(crate) fn run(options: &Options) -> ExitCode {
    match report(options) {
        Ok(holds) => ExitCode::from(u8::from(!holds)),
        Err(error) => {
            tell(&format!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn report(options: &Options) -> Result<bool, ReportError> {
    let Options { quick, seed, .. } = *options;
    let run = match &options.from {
        Some(path) => read(path)?,
        None => {
            let setting = Setting { seed, quick, silent: false };
            attack::all(setting, attack::show_briefly)?
        }
    };
    let page = write(&run, &options.out)
        .map_err(|source| ReportError::Write { path: options.out.clone(), source })?;
    say(&format!("written: {}", page.display()));
    Ok(run.holds)
}

fn read(path: &Path) -> Result<Run, ReportError> {
    let path = path.to_owned();
    match fs::read_to_string(&path) {
        Ok(text) => {
            serde_json::from_str(&text).map_err(|source| ReportError::Strange { path, source })
        }
        Err(source) => Err(ReportError::Read { path, source }),
    }
}

/// Writes all files, and gives the path of the page that people open.
fn write(run: &Run, out: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(out)?;
    let page = out.join("report.html");
    fs::write(&page, html::html(run))?;
    let markdown = markdown::markdown(run);
    fs::write(out.join("report.md"), markdown.text)?;
    for (name, plot) in markdown.plots {
        fs::write(out.join(name), plot)?;
    }
    fs::write(out.join("report.json"), serde_json::to_vec(run)?)?;
    Ok(page)
}

/// Failures to make a report.
#[derive(Debug, thiserror::Error)]
enum ReportError {
    #[error(transparent)]
    Unweakened(#[from] Unweakened),
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is no output of `attack all --json`: {source}")]
    Strange { path: PathBuf, source: serde_json::Error },
    #[error("cannot write to {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
}

impl ReportError {
    /// Codes of sysexits.
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Unweakened(_) => rohrpost_localnet::WRONG_USAGE,
            Self::Strange { .. } => 65,
            Self::Read { .. } => 66,
            Self::Write { .. } => 73,
        }
    }
}

#[cfg(test)]
mod tests;
