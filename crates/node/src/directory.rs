//! Keys on the move: the node's own announcements, and what it tells of the view that it goes by.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use rohrpost_network::Clock;
use rohrpost_packet::{Generation, HopPublicKey, NodeNumber, Suite};
use rohrpost_proto::directory::board::{Audience, Board};
use rohrpost_proto::directory::consensus::documents::Documents;
use rohrpost_proto::directory::consensus::rosters::Rosters;
use rohrpost_proto::directory::control::{Announcement, ControlMessage, Place};
use rohrpost_proto::directory::descriptor::{Descriptor, SignedDescriptor};
use rohrpost_proto::directory::follower::News;
use rohrpost_proto::directory::roster::{Roster, RosterNode};
use rohrpost_proto::directory::signing::SigningKey;
use rohrpost_proto::directory::view::{Shortage, View};
use rohrpost_proto::directory::views::Turn;
use rohrpost_proto::hop::Hop;
use rohrpost_proto::time::Time;
use tokio::sync::watch;

use crate::log::{Event, Log};
use crate::metrics::Metrics;
use crate::planned_stop::Standing;
use crate::readiness::Readiness;

/// Makes the packet keys of a node and announces them.
pub(crate) struct Announcer<S: Suite> {
    pub(crate) node: RosterNode,
    /// The rosters in force.
    pub(crate) rosters: watch::Receiver<Rosters>,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) hop: Arc<Hop<S>>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    /// True once the node is to leave.
    pub(crate) leaving: watch::Receiver<bool>,
    /// The board with the announcement alone, for the relays.
    pub(crate) announcements: watch::Sender<Board>,
}

impl<S: Suite> Announcer<S> {
    /// Announces the node now and once in each slot of the directory, and a new key at the end of the
    /// epoch or when the replay set is nearly full.
    pub(crate) async fn run(mut self) {
        let mut made = self.rotate();
        self.announce();
        // Of the keys before the newest a node holds two, each for the grace.
        let earliest = EARLIEST_CHANGE.max(self.roster.grace() / 2);
        loop {
            let slot = tokio::time::sleep(self.roster.directory.timing.interval());
            tokio::select! {
                () = slot => {}
                Ok(()) = self.rosters.changed() => {}
                Ok(()) = self.leaving.changed() => {}
            }
            let now = self.clock.now();
            self.sweep(now).await;
            let (held, limit) = self.hop.replay_fill();
            let nearly_full = held >= limit / 10 * 9 && now.since(made) >= earliest;
            if now.since(made) >= self.roster.directory.epoch || nearly_full {
                made = self.rotate();
                self.log.write(&Event::KeyChanged);
            }
            self.announce();
        }
    }

    /// Drops old keys on a thread that may take its time: their memories are wiped.
    async fn sweep(&self, now: Time) {
        let hop = Arc::clone(&self.hop);
        let _ = tokio::task::spawn_blocking(move || hop.sweep(now)).await;
    }

    fn rotate(&self) -> Time {
        let now = self.clock.now();
        let generation = Generation::new(u32::try_from(now.seconds()).unwrap_or(u32::MAX));
        // Not from a generator of this process: its state would give the key again for as long as it
        // lasts.
        let mut system = UnwrapErr(SysRng);
        self.hop.rotate(generation, now + self.roster.grace(), &mut system);
        now
    }

    fn announce(&self) {
        if let Some(public) = self.hop.newest() {
            let descriptor = sign(self.node.number, &public, &self.key);
            // What the newest roster gives another role is not to be used in that before it is started
            // anew.
            let newest = Arc::clone(&self.rosters.borrow().newest().roster);
            let fits = newest.node(self.node.number).is_none_or(|it| it.role == self.node.role);
            let stays = fits && !*self.leaving.borrow();
            let announcement = Announcement { stays, descriptor };
            let message = ControlMessage::Announcement(announcement).encode().into();
            self.announcements
                .send_modify(|board| board.post(Audience::All, Place::Announcement, message));
        }
    }
}

