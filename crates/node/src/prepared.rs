//! A node before it does anything: its files read and checked, no socket open.

use std::path::Path;
use std::sync::Arc;

use rohrpost_network::{FilePaths, Network};
use rohrpost_proto::roster::{Role, Roster, RosterNode};
use rohrpost_proto::signing::SigningKey;
use rohrpost_proto::trust::TrustRoot;

use crate::config::NodeConfig;
use crate::error::NodeError;
use crate::key_file::read_signing_key;

/// A node before it does anything: files read and checked, no socket open.
pub struct Prepared {
    /// Its configuration.
    pub config: NodeConfig,
    /// The trust root.
    pub trust: TrustRoot,
    /// The roster.
    pub roster: Arc<Roster>,
    /// Its own entry there.
    pub node: RosterNode,
    /// Its identity key.
    pub key: Arc<SigningKey>,
}

/// Reads and checks all files of a node that is to be a relay, or a mix.
///
/// # Errors
/// What is wrong, and what to do.
pub fn prepare(path: &Path, relay: bool) -> Result<Prepared, NodeError> {
    let config = NodeConfig::read(path)?;
    let Network { trust, roster } = Network::read(FilePaths {
        trust: &config.trust,
        roster: &config.roster,
        signatures: &config.signatures,
    })?;
    let key = read_signing_key(&config.identity)?;
    let fail = |message| NodeError::Config { path: path.to_owned(), message };
    let node = roster.node(config.node).cloned().ok_or_else(|| {
        fail(format!(
            "node = {} is not in the roster; use the number that it has there",
            config.node
        ))
    })?;
    if matches!(node.role, Role::Relay) != relay {
        let (is, program) =
            if relay { ("mix", "rohrpost-mixnode") } else { ("relay", "rohrpost-relay") };
        return Err(fail(format!(
            "node {} ({}) is a {is}; start it with {program}",
            node.number, node.name
        )));
    }
    check_key(&config, &roster, &node, &key)?;
    Ok(Prepared { config, trust, roster, node, key: Arc::new(key) })
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
