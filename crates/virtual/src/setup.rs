//! Setup of a run, which determines it.

use std::collections::BTreeMap;

use rohrpost_packet::NodeNumber;

use crate::build::BuildTime;
use crate::link::Conditions;
use crate::observer::Memory;
use crate::roster::Layout;
use crate::skew::Skew;

/// Setup of a run: all that determines it, but for what the test then does to it.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Seed of all randomness.
    pub seed: u64,
    /// Latency and loss of all links.
    pub conditions: Conditions,
    /// Nodes and rates of the network.
    pub layout: Layout,
    /// Choice of what is retained of the run.
    pub memory: Memory,
    /// Bounds of the nodes.
    pub bounds: Bounds,
    /// Time that clients take to build cells.
    pub build: BuildTime,
    /// Nodes whose clocks are off, in each of their incarnations.
    pub skews: BTreeMap<NodeNumber, Skew>,
    /// True if passages through mixes are traced: each packet is opened twice, and 24 bytes of it
    /// are retained.
    pub trace: bool,
    /// True if the run does not say at its end what it was.
    pub silent: bool,
    /// True if clients acknowledge what arrives. Without acknowledgements nothing is sent again
    /// before its first time-out, after some six minutes.
    pub acknowledges: bool,
}

/// Bounds of each node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Sessions of a relay.
    pub sessions: usize,
    /// Packets that a node remembers per key; 11 to 21 bytes each, taken at the start.
    pub replay: usize,
    /// Packets in the pool of a mix.
    pub pool: usize,
}

impl Setup {
    /// Setup of a calm network: the default layout, right clocks, everything retained.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            conditions: Conditions::CALM,
            layout: Layout::default(),
            memory: Memory::Everything,
            bounds: Bounds::default(),
            build: BuildTime::default(),
            skews: BTreeMap::new(),
            trace: false,
            silent: false,
            acknowledges: true,
        }
    }
}

impl Default for Bounds {
    /// Bounds for a thousand sessions, and what they send in minutes: 2 MB per node.
    fn default() -> Self {
        Self { sessions: 1_000, replay: 100_000, pool: 10_000 }
    }
}