fn sign<S: Suite>(
    node: NodeNumber,
    public: &HopPublicKey<S>,
    key: &SigningKey,
) -> SignedDescriptor {
    let generation = public.generation();
    let descriptor = Descriptor { node, generation, suite: S::ID, key: public.as_bytes().into() };
    SignedDescriptor::sign(descriptor, key)
}

/// Tells of the view that the node goes by: those who build packets by it, readiness, log and metrics.
pub struct Outlook<S: Suite> {
    pub(crate) view: watch::Sender<Option<Arc<View<S>>>>,
    pub(crate) own: NodeNumber,
    /// What the documents say of the own node.
    pub(crate) standing: watch::Sender<Standing>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
    pub(crate) known: BTreeSet<NodeNumber>,
    pub(crate) shortage: Option<Shortage>,
    /// Version of the last roster that came and could not be followed; zero before one.
    pub(crate) unfollowed: u32,
}

impl<S: Suite> Outlook<S> {
    /// Tells of what holds at this moment of the network's time.
    pub fn tell(&mut self, time: Time, turn: Turn<S>, documents: &Documents) {
        let standing = Standing::of(self.own, documents, time);
        self.standing.send_if_modified(|known| std::mem::replace(known, standing) != standing);
        match turn {
            Turn::Same => return,
            Turn::Renewed => {}
            Turn::View(view) => {
                self.tell_changes(&view);
                self.metrics.document_nodes.set(precise(u64::try_from(view.len()).unwrap_or(0)));
                self.view.send_replace(Some(view));
            }
            Turn::Stale => {
                self.view.send_replace(None);
                return;
            }
        }
        let Some(current) = documents.current(time) else { return };
        let slot = current.document.slot;
        self.metrics.document_number.set(precise(slot.number()));
        // The age counts, whatever the own clock shows.
        let age = time.since(documents.timing().start_of(slot));
        if self.readiness.note_document(self.clock.now() - age) {
            self.log.write(&Event::Ready);
        }
    }

    /// Tells of the rosters in force, and of a roster that has come and cannot be followed.
    pub fn tell_rosters(&mut self, rosters: &Rosters, news: News) {
        self.metrics.roster_version.set(f64::from(rosters.newest().roster.version));
        if let News::Unfollowed { version, reason } = news
            && version > self.unfollowed
        {
            self.unfollowed = version;
            self.log.write(&Event::Unfollowed { version, reason });
        }
    }

    /// Tells of how far the relays' clocks are ahead of the own one, in microseconds, if that is known.
    pub fn tell_clock(&self, relays_ahead: Option<i64>) {
        let Some(ahead) = relays_ahead else { return };
        let own_ahead = ahead.saturating_neg();
        if self.readiness.note_clock(own_ahead)
            && let Some(off) = self.readiness.clock_off()
        {
            self.log.write(&Event::Clock(off));
        }
        self.metrics.clock_offset.set(seconds(own_ahead));
    }

    /// Logs the nodes that have come and gone, and whether too few are left to build packets with;
    /// the first document has nothing to compare with.
    fn tell_changes(&mut self, view: &View<S>) {
        let first = self.known.is_empty();
        for node in view.roster().nodes() {
            let is_up = view.key(node.number).is_some();
            if is_up && self.known.insert(node.number) {
                if !first {
                    self.log.write(&Event::NodeJoined(&node.name));
                }
            } else if !is_up && self.known.remove(&node.number) {
                self.log.write(&Event::NodeLeft(&node.name));
            }
        }
        let shortage = view.shortage();
        if let Some(shortage) = shortage.filter(|_| shortage != self.shortage) {
            self.log.write(&Event::Short(shortage));
        }
        self.shortage = shortage;
        self.metrics.document_short.set(f64::from(u8::from(shortage.is_some())));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a double; 53 bits last for ages")]
const fn precise(value: u64) -> f64 {
    value as f64
}

/// Whole milliseconds of an offset, in seconds.
fn seconds(micros: i64) -> f64 {
    let bound = if micros > 0 { i32::MAX } else { i32::MIN };
    f64::from(i32::try_from(micros / 1000).unwrap_or(bound)) / 1e3
}

/// Shortest time between two changes of the key within an epoch.
const EARLIEST_CHANGE: Duration = Duration::from_secs(600);
