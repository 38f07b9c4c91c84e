//! Relays and mixes of the virtual network: the cores, and what a process has around them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use rohrpost_packet::{Command, Generation, NodeNumber, Suite};
use rohrpost_proto::courier::{Account, Attachment, Courier, CourierConfig};
use rohrpost_proto::directory::authority::{Authority, AuthorityConfig};
use rohrpost_proto::directory::board::Board;
use rohrpost_proto::directory::carousel::object::RosterFiles;
use rohrpost_proto::directory::clocks::Clocks;
use rohrpost_proto::directory::control::Announcement;
use rohrpost_proto::directory::descriptor::{Descriptor, SignedDescriptor};
use rohrpost_proto::directory::follower::Follower;
use rohrpost_proto::directory::roster::{Role, Roster, RosterNode};
use rohrpost_proto::directory::trust::TrustRoot;
use rohrpost_proto::directory::views::Views;
use rohrpost_proto::entry::{Entry, SessionHandle};
use rohrpost_proto::frame::Frame;
use rohrpost_proto::hop::{Hop, Refusal};
use rohrpost_proto::instruction::{Instruction, RelayContext};
use rohrpost_proto::mailbox::{MailboxLimits, Mailboxes};
use rohrpost_proto::mix::Mix;
use rohrpost_proto::mix::watch::Watch;
use rohrpost_proto::replay::Ingress;
use rohrpost_proto::time::agreement::TOLERANCE;
use rohrpost_proto::time::{Steady, Time};

use crate::roster::{Layout, founded, node_key};
use crate::setup::Setup;
use crate::skew::Skew;
use crate::trace::Twin;

/// A generator for one party and purpose.
pub(crate) fn rng(seed: u64, purpose: &str, number: usize) -> ChaCha20Rng {
    let text = format!("{seed} {purpose} {number}");
    ChaCha20Rng::from_seed(*blake3::hash(text.as_bytes()).as_bytes())
}

/// What all parties of a network are given.
pub(crate) struct Founding {
    pub(crate) trust: Arc<TrustRoot>,
    pub(crate) roster: Arc<Roster>,
    /// Text and signatures of the roster.
    pub(crate) files: RosterFiles,
}

impl Founding {
    /// A network of this layout.
    pub(crate) fn of(layout: &Layout) -> Self {
        let (trust, roster, files) = founded(layout);
        Self { trust: Arc::new(trust), roster, files }
    }
}

/// A node, with what relays and mixes have in common.
pub(crate) struct Node<S: Suite> {
    pub(crate) number: NodeNumber,
    /// Number that tells one incarnation of a node from the next.
    pub(crate) incarnation: u64,
    pub(crate) skew: Skew,
    pub(crate) hop: Arc<Hop<S>>,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) refusals: BTreeMap<&'static str, u64>,
    pub(crate) duty: Duty<S>,
    seed: u64,
    /// Time at which the newest key was made, by the node's own clock.
    made: Time,
    /// Twin of a mix, while passages are traced.
    pub(crate) twin: Option<Twin<S>>,
}

pub(crate) enum Duty<S: Suite> {
    Mix(Box<MixDuty<S>>),
    Relay(Box<RelayDuty<S>>),
}

pub(crate) struct MixDuty<S: Suite> {
    pub(crate) mix: Mix<S>,
    pub(crate) watch: Watch,
    pub(crate) cover: Courier<S>,
    /// The directory as the mix follows it.
    pub(crate) views: Views<S>,
    /// The relays' clocks.
    pub(crate) clocks: Clocks,
    /// Network time at which the mix looks next at what holds.
    pub(crate) follows: Option<Time>,
}

