//! `roster.toml`: commented TOML for people, and what can be wrong with it.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use rohrpost_packet::{HOPS, NodeNumber};
use serde::Deserialize;

use super::error::RosterError;
use super::members::{Directory, Role, Roster, RosterHash, RosterNode, SuiteName, Traffic};
use crate::directory::signing::IdentityKey;
use crate::directory::timing::Timing;
use crate::directory::trust::{TrustRoot, is_plain, quoted, shown};
use crate::time::calendar::days_since_epoch;
use crate::weakness::Weakness;

impl Roster {
    /// Reads a roster that nobody has signed yet, and checks its rules but not its expiry. It is not to
    /// be used for anything but reading.
    ///
    /// # Errors
    /// The fault in the roster, with line or names, and what to do. One that
    /// [lacks nodes](RosterError::is_incomplete) may yet become a roster.
    pub fn draft(text: &str, trust: &TrustRoot) -> Result<Self, RosterError> {
        let raw: RawRoster = toml::from_str(text).map_err(Box::new)?;
        if raw.network != trust.network() {
            return Err(RosterError::Network {
                roster: shown(&raw.network),
                trust: trust.network().into(),
            });
        }
        let suite = match raw.suite.as_str() {
            "hybrid" => SuiteName::Hybrid,
            "classic" => SuiteName::Classic,
            _ => return Err(RosterError::Suite(shown(&raw.suite))),
        };
        if days_since_epoch(&raw.expires).is_none() {
            return Err(RosterError::Date(shown(&raw.expires)));
        }
        let (mut nodes, written) = (BTreeMap::new(), raw.node.len());
        for raw in raw.node {
            let node = raw.check(trust)?;
            nodes.insert(node.number, node);
        }
        let traffic = raw.traffic.check()?;
        let highest = nodes.last_key_value().map_or(0, |(number, _)| number.get());
        let roster = Self {
            network: raw.network,
            network_id: trust.network_id(),
            version: raw.version,
            hash: RosterHash::of(text),
            expires: raw.expires,
            suite,
            traffic,
            directory: raw.directory.check(&traffic)?,
            agencies: trust.agencies().len(),
            threshold: trust.threshold(),
            numbers_given: raw.numbers_given.unwrap_or(highest),
            nodes,
        };
        if highest > roster.numbers_given {
            return Err(RosterError::Number { highest, given: roster.numbers_given });
        }
        roster.check_nodes(written)?;
        roster.check_layers()?;
        roster.check_grace()?;
        // Last, so that one that lacks nothing but nodes breaks no other rule.
        roster.check_complete()?;
        Ok(roster)
    }

    fn check_nodes(&self, written: usize) -> Result<(), RosterError> {
        let names: HashSet<_> = self.nodes().map(|node| &node.name).collect();
        let identities: HashSet<_> = self.nodes().map(|node| node.identity).collect();
        let n = self.nodes.len();
        if names.len() != n || identities.len() != n || written > n {
            return Err(RosterError::Repeated);
        }
        let mut addresses = BTreeMap::new();
        for node in self.nodes() {
            for address in &node.addresses {
                // Of IPv4 there are two ways to write one.
                let place = (address.ip().to_canonical(), address.port());
                if let Some(other) = addresses.insert(place, &node.name) {
                    let (node, other) = (node.name.clone(), other.clone());
                    return Err(RosterError::SameAddress { address: *address, node, other });
                }
            }
        }
        Ok(())
    }

    fn check_complete(&self) -> Result<(), RosterError> {
        match (0..4).find(|&position| self.at(position).next().is_none()) {
            Some(3) => Err(RosterError::NoRelay),
            Some(layer) => Err(RosterError::EmptyLayer(layer + 1)),
            None => Ok(()),
        }
    }

