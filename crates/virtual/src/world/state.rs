//! The state of a world, and what every party does with it: send something over a link.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::courier::Event;
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::frame::OutgoingFrame;
use rohrpost_proto::mix::watch::Alarm;
use rohrpost_proto::time::Time;

use super::schedule::{Happening, Schedule};
use super::tally::{ClientEvent, Tally};
use crate::client::Client;
use crate::link::{Address, Cut};
use crate::node::{Founding, Node};
use crate::observer::{Kind, Observer, Record};
use crate::setup::Setup;
use crate::trace::Passage;

/// A network in virtual time.
pub struct World<S: Suite> {
    /// Present time, by the true clock.
    pub now: Time,
    /// Observer of all that leaves any party.
    pub observer: Observer,
    /// Every packet between nodes with its bytes, while [`World::capture`] is set.
    pub captured: Vec<(NodeNumber, NodeNumber, Box<[u8]>)>,
    /// True while packets are captured.
    pub capture: bool,
    /// Events of the clients' couriers; with [`Memory::Digest`](crate::Memory::Digest) only those
    /// of fragments.
    pub events: Vec<ClientEvent>,
    /// Events of the virtual clients of mixes; none with [`Memory::Digest`](crate::Memory::Digest).
    pub cover: Vec<(NodeNumber, Event)>,
    /// Attacks that mixes have noticed, each with its time.
    pub alarms: Vec<(Time, NodeNumber, Alarm)>,
    /// Passages through mixes, if [`Setup::trace`] is set.
    pub passages: Vec<Passage>,
    /// Number of frames and cells that were lost or cut off, by link.
    pub lost: BTreeMap<(Address, Address), u64>,
    /// Count of the events of the clients' couriers.
    pub tally: Tally,
    pub(super) setup: Setup,
    pub(super) roster: Arc<Roster>,
    pub(super) founding: Founding,
    pub(super) nodes: BTreeMap<NodeNumber, Node<S>>,
    pub(super) clients: Vec<Client<S>>,
    pub(super) schedule: Schedule,
    pub(super) cuts: Vec<Cut>,
    /// The next wake of each mix, so that every frame does not start a chain of its own.
    pub(super) wakes: BTreeMap<NodeNumber, Time>,
    /// Count of the numbers given to links and to incarnations of nodes.
    pub(super) given: u64,
    /// CPU time of [`World::run_for`].
    pub(super) spent: Duration,
}

impl<S: Suite> World<S> {
    /// Sends a packet from a node over a link.
    pub(super) fn transmit(&mut self, from: NodeNumber, outgoing: OutgoingFrame<S>, kind: Kind) {
        let to = outgoing.to;
        let frame = outgoing.frame.encode();
        let ends = (Address::Node(from), Address::Node(to));
        if self.capture {
            self.captured.push((from, to, frame[..].into()));
        }
        if let Some(delay) = self.leave(ends, &frame, kind) {
            self.schedule.add(self.now + delay, Happening::Frame(from, to, frame));
        }
    }

    /// Shows the observer what leaves, and gives the time that it will be on its way; `None` if it
    /// is lost.
    pub(super) fn leave(
        &mut self,
        ends: (Address, Address),
        bytes: &[u8],
        kind: Kind,
    ) -> Option<Duration> {
        let (from, to) = ends;
        self.observer.see(Record { at: self.now, from, to, len: bytes.len(), kind });
        // On a client's link one cell leaves at a time, and which one must not matter.
        let telling = if kind == Kind::Cell { &[] } else { bytes };
        let transit = self.setup.conditions.transit(self.setup.seed, ends, self.now, telling);
        let transit = transit.filter(|_| !self.loses(from, to));
        if transit.is_none() {
            *self.lost.entry(ends).or_default() += 1;
        }
        transit
    }

    pub(super) fn give_number(&mut self) -> u64 {
        self.given += 1;
        self.given
    }

    /// True if nothing passes between two parties.
    pub(super) fn is_cut(&self, from: Address, to: Address) -> bool {
        self.cuts.iter().any(|cut| self.now < cut.until && cut.parts(from, to))
    }

    /// True if packets and cells between two parties are lost.
    fn loses(&self, from: Address, to: Address) -> bool {
        self.cuts.iter().any(|cut| self.now < cut.until && cut.separates(from, to))
    }
}
