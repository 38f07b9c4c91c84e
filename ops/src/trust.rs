//! Trust roots: the agencies that make up a network.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use rand::Rng;
use rohrpost_measure::output::say;
use rohrpost_node::write_secret;
use rohrpost_proto::directory::trust::{Agency, JoinKey, TrustRoot};
use zeroize::Zeroizing;

use crate::error::OpsError;
use crate::folder::{Folder, TRUST};

/// Make and show the trust root of a network.
#[derive(Subcommand)]
pub(crate) enum TrustCommand {
    /// Make the trust root of a new network, with a new join key.
    New {
        /// Directory for the network's files.
        #[arg(long, value_name = "DIR")]
        network: PathBuf,
        /// Name of the network.
        name: String,
        /// Agencies that must sign a roster, of all that there are.
        #[arg(long, value_name = "K")]
        threshold: usize,
        /// An agency and its public key, for each agency.
        #[arg(long = "agency", value_name = "NAME=KEY", required = true)]
        agencies: Vec<String>,
    },
    /// Say what a trust root holds, and what it survives.
    Show {
        /// Directory with trust.toml.
        #[arg(long, value_name = "DIR")]
        network: PathBuf,
    },
}

impl TrustCommand {
    /// Does what was asked for.
    ///
    /// # Errors
    /// The failure, and what to do.
    pub(crate) fn run(&self) -> Result<(), OpsError> {
        match self {
            Self::New { network, name, threshold, agencies } => {
                new(network, name, *threshold, agencies)
            }
            Self::Show { network } => {
                show(&Folder::open(network).trust()?);
                Ok(())
            }
        }
    }
}

fn new(network: &Path, name: &str, threshold: usize, agencies: &[String]) -> Result<(), OpsError> {
    let agency = |text: &String| {
        let agency = |(name, key): (&str, &str)| {
            Some(Agency { name: name.to_owned(), key: key.parse().ok()? })
        };
        text.split_once('=').and_then(agency).ok_or_else(|| OpsError::Agency(text.clone()))
    };
    let agencies = agencies.iter().map(agency).collect::<Result<_, _>>()?;
    let mut join_key = Zeroizing::new([0; 32]);
    rand::rng().fill_bytes(join_key.as_mut());
    let path = network.join(TRUST);
    let fault = |source| OpsError::Trust { path: path.clone(), source };
    let trust = TrustRoot::new(name.to_owned(), agencies, threshold, JoinKey::new(*join_key));
    let trust = trust.map_err(fault)?;
    std::fs::create_dir_all(network)
        .map_err(|source| OpsError::Write { path: network.to_owned(), source })?;
    if path.exists() {
        return Err(OpsError::Exists(path));
    }
    write_secret(&path, Zeroizing::new(trust.render()).as_bytes())
        .map_err(|source| OpsError::Write { path: path.clone(), source })?;
    show(&trust);
    say(&format!("written to {}: hand it to every operator and client in person", path.display()));
    Ok(())
}

fn show(trust: &TrustRoot) {
    say(&format!("network {}", trust.network()));
    say(&survives(trust));
    for agency in trust.agencies() {
        say(&format!("  {:<16} {}", agency.name, agency.key));
    }
}

/// The threshold in words, with the silent and lying agencies that it survives.
pub(crate) fn survives(trust: &TrustRoot) -> String {
    let (silent, lying) = trust.survives();
    let (threshold, all) = (trust.threshold(), trust.agencies().len());
    format!("{threshold} of {all} agencies must sign: survives {silent} silent and {lying} lying")
}
