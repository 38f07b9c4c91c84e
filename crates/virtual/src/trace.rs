//! Passages through a mix: which departure belongs to which arrival. The mix hides it; the tests
//! are told.
//!
//! A traced mix has a twin: a second hop with the same keys, which opens a copy of each frame on
//! its arrival and so knows the bytes that will leave. The mix itself runs as it always does.

use std::collections::HashMap;

use rand_core::CryptoRng;
use rohrpost_packet::{Command, Generation, NodeNumber, Suite};
use rohrpost_proto::frame::Frame;
use rohrpost_proto::hop::Hop;
use rohrpost_proto::replay::Ingress;
use rohrpost_proto::time::Time;

/// A packet's way through a mix, as the true clock saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passage {
    /// Number of the mix.
    pub mix: NodeNumber,
    /// Time at which the packet's frame arrived.
    pub arrived: Time,
    /// Time at which the packet left.
    pub left: Time,
}

/// The twin of a mix.
pub(crate) struct Twin<S: Suite> {
    hop: Hop<S>,
    /// Arrival by the beginning of the bytes that will leave; as many as the mix's pool holds.
    inside: HashMap<[u8; BEGINNING], Time>,
}

impl<S: Suite> Twin<S> {
    pub(crate) fn new(position: usize, replay_limit: usize) -> Self {
        // One link, for the mix itself has looked at the quotas.
        Self { hop: Hop::new(position, 1, replay_limit), inside: HashMap::new() }
    }

    /// Makes the key that the mix makes from the same randomness.
    pub(crate) fn rotate(
        &self,
        generation: Generation,
        retires: Time,
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        self.hop.rotate(generation, retires, rng);
    }

    /// Takes the copy of a frame that arrives and that the mix has not refused.
    pub(crate) fn arrive(&mut self, now: Time, bytes: &[u8]) {
        let frame = Frame::decode(bytes).ok();
        let opened = frame.and_then(|frame| self.hop.open(Ingress::new(0), frame).ok());
        let forwarded = opened.filter(|opened| opened.route().command == Command::Forward);
        if let Some(opened) = forwarded {
            self.inside.insert(beginning(opened.forward().as_bytes()), now);
        }
    }

    /// Time at which the packet that now leaves had arrived; `None` for the mix's own.
    pub(crate) fn leave(&mut self, packet: &[u8]) -> Option<Time> {
        self.inside.remove(&beginning(packet))
    }
}

fn beginning(packet: &[u8]) -> [u8; BEGINNING] {
    *packet.first_chunk().expect("packets are longer than an encapsulation")
}

/// Bytes by which a packet differs from all others: an encapsulation is at least so long and never
/// repeats.
const BEGINNING: usize = 32;
