//! Links of the virtual network: how long a frame is on its way, whether it is lost, and cuts.

use std::collections::BTreeSet;
use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::time::Time;

/// End of a link: a node or a client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Address {
    /// A node of the roster.
    Node(NodeNumber),
    /// A client, by its index.
    Client(usize),
}

impl Address {
    /// Kind and number, as they enter hashes.
    pub(crate) fn encode(self) -> [u8; 9] {
        let (kind, number) = match self {
            Self::Node(node) => (0, u64::from(node.get())),
            Self::Client(index) => (1, u64::try_from(index).unwrap_or(u64::MAX)),
        };
        let mut bytes = [kind; 9];
        bytes[1..].copy_from_slice(&number.to_be_bytes());
        bytes
    }
}

/// Latency and loss of all links.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Least time that a frame is on its way.
    pub latency: Duration,
    /// Largest addition to the latency; additions are uniform from zero on.
    pub jitter: Duration,
    /// Frames that are lost of a million.
    pub lost_per_million: u32,
}

impl Conditions {
    /// Latency of 5 to 15 ms, and nothing lost.
    pub const CALM: Self = Self {
        latency: Duration::from_millis(5),
        jitter: Duration::from_millis(10),
        lost_per_million: 0,
    };

    /// Time that a frame is on its way; `None` if it is lost.
    ///
    /// The answer depends on the seed, the link, the moment and what is given of the frame, not on
    /// what else has been sent: so one packet more or less changes nothing for any other. Packets
    /// of one tick over one link have answers of their own if their first bytes are given.
    #[must_use]
    pub fn transit(
        &self,
        seed: u64,
        ends: (Address, Address),
        at: Time,
        frame: &[u8],
    ) -> Option<Duration> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_be_bytes()).update(&at.micros().to_be_bytes());
        hasher.update(&ends.0.encode()).update(&ends.1.encode());
        hasher.update(&frame[..frame.len().min(TELLING)]);
        let mut draw = [0; 8];
        hasher.finalize_xof().fill(&mut draw);
        let [a, b, c, d, e, f, g, h] = draw;
        let (loss, jitter) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        if u64::from(loss) * 1_000_000 < u64::from(self.lost_per_million) << 32 {
            return None;
        }
        let part = f64::from(jitter) / f64::from(u32::MAX);
        Some(self.latency + self.jitter.mul_f64(part))
    }
}

/// All links between two sets of parties, in both directions, for a while.
pub(crate) struct Cut {
    one: BTreeSet<Address>,
    other: BTreeSet<Address>,
    pub(crate) until: Time,
    /// True if packets alone are lost, and what nodes say of themselves passes.
    packets: bool,
}

impl Cut {
    pub(crate) fn new(one: &[Address], other: &[Address], until: Time) -> Self {
        let [one, other] = [one, other].map(|set| set.iter().copied().collect());
        Self { one, other, until, packets: false }
    }

    /// The same for packets alone.
    pub(crate) fn of_packets(self) -> Self {
        Self { packets: true, ..self }
    }

    /// True if nothing at all passes between two parties.
    pub(crate) fn parts(&self, from: Address, to: Address) -> bool {
        !self.packets && self.separates(from, to)
    }

    pub(crate) fn separates(&self, from: Address, to: Address) -> bool {
        (self.one.contains(&from) && self.other.contains(&to))
            || (self.one.contains(&to) && self.other.contains(&from))
    }
}

/// Bytes by which a frame differs from all others: its header and the beginning of the
/// encapsulation.
const TELLING: usize = 40;
