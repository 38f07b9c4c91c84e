//! The common ticks: all mailboxes answer every fourth slot. The thread is its own, for answering
//! all takes longer than a session's tick may wait.

use std::sync::Arc;
use std::time::Duration;

use rohrpost_node::{Node, Outboxes, Work};
use rohrpost_packet::Suite;
use rohrpost_proto::time::Time;

use crate::state::Shared;

/// Worker that answers mailboxes at the common ticks, and forgets what is too old.
pub(crate) struct Answers<S: Suite> {
    shared: Arc<Shared<S>>,
    outboxes: Arc<Outboxes>,
    period: Duration,
    due: Time,
    sweep: Time,
}

impl<S: Suite> Answers<S> {
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

impl<S: Suite> Work for Answers<S> {
    type Job = ();

    fn handle(&mut self, _: Time, (): ()) {}

    fn due(&self) -> Option<Time> {
        Some(self.due)
    }

    fn run_due(&mut self, now: Time) {
        let at = self.due;
        self.due = now.next_multiple(self.period);
        for outgoing in self.shared.mailboxes.tick(at, &mut rand::rng()) {
            self.outboxes.send(outgoing);
        }
        self.shared.metrics.lateness.record(now.since(at).as_secs_f64());
        if self.sweep <= now {
            self.shared.mailboxes.sweep(now);
            self.sweep = now + SWEEP;
        }
        self.shared.own_metrics.set_mailboxes(self.shared.mailboxes.len());
    }
}

const SWEEP: Duration = Duration::from_secs(300);
