//! Relays, mixes and clients of the virtual network: the cores and what drives them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use rohrpost_packet::envelope::{IdentitySecret, PrekeySecret};
use rohrpost_packet::{Command, Generation, NodeNumber, SessionId, Suite};
use rohrpost_proto::courier::{Account, Courier, OwnMailbox, Vantage};
use rohrpost_proto::descriptor::{Descriptor, DescriptorBook, SignedDescriptor};
use rohrpost_proto::document::{Document, SignedDocument};
use rohrpost_proto::entry::{Entry, SessionHandle};
use rohrpost_proto::frame::{ChunkAssembler, Frame};
use rohrpost_proto::hop::{Hop, Refusal};
use rohrpost_proto::instruction::{Instruction, MailboxKey, RelayContext, WriteKey};
use rohrpost_proto::mailbox::{MailboxLimits, Mailboxes};
use rohrpost_proto::mix::Mix;
use rohrpost_proto::replay::Ingress;
use rohrpost_proto::roster::{Role, Roster};
use rohrpost_proto::time::Time;
use rohrpost_proto::trust::TrustRoot;
use rohrpost_proto::view::View;

use crate::roster::node_key;

/// A generator for one party and purpose.
pub(crate) fn rng(seed: u64, purpose: &str, number: usize) -> ChaCha20Rng {
    let text = format!("{seed} {purpose} {number}");
    ChaCha20Rng::from_seed(*blake3::hash(text.as_bytes()).as_bytes())
}

/// What all nodes have.
pub(crate) struct Node<S: Suite> {
    pub(crate) number: NodeNumber,
    pub(crate) hop: Arc<Hop<S>>,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) refusals: BTreeMap<&'static str, u64>,
    pub(crate) duty: Duty<S>,
}

pub(crate) enum Duty<S: Suite> {
    Mix(Box<MixDuty<S>>),
    Relay(Box<RelayDuty<S>>),
}

pub(crate) struct MixDuty<S: Suite> {
    pub(crate) mix: Mix<S>,
    pub(crate) cover: Courier<S>,
}

pub(crate) struct RelayDuty<S: Suite> {
    pub(crate) entry: Entry<S>,
    pub(crate) sessions: BTreeMap<SessionHandle, usize>,
    pub(crate) mailboxes: Mailboxes<S>,
    pub(crate) book: DescriptorBook,
    context: RelayContext,
}

impl<S: Suite> Node<S> {
    /// A node that has just started: with new keys and an empty memory.
    pub(crate) fn start(
        now: Time,
        seed: u64,
        number: NodeNumber,
        roster: &Arc<Roster>,
        trust: &TrustRoot,
    ) -> Self {
        let index = usize::try_from(number.get()).unwrap_or(0);
        let mut rng = rng(seed, &format!("node at {}", now.micros()), index);
        let role = roster.node(number).expect("only nodes of the roster are started").role;
        let hop = Arc::new(Hop::new(role.position(), roster.predecessors(role).count(), 100_000));
        let generation = Generation::new(u32::try_from(now.seconds()).unwrap_or(u32::MAX));
        hop.rotate(generation, now, &mut rng);
        let duty = match role {
            Role::Mix { layer } => Duty::Mix(Box::new(MixDuty {
                mix: Mix::new(Arc::clone(&hop), roster, layer, 10_000),
                cover: cover(now, number, layer, roster, trust, &mut rng),
            })),
            Role::Relay => Duty::Relay(Box::new(RelayDuty {
                entry: Entry::new(roster.traffic.slot, 1_000),
                sessions: BTreeMap::new(),
                mailboxes: Mailboxes::new(MailboxLimits::default()),
                book: DescriptorBook::default(),
                context: RelayContext {
                    network: roster.network_id,
                    relay: number,
                    join_key: trust.join_key().clone(),
                },
            })),
        };
        Self { number, hop, rng, refusals: BTreeMap::new(), duty }
    }

    pub(crate) fn count(&mut self, refusal: Refusal) {
        *self.refusals.entry(refusal.as_str()).or_default() += 1;
    }

    pub(crate) fn generation(&self) -> Generation {
        self.hop.newest().expect("a started node has a key").generation()
    }

