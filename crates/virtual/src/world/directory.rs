//! The directory: announcements, the relays' agreement, and what goes over control links.

use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::directory::board::Audience;
use rohrpost_proto::directory::control::ControlMessage;
use rohrpost_proto::directory::roster::Role;
use rohrpost_proto::directory::views::Turn;

use super::schedule::Happening;
use super::state::World;
use crate::link::Address;
use crate::node::{Duty, MixDuty, Node};

impl<S: Suite> World<S> {
    /// Tends a node's keys and tells every relay that it can reach, as long as this incarnation of
    /// the node lasts. What relays have for it, and could not bring, comes then.
    pub(super) fn announce(&mut self, number: NodeNumber, incarnation: u64) {
        let roster = Arc::clone(&self.roster);
        let Some(node) = self.nodes.get_mut(&number).filter(|node| node.incarnation == incarnation)
        else {
            return;
        };
        let local = node.skew.read(self.now);
        node.tend_keys(local, &roster);
        let message: Arc<[u8]> = ControlMessage::Announcement(node.announcement()).encode().into();
        for relay in roster.relays().map(|relay| relay.number) {
            self.bring(relay, number, &message);
            self.show_board(relay, number);
        }
        let next = self.now + roster.directory.timing.interval();
        self.schedule.add(next, Happening::Announce(number, incarnation));
    }

    /// A step of a relay's duty for the directory, in one of its incarnations.
    pub(super) fn directory_step(&mut self, relay: NodeNumber, incarnation: u64) {
        let Some(node) = self.nodes.get_mut(&relay).filter(|node| node.incarnation == incarnation)
        else {
            return;
        };
        let (local, skew) = (node.skew.read(self.now), node.skew);
        let Duty::Relay(duty) = &mut node.duty else { return };
        duty.authority.step(local);
        let next = skew.when(duty.authority.due(local));
        self.publish(relay);
        let next = next.max(self.now + Duration::from_millis(1));
        self.schedule.add(next, Happening::Directory(relay, incarnation));
    }

    /// A message comes to a node over a control link.
    pub(super) fn control_arrives(&mut self, from: NodeNumber, to: NodeNumber, bytes: &[u8]) {
        let message = ControlMessage::decode(bytes).expect("nodes write valid messages");
        let Some(node) = self.nodes.get_mut(&to) else { return };
        let local = node.skew.read(self.now);
        match &mut node.duty {
            Duty::Relay(duty) => {
                duty.authority.handle(local, from, message);
                self.publish(to);
            }
            Duty::Mix(duty) => {
                duty.hear(local, from, message);
                self.follow(to);
            }
        }
    }

    /// Has a mix go by what holds now, and again when that changes.
    pub(super) fn follow(&mut self, mix: NodeNumber) {
        let Some(Node { duty: Duty::Mix(duty), skew, .. }) = self.nodes.get_mut(&mix) else {
            return;
        };
        let local = skew.read(self.now);
        let time = duty.network_time(local);
        match duty.views.turn(time) {
            Turn::View(view) => duty.cover.handle_view(skew.steady(self.now), view),
            Turn::Stale => duty.cover.withdraw_view(),
            Turn::Renewed | Turn::Same => {}
        }
        let due = duty.views.due();
        let sooner = duty.follows.is_none_or(|at| due < at || at <= time);
        if due > time && due.since(time) < HORIZON && sooner {
            duty.follows = Some(due);
            self.schedule.add(self.now + due.since(time), Happening::Follow(mix));
        }
    }

    /// Posts what a relay has to say, brings it to all whom it can reach, and gives it to its clients.
    fn publish(&mut self, relay: NodeNumber) {
        let Some(node) = self.nodes.get_mut(&relay) else { return };
        let local = node.skew.read(self.now);
        let Duty::Relay(duty) = &mut node.duty else { return };
        duty.authority.turn(local);
        if !duty.authority.has_posts() {
            return;
        }
        duty.authority.post_to(local, &mut duty.board);
        duty.entry.set_directory(Arc::new(duty.authority.contents()));
        let others: Vec<_> = self.nodes.keys().copied().filter(|node| *node != relay).collect();
        others.into_iter().for_each(|node| self.show_board(relay, node));
    }

    /// Brings a node what it has not got of a relay's board.
    fn show_board(&mut self, relay: NodeNumber, to: NodeNumber) {
        let Some(incarnation) = self.nodes.get(&to).map(|node| node.incarnation) else { return };
        if relay == to || self.is_cut(Address::Node(relay), Address::Node(to)) {
            return;
        }
        let relays = self.roster.node(to).is_some_and(|node| node.role == Role::Relay);
        let audience = if relays { Audience::Relays } else { Audience::All };
        let Some(Node { duty: Duty::Relay(duty), .. }) = self.nodes.get_mut(&relay) else {
            return;
        };
        let told = duty.told.entry(to).or_insert((incarnation, 0));
        let arrives = self.now + CONTROL_DELAY;
        if *told == (incarnation, 0) || told.0 != incarnation {
            let (last, first) = duty.board.first(audience);
            *told = (incarnation, last);
            for message in first {
                self.schedule.add(arrives, Happening::Control(relay, to, message));
            }
        }
        while let Some((number, message)) = duty.board.after(told.1, audience) {
            told.1 = number;
            self.schedule.add(arrives, Happening::Control(relay, to, message));
        }
    }

    /// Brings a message to a relay, unless that cannot be reached.
    fn bring(&mut self, relay: NodeNumber, from: NodeNumber, message: &Arc<[u8]>) {
        if !self.is_cut(Address::Node(from), Address::Node(relay)) {
            let message = Arc::clone(message);
            let arrives = self.now + CONTROL_DELAY;
            self.schedule.add(arrives, Happening::Control(from, relay, message));
        }
    }
}

impl<S: Suite> MixDuty<S> {
    /// Hears what a relay says.
    fn hear(
        &mut self,
        local: rohrpost_proto::time::Time,
        from: NodeNumber,
        message: ControlMessage,
    ) {
        let time = self.network_time(local);
        match message {
            ControlMessage::Clock(said) => {
                let roster = &self.views.follower().rosters().newest().roster;
                self.clocks.hear(local, from, said, roster);
            }
            ControlMessage::Object(object) => drop(self.views.take(time, object)),
            ControlMessage::Announcement(_)
            | ControlMessage::Vote(_)
            | ControlMessage::Proposal(_) => {}
        }
    }
}

/// Time of a message on a control link.
const CONTROL_DELAY: Duration = Duration::from_millis(50);
/// Time beyond which nothing is planned.
const HORIZON: Duration = Duration::from_secs(3600);
