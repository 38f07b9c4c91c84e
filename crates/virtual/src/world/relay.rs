//! Relays: ticks of sessions and mailboxes, announcements, network documents.

use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::directory::document::NetworkDocument;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::time::Time;

use super::schedule::Happening;
use super::state::World;
use crate::link::Address;
use crate::node::{Duty, RelayDuty};
use crate::observer::Kind;
use crate::skew::Skew;

impl<S: Suite> World<S> {
    /// Begins a relay's ticks; they go on whether it is up or not, and find it so.
    pub(super) fn begin_ticks(&mut self, relay: NodeNumber) {
        let (traffic, directory) = (self.roster.traffic, self.roster.directory);
        self.tick_again(relay, traffic.phase(), Happening::Sessions(relay));
        self.tick_again(relay, traffic.answer_period(), Happening::Answers(relay));
        self.tick_again(relay, directory.document_interval, Happening::Document(relay));
    }

    /// Schedules a tick at the next multiple of a period by the relay's own clock.
    fn tick_again(&mut self, relay: NodeNumber, period: Duration, tick: Happening) {
        let skew = self.setup.skews.get(&relay).copied().unwrap_or(Skew::NONE);
        let next = skew.read(self.now).next_multiple(period);
        self.schedule.add(skew.when(next), tick);
    }

    pub(super) fn session_tick(&mut self, relay: NodeNumber) {
        self.tick_again(relay, self.roster.traffic.phase(), Happening::Sessions(relay));
        let Some(node) = self.nodes.get_mut(&relay) else {
            return;
        };
        let local = node.skew.read(self.now);
        let Duty::Relay(duty) = &mut node.duty else {
            return;
        };
        let tick = duty.entry.tick(local, &mut node.rng);
        let shed = tick.shed;
        let sessions = &duty.sessions;
        let down = tick.down.into_iter();
        let down: Vec<_> =
            down.filter_map(|(at, cell)| Some((*sessions.get(&at)?, cell.encode()))).collect();
        (0..shed).for_each(|_| node.count(Refusal::Overload));
        for outgoing in tick.up {
            self.transmit(relay, outgoing, Kind::Transit);
        }
        for ((client, link), bytes) in down {
            let ends = (Address::Node(relay), Address::Client(client));
            if let Some(delay) = self.leave(ends, &bytes, Kind::Cell) {
                self.schedule.add(self.now + delay, Happening::Down(client, link, bytes));
            }
        }
    }

    pub(super) fn answer_tick(&mut self, relay: NodeNumber) {
        self.tick_again(relay, self.roster.traffic.answer_period(), Happening::Answers(relay));
        let Some(node) = self.nodes.get_mut(&relay) else {
            return;
        };
        let local = node.skew.read(self.now);
        let Duty::Relay(duty) = &mut node.duty else {
            return;
        };
        for outgoing in duty.mailboxes.tick(local, &mut node.rng) {
            self.transmit(relay, outgoing, Kind::Answer);
        }
    }

    /// Tends a node's keys and tells every relay that it can reach, as long as this incarnation of
    /// the node lasts.
    pub(super) fn announce(&mut self, number: NodeNumber, incarnation: u64) {
        let roster = Arc::clone(&self.roster);
        let Some(node) = self.nodes.get_mut(&number).filter(|node| node.incarnation == incarnation)
        else {
            return;
        };
        let local = node.skew.read(self.now);
        node.tend_keys(local, &roster);
        let descriptor = node.descriptor(local);
        for relay in self.relays_in_reach(number) {
            let Some((relay_now, duty)) = self.relay(relay) else {
                continue;
            };
            let _ = duty.book.insert(relay_now, number, descriptor.clone(), &roster, S::ID);
        }
        let next = self.now + roster.directory.descriptor_interval;
        self.schedule.add(next, Happening::Announce(number, incarnation));
    }

    /// Makes a relay's network document for its clients, and gives it to every mix that the relay
    /// can reach.
    pub(super) fn document(&mut self, relay: NodeNumber) {
        let roster = Arc::clone(&self.roster);
        self.tick_again(relay, roster.directory.document_interval, Happening::Document(relay));
        let Some((local, duty)) = self.relay(relay) else {
            return;
        };
        let signed = duty.document(local, relay, &roster);
        duty.entry.set_document(signed.number(), &signed.encode());
        let Ok(document) = signed.verify(&roster, relay) else {
            return;
        };
        let reached: Vec<_> = self
            .nodes
            .keys()
            .copied()
            .filter(|mix| !self.is_cut(Address::Node(relay), Address::Node(*mix)))
            .collect();
        for mix in reached {
            self.follow(mix, relay, &document);
        }
    }

    /// Gives a mix a relay's network document, which it merges with those of the others as the
    /// follower of a real node does.
    fn follow(&mut self, mix: NodeNumber, relay: NodeNumber, document: &NetworkDocument) {
        let Some(node) = self.nodes.get_mut(&mix) else {
            return;
        };
        let (now, roster) = (node.skew.read(self.now), &self.roster);
        if let Duty::Mix(duty) = &mut node.duty
            && duty.documents.take(now, relay, document, roster).is_ok()
            && let Some(merged) = duty.documents.merge(now, roster)
        {
            let view = Arc::new(View::new(Arc::clone(roster), &merged));
            duty.cover.handle_view(node.skew.steady(self.now), view);
        }
    }

    fn relays_in_reach(&self, of: NodeNumber) -> Vec<NodeNumber> {
        let relays = self.roster.relays().map(|relay| relay.number);
        relays.filter(|relay| !self.is_cut(Address::Node(of), Address::Node(*relay))).collect()
    }

    /// A relay that is up, and its own time.
    fn relay(&mut self, number: NodeNumber) -> Option<(Time, &mut RelayDuty<S>)> {
        let node = self.nodes.get_mut(&number)?;
        let local = node.skew.read(self.now);
        match &mut node.duty {
            Duty::Relay(duty) => Some((local, duty)),
            Duty::Mix(_) => None,
        }
    }
}