    pub(crate) fn descriptor(&self, now: Time) -> SignedDescriptor {
        let public = self.hop.newest().expect("a started node has a key");
        let (generation, key) = (public.generation(), public.as_bytes().into());
        let descriptor =
            Descriptor { node: self.number, generation, issued: now, suite: S::ID, key };
        SignedDescriptor::sign(descriptor, &node_key(self.number))
    }
}

impl<S: Suite> RelayDuty<S> {
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

    pub(crate) fn document(
        &mut self,
        now: Time,
        number: NodeNumber,
        roster: &Roster,
    ) -> SignedDocument {
        let document = Document {
            roster_version: roster.version,
            roster_hash: roster.hash,
            number: now.slot(roster.directory.document_interval).number(),
            start: now,
            made: now,
            descriptors: self.book.current(now, roster),
        };
        SignedDocument::sign(document, number, &node_key(number))
    }
}

/// A client and the pieces of documents that it has.
pub(crate) struct Client<S: Suite> {
    pub(crate) entry: NodeNumber,
    pub(crate) handle: SessionHandle,
    pub(crate) courier: Courier<S>,
    pub(crate) assembler: ChunkAssembler,
    pub(crate) rng: ChaCha20Rng,
}

impl<S: Suite> Client<S> {
    pub(crate) fn new(
        now: Time,
        seed: u64,
        index: usize,
        entry: NodeNumber,
        handle: SessionHandle,
        roster: &Arc<Roster>,
        trust: &TrustRoot,
    ) -> Self {
        let mut rng = rng(seed, "client", index);
        let mut session = [0; 16];
        rng.fill_bytes(&mut session);
        let vantage = Vantage::Client { entry, session: SessionId::new(session) };
        let operator = &roster.node(entry).expect("the entry is in the roster").operator;
        let relays: Vec<_> = roster
            .relays()
            .filter(|relay| relay.operator != *operator)
            .map(|relay| relay.number)
            .collect();
        let first = index % relays.len();
        let mailboxes = [relays[first], relays[(first + 1) % relays.len()]];
        let account = account(&mailboxes, &mut rng);
        let courier = courier(now, vantage, account, roster, trust, &mut rng);
        Self { entry, handle, courier, assembler: ChunkAssembler::default(), rng }
    }

    /// Takes a complete document over, if the entry relay signed it.
    pub(crate) fn take_document(&mut self, bytes: &[u8], roster: &Arc<Roster>) {
        let signed = SignedDocument::decode(bytes).ok();
        if let Some(document) = signed.and_then(|signed| signed.verify(roster, self.entry).ok()) {
            self.courier.handle_view(Arc::new(View::new(Arc::clone(roster), &document)));
        }
    }
}

fn cover<S: Suite>(
    now: Time,
    number: NodeNumber,
    layer: usize,
    roster: &Arc<Roster>,
    trust: &TrustRoot,
    rng: &mut ChaCha20Rng,
) -> Courier<S> {
    let relays: Vec<_> = roster.relays().map(|relay| relay.number).collect();
    let account = account(&relays[..2], rng);
    courier(now, Vantage::Mix { number, layer }, account, roster, trust, rng)
}

fn account(relays: &[NodeNumber], rng: &mut ChaCha20Rng) -> Account {
    Account {
        identity: IdentitySecret::generate(rng),
        prekeys: vec![PrekeySecret::generate(rng)],
        mailboxes: relays
            .iter()
            .map(|relay| OwnMailbox {
                relay: *relay,
                key: MailboxKey::generate(rng),
                write_key: WriteKey::generate(rng),
            })
            .collect(),
    }
}

fn courier<S: Suite>(
    now: Time,
    vantage: Vantage,
    account: Account,
    roster: &Arc<Roster>,
    trust: &TrustRoot,
    rng: &mut ChaCha20Rng,
) -> Courier<S> {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    let slot = roster.traffic.slot;
    let part = f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0);
    let phase = Duration::from_micros(u64::try_from(slot.mul_f64(part).as_micros()).unwrap_or(0));
    let join_key = trust.join_key().clone();
    Courier::new(now, vantage, account, Arc::clone(roster), join_key, seed, phase)
}
