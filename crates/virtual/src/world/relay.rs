//! Relays: ticks of sessions and mailboxes.

use std::time::Duration;

use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::hop::Refusal;

use super::schedule::Happening;
use super::state::World;
use crate::link::Address;
use crate::node::Duty;
use crate::observer::Kind;
use crate::skew::Skew;

impl<S: Suite> World<S> {
    /// Begins a relay's ticks; they go on whether it is up or not, and find it so.
    pub(super) fn begin_ticks(&mut self, relay: NodeNumber) {
        let traffic = self.roster.traffic;
        self.tick_again(relay, traffic.phase(), Happening::Sessions(relay));
        self.tick_again(relay, traffic.answer_period(), Happening::Answers(relay));
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
}
