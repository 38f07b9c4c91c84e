//! Links of the virtual network.

use std::time::Duration;

use rohrpost_packet::NodeNumber;
use rohrpost_proto::time::Time;

/// One end of a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Address {
    /// A node of the roster.
    Node(NodeNumber),
    /// A client, by its index.
    Client(usize),
}

/// Latency and loss of all links.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Least latency.
    pub latency: Duration,
    /// Added at most.
    pub jitter: Duration,
    /// Lost, of a million.
    pub lost_per_million: u32,
}

impl Conditions {
    /// 5 to 15 ms, nothing lost.
    pub const CALM: Self = Self {
        latency: Duration::from_millis(5),
        jitter: Duration::from_millis(10),
        lost_per_million: 0,
    };

    /// How long a frame is on its way; `None` if it is lost.
    ///
    /// A function of the seed, the link and the moment only, not of what else has been sent: so one
    /// packet more or less changes the fate of no other.
    #[must_use]
    pub fn fate(&self, seed: u64, from: Address, to: Address, at: Time) -> Option<Duration> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_be_bytes()).update(&at.micros().to_be_bytes());
        for end in [from, to] {
            let (kind, number) = match end {
                Address::Node(node) => (0, u64::from(node.get())),
                Address::Client(index) => (1, u64::try_from(index).unwrap_or(u64::MAX)),
            };
            hasher.update(&[kind]).update(&number.to_be_bytes());
        }
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
