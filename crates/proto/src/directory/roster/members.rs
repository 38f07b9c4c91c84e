//! Members of a network: the nodes of the roster, their places in the layers, and the rates that
//! all follow.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use rand::RngExt;
use rand_core::CryptoRng;
use rohrpost_packet::envelope::NetworkId;
use rohrpost_packet::{Classic, HOPS, Hybrid, NodeNumber, Suite};

use crate::delay::longest;
use crate::directory::signing::IdentityKey;
use crate::directory::timing::Timing;
use crate::replay::Ingress;
use crate::weakness::Weakness;

/// A verified roster. All rates of the network come from here; no client can lower its cover.
pub struct Roster {
    /// Name of the network.
    pub network: String,
    /// Hash of the network's name and agencies.
    pub network_id: NetworkId,
    /// Version of the roster, which rises with every roster.
    pub version: u32,
    /// Hash of the file's bytes.
    pub hash: RosterHash,
    /// First day on which the roster no longer holds, `YYYY-MM-DD`.
    pub expires: String,
    /// The suite of every packet.
    pub suite: SuiteName,
    /// Rates and delays of the network's traffic.
    pub traffic: Traffic,
    /// Periods of the directory.
    pub directory: Directory,
    /// Agencies of the trust root.
    pub agencies: usize,
    /// Agencies that must sign a roster.
    pub threshold: usize,
    /// The highest number that was ever given to a node of this network; none of those that were is
    /// given again.
    pub numbers_given: u32,
    pub(super) nodes: BTreeMap<NodeNumber, RosterNode>,
}

/// BLAKE3 hash of the exact bytes of a roster; shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RosterHash([u8; 32]);

impl RosterHash {
    /// The hash of a roster's text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(*blake3::hash(text.as_bytes()).as_bytes())
    }

    /// Makes a hash of its 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for RosterHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER_PERMISSIVE.encode(&self.0))
    }
}

/// The suites that a roster can name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SuiteName {
    /// The suite of X25519 and ML-KEM-768.
    Hybrid,
    /// The suite of X25519 alone.
    Classic,
}

impl SuiteName {
    /// Name of the suite in the roster.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hybrid => Hybrid::NAME,
            Self::Classic => Classic::NAME,
        }
    }
}

/// Rates and delays (`docs/traffic.md`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Traffic {
    /// Slot length T of the grid.
    pub slot: Duration,
    /// Mean of the exponential delay at each mix.
    pub mix_delay: Duration,
    /// Packets per second that a mix's own cover keeps coming in.
    pub cover_floor: u32,
    /// Mean of the exponential delay of a client's acknowledgements.
    pub ack_delay: Duration,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            slot: Duration::from_millis(250),
            mix_delay: Duration::from_millis(200),
            cover_floor: 50,
            ack_delay: Duration::from_secs(120),
        }
    }
}

impl Traffic {
    /// Period at whose multiples mailboxes answer: 4 T.
    #[must_use]
    pub fn answer_period(&self) -> Duration {
        self.slot * 4
    }

    /// Time after which a mailbox serves an envelope again that it has served, and whose owner has
    /// not said that it came: 30 s, or three periods of answers if those are longer. The owner says
    /// so with his next pull, which leaves within a period and comes later than the next answer;
    /// the one after it may be lost.
    #[must_use]
    pub fn serve_again(&self) -> Duration {
        SERVE_AGAIN.max(self.answer_period() * 3)
    }

    /// Mean time between two envelopes of one sender into one mailbox: one and a half of the
    /// mailbox's answers. In between its owner's loops and others' envelopes are served.
    #[must_use]
    pub fn pace(&self) -> Duration {
        self.slot * 6
    }

    /// Mean time between two slots of a client that carry payload, beside pulls and loops: 128/45
    /// T.
    #[must_use]
    pub fn payload_period(&self) -> Duration {
        self.slot * 128 / 45
    }

    /// Time between two of the four phases of the slot at which a relay's sessions tick.
    #[must_use]
    pub fn phase(&self) -> Duration {
        self.slot / 4
    }

    /// Draws how long after a slot's start a client's cells leave it, in whole microseconds: in the
    /// slot's first half, so that they reach the entry relay before it ends. Cells that come after
    /// it leave the relay a slot later than those of others, which would tell on them.
    #[must_use]
    pub fn client_phase(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Duration {
        let half = u64::try_from(self.slot.as_micros() / 2).unwrap_or(u64::MAX);
        Duration::from_micros(rng.random_range(0..half.max(1)))
    }
}

/// Periods of the directory (`docs/directory.md`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Directory {
    /// Time for which a packet key is the newest.
    pub epoch: Duration,
    /// Times of agreement, and of announcements.
    pub timing: Timing,
}