pub(crate) struct RelayDuty<S: Suite> {
    pub(crate) entry: Entry<S>,
    /// Client and link of each session; as many as the entry has.
    pub(crate) sessions: BTreeMap<SessionHandle, (usize, u64)>,
    /// Sessions by link. Invariant: each of `sessions`, and no other.
    pub(crate) links: BTreeMap<u64, SessionHandle>,
    pub(crate) mailboxes: Mailboxes<S>,
    pub(crate) authority: Authority<S>,
    /// What the relay has to say on its control links.
    pub(crate) board: Board,
    /// Number of the last message of the board that each node got, in one of its incarnations.
    pub(crate) told: BTreeMap<NodeNumber, (u64, u64)>,
    context: RelayContext,
}

impl<S: Suite> Node<S> {
    /// A node that has just started: with new keys and an empty memory.
    pub(crate) fn start(
        now: Time,
        incarnation: u64,
        setup: &Setup,
        number: NodeNumber,
        founding: &Founding,
    ) -> Self {
        let Founding { roster, trust, .. } = founding;
        let skew = setup.skews.get(&number).copied().unwrap_or(Skew::NONE);
        let now = skew.read(now);
        let index = usize::try_from(number.get()).unwrap_or(0);
        let mut rng = rng(setup.seed, &format!("node at {}", now.micros()), index);
        let node = roster.node(number).expect("only nodes of the roster are started");
        let links = roster.predecessors(node.role).count();
        let hop = Arc::new(Hop::new(node.role.position(), links, setup.bounds.replay));
        let duty = match node.role {
            Role::Mix { layer } => Duty::Mix(Box::new(MixDuty {
                mix: Mix::new(Arc::clone(&hop), roster, layer, setup.bounds.pool),
                watch: Watch::new(now, roster, layer),
                cover: cover(now, node, layer, roster, trust, &mut rng),
                views: Views::new(Follower::new(Arc::clone(trust), Arc::clone(roster), S::ID)),
                clocks: Clocks::default(),
                follows: None,
            })),
            Role::Relay => Duty::Relay(Box::new(RelayDuty::new(now, number, setup, founding))),
        };
        let traced = setup.trace && matches!(duty, Duty::Mix(_));
        let twin = traced.then(|| Twin::new(node.role.position(), setup.bounds.replay));
        let (seed, refusals, made) = (setup.seed, BTreeMap::new(), now);
        let mut node =
            Self { number, incarnation, skew, hop, rng, refusals, duty, seed, made, twin };
        node.rotate(now, now);
        node
    }

    pub(crate) fn count(&mut self, refusal: Refusal) {
        *self.refusals.entry(refusal.as_str()).or_default() += 1;
    }

    /// Tends the keys as the announcer of a real node does at each announcement: old keys go, and
    /// at the end of the epoch a new one is made.
    pub(crate) fn tend_keys(&mut self, now: Time, roster: &Roster) {
        self.hop.sweep(now);
        if now.since(self.made) >= roster.directory.epoch {
            self.rotate(now, now + roster.grace());
        }
    }

    fn rotate(&mut self, now: Time, retires: Time) {
        let generation = Generation::new(u32::try_from(now.seconds()).unwrap_or(u32::MAX));
        let index = usize::try_from(self.number.get()).unwrap_or(0);
        let generator = || rng(self.seed, &format!("key at {}", now.micros()), index);
        self.hop.rotate(generation, retires, &mut generator());
        if let Some(twin) = &self.twin {
            twin.rotate(generation, retires, &mut generator());
        }
        self.made = now;
    }

    /// The node's word that it is there, by its newest key.
    pub(crate) fn announcement(&self) -> Announcement {
        let public = self.hop.newest().expect("a started node has a key");
        let (generation, key) = (public.generation(), public.as_bytes().into());
        let descriptor = Descriptor { node: self.number, generation, suite: S::ID, key };
        let descriptor = SignedDescriptor::sign(descriptor, &node_key(self.number));
        Announcement { stays: true, descriptor }
    }
}

impl<S: Suite> MixDuty<S> {
    /// The network's time, as the mix knows it.
    pub(crate) fn network_time(&self, local: Time) -> Time {
        let roster = &self.views.follower().rosters().newest().roster;
        let fresh = roster.directory.timing.heard_within();
        self.clocks.network_time(local, roster, fresh, TOLERANCE)
    }
}

