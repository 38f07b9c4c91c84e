//! Deeds of an experimenter: ends and starts nodes, cuts links, injects packets.

use std::time::Duration;

use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::frame::OutgoingFrame;

use super::schedule::Happening;
use super::state::World;
use crate::link::{Address, Cut};
use crate::node::{Duty, Node};
use crate::observer::Kind;
use crate::skew::Skew;

impl<S: Suite> World<S> {
    /// Ends a node without a word: keys, queues, sessions, mailboxes and replay set are gone.
    pub fn kill(&mut self, node: NodeNumber) {
        self.nodes.remove(&node);
    }

    /// Starts a node anew, with an empty memory.
    pub fn start(&mut self, number: NodeNumber) {
        let incarnation = self.give_number();
        let node = Node::start(self.now, incarnation, &self.setup, number, &self.founding);
        let is_mix = matches!(node.duty, Duty::Mix(_));
        self.nodes.insert(number, node);
        self.schedule.add(self.now, Happening::Announce(number, incarnation));
        if is_mix {
            self.schedule.add(self.now, Happening::Mix(number));
        } else {
            self.schedule.add(self.now, Happening::Directory(number, incarnation));
        }
    }

    /// Starts a node anew, with an empty memory and a clock that is off by this much.
    pub fn start_off(&mut self, number: NodeNumber, skew: Skew) {
        self.setup.skews.insert(number, skew);
        self.start(number);
    }

    /// Ends a client's process and starts it anew: its link is gone, and of its memory what it has
    /// put on the shelf is left.
    pub fn restart_client(&mut self, index: usize) {
        self.clients[index].restart(&self.founding);
        if self.clients[index].link.is_some() {
            self.lose_link(index);
        }
    }

    /// Stops a client's machine, and with it all its clocks, as a pause of a virtual machine does. It
    /// goes on after this long, and its clocks are behind by as much.
    pub fn stop_machine(&mut self, index: usize, duration: Duration) {
        let client = &mut self.clients[index];
        client.stopped = self.now + duration;
        client.skew = client.skew.stopped(duration);
        client.machine = client.machine.stopped(duration);
        self.lose_link(index);
    }

    /// Cuts two sets of parties off from each other: for this long nothing passes between them, in
    /// either direction, neither packets nor cells, descriptors, network documents, new links. What
    /// is on its way still arrives.
    pub fn cut(&mut self, one: &[Address], other: &[Address], duration: Duration) {
        self.cuts.retain(|cut| cut.until > self.now);
        self.cuts.push(Cut::new(one, other, self.now + duration));
    }

    /// Loses all packets between two sets of nodes for this long, in either direction. They hear each
    /// other, so none of them leaves the network.
    pub fn lose(&mut self, one: &[Address], other: &[Address], duration: Duration) {
        self.cuts.retain(|cut| cut.until > self.now);
        self.cuts.push(Cut::new(one, other, self.now + duration).of_packets());
    }

    /// Puts a frame on the link to a node, as an attacker between them can.
    pub fn inject(&mut self, from: NodeNumber, to: NodeNumber, frame: Box<[u8]>) {
        let arrives = self.now + self.setup.conditions.latency;
        self.schedule.add(arrives, Happening::Frame(from, to, frame.into()));
    }

    /// Sends a packet from one node to another, as the first would.
    pub fn send(&mut self, from: NodeNumber, outgoing: OutgoingFrame<S>, kind: Kind) {
        self.transmit(from, outgoing, kind);
    }
}
