//! The mix's drop cover in its own pool, and its watch over itself, which doubles the cover for a
//! while when somebody attacks the pool. The mix's own client reports here what becomes of its loops
//! and pulls.

use std::sync::Arc;
use std::time::Duration;

use rohrpost_node::{Event as LogEvent, Handle, Log, Metrics, Node, Work};
use rohrpost_packet::Suite;
use rohrpost_proto::courier::Event;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::OutgoingFrame;
use rohrpost_proto::mix::cover::DropCover;
use rohrpost_proto::mix::inflow::{FreshInflow, InflowCounts};
use rohrpost_proto::mix::watch::{Alarm, LoopFate, Watch};
use rohrpost_proto::places::Places;
use rohrpost_proto::time::Time;

use crate::job::{CoverJob, MixJob};
use crate::metrics::MixMetrics;

/// The cover of a mix, and its watch.
pub(crate) struct Cover<S: Suite> {
    mixers: Vec<Handle<MixJob<S>>>,
    turn: usize,
    view: Option<Arc<View<S>>>,
    drops: DropCover,
    watch: Watch,
    places: Arc<Places>,
    /// Changes of the places that cover and watch go by.
    followed: u64,
    inflow: Arc<FreshInflow>,
    /// What had come in when the rate of the drop cover was set last.
    before: InflowCounts,
    adjust: Time,
    log: Log,
    metrics: Arc<Metrics>,
    own_metrics: MixMetrics,
}

impl<S: Suite> Cover<S> {
    pub(crate) fn new(
        node: &Node<S>,
        layer: usize,
        mixers: Vec<Handle<MixJob<S>>>,
        inflow: Arc<FreshInflow>,
    ) -> Self {
        let roster = &node.prepared.roster;
        let now = node.clock.now();
        Self {
            mixers,
            turn: 0,
            view: None,
            drops: DropCover::new(now, roster, layer),
            watch: Watch::new(now, roster, layer),
            places: Arc::clone(node.neighbours.places()),
            followed: 0,
            inflow,
            before: InflowCounts::default(),
            adjust: now + ADJUST,
            log: node.log.clone(),
            metrics: Arc::clone(&node.metrics),
            own_metrics: MixMetrics::of_node(),
        }
    }

    /// Sets the rate of the drop cover by what has come in since it was set last.
    fn adjust(&mut self, now: Time) {
        let counts = self.inflow.counts();
        let came = counts.since(&self.before);
        self.before = counts;
        let doubled = self.watch.is_alarmed(now);
        self.drops.handle_inflow(now, &came, ADJUST, doubled, &mut rand::rng());
        self.adjust = now + ADJUST;
    }

    /// Takes what the own client tells of a loop or a pull.
    fn take_event(&mut self, now: Time, event: &Event) {
        match event {
            Event::LoopSent => self.own_metrics.loops_sent.increment(1),
            Event::LoopReturned { .. } => self.own_metrics.loops_returned.increment(1),
            Event::LoopLost { .. } => self.own_metrics.loops_lost.increment(1),
            _ => {}
        }
        let failed = LoopFate::of(event).is_some_and(|(_, fate)| fate == LoopFate::Failed);
        if failed && !matches!(event, Event::LoopLost { .. }) {
            self.own_metrics.loops_late.increment(1);
        }
        if let Some(alarm) = self.watch.handle_event(now, event) {
            self.tell(alarm);
        }
    }

    fn tell(&self, alarm: Alarm) {
        MixMetrics::alarm(alarm);
        self.log.write(&LogEvent::Alarm(alarm));
    }

    /// Puts a packet into the pool of one of the mixers, in turns.
    fn insert(&mut self, due: Time, outgoing: OutgoingFrame<S>) {
        self.turn = (self.turn + 1) % self.mixers.len();
        if self.mixers[self.turn].try_send(MixJob::Own(due, outgoing)).is_err() {
            self.metrics.drop_packet(rohrpost_proto::hop::Refusal::Overload);
        }
    }
}

impl<S: Suite> Work for Cover<S> {
    type Job = CoverJob<S>;

    fn handle(&mut self, now: Time, job: CoverJob<S>) {
        match job {
            CoverJob::View(view) => self.view = view,
            CoverJob::Own(event) => self.take_event(now, &event),
        }
    }

    fn due(&self) -> Option<Time> {
        let others = [self.adjust, self.watch.poll_timeout()];
        self.drops.poll_timeout().into_iter().chain(others).min()
    }

    fn run_due(&mut self, now: Time) {
        if self.followed != self.places.changes() {
            self.followed = self.places.changes();
            self.drops.follow(&self.places);
            self.watch.follow(&self.places);
        }
        if now >= self.adjust {
            self.adjust(now);
        }
        if now >= self.watch.poll_timeout() {
            for alarm in self.watch.handle_inflow(now, self.inflow.counts()) {
                self.tell(alarm);
            }
        }
        let view = self.view.clone();
        if let Some(packet) = self.drops.handle_timeout(now, view.as_deref(), &mut rand::rng()) {
            self.insert(packet.due, packet.outgoing);
        }
    }
}

/// Time between two settings of the drop cover's rate.
const ADJUST: Duration = Duration::from_secs(10);
/// Views, and fates of loops and pulls, that wait for the cover's thread: it takes them as they come.
pub(crate) const BOUND: usize = 64;