impl<S: Suite> RelayDuty<S> {
    fn new(now: Time, number: NodeNumber, setup: &Setup, founding: &Founding) -> Self {
        let Founding { roster, trust, files } = founding;
        let config = AuthorityConfig {
            number,
            key: Arc::new(node_key(number)),
            trust: Arc::clone(trust),
            roster: Arc::clone(roster),
            files: files.clone(),
        };
        Self {
            entry: Entry::new(roster.traffic.slot, setup.bounds.sessions),
            sessions: BTreeMap::new(),
            links: BTreeMap::new(),
            mailboxes: Mailboxes::new(MailboxLimits::of(&roster.traffic)),
            authority: Authority::begin(now, config),
            board: Board::default(),
            told: BTreeMap::new(),
            context: RelayContext {
                network: roster.network_id,
                relay: number,
                join_key: trust.join_key().clone(),
            },
        }
    }

    /// Opens the last layer and follows what it finds.
    pub(crate) fn handle_frame(
        &mut self,
        now: Time,
        hop: &Hop<S>,
        from: Ingress,
        frame: Frame<S>,
    ) -> Result<(), Refusal> {
        let opened = hop.open(from, frame)?;
        let route = *opened.route();
        match route.command {
            Command::Deliver => {
                let body = opened.deliver().map_err(|_| Refusal::Payload)?;
                self.mailboxes.handle(now, Instruction::decode(&body, &self.context)?)
            }
            Command::Reply => {
                let (id, payload) = opened.reply();
                self.entry.handle_reply(route.session, id, payload)
            }
            Command::Forward | Command::Loop => Err(Refusal::Command),
        }
    }

    pub(crate) fn join(
        &mut self,
        client: usize,
        link: u64,
        rng: &mut ChaCha20Rng,
    ) -> Result<(), Refusal> {
        let handle = self.entry.join(rng)?;
        self.sessions.insert(handle, (client, link));
        self.links.insert(link, handle);
        Ok(())
    }

    pub(crate) fn leave(&mut self, link: u64) {
        if let Some(handle) = self.links.remove(&link) {
            self.sessions.remove(&handle);
            self.entry.leave(handle);
        }
    }
}

/// The virtual client of a mix, with mailboxes at two relays of other operators.
fn cover<S: Suite>(
    now: Time,
    own: &RosterNode,
    layer: usize,
    roster: &Arc<Roster>,
    trust: &TrustRoot,
    rng: &mut ChaCha20Rng,
) -> Courier<S> {
    let number = own.number;
    let turn = usize::try_from(number.get()).unwrap_or(0);
    let account = Account::generate(foreign_relays(roster, &own.operator, turn), rng);
    let moment = (Steady::of_clock(now), now);
    courier(moment, Attachment::Mix { number, layer }, account, roster, trust, rng)
}

/// Two relays of other operators than this one, in turn.
pub(crate) fn foreign_relays(roster: &Roster, operator: &str, turn: usize) -> [NodeNumber; 2] {
    let foreign = roster.relays().filter(|relay| relay.operator != operator);
    let relays: Vec<_> = foreign.map(|relay| relay.number).collect();
    [relays[turn % relays.len()], relays[(turn + 1) % relays.len()]]
}

pub(crate) fn courier<S: Suite>(
    (now, document): (Steady, Time),
    attachment: Attachment,
    account: Account,
    roster: &Arc<Roster>,
    trust: &TrustRoot,
    rng: &mut ChaCha20Rng,
) -> Courier<S> {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    let phase = roster.traffic.client_phase(rng);
    let join_key = trust.join_key().clone();
    let roster = Arc::clone(roster);
    let mut courier = Courier::new(
        now,
        document,
        CourierConfig { attachment, account, roster, join_key, seed: seed.into(), phase },
    );
    courier.prepare(now);
    courier
}

/// Number drawn evenly from [0, 1).
pub(crate) fn uniform(rng: &mut ChaCha20Rng) -> f64 {
    f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0)
}
