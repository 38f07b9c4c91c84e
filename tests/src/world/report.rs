//! Events and cost of a run.

use std::fmt::Write;

use rohrpost_packet::Suite;
use rohrpost_proto::courier::Event;

use super::{ClientEvent, World};
use crate::roster::BEGIN;
use crate::{Kind, Memory};

/// Events of all clients, counted.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Letters that have left for the first time.
    pub sent: u64,
    /// Letters that have left once more.
    pub sent_again: u64,
    /// Letters that have come.
    pub arrived: u64,
    /// Messages that the recipient's client has acknowledged.
    pub delivered: u64,
    /// Messages that were given up.
    pub expired: u64,
    /// Envelopes that could not be read.
    pub dropped: u64,
    /// Number of pulls that were answered.
    pub answered: u64,
    /// Number of pulls that were given up.
    pub pulls_lost: u64,
    /// Loops sent that are expected back.
    pub loops_sent: u64,
    /// Loops that came back.
    pub loops_returned: u64,
    /// Number of loops that were given up.
    pub loops_lost: u64,
    /// Slots without a departure.
    pub skipped: u64,
}

impl Tally {
    fn count(&mut self, event: &Event) {
        match event {
            Event::Sent { again: 0, .. } => self.sent += 1,
            Event::Sent { .. } => self.sent_again += 1,
            Event::Unsendable { .. } | Event::Complete { .. } => {}
            Event::Delivered { .. } => self.delivered += 1,
            Event::Expired { .. } => self.expired += 1,
            Event::Arrived { .. } => self.arrived += 1,
            Event::Dropped => self.dropped += 1,
            Event::PullAnswered { .. } => self.answered += 1,
            Event::PullLost { .. } => self.pulls_lost += 1,
            Event::LoopSent => self.loops_sent += 1,
            Event::LoopReturned { .. } => self.loops_returned += 1,
            Event::LoopLost => self.loops_lost += 1,
            Event::Skipped { slots } => self.skipped += slots,
        }
    }
}

impl<S: Suite> World<S> {
    /// Text on the run so far, for people: virtual seconds, CPU seconds, seed, packets.
    #[must_use]
    pub fn report(&self) -> String {
        let (virtual_time, cpu) = (self.now.since(BEGIN), self.spent);
        let [cells, answers, transits] =
            [Kind::Cell, Kind::Answer, Kind::Transit].map(|kind| self.observer.count(kind));
        let packets = answers + transits;
        let mut report = format!(
            "{} world of seed {}: {:.1} virtual seconds in {:.2} CPU seconds; {} nodes, {} clients, \
             {cells} cells, {packets} packets between nodes",
            S::NAME,
            self.setup.seed,
            virtual_time.as_secs_f64(),
            cpu.as_secs_f64(),
            self.roster.nodes().count(),
            self.clients.len(),
        );
        if let (false, Ok(packets)) = (cpu.is_zero(), u32::try_from(packets)) {
            let rate = f64::from(packets) / cpu.as_secs_f64();
            let _ = write!(report, ", {rate:.0} packets per CPU second");
        }
        let _ = write!(report, ", {} events", self.schedule.added());
        report
    }

    pub(super) fn tell(&mut self, client: usize, event: Event) {
        self.tally.count(&event);
        if let Event::PullAnswered { relay, .. } = &event {
            self.clients[client].answered.insert(*relay);
        }
        let of_letters =
            matches!(event, Event::Sent { .. } | Event::Arrived { .. } | Event::Unsendable { .. });
        if of_letters || self.setup.memory == Memory::Everything {
            self.events.push(ClientEvent { client, at: self.now, event });
        }
    }
}

/// Every run says at its end what it was: the test harness shows it with a failure, or with
/// `--nocapture`.
impl<S: Suite> Drop for World<S> {
    fn drop(&mut self) {
        #[expect(clippy::print_stderr, reason = "the test harness captures it")]
        {
            eprintln!("{}", self.report());
        }
    }
}
