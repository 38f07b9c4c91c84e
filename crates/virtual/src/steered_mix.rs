//! A mix that hears the documents of all relays, one of which crafts its own; and the ways that the
//! mix's drop cover takes by what it believes.

use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rohrpost_packet::NodeNumber;
use rohrpost_proto::directory::carousel::object::Object;
use rohrpost_proto::directory::roster::Role;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::directory::views::{Turn, Views};
use rohrpost_proto::mix::cover::DropCover;
use rohrpost_proto::time::{Slot, Time};

use crate::key_ring::KeyRing;
use crate::node::rng;
use crate::roster::BEGIN;
use crate::toy::Toy;

/// A mix of the first layer, its view and its drop cover.
pub struct SteeredMix<'a> {
    ring: &'a KeyRing,
    /// The relay that crafts documents.
    hostile: NodeNumber,
    views: Views<Toy>,
    cover: DropCover,
    view: Option<Arc<View<Toy>>>,
    rng: ChaCha20Rng,
    now: Time,
}

/// Nodes that a packet of the cover passed after the mix; `None` if there was no packet, for lack of
/// a way.
pub type Way = Option<Vec<NodeNumber>>;

impl<'a> SteeredMix<'a> {
    /// A mix that has heard nothing yet.
    #[must_use]
    pub fn new(ring: &'a KeyRing, seed: u64, hostile: NodeNumber) -> Self {
        Self {
            ring,
            hostile,
            views: ring.views(),
            cover: DropCover::new(BEGIN, ring.roster(), 0),
            view: None,
            rng: rng(seed, "steered mix", 0),
            now: BEGIN,
        }
    }

    /// Lets virtual time pass in which honest relays name all nodes, and the hostile one leaves these
    /// out, in documents of so many slots later. Gives the way of each packet of the cover that was
    /// due.
    pub fn run_for(&mut self, duration: Duration, ahead: u64, left_out: &[NodeNumber]) -> Vec<Way> {
        let end = self.now + duration;
        let interval = self.ring.roster().directory.timing.interval();
        let mut ways = Vec::new();
        while self.now < end {
            self.hear(ahead, left_out);
            let next = self.now + interval;
            while let Some(due) = self.cover.poll_timeout().filter(|due| *due < next) {
                ways.push(self.send(due));
            }
            self.now = next;
        }
        ways
    }

    /// All descriptors come, then the hostile relay's document of the slot, which it has signed alone,
    /// and then that on which the others agree.
    fn hear(&mut self, ahead: u64, left_out: &[NodeNumber]) {
        let roster = self.ring.shared_roster();
        let relays = roster.nodes().filter(|node| node.role == Role::Relay);
        let honest = relays.map(|relay| relay.number).filter(|relay| *relay != self.hostile);
        let honest: Vec<_> = honest.collect();
        let slot = roster.directory.timing.slot_of(self.now);
        let later = Slot::new(slot.number() + ahead);
        let objects = [
            Object::Descriptors(self.ring.descriptors(&[])),
            Object::Document(self.ring.document(later, left_out, &[self.hostile])),
            Object::Document(self.ring.document(slot, &[], &honest)),
        ];
        for object in objects {
            // Whatever is refused counts as not said.
            let _ = self.views.take(self.now, object);
        }
        if let Turn::View(view) = self.views.turn(self.now) {
            self.view = Some(view);
        }
    }

    fn send(&mut self, due: Time) -> Way {
        let packet = self.cover.handle_timeout(due, self.view.as_deref(), &mut self.rng)?;
        let outgoing = packet.outgoing;
        let (way, ()) = self.ring.follow(1, outgoing.to, outgoing.frame.packet, |_, _| ());
        Some(way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{Layout, NORTH};

    #[test]
    fn cover_passes_two_mixes_and_a_relay() {
        let ring = KeyRing::new(1, &Layout::default());
        let mut mix = SteeredMix::new(&ring, 1, NORTH);
        mix.run_for(Duration::from_secs(70), 0, &[]);
        let ways = mix.run_for(Duration::from_secs(10), 0, &[]);
        assert!((300..700).contains(&ways.len()), "{}", ways.len());
        let role = |node: &NodeNumber| ring.roster().node(*node).unwrap().role;
        let wanted = [Role::Mix { layer: 1 }, Role::Mix { layer: 2 }, Role::Relay];
        for way in ways {
            assert!(way.unwrap().iter().map(role).eq(wanted));
        }
    }
}