    /// Checks that the mixes of each operator stand in one layer, where there are operators for all
    /// three. Each layer's mix can then be drawn whatever the others are, and all are of different
    /// operators. Were the operators of a path kept apart by the draw instead, its first mix would
    /// tell of its last.
    fn check_layers(&self) -> Result<(), RosterError> {
        let mut layers = BTreeMap::new();
        let mut twice = None;
        for node in self.nodes() {
            let Role::Mix { layer } = node.role else { continue };
            let first = *layers.entry(&node.operator).or_insert(layer);
            if first != layer {
                twice.get_or_insert((&node.operator, first + 1, layer + 1));
            }
        }
        match twice {
            Some((operator, one, other))
                if layers.len() >= LAYERS && !Weakness::OperatorsInAllLayers.is_active() =>
            {
                Err(RosterError::Layers { operator: operator.clone(), one, other })
            }
            _ => Ok(()),
        }
    }

    /// Checks that a node never needs more than its newest key and two before it.
    fn check_grace(&self) -> Result<(), RosterError> {
        let (grace, epoch) = (self.grace(), self.directory.epoch);
        if grace > epoch * 2 {
            let (seconds, least) = (grace.as_secs(), grace.as_secs() / 2 + 1);
            return Err(RosterError::Grace { seconds, least });
        }
        Ok(())
    }

    /// Checks that the roster holds yet.
    ///
    /// # Errors
    /// It has expired, or its expiry is no date.
    pub fn check_expiry(&self, now_unix: u64) -> Result<(), RosterError> {
        let days = days_since_epoch(&self.expires)
            .ok_or_else(|| RosterError::Date(self.expires.clone()))?;
        if now_unix / 86_400 >= days {
            return Err(RosterError::Expired(self.expires.clone()));
        }
        Ok(())
    }

