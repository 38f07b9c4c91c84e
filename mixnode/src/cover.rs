//! The mix's own cover: virtual clients that pull mailboxes of their own, like any client.
//!
//! There is one virtual client at least, and as many more as keep the packets that come in, not
//! counting the busiest single operator's share, at the roster's floor. The number is looked at
//! every ten seconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use rohrpost_node::{Handle, Inflow, LinkCounts, Metrics, Node, Work};
use rohrpost_packet::{NodeNumber, Suite};
use rohrpost_proto::courier::{Account, Attachment, Courier, CourierConfig, Departure, Event};
use rohrpost_proto::directory::roster::{Roster, RosterNode};
use rohrpost_proto::directory::trust::JoinKey;
use rohrpost_proto::directory::view::View;
use rohrpost_proto::time::Time;
use zeroize::Zeroizing;

use crate::job::{CoverJob, MixJob};
use crate::metrics::MixMetrics;

/// The virtual clients of a mix.
pub(crate) struct Cover<S: Suite> {
    attachment: Attachment,
    own: RosterNode,
    roster: Arc<Roster>,
    join_key: JoinKey,
    mixers: Vec<Handle<MixJob<S>>>,
    turn: usize,
    clients: Vec<Courier<S>>,
    view: Option<Arc<View<S>>>,
    inflow: Arc<Inflow>,
    before: LinkCounts,
    adjust: Time,
    metrics: Arc<Metrics>,
    own_metrics: MixMetrics,
}

impl<S: Suite> Cover<S> {
    pub(crate) fn new(node: &Node<S>, layer: usize, mixers: Vec<Handle<MixJob<S>>>) -> Self {
        let number: NodeNumber = node.prepared.node.number;
        Self {
            attachment: Attachment::Mix { number, layer },
            own: node.prepared.node.clone(),
            roster: Arc::clone(&node.prepared.roster),
            join_key: node.prepared.trust.join_key().clone(),
            mixers,
            turn: 0,
            clients: Vec::new(),
            view: None,
            inflow: Arc::clone(&node.inflow),
            before: BTreeMap::new(),
            adjust: node.clock.now() + ADJUST,
            metrics: Arc::clone(&node.metrics),
            own_metrics: MixMetrics::of_node(),
        }
    }

    /// Brings the number of virtual clients to what the floor asks for.
    fn adjust(&mut self, now: Time) {
        let counts = self.inflow.by_operator();
        let since: Vec<u64> = counts
            .iter()
            .map(|(operator, count)| count - self.before.get(operator).unwrap_or(&0))
            .collect();
        self.before = counts;
        let busiest = since.iter().max().copied().unwrap_or(0);
        let others = (since.iter().sum::<u64>() - busiest) / ADJUST.as_secs();
        let traffic = &self.roster.traffic;
        let slot = u64::try_from(traffic.slot.as_millis()).unwrap_or(u64::MAX);
        let per_client = 1000_u64.div_ceil(slot.max(1));
        let floor = u64::from(traffic.cover_floor);
        self.resize(now, steer(self.clients.len(), others, floor, per_client));
        self.adjust = now + ADJUST;
    }

    fn resize(&mut self, now: Time, wanted: usize) {
        self.clients.truncate(wanted);
        while self.clients.len() < wanted {
            let client = self.client(now);
            self.clients.push(client);
        }
        self.own_metrics.virtual_clients.set(f64::from(u32::try_from(wanted).unwrap_or(u32::MAX)));
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
        let mut client = Courier::new(now, config);
        if let Some(view) = &self.view {
            client.handle_view(now, Arc::clone(view));
        }
        client.prepare(now);
        client
    }

    fn count(&self, event: &Event) {
        match event {
            Event::LoopSent => self.own_metrics.loops_sent.increment(1),
            Event::LoopReturned { .. } => self.own_metrics.loops_returned.increment(1),
            Event::LoopLost => self.own_metrics.loops_lost.increment(1),
            _ => {}
        }
    }
}

