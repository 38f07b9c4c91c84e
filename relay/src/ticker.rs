//! The ticks of a relay: sessions four times a slot, mailboxes every fourth slot.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rohrpost_node::{Metrics, Node, Outboxes, Work};
use rohrpost_packet::Suite;
use rohrpost_proto::roster::Traffic;
use rohrpost_proto::time::Time;

use crate::Shared;

pub(crate) struct Ticker<S: Suite> {
    traffic: Traffic,
    shared: Arc<Shared<S>>,
    outboxes: Arc<Outboxes>,
    sessions: Time,
    mailboxes: Time,
    sweep: Time,
}

impl<S: Suite> Ticker<S> {
    pub(crate) fn new(node: &Node<S>, shared: Arc<Shared<S>>) -> Self {
        let (traffic, now) = (node.prepared.roster.traffic, node.clock.now());
        Self {
            sessions: now.next_multiple(traffic.phase()),
            mailboxes: now.next_multiple(traffic.answer_period()),
            sweep: now + SWEEP,
            outboxes: Arc::clone(&node.outboxes),
            traffic,
            shared,
        }
    }

    fn tick_sessions(&mut self, now: Time) {
        let at = self.sessions;
        self.sessions = at + self.traffic.phase();
        if now.since(at) > TOO_LATE {
            self.sessions = now.next_multiple(self.traffic.phase());
        }
        let tick = {
            let mut entry = self.shared.entry.lock().unwrap_or_else(PoisonError::into_inner);
            entry.tick(at, &mut rand::rng())
        };
        for outgoing in &tick.up {
            self.outboxes.send(outgoing);
        }
        for (handle, cell) in tick.down {
            if let Err(reason) = self.shared.sessions.send(handle, cell.encode()) {
                self.shared.metrics.drop_packet(reason);
            }
        }
        self.late(now, at);
    }

    fn tick_mailboxes(&mut self, now: Time) {
        let at = self.mailboxes;
        self.mailboxes = now.next_multiple(self.traffic.answer_period());
        for outgoing in self.shared.mailboxes.tick(at, &mut rand::rng()) {
            self.outboxes.send(&outgoing);
        }
        Metrics::set_people(&self.shared.metrics.mailboxes, self.shared.mailboxes.len());
        Metrics::set_people(&self.shared.metrics.sessions, self.shared.sessions.len());
        self.late(now, at);
    }

    fn late(&self, now: Time, at: Time) {
        self.shared.metrics.lateness.record(now.since(at).as_secs_f64());
    }
}

impl<S: Suite> Work for Ticker<S> {
    type Job = ();

    fn handle(&mut self, _: Time, (): ()) {}

    fn due(&self) -> Option<Time> {
        Some(self.sessions.min(self.mailboxes).min(self.sweep))
    }

    fn run_due(&mut self, now: Time) {
        while self.sessions <= now {
            self.tick_sessions(now);
        }
        if self.mailboxes <= now {
            self.tick_mailboxes(now);
        }
        if self.sweep <= now {
            self.shared.mailboxes.sweep(now);
            self.sweep = now + SWEEP;
        }
    }
}

/// A relay that was held up for longer skips the ticks it missed: a burst would show it.
const TOO_LATE: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_secs(300);
