//! The files of a local network: keys, trust root, roster signed by five of six, configurations.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::{Rng, RngExt};
use rohrpost_client::Segmentation;
use rohrpost_mixnode::MixLimits;
use rohrpost_node::{Limits, write_signing_key};
use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::roster::{
    Directory, Role, Roster, RosterNode, SuiteName, Traffic, render_signatures,
};
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_proto::directory::timing::Timing;
use rohrpost_proto::directory::trust::{Agency, JoinKey, TrustRoot};
use rohrpost_relay::RelayLimits;

use crate::error::LocalnetError;

/// Layout of a local network.
#[derive(Clone, Copy, Debug)]
pub struct PlanOptions {
    /// Suite of the network.
    pub suite: SuiteName,
    /// The first of ten UDP ports, whose numbers the metrics take as TCP ports; all are free ones
    /// if none is given.
    pub port: Option<u16>,
    /// Slot length, rates and delays.
    pub traffic: Traffic,
    /// Slot of the directory, if it is not to be as short as the cells allow.
    pub document_slot: Option<Duration>,
    /// Time after which nodes change their packet keys, if not the usual one.
    pub epoch: Option<Duration>,
    /// Bounds of memory, the same for all nodes.
    pub limits: Limits,
    /// Bounds of memory of the mixes.
    pub mix_limits: MixLimits,
    /// Bounds of memory of the relays.
    pub relay_limits: RelayLimits,
    /// Manner in which the nodes hand datagrams to the system.
    pub segmentation: Segmentation,
}

impl PlanOptions {
    /// Default traffic, free ports, and limits that suit ten nodes on one machine.
    #[must_use]
    pub fn new(suite: SuiteName) -> Self {
        Self {
            suite,
            port: None,
            traffic: Traffic::default(),
            document_slot: None,
            epoch: None,
            limits: Limits { workers: 1, replay_tags: REPLAY_TAGS, queue_packets: 512 },
            mix_limits: MixLimits { pool_packets: 2_000 },
            relay_limits: RelayLimits { sessions: 250, ..RelayLimits::default() },
            segmentation: Segmentation::Offload,
        }
    }

    /// Times of the directory: as short as the cells allow, if nothing else is asked for, so that a network
    /// is there within half a minute of its start.
    fn directory(&self) -> Directory {
        let usual = Directory::of(&self.traffic);
        let slot = self.document_slot.unwrap_or_else(|| DOCUMENT_SLOT.max(self.traffic.slot * 8));
        let epoch = self.epoch.unwrap_or(usual.epoch);
        Directory { epoch, timing: Timing::with_interval(slot) }
    }

    /// Default traffic, free ports, and the bounds that a node has by default, but for `limits`.
    #[must_use]
    pub fn with_node_limits(suite: SuiteName, limits: Limits) -> Self {
        let (mix_limits, relay_limits) = (MixLimits::default(), RelayLimits::default());
        Self { limits, mix_limits, relay_limits, ..Self::new(suite) }
    }
}

/// Parts of a local network.
pub struct Plan {
    /// The nodes, relays first.
    pub nodes: Vec<NodePlan>,
}

/// Node of a local network.
pub struct NodePlan {
    /// Name in the roster.
    pub name: String,
    /// Role in the network.
    pub role: Role,
    /// Path of its configuration.
    pub config: PathBuf,
    /// Address of its metrics.
    pub metrics: SocketAddr,
}

impl Plan {
    /// Makes all keys and files in `directory`.
    ///
    /// # Errors
    /// The directory holds a network, or a file cannot be written.
    pub fn make(directory: &Path, options: &PlanOptions) -> Result<Self, LocalnetError> {
        if directory.join("roster.toml").exists() {
            return Err(LocalnetError::Occupied(directory.to_owned()));
        }
        let ports = ports(options.port).map_err(LocalnetError::System)?;
        let mut entries = Vec::new();
        let mut nodes = Vec::new();
        for ((number, seat), ports) in (1..).zip(NODES).zip(ports) {
            let (entry, node) = make_node(directory, number, seat, ports, options)?;
            entries.push(entry);
            nodes.push(node);
        }
        write_network(directory, options, &entries)?;
        Ok(Self { nodes })
    }
}

