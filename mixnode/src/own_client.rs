//! The mix's own client: a real one, with a session at a relay of another operator and two mailboxes
//! at relays of yet others, so that its loops and pulls test every kind of hop, and no mailbox relay
//! can tell them from anybody's (`docs/traffic.md`, Mixes).
//!
//! Nobody writes to it and nothing is stored. Where it is and under which keys is drawn by
//! `rohrpost_proto::mix::own_client`; the keys live in memory only, and a restart draws new ones.

mod listener;

use std::sync::Arc;

use rand::Rng;
use rohrpost_network::Clock;
use rohrpost_node::{Handle, Node};
use rohrpost_packet::Suite;
use rohrpost_proto::courier::{Account, Attachment, Courier, CourierConfig};
use rohrpost_proto::directory::carousel::room::Room;
use rohrpost_proto::directory::consensus::rosters::Rosters;
use rohrpost_proto::directory::roster::{Roster, RosterNode};
use rohrpost_proto::directory::trust::TrustRoot;
use rohrpost_proto::mix::own_client::{Course, Outcome, OwnClient as Plan, Stay};
use rohrpost_proto::time::agreement::Witness;
use rohrpost_session::{Break, End, Link, Session, Station, random_session};
use rohrpost_transport::{PeerAddress, Segmentation};
use tokio::sync::watch;
use tokio::time::sleep;
use zeroize::Zeroizing;

use crate::job::CoverJob;
use listener::Listener;

/// The own client of a mix.
pub(crate) struct OwnClient<S: Suite> {
    plan: Plan,
    trust: Arc<TrustRoot>,
    /// The rosters in force, of which a stay goes by the one that is the newest at its begin.
    rosters: watch::Receiver<Rosters>,
    roster: Arc<Roster>,
    segmentation: Segmentation,
    /// Clock of the client, and what documents have shown of the time, over all stays.
    clock: Clock,
    witness: Witness,
    /// Listener to what becomes of loops and pulls.
    cover: Handle<CoverJob<S>>,
}

/// The client in a stay, before and after its first link.
enum Client<S: Suite> {
    Waiting(Box<Station>, Account),
    Met(Box<Session<S>>),
}

impl<S: Suite> Client<S> {
    const fn station(&mut self) -> &mut Station {
        match self {
            Self::Waiting(station, _) => station,
            Self::Met(session) => &mut session.station,
        }
    }
}

impl<S: Suite> OwnClient<S> {
    pub(crate) fn new(node: &Node<S>, cover: Handle<CoverJob<S>>) -> Self {
        let roster = &node.prepared.roster;
        Self {
            plan: Plan::new(node.prepared.node.operator.clone(), Arc::clone(roster)),
            rosters: node.neighbours.rosters(),
            roster: Arc::clone(roster),
            trust: Arc::clone(&node.prepared.trust),
            clock: node.clock,
            segmentation: node.prepared.config.segmentation,
            witness: Witness::default(),
            cover,
        }
    }

    /// Makes one stay after another, as long as the node runs.
    pub(crate) async fn run(mut self) -> &'static str {
        loop {
            self.roster = Arc::clone(&self.rosters.borrow().newest().roster);
            self.plan.follow(&self.roster);
            let begun = self.plan.begin(self.clock.steady(), &mut rand::rng());
            let Some(stay) = begun else {
                return "own client";
            };
            let (account, outcome) = self.stay(stay).await;
            self.plan.end(account, outcome);
            let pause = Break::Moved.draw(&mut rand::rng());
            sleep(pause).await;
        }
    }

    /// Keeps one session after another at an entry, until the stay is over or the relay has not
    /// served in its first minutes. Gives the account back.
    async fn stay(&mut self, stay: Stay) -> (Account, Outcome) {
        let Stay { entry, account, until } = stay;
        let Some(entry) = self.roster.relay(entry) else {
            return (account, Outcome::Unreached);
        };
        let patience = Room::of(&self.roster).patience();
        let relays = account.mailboxes.iter().map(|own| own.relay).chain([entry.number]).collect();
        let cover = self.cover.clone();
        let mut listener = Listener { until, patience, relays, retired: false, cover };
        let mut client = Client::Waiting(Box::new(self.station(entry)), account);
        let mut course = Course::new(self.clock.steady(), until, patience * 2);
        loop {
            let dialed = client.station().dial::<S>().await;
            match dialed.and_then(|dialed| client.station().greet::<S>(dialed)) {
                Ok(link) => {
                    let session = self.join(client, &link);
                    let (session, end) = session.keep_grid(link, &mut listener).await;
                    // A relay that serves no documents, or whose clock is wrong, is of no more use
                    // than one that does not answer.
                    let (now, served) = (session.station.clock.steady(), session.was_served());
                    match end {
                        End::Over => course.handle_close(now, served),
                        _ => course.handle_loss(served),
                    }
                    client = Client::Met(Box::new(session));
                }
                Err(_) => course.handle_loss(false),
            }
            if listener.retired || !course.goes_on(client.station().clock.steady()) {
                break;
            }
            let pause = Break::Lost.draw(&mut rand::rng());
            sleep(pause).await;
        }
        (self.clock, self.witness) = (client.station().clock, client.station().witness);
        // A stay that a newer roster ends is over, and nothing was lost by that.
        let outcome = if listener.retired { Outcome::Served } else { course.outcome() };
        match client {
            Client::Waiting(_, account) => (account, outcome),
            Client::Met(session) => (session.courier.into_account(), outcome),
        }
    }

    fn station(&self, entry: &RosterNode) -> Station {
        Station {
            trust: Arc::clone(&self.trust),
            roster: Arc::clone(&self.roster),
            entry: PeerAddress::from(entry),
            segmentation: self.segmentation,
            clock: self.clock,
            witness: self.witness,
        }
    }

    /// Goes on with a client on a link, under a new name and with a phase of its own.
    fn join(&self, client: Client<S>, link: &Link) -> Session<S> {
        match client {
            Client::Met(mut session) => {
                session.rejoin(link);
                *session
            }
            Client::Waiting(station, account) => {
                let mut seed = Zeroizing::new([0; 32]);
                rand::rng().fill_bytes(seed.as_mut());
                let (entry, session) = (station.entry.number, random_session());
                let config = CourierConfig {
                    attachment: Attachment::Client { entry, session },
                    account,
                    roster: Arc::clone(&self.roster),
                    join_key: self.trust.join_key().clone(),
                    seed,
                    phase: self.roster.traffic.client_phase(&mut rand::rng()),
                };
                let courier = Courier::new(station.clock.steady(), link.time, config);
                Session::new(*station, courier)
            }
        }
    }
}
