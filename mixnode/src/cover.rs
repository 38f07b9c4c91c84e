//! The mix's own cover: drop cover in its own pool, and a virtual client that pulls mailboxes of
//! its own, like any client; and the mix's watch over itself, which doubles the cover for a while
//! when somebody attacks the pool.

use std::sync::Arc;
use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use rohrpost_node::{Event as LogEvent, Handle, Log, Metrics, Node, Work};
use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::courier::{Account, Attachment, Courier, CourierConfig, Departure, Event};
use rohrpost_proto::directory::roster::{Roster, RosterNode};
use rohrpost_proto::directory::trust::JoinKey;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::frame::OutgoingFrame;
use rohrpost_proto::mix::cover::DropCover;
use rohrpost_proto::mix::inflow::{FreshInflow, InflowCounts};
use rohrpost_proto::mix::watch::{Alarm, LoopFate, Watch};
use rohrpost_proto::time::{Steady, Time};
use zeroize::Zeroizing;

use crate::job::{CoverJob, MixJob};
use crate::metrics::MixMetrics;

/// The cover of a mix, and its watch.
pub(crate) struct Cover<S: Suite> {
    attachment: Attachment,
    own: RosterNode,
    roster: Arc<Roster>,
    join_key: JoinKey,
    mixers: Vec<Handle<MixJob<S>>>,
    turn: usize,
    /// The virtual client; none before the first view.
    client: Option<Courier<S>>,
    view: Option<Arc<View<S>>>,
    drops: DropCover,
    watch: Watch,
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
        let number: NodeNumber = node.prepared.node.number;
        let roster = &node.prepared.roster;
        let now = node.clock.now();
        Self {
            attachment: Attachment::Mix { number, layer },
            own: node.prepared.node.clone(),
            join_key: node.prepared.trust.join_key().clone(),
            mixers,
            turn: 0,
            client: None,
            view: None,
            drops: DropCover::new(now, roster, layer),
            watch: Watch::new(now, roster, layer),
            inflow,
            before: InflowCounts::default(),
            adjust: now + ADJUST,
            roster: Arc::clone(roster),
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

    fn client(&self, now: Time) -> Courier<S> {
        let rng = &mut rand::rng();
        let foreign: Vec<_> =
            self.roster.relays().filter(|relay| relay.operator != self.own.operator).collect();
        let any: Vec<_> = self.roster.relays().collect();
        let relays = if foreign.is_empty() { any } else { foreign };
        let chosen: Vec<_> = relays.sample(rng, 2).map(|relay| relay.number).collect();
        let account = Account::generate(chosen, rng);
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        let phase = self.roster.traffic.slot.mul_f64(rng.random_range(0.0..1.0));
        let config = CourierConfig {
            attachment: self.attachment,
            account,
            roster: Arc::clone(&self.roster),
            join_key: self.join_key.clone(),
            seed,
            phase,
        };
        let mut client = Courier::new(Steady::of_clock(now), now, config);
        if let Some(view) = &self.view {
            client.handle_view(Steady::of_clock(now), Arc::clone(view));
        }
        client.prepare(Steady::of_clock(now));
        client
    }

    /// Takes what the virtual client tells: the fate of its loops.
    fn take_events(&mut self, now: Time) {
        while let Some(event) = self.client.as_mut().and_then(Courier::poll_event) {
            match event {
                Event::LoopSent => self.own_metrics.loops_sent.increment(1),
                Event::LoopReturned { .. } => self.own_metrics.loops_returned.increment(1),
                Event::LoopLost => self.own_metrics.loops_lost.increment(1),
                _ => {}
            }
            let Some(fate) = LoopFate::of(&event) else { continue };
            if fate == LoopFate::Failed && !matches!(event, Event::LoopLost) {
                self.own_metrics.loops_late.increment(1);
            }
            let alarm = self.watch.handle_loop(now, fate);
            self.tell(alarm);
        }
    }

    fn tell(&self, alarm: Option<Alarm>) {
        if let Some(alarm) = alarm {
            MixMetrics::alarm(alarm);
            self.log.write(&LogEvent::Alarm(alarm));
        }
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
            CoverJob::View(view) => {
                self.view = Some(Arc::clone(&view));
                match &mut self.client {
                    Some(client) => client.handle_view(Steady::of_clock(now), view),
                    None => self.client = Some(self.client(now)),
                }
            }
            CoverJob::Reply(id, payload) => {
                if let Some(client) = &mut self.client {
                    client.handle_reply(Steady::of_clock(now), id, payload);
                }
                self.take_events(now);
            }
        }
    }

    fn due(&self) -> Option<Time> {
        let slot = self.client.as_ref().map(|client| client.poll_timeout().reading());
        let drops = self.drops.poll_timeout();
        let others = [self.adjust, self.watch.poll_timeout()];
        slot.into_iter().chain(drops).chain(others).min()
    }

    fn run_due(&mut self, now: Time) {
        if now >= self.adjust {
            self.adjust(now);
        }
        if now >= self.watch.poll_timeout() {
            let alarm = self.watch.handle_inflow(now, self.inflow.counts());
            self.tell(alarm);
        }
        let view = self.view.clone();
        if let Some(packet) = self.drops.handle_timeout(now, view.as_deref(), &mut rand::rng()) {
            self.insert(packet.due, packet.outgoing);
        }
        let departure =
            self.client.as_mut().and_then(|client| client.handle_timeout(Steady::of_clock(now)));
        if let Some(Departure::Packet { due, outgoing }) = departure {
            self.insert(due, outgoing);
        }
        if let Some(client) = &mut self.client {
            client.prepare(Steady::of_clock(now));
        }
        self.take_events(now);
    }
}

/// Time between two settings of the drop cover's rate.
const ADJUST: Duration = Duration::from_secs(10);
/// Answers that wait for the cover's thread.
pub(crate) const BOUND: usize = 256;
