//! The ticks of a relay: sessions four times a slot, mailboxes every fourth slot. Each has a thread
//! of its own, for answering all mailboxes takes longer than a session's tick may wait.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rohrpost_node::{Metrics, Node, Outboxes, Work};
use rohrpost_packet::Suite;
use rohrpost_proto::time::Time;

use crate::Shared;

/// Sends each session its cell, and passes on what the sessions have sent.
pub(crate) struct SessionTicker<S: Suite> {
    shared: Arc<Shared<S>>,
    outboxes: Arc<Outboxes>,
    period: Duration,
    due: Time,
}

impl<S: Suite> SessionTicker<S> {
    pub(crate) fn new(node: &Node<S>, shared: Arc<Shared<S>>) -> Self {
        let period = node.prepared.roster.traffic.phase();
        Self {
            shared,
            outboxes: Arc::clone(&node.outboxes),
            period,
            due: node.clock.now().next_multiple(period),
        }
    }

    fn tick(&mut self, now: Time) {
        let at = self.due;
        self.due = at + self.period;
        if now.since(at) > TOO_LATE {
            self.due = now.next_multiple(self.period);
        }
        let tick = {
            let entry = self.shared.entry.lock();
            let mut entry = entry.unwrap_or_else(PoisonError::into_inner);
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
        note(&self.shared.metrics, now, at);
    }
}

impl<S: Suite> Work for SessionTicker<S> {
    type Job = ();

    fn handle(&mut self, _: Time, (): ()) {}

    fn due(&self) -> Option<Time> {
        Some(self.due)
    }

    fn run_due(&mut self, now: Time) {
        while self.due <= now {
            self.tick(now);
        }
        Metrics::set_people(&self.shared.metrics.sessions, self.shared.sessions.len());
    }
}

/// Answers mailboxes at the common ticks, and forgets what is too old.
pub(crate) struct MailboxTicker<S: Suite> {
    shared: Arc<Shared<S>>,
    outboxes: Arc<Outboxes>,
    period: Duration,
    due: Time,
    sweep: Time,
}

impl<S: Suite> MailboxTicker<S> {
    pub(crate) fn new(node: &Node<S>, shared: Arc<Shared<S>>) -> Self {
        let period = node.prepared.roster.traffic.answer_period();
        let now = node.clock.now();
        Self {
            shared,
            outboxes: Arc::clone(&node.outboxes),
            period,
            due: now.next_multiple(period),
            sweep: now + SWEEP,
        }
    }
}

impl<S: Suite> Work for MailboxTicker<S> {
    type Job = ();

    fn handle(&mut self, _: Time, (): ()) {}

    fn due(&self) -> Option<Time> {
        Some(self.due)
    }

    fn run_due(&mut self, now: Time) {
        let at = self.due;
        self.due = now.next_multiple(self.period);
        for outgoing in self.shared.mailboxes.tick(at, &mut rand::rng()) {
            self.outboxes.send(&outgoing);
        }
        note(&self.shared.metrics, now, at);
        if self.sweep <= now {
            self.shared.mailboxes.sweep(now);
            self.sweep = now + SWEEP;
        }
        Metrics::set_people(&self.shared.metrics.mailboxes, self.shared.mailboxes.len());
    }
}

fn note(metrics: &Metrics, now: Time, due: Time) {
    metrics.lateness.record(now.since(due).as_secs_f64());
}

/// A relay that was held up for longer skips the ticks it missed: a burst would show it.
const TOO_LATE: Duration = Duration::from_secs(1);
const SWEEP: Duration = Duration::from_secs(300);