impl Directory {
    /// Those of a network of this traffic, if its roster says nothing else.
    #[must_use]
    pub fn of(traffic: &Traffic) -> Self {
        let timing = Timing::where_cells_come_every(traffic.slot);
        // A node holds three keys, and old ones live as long as documents name them.
        Self { epoch: EPOCH.max(timing.interval() * 16), timing }
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self::of(&Traffic::default())
    }
}

/// Position of a node in the paths of packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A mix in layer 0, 1 or 2 (1 to 3 for people).
    Mix {
        /// Number of the layer: `0 <= layer < 3`.
        layer: usize,
    },
    /// A relay: entry and mailbox.
    Relay,
}

impl Role {
    /// Index of the header layer that a node of this role opens.
    #[must_use]
    pub const fn position(self) -> usize {
        match self {
            Self::Mix { layer } => layer,
            Self::Relay => HOPS - 1,
        }
    }
}

/// A node of the roster.
#[derive(Clone, Debug)]
pub struct RosterNode {
    /// Number of the node, unique and never reused.
    pub number: NodeNumber,
    /// Name of the node, unique; shown in logs and metrics.
    pub name: String,
    /// The agency that runs the node.
    pub operator: String,
    /// Role of the node: relay, or mix of a layer.
    pub role: Role,
    /// Addresses at which the node listens, most preferred first.
    pub addresses: Vec<SocketAddr>,
    /// Identity of the node on links and under descriptors.
    pub identity: IdentityKey,
}

impl Roster {
    /// The node with this number.
    #[must_use]
    pub fn node(&self, number: NodeNumber) -> Option<&RosterNode> {
        self.nodes.get(&number)
    }

    /// The relay with this number.
    #[must_use]
    pub fn relay(&self, number: NodeNumber) -> Option<&RosterNode> {
        self.node(number).filter(|node| node.role == Role::Relay)
    }

    /// Time for which an old packet key lives on beside the newest. Packets are built with it for
    /// [`Timing::named_for`] at most, and are on their way for [`Self::way`].
    #[must_use]
    pub fn grace(&self) -> Duration {
        if Weakness::GraceBelowStale.is_active() {
            return self.directory.timing.stale_after() / 2 + longest(self.traffic.mix_delay);
        }
        self.directory.timing.named_for() + self.way()
    }

    /// Time from building a packet to the arrival of all that it brings about: it passes three mixes, and
    /// a SURB in it waits for its turn in a mailbox and passes three more. Six delays together hardly ever
    /// last two of the longest.
    #[must_use]
    pub fn way(&self) -> Duration {
        let mixes = longest(self.traffic.mix_delay) * 2 + self.traffic.slot * 4;
        mixes + self.traffic.answer_period() * SURBS + MARGIN
    }

    /// The name of the node with this number; the number itself if the roster has no such node.
    #[must_use]
    pub fn name_of(&self, number: NodeNumber) -> String {
        self.node(number).map_or_else(|| number.to_string(), |node| node.name.clone())
    }

    /// The node with this identity.
    #[must_use]
    pub fn node_of(&self, identity: &IdentityKey) -> Option<&RosterNode> {
        self.nodes.values().find(|node| node.identity == *identity)
    }

    /// All nodes by number.
    pub fn nodes(&self) -> impl Iterator<Item = &RosterNode> {
        self.nodes.values()
    }

    /// The nodes that open header layer `position`: mixes of layers 0 to 2, relays at 3.
    pub fn at(&self, position: usize) -> impl Iterator<Item = &RosterNode> {
        self.nodes.values().filter(move |node| node.role.position() == position)
    }

    /// The relays of the network.
    pub fn relays(&self) -> impl Iterator<Item = &RosterNode> {
        self.at(HOPS - 1)
    }

    /// The nodes to which a node of this role opens packet links: the next layer; for a relay the
    /// first.
    pub fn successors(&self, role: Role) -> impl Iterator<Item = &RosterNode> {
        self.at((role.position() + 1) % HOPS)
    }

    /// The nodes from which a node of this role takes packets: the layer before; for the first the
    /// relays.
    pub fn predecessors(&self, role: Role) -> impl Iterator<Item = &RosterNode> {
        self.at((role.position() + HOPS - 1) % HOPS)
    }

    /// The link of `from` into a node with this role.
    #[must_use]
    pub fn ingress(&self, role: Role, from: NodeNumber) -> Option<Ingress> {
        self.predecessors(role).position(|node| node.number == from).map(Ingress::new)
    }
}

/// Time for which a packet key is the newest, unless a roster says otherwise.
const EPOCH: Duration = Duration::from_secs(3600);
/// SURBs that a mailbox holds: the last waits for so many answers.
const SURBS: u32 = 8;
/// Shortest time after which an envelope that was served and not acknowledged is served again.
const SERVE_AGAIN: Duration = Duration::from_secs(30);
/// Time for links, queues, and clocks that are seconds apart.
const MARGIN: Duration = Duration::from_secs(20);
