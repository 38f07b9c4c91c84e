//! Report of a run: what it has done and what it has cost.

use std::fmt::Write;

use rohrpost_packet::Suite;
use rohrpost_proto::courier::Event;

use super::state::World;
use super::tally::ClientEvent;
use crate::observer::{Kind, Memory};
use crate::roster::BEGIN;

impl<S: Suite> World<S> {
    /// Summary of the run so far, for people: virtual seconds, CPU seconds, seed, packets.
    #[must_use]
    pub fn report(&self) -> String {
        let (virtual_time, cpu) = (self.now.since(BEGIN), self.spent);
        let [cells, answers, transits] =
            [Kind::Cell, Kind::Answer, Kind::Transit].map(|kind| self.observer.count(kind));
        let packets = answers + transits;
        let mut report = format!(
            "{} world of seed {}: {:.1} virtual seconds in {:.2} CPU seconds; {} nodes, \
             {} clients, {cells} cells, {packets} packets between nodes",
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
        let of_fragments = matches!(event, Event::Sent { .. } | Event::Arrived { .. });
        if of_fragments || self.setup.memory == Memory::Everything {
            self.events.push(ClientEvent { client, at: self.now, event });
        }
    }
}

/// Every run says at its end what it was: the test harness shows it with a failure, or with
/// `--nocapture`.
impl<S: Suite> Drop for World<S> {
    fn drop(&mut self) {
        #[expect(clippy::print_stderr, reason = "the test harness captures it")]
        if !self.setup.silent {
            eprintln!("{}", self.report());
        }
    }
}
