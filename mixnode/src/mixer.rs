//! A worker of a mix: opens packets, keeps them for their delay, sends them on.

use std::sync::Arc;

use rohrpost_node::{Handle, Metrics, Node, Outboxes, Work};
use rohrpost_packet::Suite;
use rohrpost_proto::frame::{Frame, Outgoing};
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::mix::Mix;
use rohrpost_proto::time::Time;

use crate::cover::CoverJob;

/// What a mixer is given.
pub(crate) enum MixJob<S: Suite> {
    /// A frame off a link.
    Frame(Box<[u8]>),
    /// A packet of the mix's own cover, to leave at the time drawn for it.
    Own(Time, Outgoing<S>),
}

/// One worker's share of the mix.
pub(crate) struct Mixer<S: Suite> {
    mix: Mix<S>,
    outboxes: Arc<Outboxes>,
    metrics: Arc<Metrics>,
    cover: Handle<CoverJob<S>>,
}

impl<S: Suite> Mixer<S> {
    pub(crate) fn new(
        node: &Node<S>,
        layer: usize,
        pool: usize,
        cover: Handle<CoverJob<S>>,
    ) -> Self {
        Self {
            mix: Mix::new(Arc::clone(&node.hop), &node.prepared.roster, layer, pool),
            outboxes: Arc::clone(&node.outboxes),
            metrics: Arc::clone(&node.metrics),
            cover,
        }
    }
}

impl<S: Suite> Work for Mixer<S> {
    type Job = MixJob<S>;

    fn handle(&mut self, now: Time, job: MixJob<S>) {
        let taken = match job {
            MixJob::Frame(bytes) => Frame::decode(&bytes)
                .map_err(|_| Refusal::Frame)
                .and_then(|frame| self.mix.handle_frame(now, frame)),
            MixJob::Own(due, outgoing) => self.mix.insert(due, outgoing),
        };
        if let Err(reason) = taken {
            self.metrics.drop_packet(reason);
        }
        while let Some((id, payload)) = self.mix.poll_loop() {
            if self.cover.try_send(CoverJob::Reply(id, payload)).is_err() {
                self.metrics.drop_packet(Refusal::Overload);
            }
        }
    }

    fn due(&self) -> Option<Time> {
        self.mix.poll_timeout()
    }

    fn run_due(&mut self, now: Time) {
        while let Some(departure) = self.mix.poll_transmit(now) {
            self.metrics.lateness.record(departure.lateness.as_secs_f64());
            self.outboxes.send(&departure.outgoing);
        }
    }
}
