//! Mixes: packets that are due, and the mix's own cover.

use std::time::Duration;

use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::courier::Departure;
use rohrpost_proto::mix::watch::LoopFate;
use rohrpost_proto::time::{Steady, Time};

use super::schedule::Happening;
use super::state::World;
use crate::node::{Duty, MixDuty, Node};
use crate::observer::{Kind, Memory};
use crate::trace::Passage;

impl<S: Suite> World<S> {
    /// Sends what is due, takes loops that came back, and fills the slot of the virtual client.
    pub(super) fn drive_mix(&mut self, number: NodeNumber) {
        if self.wakes.get(&number).is_some_and(|pending| *pending <= self.now) {
            self.wakes.remove(&number);
        }
        let Some(Node { duty: Duty::Mix(duty), skew, .. }) = self.nodes.get_mut(&number) else {
            return;
        };
        let (skew, local) = (*skew, skew.read(self.now));
        let own = Steady::of_clock(local);
        let MixDuty { mix, watch, cover, .. } = &mut **duty;
        while let Some((id, payload)) = mix.poll_loop() {
            cover.handle_reply(own, id, payload);
        }
        if let Some(Departure::Packet { due, outgoing }) = cover.handle_timeout(own) {
            let _ = mix.insert(due, outgoing);
        }
        cover.prepare(own);
        let events: Vec<_> = std::iter::from_fn(|| cover.poll_event()).collect();
        let seen = watch.handle_inflow(local, mix.inflow().counts());
        let fates: Vec<_> = events.iter().filter_map(LoopFate::of).collect();
        let failing = fates.into_iter();
        let failing = failing.filter_map(|(at, fate)| watch.handle_loop(local, at, fate));
        let alarms: Vec<_> = seen.into_iter().chain(failing).collect();
        let leaving: Vec<_> =
            std::iter::from_fn(|| mix.poll_transmit(local)).map(|left| left.outgoing).collect();
        let next = mix.poll_timeout().into_iter().chain([cover.poll_timeout().reading()]).min();
        let next = next.into_iter().chain([watch.poll_timeout()]).min();
        self.alarms.extend(alarms.into_iter().map(|alarm| (self.now, number, alarm)));
        if self.setup.memory == Memory::Everything {
            self.cover.extend(events.into_iter().map(|event| (number, event)));
        }
        for outgoing in leaving {
            self.trace(number, outgoing.frame.packet.as_bytes());
            self.transmit(number, outgoing, Kind::Transit);
        }
        if let Some(next) = next {
            // Later than now, so that a wake for nothing does not hold time up.
            self.wake_mix(number, skew.when(next).max(self.now + STEP));
        }
    }

    fn trace(&mut self, mix: NodeNumber, packet: &[u8]) {
        let twin = self.nodes.get_mut(&mix).and_then(|node| node.twin.as_mut());
        if let Some(arrived) = twin.and_then(|twin| twin.leave(packet)) {
            self.passages.push(Passage { mix, arrived, left: self.now });
        }
    }

    fn wake_mix(&mut self, number: NodeNumber, at: Time) {
        if self.wakes.get(&number).is_none_or(|pending| at < *pending) {
            self.wakes.insert(number, at);
            self.schedule.add(at, Happening::Mix(number));
        }
    }
}

/// Resolution of document time.
const STEP: Duration = Duration::from_micros(1);
