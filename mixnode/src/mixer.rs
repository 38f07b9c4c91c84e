//! A worker of a mix: opens packets, holds them for their delay, sends them on.

use std::sync::Arc;

use rohrpost_node::{Metrics, Node, Outboxes, Work};
use rohrpost_packet::{Buffer, Suite};
use rohrpost_proto::frame::Frame;
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::mix::Mix;
use rohrpost_proto::mix::inflow::FreshInflow;
use rohrpost_proto::replay::Ingress;
use rohrpost_proto::time::Time;

use crate::job::MixJob;
use crate::stages::{StageClock, StageTotals};

/// Worker with its share of the mix.
pub(crate) struct Mixer<S: Suite> {
    mix: Mix<S>,
    outboxes: Arc<Outboxes>,
    metrics: Arc<Metrics>,
    clock: StageClock,
    stages: Arc<StageTotals>,
}

impl<S: Suite> Mixer<S> {
    pub(crate) fn new(
        node: &Node<S>,
        layer: usize,
        pool: usize,
        inflow: Arc<FreshInflow>,
        stages: Arc<StageTotals>,
    ) -> Self {
        let mix = Mix::new(Arc::clone(&node.hop), &node.prepared.roster, layer, pool);
        Self {
            mix: mix.with_inflow(inflow).with_places(Arc::clone(node.neighbours.places())),
            outboxes: Arc::clone(&node.outboxes),
            metrics: Arc::clone(&node.metrics),
            clock: StageClock::new(),
            stages,
        }
    }

    fn take(&mut self, now: Time, from: Ingress, bytes: Buffer) -> Result<(), Refusal> {
        let watched = self.clock.begin(&self.stages);
        let frame = Frame::decode(bytes).map_err(|_| Refusal::Frame)?;
        if watched {
            let mut probe = self.clock.probe(&self.stages);
            return self.mix.handle_watched(now, from, frame, &mut probe);
        }
        self.mix.handle_frame(now, from, frame)
    }
}

impl<S: Suite> Work for Mixer<S> {
    type Job = MixJob<S>;

    fn handle(&mut self, now: Time, job: MixJob<S>) {
        let taken = match job {
            MixJob::Frame(from, bytes) => self.take(now, from, bytes),
            MixJob::Own(due, outgoing) => self.mix.insert(due, outgoing),
        };
        if let Err(reason) = taken {
            self.metrics.drop_packet(reason);
        }
    }

    fn due(&self) -> Option<Time> {
        self.mix.poll_timeout()
    }

    fn run_due(&mut self, now: Time) {
        while let Some(departure) = self.mix.poll_transmit(now) {
            self.metrics.lateness.record(departure.lateness.as_secs_f64());
            self.outboxes.send(departure.outgoing);
        }
    }
}
