//! The manifest of a capture: which address is which node, and what the packet links carried.
//!
//! It stands beside the pcap, as `FILE.manifest.toml`, and is all that
//! `rohrpost-adversary wire` needs to know of the network.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Meaning of the addresses of a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Suite of the network.
    pub suite: String,
    /// Slot length T in milliseconds.
    pub slot_ms: u64,
    /// Bytes of every frame and cell.
    pub frame_len: u64,
    /// Datagrams that the capture has missed because its buffer was full.
    pub missed: u64,
    /// Begin of the turns between periods in which a client sends messages and periods of cover
    /// alone, messages first, in microseconds of the Unix epoch.
    pub messages_from: Option<u64>,
    /// Length of these periods.
    pub messages_period_ms: u64,
    /// The nodes.
    #[serde(rename = "node")]
    pub nodes: Vec<ManifestNode>,
    /// Packet links of the network.
    #[serde(rename = "link", default)]
    pub links: Vec<ManifestLink>,
    /// Clients that wrote letters meanwhile. All other clients are mixes' own.
    #[serde(rename = "client", default)]
    pub clients: Vec<ManifestClient>,
}

/// A node of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestNode {
    /// Name of the node in the roster.
    pub name: String,
    /// Layer of a mix, from 1; none for a relay.
    pub layer: Option<usize>,
    /// UDP address of the node.
    pub address: SocketAddr,
}

/// Load of a packet link by the counts of its two ends: bytes that the streams took from the node,
/// and bytes that they delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestLink {
    /// Name of the sending node.
    pub from: String,
    /// Name of the receiving node.
    pub to: String,
    /// Bytes by the sender's count.
    pub sent_bytes: u64,
    /// Bytes by the receiver's count.
    pub received_bytes: u64,
}

/// A client that the network's own harness ran, and what it alone knows: which cells were letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestClient {
    /// Name of the client.
    pub name: String,
    /// Name of its entry relay.
    pub entry: String,
    /// UDP ports of the process that ran it; its links begin at some of them.
    pub ports: Vec<u16>,
    /// Numbers of the slots whose cells carried a letter, in rising order.
    pub letters: Vec<u64>,
}

impl Manifest {
    /// A manifest of a network that nothing is known of but its suite, slot length and frames.
    #[must_use]
    pub fn new(suite: &str, slot_ms: u64, frame_len: u64) -> Self {
        Self {
            suite: suite.to_owned(),
            slot_ms,
            frame_len,
            missed: 0,
            messages_from: None,
            messages_period_ms: 0,
            nodes: Vec::new(),
            links: Vec::new(),
            clients: Vec::new(),
        }
    }

    /// Place of a capture's manifest.
    #[must_use]
    pub fn path(capture: &Path) -> PathBuf {
        let mut path = capture.as_os_str().to_owned();
        path.push(".manifest.toml");
        path.into()
    }

    /// The manifest as its file.
    #[must_use]
    pub fn render(&self) -> String {
        let text = toml::to_string(self).expect("a manifest holds tables of numbers and strings");
        format!(
            "# What the addresses of the capture beside this file are; rohrpost-adversary wire reads it.\n{text}"
        )
    }

    /// Reads a manifest from its text.
    ///
    /// # Errors
    /// The text has a fault, which is told with its line.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let address = "127.0.0.1:4433".parse().unwrap();
        let manifest = Manifest {
            suite: "classic".to_owned(),
            slot_ms: 250,
            frame_len: 2568,
            missed: 3,
            messages_from: Some(1_700_000_000_000_000),
            messages_period_ms: 10_000,
            nodes: vec![
                ManifestNode { name: "relay-north".to_owned(), layer: None, address },
                ManifestNode { name: "mix-1-north".to_owned(), layer: Some(1), address },
            ],
            links: vec![ManifestLink {
                from: "relay-north".to_owned(),
                to: "mix-1-north".to_owned(),
                sent_bytes: 2568,
                received_bytes: 0,
            }],
            clients: vec![ManifestClient {
                name: "alice".to_owned(),
                entry: "relay-north".to_owned(),
                ports: vec![40_000, 40_001],
                letters: vec![7_000_000_001, 7_000_000_005],
            }],
        };
        assert_eq!(Manifest::parse(&manifest.render()).unwrap(), manifest);
    }
}
