//! Rosters: made, changed, read, signed and verified by the agencies (`docs/directory.md`).

mod consent;
mod difference;
mod edit;
mod fetch;
mod record;
mod summary;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use rohrpost_proto::directory::roster::SuiteName;

use crate::error::OpsError;
use edit::NewNode;

/// Make, change, read, sign and verify rosters.
#[derive(Subcommand)]
pub(crate) enum RosterCommand {
    /// Make an empty roster for the trust root of a directory.
    New {
        #[command(flatten)]
        network: NetworkDirectory,
        /// First day on which it no longer holds; in a year if not given.
        #[arg(long, value_name = "YYYY-MM-DD")]
        expires: Option<String>,
        /// Suite of every packet.
        #[arg(long, default_value = "hybrid")]
        suite: Suite,
    },
    /// Add a node; its number is the next that no node ever had.
    Add {
        #[command(flatten)]
        network: NetworkDirectory,
        #[command(flatten)]
        node: NewNode,
    },
    /// Remove a node; its number is never given again.
    Remove {
        #[command(flatten)]
        network: NetworkDirectory,
        /// Name of the node.
        name: String,
    },
    /// Change values: of the roster (slot_ms=250) or of a node (relay-1.addresses=192.0.2.1:4433).
    Set {
        #[command(flatten)]
        network: NetworkDirectory,
        /// Key and value; several addresses with commas between them. `NODE.layer=` removes the layer of
        /// a mix that becomes a relay.
        #[arg(value_name = "KEY=VALUE", required = true)]
        changes: Vec<String>,
    },
    /// Sign the roster as one agency, after showing what it says.
    Sign {
        #[command(flatten)]
        network: NetworkDirectory,
        /// The agency's name in trust.toml.
        #[arg(long, value_name = "NAME")]
        agency: String,
        /// The agency's signing key.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Record of what the agency has signed; KEY.signed if not given.
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
        /// Sign without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Check trust root, roster and signatures, and say who has signed.
    Verify {
        #[command(flatten)]
        network: NetworkDirectory,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what a roster holds, signed or not.
    Show {
        #[command(flatten)]
        network: NetworkDirectory,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ask the relays for the newest roster, and put it in the place of the one at hand.
    ///
    /// Of what they give only a roster counts that enough agencies of trust.toml have signed. A node that
    /// runs takes a newer roster over by itself; this is for its next start, and for agencies. The roster
    /// at hand may have expired.
    Fetch {
        #[command(flatten)]
        network: NetworkDirectory,
    },
    /// Say what a newer roster changes in an older one.
    Diff {
        /// Directory of the older roster.
        old: PathBuf,
        /// Directory of the newer roster.
        new: PathBuf,
    },
}

/// The directory of a network's files.
#[derive(Args)]
pub(crate) struct NetworkDirectory {
    /// Directory with trust.toml, roster.toml and roster.sig.
    #[arg(long = "network", value_name = "DIR")]
    pub(crate) path: PathBuf,
}

/// Suites that a roster can name.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Suite {
    Hybrid,
    Classic,
}

impl RosterCommand {
    /// Does what was asked for.
    ///
    /// # Errors
    /// The failure, and what to do.
    pub(crate) fn run(&self) -> Result<(), OpsError> {
        match self {
            Self::New { network, expires, suite } => {
                edit::new(&network.path, expires.as_deref(), (*suite).into())
            }
            Self::Add { network, node } => edit::add(&network.path, node),
            Self::Remove { network, name } => edit::remove(&network.path, name),
            Self::Set { network, changes } => edit::set(&network.path, changes),
            Self::Sign { network, agency, key, record, yes } => {
                consent::sign(&network.path, agency, key, record.as_deref(), *yes)
            }
            Self::Verify { network, json } => consent::verify(&network.path, *json),
            Self::Show { network, json } => summary::show(&network.path, *json),
            Self::Fetch { network } => fetch::fetch(&network.path),
            Self::Diff { old, new } => difference::show(old, new),
        }
    }
}

impl From<Suite> for SuiteName {
    fn from(suite: Suite) -> Self {
        match suite {
            Suite::Hybrid => Self::Hybrid,
            Suite::Classic => Self::Classic,
        }
    }
}
