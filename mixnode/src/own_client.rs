//! The mix's own client: a real one, with a session at a relay of another operator and two mailboxes
//! at relays of yet others, so that its loops and pulls test every kind of hop, and no mailbox relay
//! can tell them from anybody's (`docs/traffic.md`, Mixes).
//!
//! Nobody writes to it and nothing is stored. Relay, mailboxes and all keys are drawn anew every few
//! hours, and when the relay cannot be reached for a while.

mod session;

use std::sync::Arc;
use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use rohrpost_network::Clock;
use rohrpost_node::{Handle, Node};
use rohrpost_packet::{SessionId, Suite};
use rohrpost_proto::courier::{Account, Attachment, Courier, CourierConfig};
use rohrpost_proto::directory::roster::{Roster, RosterNode};
use rohrpost_proto::directory::trust::JoinKey;
use rohrpost_proto::frame::{DownCell, frame_len};
use rohrpost_proto::time::Time;
use rohrpost_transport::{ClientLink, PeerAddress, Segmentation, connect};
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroizing;

use crate::job::CoverJob;
use session::Session;

/// The own client of a mix.
pub(crate) struct OwnClient<S: Suite> {
    operator: String,
    roster: Arc<Roster>,
    join_key: JoinKey,
    segmentation: Segmentation,
    clock: Clock,
    /// Listener to what becomes of the loops.
    cover: Handle<CoverJob<S>>,
}

/// A link on which the first cell has come.
struct Link {
    link: ClientLink,
    /// The relay's time in that cell.
    time: Time,
}

impl<S: Suite> OwnClient<S> {
    pub(crate) fn new(node: &Node<S>, cover: Handle<CoverJob<S>>) -> Self {
        Self {
            operator: node.prepared.node.operator.clone(),
            roster: Arc::clone(&node.prepared.roster),
            join_key: node.prepared.trust.join_key().clone(),
            clock: node.clock,
            segmentation: node.prepared.config.segmentation,
            cover,
        }
    }

    /// Lives one life after another, as long as the node runs.
    pub(crate) async fn run(self) -> &'static str {
        loop {
            let Some(entry) = draw_relay(&self.roster, &[&self.operator]) else {
                return "own client";
            };
            let life = LIFE.mul_f64(rand::rng().random_range(0.5..1.5));
            self.live(&entry, Instant::now() + life).await;
            sleep(jittered(FIRST_PAUSE)).await;
        }
    }

    /// Keeps one session after another at `entry`, with the same keys, until the life ends or the
    /// relay has not been reached for too many times.
    async fn live(&self, entry: &RosterNode, end: Instant) {
        let mut session: Option<Session<S>> = None;
        let (mut pause, mut failed) = (FIRST_PAUSE, 0);
        while Instant::now() < end && failed < PATIENCE {
            if let Some(Link { link, time }) = self.link(entry).await {
                let joined = match session.take() {
                    Some(before) => before.rejoin(
                        time,
                        random_session(),
                        self.roster.traffic.client_phase(&mut rand::rng()),
                    ),
                    None => {
                        let courier = self.found(entry, time);
                        Session::new(self.clock, entry.number, courier, &self.cover)
                    }
                };
                session = Some(joined.keep_grid(link, end, &self.roster).await);
            }
            // A relay that serves no documents is of no more use than one that does not answer.
            if session.as_ref().is_some_and(Session::has_view) {
                (pause, failed) = (FIRST_PAUSE, 0);
            } else {
                failed += 1;
            }
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn link(&self, entry: &RosterNode) -> Option<Link> {
        let peer = PeerAddress::from(entry);
        let mut link = connect(&peer, frame_len::<S>(), self.segmentation).await.ok()?;
        let first = timeout(FIRST_CELL, link.receiver.recv()).await.ok()?.ok()??;
        let time = DownCell::<S>::decode(&first).ok()?.time;
        Some(Link { link, time })
    }

    /// A courier with new keys, and mailboxes at relays of other operators than the own and the
    /// entry's, where there are such.
    fn found(&self, entry: &RosterNode, time: Time) -> Courier<S> {
        let own = self.operator.as_str();
        let first = draw_relay(&self.roster, &[own, &entry.operator]);
        let taken = first.as_ref().map_or(own, |first| first.operator.as_str());
        let second = draw_relay(&self.roster, &[own, &entry.operator, taken]);
        let mut mailboxes: Vec<_> = [&first, &second].into_iter().flatten().collect();
        mailboxes.dedup_by_key(|relay| relay.number);
        let mailboxes = mailboxes.into_iter().map(|relay| relay.number);
        let mut seed = Zeroizing::new([0; 32]);
        rand::rng().fill_bytes(seed.as_mut());
        let config = CourierConfig {
            attachment: Attachment::Client { entry: entry.number, session: random_session() },
            account: Account::generate(mailboxes, &mut rand::rng()),
            roster: Arc::clone(&self.roster),
            join_key: self.join_key.clone(),
            seed,
            phase: self.roster.traffic.client_phase(&mut rand::rng()),
        };
        Courier::new(self.clock.steady(), time, config)
    }
}

/// Draws a relay that is of none of these operators; if there is none, of none but the last, and so
/// on, and of any at all at last.
fn draw_relay(roster: &Roster, taken: &[&str]) -> Option<RosterNode> {
    let draw = |taken: &[&str]| {
        let relays = roster.relays().filter(|relay| !taken.contains(&relay.operator.as_str()));
        relays.collect::<Vec<_>>().choose(&mut rand::rng()).map(|relay| (*relay).clone())
    };
    (0..=taken.len()).rev().find_map(|len| draw(&taken[..len]))
}

fn random_session() -> SessionId {
    let mut session = [0; 16];
    rand::rng().fill_bytes(&mut session);
    SessionId::new(session)
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..1.5))
}

/// Life of a client, drawn from half to one and a half of this.
const LIFE: Duration = Duration::from_secs(4 * 3_600);
/// Time for the first cell, as for anybody's client.
const FIRST_CELL: Duration = Duration::from_secs(10);
/// Pause before the link is tried again, and bound to which it doubles; each is drawn from half to
/// one and a half of it.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Tries in a row after which another relay is drawn: some four minutes.
const PATIENCE: u32 = 6;
