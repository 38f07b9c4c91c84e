//! Failures of the ceremony and of the tools around it; each says what to do.

use std::io;
use std::path::PathBuf;

use rohrpost_network::NetworkError;
use rohrpost_node::NodeError;
use rohrpost_proto::directory::carousel::room::NoRoom;
use rohrpost_proto::directory::roster::{RosterError, RosterSignature};
use rohrpost_proto::directory::trust::TrustError;

/// Failure of a step of the ceremony.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Answer of the system.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Answer of the system.
        source: io::Error,
    },
    /// A file is there already.
    #[error("{0} is there already, and is not overwritten; move it away, or choose another name")]
    Exists(PathBuf),
    /// The trust root is wrong.
    #[error("{path}: {source}")]
    Trust {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: TrustError,
    },
    /// The roster or its signatures are wrong.
    #[error("{path}: {source}")]
    Roster {
        /// The file.
        path: PathBuf,
        /// The fault.
        source: Box<RosterError>,
    },
    /// The network documents of the roster do not reach clients in time.
    #[error("{path}: {source}")]
    Room {
        /// The file.
        path: PathBuf,
        /// What is needed, and what there is.
        source: NoRoom,
    },
    /// The roster is no TOML that can be changed.
    #[error("{path}: {source}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The fault, with its line.
        source: Box<toml_edit::TomlError>,
    },
    /// The nodes of the roster are not written as `[[node]]`.
    #[error("{0}: its nodes are not tables [[node]], each of its own; write them so")]
    Nodes(PathBuf),
    /// There is no node of this name.
    #[error("there is no node {name} in the roster; there are: {known}")]
    Node {
        /// The name that was given.
        name: String,
        /// Names of the nodes.
        known: String,
    },
    /// A change is no change of a known key.
    #[error("{change} is no change: write KEY=VALUE; keys are {known}")]
    Change {
        /// The text that was given.
        change: String,
        /// Known keys.
        known: String,
    },
    /// A value is no number.
    #[error("{0}: the value must be a whole number")]
    Number(String),
    /// An agency of a new trust root is written wrongly.
    #[error(
        "{0} is no agency: write NAME=KEY, with the key that its `rohrpost-ops keygen` printed"
    )]
    Agency(String),
    /// The key file is wrong.
    #[error(transparent)]
    Key(#[from] NodeError),
    /// The network does not check.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Another key than the trust root's.
    #[error("this is not the key that trust.toml has for {0}; sign with the agency's own key")]
    NotItsKey(String),
    /// The record of what was signed is none.
    #[error("{path} is no record of what was signed ({fault}); put it back from a copy")]
    Record {
        /// The file.
        path: PathBuf,
        /// The fault.
        fault: String,
    },
    /// The agency has signed a newer roster.
    #[error(
        "{agency} has signed version {signed}, and this roster is of version {version}; take the newest, \
         or raise it (rohrpost-ops roster set version=N)"
    )]
    Older {
        /// Name of the agency.
        agency: String,
        /// Version of the roster.
        version: u32,
        /// Version that the agency has signed.
        signed: u32,
    },
    /// There are signatures of a newer roster.
    #[error(
        "roster.sig has a signature of {agency} of version {version}, which is newer than this roster: \
         take that roster, or, if {agency} has signed it by mistake, remove the signature"
    )]
    NewerSigned {
        /// Name of the agency that signed.
        agency: String,
        /// Version that it signed.
        version: u32,
    },
    /// The record cannot be written.
    #[error("cannot write {path}: {source}; --record FILE keeps what was signed elsewhere")]
    Unrecorded {
        /// The record.
        path: PathBuf,
        /// Answer of the system.
        source: io::Error,
    },
    /// The agency has signed another roster of this version.
    #[error(
        "{agency} has signed another roster of version {version}: nobody could tell which of the two \
         holds; raise it (rohrpost-ops roster set version=N)"
    )]
    SameVersion {
        /// Name of the agency.
        agency: String,
        /// Version of both.
        version: u32,
    },
    /// Nobody has said that the roster is to be signed, or what it says cannot be read.
    #[error(
        "nothing was signed: what it says must be read on a terminal and answered with yes; --yes \
         signs without that"
    )]
    Unconfirmed,
    /// No relay has given its roster.
    #[error("no relay of the roster at hand has given its own: {0}")]
    NoRelay(String),
    /// The network is not well.
    #[error("{0} of what was looked at is not as it should be")]
    Unwell(usize),
    /// The system gives no threads.
    #[error("the system refuses threads: {0}")]
    Runtime(io::Error),
    /// No version or number is left.
    #[error("{0} is the highest that there is; the agencies must found the network anew")]
    Highest(&'static str),
}

impl OpsError {
    /// There is this signature of a roster that is newer.
    pub(crate) fn newer(signed: &RosterSignature) -> Self {
        Self::NewerSigned { agency: signed.agency.clone(), version: signed.version }
    }

    /// Does work that waits for the network.
    ///
    /// # Errors
    /// The system gives no threads for it.
    pub(crate) fn within_runtime<T>(work: impl Future<Output = T>) -> Result<T, Self> {
        Ok(rohrpost_localnet::runtime().map_err(Self::Runtime)?.block_on(work))
    }

    /// Exit code after sysexits.h; 1 where a check has found something.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Write { .. } | Self::Unrecorded { .. } | Self::Exists(_) => 73,
            Self::Read { .. } | Self::Key(NodeError::Read { .. }) => 66,
            Self::Unwell(_) => 1,
            Self::NoRelay(_) => 69,
            Self::Runtime(_) => 71,
            Self::Change { .. } | Self::Number(_) | Self::Agency(_) | Self::Unconfirmed => 64,
            _ => 65,
        }
    }
}
