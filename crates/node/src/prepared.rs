//! A node before it does anything: its files read and checked, no socket open.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_network::{FilePaths, Network};
use rohrpost_proto::directory::carousel::object::RosterFiles;
use rohrpost_proto::directory::roster::{Role, Roster, RosterNode};
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_proto::directory::trust::TrustRoot;
use rohrpost_proto::time::agreement::TOLERANCE;

use crate::config::NodeConfig;
use crate::error::NodeError;
use crate::key_file::read_signing_key;

/// A node before it does anything: files read and checked, no socket open.
pub struct Prepared {
    /// Configuration of the node, checked.
    pub config: NodeConfig,
    /// The trust root of the network.
    pub trust: Arc<TrustRoot>,
    /// The roster of the network.
    pub roster: Arc<Roster>,
    /// Texts of the roster and its signatures.
    pub files: RosterFiles,
    /// The node's own entry in the roster.
    pub node: RosterNode,
    /// The node's identity key, which its roster entry names.
    pub key: Arc<SigningKey>,
}

impl Prepared {
    /// How far the node's clock may be off: a relay's by what the agreement on documents bears, a
    /// mix's by five minutes.
    #[must_use]
    pub fn clock_tolerance(&self) -> Duration {
        match self.node.role {
            Role::Relay => self.roster.directory.timing.clocks(),
            Role::Mix { .. } => TOLERANCE,
        }
    }
}

/// The duty that a program is made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Duty {
    /// Entry, mailboxes and directory: `rohrpost-relay`.
    Relay,
    /// A mix of any layer: `rohrpost-mixnode`.
    Mix,
}

impl Duty {
    const fn of(role: Role) -> Self {
        match role {
            Role::Relay => Self::Relay,
            Role::Mix { .. } => Self::Mix,
        }
    }

    /// A node of this duty in a word, and the program that runs it.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Relay => ("relay", "rohrpost-relay"),
            Self::Mix => ("mix", "rohrpost-mixnode"),
        }
    }
}

/// Reads and checks all files of a node whose role in the roster is this duty's.
///
/// # Errors
/// A file is missing or wrong; the error names it and says what to do.
pub fn prepare(path: &Path, duty: Duty) -> Result<Prepared, NodeError> {
    let config = NodeConfig::read(path)?;
    let paths =
        FilePaths { trust: &config.trust, roster: &config.roster, signatures: &config.signatures };
    let (Network { trust, roster }, files) = Network::read_texts(paths)?;
    let key = read_signing_key(&config.identity)?;
    let fail = |message| NodeError::Config { path: path.to_owned(), message };
    let node = roster.node(config.node).cloned().ok_or_else(|| {
        fail(format!(
            "node = {} is not in the roster; use the number that it has there",
            config.node
        ))
    })?;
    if Duty::of(node.role) != duty {
        let (is, program) = Duty::of(node.role).names();
        return Err(fail(format!(
            "node {} ({}) is a {is}; start it with {program}",
            node.number, node.name
        )));
    }
    check_key(&config, &roster, &node, &key)?;
    Ok(Prepared { config, trust, roster, files, node, key: Arc::new(key) })
}

fn check_key(
    config: &NodeConfig,
    roster: &Roster,
    node: &RosterNode,
    key: &SigningKey,
) -> Result<(), NodeError> {
    let public = key.public();
    if public == node.identity {
        return Ok(());
    }
    let owner = roster.node_of(&public).map_or_else(
        || "of no node in the roster".to_owned(),
        |owner| format!("of node {} ({})", owner.number, owner.name),
    );
    Err(NodeError::WrongKey(format!(
        "{} holds the key {owner}, but this is node {} ({}), whose key in the roster is {}; point \
         `identity` to its key file, or have the agencies sign a roster with the key {public}",
        config.identity.display(),
        node.number,
        node.name,
        node.identity,
    )))
}
