//! The mix's own client: a real one, with a session at a relay of another operator and two mailboxes
//! at relays of yet others, so that its loops and pulls test every kind of hop, and no mailbox relay
//! can tell them from anybody's (`docs/traffic.md`, Mixes).
//!
//! Nobody writes to it and nothing is stored. Where it is and under which keys is drawn by
//! `rohrpost_proto::mix::own_client`; the keys live in memory only, and a restart draws new ones.

mod session;

use std::sync::Arc;
use std::time::Duration;

use rand::{Rng, RngExt};
use rohrpost_network::{Clock, machine_time};
use rohrpost_node::{Handle, Node};
use rohrpost_packet::{NodeNumber, SessionId, Suite};
use rohrpost_proto::courier::{Account, Attachment, Courier, CourierConfig};
use rohrpost_proto::directory::roster::Roster;
use rohrpost_proto::directory::trust::JoinKey;
use rohrpost_proto::frame::{DownCell, frame_len};
use rohrpost_proto::mix::own_client::{Outcome, OwnClient as Plan, Stay};
use rohrpost_proto::time::Time;
use rohrpost_proto::time::agreement::Witness;
use rohrpost_transport::{ClientLink, PeerAddress, Segmentation, connect};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use crate::job::CoverJob;
use session::Session;

/// The own client of a mix.
pub(crate) struct OwnClient<S: Suite> {
    plan: Plan,
    roster: Arc<Roster>,
    join_key: JoinKey,
    segmentation: Segmentation,
    clock: Clock,
    /// Record of what documents have shown of the time, over all stays.
    witness: Witness,
    /// Listener to what becomes of the loops.
    cover: Handle<CoverJob<S>>,
}

/// The client in a stay, before and after its first link.
enum Client<S: Suite> {
    Waiting(Account),
    Met(Box<Session<S>>),
}

/// A link on which the first cell has come.
struct Link {
    link: ClientLink,
    /// The relay's time in that cell.
    time: Time,
}

impl<S: Suite> OwnClient<S> {
    pub(crate) fn new(node: &Node<S>, cover: Handle<CoverJob<S>>) -> Self {
        let roster = &node.prepared.roster;
        Self {
            plan: Plan::new(node.prepared.node.operator.clone(), Arc::clone(roster)),
            roster: Arc::clone(roster),
            join_key: node.prepared.trust.join_key().clone(),
            clock: node.clock,
            segmentation: node.prepared.config.segmentation,
            witness: Witness::default(),
            cover,
        }
    }

    /// Makes one stay after another, as long as the node runs.
    pub(crate) async fn run(mut self) -> &'static str {
        loop {
            let begun = self.plan.begin(self.clock.steady(), &mut rand::rng());
            let Some(stay) = begun else {
                return "own client";
            };
            let (account, outcome) = self.stay(stay).await;
            self.plan.end(account, outcome);
            sleep(jittered(FIRST_PAUSE)).await;
        }
    }

    /// Keeps one session after another at an entry, until the stay is over or the relay has not
    /// been reached for too many times. Gives the account back.
    async fn stay(&mut self, stay: Stay) -> (Account, Outcome) {
        let Stay { entry, account, until } = stay;
        let mut client = Client::Waiting(account);
        let (mut pause, mut failed) = (FIRST_PAUSE, 0);
        while self.clock.steady() < until && failed < PATIENCE {
            // A relay that serves no documents, or whose clock is wrong, is of no more use than one
            // that does not answer.
            failed += 1;
            if let Some(Link { link, time }) = self.link(entry).await {
                let session = self.join(client, entry, time);
                let session = session.keep_grid(link, until, &mut self.witness).await;
                if session.was_served() {
                    (pause, failed) = (FIRST_PAUSE, 0);
                }
                client = Client::Met(Box::new(session));
            }
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let outcome = if failed < PATIENCE { Outcome::Served } else { Outcome::Unreached };
        match client {
            Client::Waiting(account) => (account, outcome),
            Client::Met(session) => (session.into_account(), outcome),
        }
    }

    async fn link(&mut self, entry: NodeNumber) -> Option<Link> {
        let peer = PeerAddress::from(self.roster.node(entry)?);
        let mut link = connect(&peer, frame_len::<S>(), self.segmentation).await.ok()?;
        let first = timeout(FIRST_CELL, link.receiver.recv()).await.ok()?.ok()??;
        let time = DownCell::<S>::decode(&first).ok()?.time;
        // A relay whose clock nothing bears out is heard, and goes by no view.
        let _ = self.witness.greet(self.clock.steady(), time, machine_time());
        Some(Link { link, time })
    }

    /// Goes on with a client under a new name and phase, on a link whose relay's clock shows `time`.
    fn join(&self, client: Client<S>, entry: NodeNumber, time: Time) -> Session<S> {
        let (session, phase) =
            (random_session(), self.roster.traffic.client_phase(&mut rand::rng()));
        match client {
            Client::Met(met) => met.rejoin(time, session, phase),
            Client::Waiting(account) => {
                let mut seed = Zeroizing::new([0; 32]);
                rand::rng().fill_bytes(seed.as_mut());
                let config = CourierConfig {
                    attachment: Attachment::Client { entry, session },
                    account,
                    roster: Arc::clone(&self.roster),
                    join_key: self.join_key.clone(),
                    seed,
                    phase,
                };
                let courier = Courier::new(self.clock.steady(), time, config);
                Session::new(self.clock, entry, courier, &self.roster, &self.cover)
            }
        }
    }
}

fn random_session() -> SessionId {
    let mut session = [0; 16];
    rand::rng().fill_bytes(&mut session);
    SessionId::new(session)
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..1.5))
}

/// Time for the first cell, as for anybody's client.
const FIRST_CELL: Duration = Duration::from_secs(10);
/// Pause before the link is tried again, and bound to which it doubles; each is drawn from half to
/// one and a half of it.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Tries in a row after which another relay is drawn: some four minutes.
const PATIENCE: u32 = 6;