/// Makes key and configuration of one node, in a folder of its own.
fn make_node(
    directory: &Path,
    number: u32,
    (name, operator, role): (&str, &str, Role),
    (listen, metrics): (SocketAddr, SocketAddr),
    options: &PlanOptions,
) -> Result<(RosterNode, NodePlan), LocalnetError> {
    let folder = directory.join(name);
    fs::create_dir_all(&folder).map_err(file(&folder))?;
    let key = SigningKey::generate(&mut rand::rng());
    let path = folder.join("identity.pem");
    write_signing_key(&path, &key).map_err(file(&path))?;
    let config = folder.join("node.toml");
    let text = configuration(number, listen, metrics, options);
    fs::write(&config, text).map_err(file(&config))?;
    let name = name.to_owned();
    let entry = RosterNode {
        number: NodeNumber::new(number),
        name: name.clone(),
        operator: operator.to_owned(),
        role,
        addresses: vec![listen],
        identity: key.public(),
    };
    Ok((entry, NodePlan { name, role, config, metrics }))
}

/// Writes the agencies' keys, trust root, roster and signatures.
fn write_network(
    directory: &Path,
    options: &PlanOptions,
    nodes: &[RosterNode],
) -> Result<(), LocalnetError> {
    let agencies = AGENCIES.map(|name| (name, SigningKey::generate(&mut rand::rng())));
    let folder = directory.join("agencies");
    fs::create_dir_all(&folder).map_err(file(&folder))?;
    for (name, key) in &agencies {
        let path = folder.join(format!("{name}.pem"));
        write_signing_key(&path, key).map_err(file(&path))?;
    }
    let trust = trust_root(&agencies)?;
    let roster = Roster::render(
        NETWORK,
        EXPIRES,
        options.suite,
        &options.traffic,
        &options.directory(),
        nodes,
    );
    let sign = |(name, key): &(&str, SigningKey)| Roster::sign(&roster, &trust, name, key);
    let signatures: Vec<_> = agencies[..THRESHOLD].iter().map(sign).collect();
    let texts = [
        ("trust.toml", trust.render()),
        ("roster.sig", render_signatures(&signatures)),
        ("roster.toml", roster),
    ];
    for (name, text) in texts {
        let path = directory.join(name);
        fs::write(&path, text).map_err(file(&path))?;
    }
    Ok(())
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> LocalnetError {
    let path = path.to_owned();
    move |source| LocalnetError::File { path, source }
}

fn trust_root(agencies: &[(&str, SigningKey)]) -> Result<TrustRoot, LocalnetError> {
    let mut join_key = [0; 32];
    rand::rng().fill_bytes(&mut join_key);
    let agency =
        |(name, key): &(&str, SigningKey)| Agency { name: (*name).to_owned(), key: key.public() };
    let agencies = agencies.iter().map(agency).collect();
    TrustRoot::new(NETWORK.to_owned(), agencies, THRESHOLD, JoinKey::new(join_key))
        .map_err(|error| LocalnetError::Plan(error.to_string()))
}

fn configuration(
    number: u32,
    listen: SocketAddr,
    metrics: SocketAddr,
    options: &PlanOptions,
) -> String {
    let (limits, relay) = (&options.limits, &options.relay_limits);
    let offload = options.segmentation == Segmentation::Offload;
    format!(
        "# A node of a local network; docs/operating.md explains each key.\n\
         node = {number}\n\
         trust = \"../trust.toml\"\n\
         roster = \"../roster.toml\"\n\
         signatures = \"../roster.sig\"\n\
         identity = \"identity.pem\"\n\
         listen = \"{listen}\"\n\
         metrics = \"{metrics}\"\n\
         metrics_tick_seconds = 1\n\
         segmentation_offload = {offload}\n\n\
         [limits]\n\
         workers = {}\n\
         replay_tags = {}\n\
         pool_packets = {}\n\
         queue_packets = {}\n\
         sessions = {}\n\
         mailboxes = {}\n\
         envelopes = {}\n",
        limits.workers,
        limits.replay_tags,
        options.mix_limits.pool_packets,
        limits.queue_packets,
        relay.sessions,
        relay.mailboxes,
        relay.envelopes,
    )
}

/// UDP and TCP address of each node. Free ports are held until all are found, then let go.
fn ports(first: Option<u16>) -> io::Result<Vec<(SocketAddr, SocketAddr)>> {
    if let Some(first) = first {
        let numbers = (0..).take(NODES.len()).map(|index: u16| first.saturating_add(index));
        return Ok(numbers.map(|port| (at(port), at(port))).collect());
    }
    let held = NODES.iter().map(|_| free_port()).collect::<io::Result<Vec<_>>>()?;
    held.iter().map(|(udp, tcp)| Ok((udp.local_addr()?, tcp.local_addr()?))).collect()
}

/// Sockets of a UDP and a TCP port of one number that nobody has, of those that the system gives to
/// no outgoing connection: none takes a node's port while the node is down.
fn free_port() -> io::Result<(UdpSocket, TcpListener)> {
    let mut generator = rand::rng();
    let mut hold = || {
        let address = at(generator.random_range(PORTS));
        Ok((UdpSocket::bind(address)?, TcpListener::bind(address)?))
    };
    let mut last = hold();
    for _ in 0..ATTEMPTS {
        last = last.or_else(|_: io::Error| hold());
    }
    last
}

/// Address of a port on loopback.
fn at(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Ports of nodes: above those of common services, below those of outgoing connections on Linux
/// (32 768, ip(7)), macOS and Windows (49 152, RFC 6335 section 6).
const PORTS: Range<u16> = 16_384..32_768;
/// Attempts to find a free port: even where nine of ten are taken, a thousand find one.
const ATTEMPTS: usize = 1_000;
/// Fingerprints of an hour at a quiet pace: 64 bits each, and each of the ten nodes holds two sets
/// for a while.
const REPLAY_TAGS: usize = 500_000;
const NETWORK: &str = "localnet";
const AGENCIES: [&str; 6] = ["north", "south", "east", "west", "coast", "inland"];
const THRESHOLD: usize = 5;
/// A local network does not outlive its files.
const EXPIRES: &str = "2099-12-31";
const NODES: [(&str, &str, Role); 10] = [
    ("relay-north", "north", Role::Relay),
    ("relay-south", "south", Role::Relay),
    ("relay-east", "east", Role::Relay),
    ("relay-west", "west", Role::Relay),
    ("mix-1-north", "north", Role::Mix { layer: 0 }),
    ("mix-1-south", "south", Role::Mix { layer: 0 }),
    ("mix-2-east", "east", Role::Mix { layer: 1 }),
    ("mix-2-west", "west", Role::Mix { layer: 1 }),
    ("mix-3-coast", "coast", Role::Mix { layer: 2 }),
    ("mix-3-inland", "inland", Role::Mix { layer: 2 }),
];

/// Slot of the directory, if the cells have room for it.
const DOCUMENT_SLOT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use rohrpost_network::Network;

    use super::*;

    #[test]
    fn a_plan_checks_as_a_network_and_is_not_made_twice() {
        let directory = std::env::temp_dir().join(format!("rohrpost-plan-{}", std::process::id()));
        let plan = Plan::make(&directory, &PlanOptions::new(SuiteName::Classic)).unwrap();
        let network = Network::open(&directory).unwrap();
        assert_eq!(network.roster.nodes().count(), plan.nodes.len());
        assert_eq!(network.trust.survives(), (1, 3));
        assert!(plan.nodes.iter().all(|node| PORTS.contains(&node.metrics.port())));
        let again = Plan::make(&directory, &PlanOptions::new(SuiteName::Classic));
        assert!(matches!(again, Err(LocalnetError::Occupied(_))));
        fs::remove_dir_all(&directory).unwrap();
    }
}