impl<S: Suite> Work for Cover<S> {
    type Job = CoverJob<S>;

    fn handle(&mut self, now: Time, job: CoverJob<S>) {
        match job {
            CoverJob::View(view) => {
                self.clients
                    .iter_mut()
                    .for_each(|client| client.handle_view(now, Arc::clone(&view)));
                self.view = Some(view);
                if self.clients.is_empty() {
                    self.resize(now, 1);
                }
            }
            CoverJob::Reply(id, payload) => {
                let Some(index) = self.clients.iter().position(|client| client.expects(id)) else {
                    return;
                };
                self.clients[index].handle_reply(now, id, payload);
                while let Some(event) = self.clients[index].poll_event() {
                    self.count(&event);
                }
            }
        }
    }

    fn due(&self) -> Option<Time> {
        let slots = self.clients.iter().map(Courier::poll_timeout);
        slots.chain([self.adjust]).min()
    }

    fn run_due(&mut self, now: Time) {
        if now >= self.adjust && self.view.is_some() {
            self.adjust(now);
        } else if now >= self.adjust {
            self.adjust = now + ADJUST;
        }
        for index in 0..self.clients.len() {
            let departure = self.clients[index].handle_timeout(now);
            if let Some(Departure::Packet { due, outgoing }) = departure {
                self.turn = (self.turn + 1) % self.mixers.len();
                if self.mixers[self.turn].try_send(MixJob::Own(due, outgoing)).is_err() {
                    self.metrics.drop_packet(rohrpost_proto::hop::Refusal::Overload);
                }
            }
            self.clients[index].prepare(now);
            while let Some(event) = self.clients[index].poll_event() {
                self.count(&event);
            }
        }
    }
}

/// The next number of virtual clients, when `others` packets a second come in and each client adds
/// about `per_client`.
///
/// The packets that come in contain those that the present clients bring, so the number is moved,
/// not computed anew: by half of what is missing, for the other mixes move as well, and not at all
/// between the floor and a quarter above it.
fn steer(clients: usize, others: u64, floor: u64, per_client: u64) -> usize {
    let step = |difference: u64| usize::try_from(difference / (2 * per_client)).unwrap_or(MOST);
    let wanted = if others < floor {
        clients.saturating_add(step(floor - others).max(1))
    } else if others > floor + floor / 4 {
        clients.saturating_sub(step(others - floor))
    } else {
        clients
    };
    wanted.clamp(1, MOST)
}

const ADJUST: Duration = Duration::from_secs(10);
/// Bound of virtual clients; each costs about 1 % of a core at the default rates.
const MOST: usize = 64;
/// Answers that wait for the cover's thread.
pub(crate) const BOUND: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// A client may bring its mix fewer packets than it sends (its answers alone), or more (those
    /// of the other mixes' clients, which are moved at the same time).
    #[test]
    fn the_inflow_reaches_the_floor_and_stays_there() {
        for brought in [2, 3, 4, 6, 8] {
            let mut clients = 1;
            let inflow = |clients: usize| 2 + brought * u64::try_from(clients).unwrap();
            for _ in 0..30 {
                clients = steer(clients, inflow(clients), 50, 4);
            }
            let settled = clients;
            for _ in 0..10 {
                clients = steer(clients, inflow(clients), 50, 4);
                assert_eq!(clients, settled, "oscillates when a client brings {brought}");
            }
            assert!(inflow(clients) >= 50, "below the floor at {brought}");
        }
    }

    #[test]
    fn a_busy_mix_keeps_one_client_and_no_mix_more_than_the_bound() {
        assert_eq!(steer(1, 10_000, 50, 4), 1);
        assert_eq!(steer(40, 10_000, 50, 4), 1);
        assert_eq!(steer(MOST, 0, 1_000_000, 4), MOST);
    }
}
