//! Time that a client takes to build its cells.

use std::time::Duration;

use rohrpost_proto::courier::Work;

/// Time that each operation of building takes a client. It is charged where building happens: a
/// cell that is built at its slot leaves that much later, one that is built ahead leaves in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BuildTime {
    /// Time to seal an envelope.
    pub seal: Duration,
    /// Time to build a SURB and to sign for it.
    pub surb: Duration,
    /// Time to wrap a packet.
    pub packet: Duration,
}

impl BuildTime {
    pub(crate) fn of(&self, work: Work) -> Duration {
        self.seal * work.seals + self.surb * work.surbs + self.packet * work.packets
    }
}

impl Default for BuildTime {
    /// Sets what the suite `hybrid` takes on the development machine (`docs/benchmarks.md`), with
    /// 20 µs for a signature.
    fn default() -> Self {
        Self {
            seal: Duration::from_micros(86),
            surb: Duration::from_micros(266),
            packet: Duration::from_micros(249),
        }
    }
}