    /// Writes a roster for people; [`Roster::verify`] reads it.
    #[must_use]
    pub fn render(
        network: &str,
        expires: &str,
        suite: SuiteName,
        traffic: &Traffic,
        directory: &Directory,
        nodes: &[RosterNode],
    ) -> String {
        let mut text = format!(
            "# The roster: who takes part, and the rates that all follow. Signed by the agencies;\n\
             # a changed byte needs new signatures (rohrpost-ops roster sign).\n\
             network = {}\n\n\
             # Rises with each roster.\nversion = 1\n\n\
             # The highest number that a node ever had; none of them is given again.\n\
             numbers_given = {}\n\n\
             # First day on which it no longer holds.\nexpires = \"{expires}\"\n\n\
             # hybrid: X25519 and ML-KEM-768. classic: X25519 alone.\nsuite = \"{}\"\n\n\
             [traffic]\n# Every client sends one cell per slot.\nslot_ms = {}\n\
             # Mean of the random delay at each mix.\nmix_delay_ms = {}\n\
             # Packets per second that each mix's own cover keeps coming in.\ncover_floor = {}\n\
             # Mean of the random delay of a client's acknowledgements.\nack_delay_ms = {}\n\n\
             [directory]\n# Each node makes a new packet key once in so many seconds.\n\
             epoch_seconds = {}\n\
             # The relays agree on a network document once in so many milliseconds.\n\
             document_slot_ms = {}\n",
            quoted(network),
            nodes.iter().map(|node| node.number.get()).max().unwrap_or(0),
            suite.as_str(),
            traffic.slot.as_millis(),
            traffic.mix_delay.as_millis(),
            traffic.cover_floor,
            traffic.ack_delay.as_millis(),
            directory.epoch.as_secs(),
            directory.timing.interval().as_millis(),
        );
        for node in nodes {
            let addresses: Vec<_> = node.addresses.iter().map(|a| format!("\"{a}\"")).collect();
            let role = match node.role {
                Role::Mix { layer } => format!("\"mix\"\nlayer = {}", layer + 1),
                Role::Relay => "\"relay\"".to_owned(),
            };
            let _ = write!(
                text,
                "\n[[node]]\nnumber = {}\nname = {}\noperator = {}\nrole = {role}\n\
                 addresses = [{}]\nidentity = \"{}\"\n",
                node.number,
                quoted(&node.name),
                quoted(&node.operator),
                addresses.join(", "),
                node.identity,
            );
        }
        text
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoster {
    network: String,
    version: u32,
    numbers_given: Option<u32>,
    expires: String,
    suite: String,
    #[serde(default)]
    traffic: RawTraffic,
    #[serde(default)]
    directory: RawDirectory,
    #[serde(default)]
    node: Vec<RawNode>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawTraffic {
    slot_ms: Option<u64>,
    mix_delay_ms: Option<u64>,
    cover_floor: Option<u32>,
    ack_delay_ms: Option<u64>,
}

impl RawTraffic {
    fn check(&self) -> Result<Traffic, RosterError> {
        let default = Traffic::default();
        let milliseconds = |value: Option<u64>, name, least, most, default| match value {
            None => Ok(default),
            Some(ms) if (least..=most).contains(&ms) => Ok(Duration::from_millis(ms)),
            Some(value) => Err(RosterError::Range { name, value, least, most }),
        };
        Ok(Traffic {
            slot: milliseconds(self.slot_ms, "slot_ms", 4, 60_000, default.slot)?,
            mix_delay: milliseconds(
                self.mix_delay_ms,
                "mix_delay_ms",
                1,
                60_000,
                default.mix_delay,
            )?,
            cover_floor: self.cover_floor.unwrap_or(default.cover_floor),
            ack_delay: milliseconds(
                self.ack_delay_ms,
                "ack_delay_ms",
                0,
                600_000,
                default.ack_delay,
            )?,
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawDirectory {
    epoch_seconds: Option<u64>,
    document_slot_ms: Option<u64>,
}

impl RawDirectory {
    fn check(&self, traffic: &Traffic) -> Result<Directory, RosterError> {
        let default = Directory::of(traffic);
        let within = |value: Option<u64>, name, least, most| match value {
            Some(value) if !(least..=most).contains(&value) => {
                Err(RosterError::Range { name, value, least, most })
            }
            value => Ok(value),
        };
        let epoch = within(self.epoch_seconds, "epoch_seconds", 30, 7 * 86_400)?;
        let slot = within(self.document_slot_ms, "document_slot_ms", 100, 600_000)?;
        let timing = |ms| Timing::with_interval(Duration::from_millis(ms));
        Ok(Directory {
            epoch: epoch.map_or(default.epoch, Duration::from_secs),
            timing: slot.map_or(default.timing, timing),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNode {
    number: u32,
    name: String,
    operator: String,
    role: String,
    layer: Option<usize>,
    addresses: Vec<SocketAddr>,
    identity: String,
}

impl RawNode {
    fn check(self, trust: &TrustRoot) -> Result<RosterNode, RosterError> {
        if !is_plain(&self.name) {
            return Err(RosterError::Name(shown(&self.name)));
        }
        let role = match (self.role.as_str(), self.layer) {
            ("relay", None) => Role::Relay,
            ("mix", Some(layer @ 1..=3)) => Role::Mix { layer: layer - 1 },
            _ => return Err(RosterError::Role(self.name)),
        };
        if !trust.agencies().iter().any(|agency| agency.name == self.operator) {
            return Err(RosterError::Operator { node: self.name, operator: shown(&self.operator) });
        }
        let identity: IdentityKey =
            self.identity.parse().map_err(|_| RosterError::Identity(self.name.clone()))?;
        if self.addresses.is_empty() || self.number == 0 {
            return Err(RosterError::Address(self.name));
        }
        Ok(RosterNode {
            number: NodeNumber::new(self.number),
            name: self.name,
            operator: self.operator,
            role,
            addresses: self.addresses,
            identity,
        })
    }
}

/// Layers of mixes.
const LAYERS: usize = HOPS - 1;
