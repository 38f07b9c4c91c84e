//! Sequences of operations on a relay's mailboxes, against a model.
//!
//! The model holds queues of numbers. It checks who is refused, every bound, the time to live, that
//! each answer spends the oldest reply block of its mailbox, which envelope it carries, and, with a
//! twin that never gets mail, that neither number nor receivers of answers depend on mail.
#![no_main]

use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rohrpost_fuzz::toy::Toy;
use rohrpost_fuzz::{path, rng};
use rohrpost_packet::envelope::Envelope;
use rohrpost_packet::{
    HopSecretKey, NodeNumber, Packet, PathHop, Route, SessionId, Suite, Surb, SurbOpener,
    build_surb, open_header,
};
use rohrpost_proto::hop::Refusal;
use rohrpost_proto::instruction::{
    Answer, EnvelopeId, Instruction, MailboxId, Pull, Store, WriteKey,
};
use rohrpost_proto::mailbox::{MailboxLimits, Mailboxes, SURB_START, SURB_STOCK, TTL};
use rohrpost_proto::time::Time;

#[derive(Arbitrary, Debug)]
struct Script {
    mailboxes: u8,
    envelopes: u8,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Store {
        owner: u8,
        key: u8,
        mark: u8,
    },
    Pull {
        owner: u8,
        keys: [u8; 2],
        acks: Vec<u8>,
    },
    /// Many pulls at once, by which an owner earns room.
    Earn {
        owner: u8,
        pulls: u8,
    },
    Discard,
    Tick,
    Sweep,
    Seconds(u8),
    Hours(u8),
}

/// Model of a mailbox, as numbers.
struct Queue {
    /// Serial numbers of reply blocks and when they came, oldest first.
    surbs: VecDeque<(u32, Time)>,
    /// True from when there is a stock of reply blocks until it is spent.
    answers: bool,
    kept: VecDeque<Kept>,
    keys: [u8; 2],
    pulled: Time,
    decayed: Time,
    credit: usize,
    /// Time at which an envelope was stored last beyond half of the room, without a reply block here.
    spared: Time,
}

/// Model of an envelope.
struct Kept {
    mark: u8,
    since: Time,
    served: Option<Time>,
}

struct World {
    now: Time,
    limits: MailboxLimits,
    mailboxes: Mailboxes<Toy>,
    /// Twin of the mailboxes that gets every pull and no mail.
    twin: Mailboxes<Toy>,
    queues: BTreeMap<u8, Queue>,
    serial: u32,
}

static HOP: LazyLock<HopSecretKey<Toy>> = LazyLock::new(|| {
    let [first, ..] = path::keys();
    first
});

/// Encoded reply blocks, one for each owner: the serial number is written into the first hop.
static BLOCKS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| (0..OWNERS).map(block).collect());

fuzz_target!(|script: Script| {
    let mut world = World::new(&script);
    for operation in script.operations.iter().take(OPERATIONS) {
        world.follow(operation);
        world.check();
    }
});

impl World {
    fn new(script: &Script) -> Self {
        let limits = MailboxLimits {
            mailboxes: usize::from(script.mailboxes % (OWNERS + 1)),
            envelopes: usize::from(script.envelopes % 40),
            ..MailboxLimits::default()
        };
        Self {
            now: Time::from_micros(1_795_000_000_000_000),
            limits,
            mailboxes: Mailboxes::new(limits),
            twin: Mailboxes::new(limits),
            queues: BTreeMap::new(),
            serial: 0,
        }
    }

    fn follow(&mut self, operation: &Operation) {
        match operation {
            Operation::Store { owner, key, mark } => {
                self.store(owner % OWNERS, key % KEYS, *mark);
            }
            Operation::Pull { owner, keys, acks } => {
                let keys = keys.map(|key| key % KEYS);
                let acks = &acks[..acks.len().min(8)];
                self.pull(owner % OWNERS, keys, acks);
            }
            Operation::Earn { owner, pulls } => {
                for _ in 0..*pulls {
                    self.pull(owner % OWNERS, [0, 0], &[]);
                }
            }
            Operation::Discard => {
                assert_eq!(self.mailboxes.handle(self.now, Instruction::Discard), Ok(()));
            }
            Operation::Tick => self.tick(),
            Operation::Sweep => self.sweep(),
            Operation::Seconds(seconds) => {
                self.now = self.now + Duration::from_secs(u64::from(*seconds));
            }
            Operation::Hours(hours) => {
                self.now = self.now + Duration::from_secs(3600 * u64::from(*hours));
            }
        }
    }

    fn check(&self) {
        let counts = self.mailboxes.counts();
        assert_eq!(counts.len(), self.queues.len());
        assert!(self.queues.len() <= self.limits.mailboxes);
        for (counts, (owner, queue)) in counts.iter().zip(&self.queues) {
            assert_eq!(counts.pseudonym, format!("{owner:02x}").repeat(4));
            assert_eq!(counts.held, queue.kept.len());
        }
        assert!(self.held() <= self.limits.envelopes);
    }

    fn held(&self) -> usize {
        self.queues.values().map(|queue| queue.kept.len()).sum()
    }

    fn store(&mut self, owner: u8, key: u8, mark: u8) {
        let store = Store {
            mailbox: name(owner),
            write_key: write_key(key),
            envelope: envelope(owner, mark),
        };
        let result = self.mailboxes.handle(self.now, Instruction::Store(store));
        assert_eq!(result, self.expect_store(owner, key, mark));
    }

    fn expect_store(&mut self, owner: u8, key: u8, mark: u8) -> Result<(), Refusal> {
        let full = self.held() >= self.limits.envelopes;
        let queue = self.queues.get(&owner).ok_or(Refusal::Refused)?;
        let room = 32 + queue.credit / 100;
        let spared = queue.is_sparing() && self.now.since(queue.spared) < Duration::from_secs(120);
        if !queue.keys.contains(&key) || queue.kept.len() >= room || spared {
            return Err(Refusal::Refused);
        }
        if queue.kept.iter().any(|kept| kept.mark == mark) {
            return Ok(());
        }
        if full {
            let credit = queue.credit;
            let poorer =
                |(_, queue): &(&u8, &mut Queue)| !queue.kept.is_empty() && queue.credit < credit;
            let least = self.queues.iter_mut().filter(poorer);
            let least = least.min_by_key(|(owner, queue)| (queue.credit, **owner));
            least.ok_or(Refusal::Refused)?.1.kept.pop_back();
        }
        let kept = Kept { mark, since: self.now, served: None };
        let queue = self.queues.get_mut(&owner).expect("looked up above");
        if queue.is_sparing() {
            queue.spared = self.now;
        }
        queue.kept.push_back(kept);
        Ok(())
    }

    fn pull(&mut self, owner: u8, keys: [u8; 2], acks: &[u8]) {
        self.serial += 1;
        let quiet = pull(owner, keys, &[], self.serial);
        let quiet = self.twin.handle(self.now, Instruction::Pull(quiet.into()));
        let pull = pull(owner, keys, acks, self.serial);
        let result = self.mailboxes.handle(self.now, Instruction::Pull(pull.into()));
        assert_eq!(result, quiet);
        if !self.queues.contains_key(&owner) && self.queues.len() >= self.limits.mailboxes {
            return assert_eq!(result, Err(Refusal::Refused));
        }
        assert_eq!(result, Ok(()));
        let queue = self.queues.entry(owner).or_insert_with(|| Queue::new(self.now));
        queue.kept.retain(|kept| !acks.contains(&kept.mark));
        queue.surbs.push_back((self.serial, self.now));
        if queue.surbs.len() > SURB_STOCK {
            queue.surbs.pop_front();
        }
        queue.answers |= queue.surbs.len() >= SURB_START;
        queue.keys = keys;
        queue.pulled = self.now;
        queue.credit = (queue.credit + 1).min(9_600);
    }

    fn tick(&mut self) {
        let answers = self.mailboxes.tick(self.now, &mut rng(70));
        let quiet = self.twin.tick(self.now, &mut rng(70));
        let to = |answers: &[rohrpost_proto::frame::OutgoingFrame<Toy>]| {
            answers.iter().map(|answer| answer.to.get()).collect::<Vec<_>>()
        };
        assert_eq!(to(&answers), to(&quiet), "answers depend on mail");
        let due = self.queues.values().filter(|queue| queue.answers).count();
        assert_eq!(answers.len(), due);
        for answer in answers {
            let serial = answer.to.get();
            let oldest = |(_, queue): &(&u8, &mut Queue)| {
                queue.surbs.front().is_some_and(|surb| surb.0 == serial)
            };
            let (owner, queue) = self.queues.iter_mut().find(oldest).expect("somebody's oldest");
            let (_, arrived) = queue.surbs.pop_front().expect("it is the front");
            assert!(std::mem::replace(&mut queue.answers, !queue.surbs.is_empty()), "it pauses");
            let waits = |kept: &&mut Kept| {
                kept.served.is_none_or(|served| self.now.since(served) >= self.limits.serve_again)
            };
            let expected = queue.kept.iter_mut().find(waits).map(|kept| {
                kept.served = Some(self.now);
                kept.mark
            });
            let answer = read(*owner, answer.frame.packet);
            assert_eq!(answer.wait.spent, self.now);
            assert_eq!(answer.wait.waited, short(self.now.since(arrived)));
            match (answer.envelope, expected) {
                (None, None) => {}
                (Some((id, got)), Some(mark)) => {
                    let due = envelope(*owner, mark);
                    assert!(got.as_bytes() == due.as_bytes(), "another's, or not the oldest");
                    assert!(id == EnvelopeId::of(&got));
                }
                (_, expected) => panic!("expected mark {expected:?}"),
            }
        }
    }

    fn sweep(&mut self) {
        self.mailboxes.sweep(self.now);
        self.twin.sweep(self.now);
        let now = self.now;
        self.queues.retain(|_, queue| now.since(queue.pulled) < TTL);
        for queue in self.queues.values_mut() {
            queue.kept.retain(|kept| now.since(kept.since) < TTL);
            if now.since(queue.decayed) >= Duration::from_secs(86_400) {
                queue.credit -= queue.credit / 8;
                queue.decayed = now;
            }
        }
    }
}

impl Queue {
    const fn new(now: Time) -> Self {
        Self {
            surbs: VecDeque::new(),
            answers: false,
            kept: VecDeque::new(),
            keys: [0, 0],
            pulled: now,
            decayed: now,
            credit: 0,
            spared: Time::from_micros(0),
        }
    }

    /// Tells whether the mailbox spares the rest of its room.
    fn is_sparing(&self) -> bool {
        self.surbs.is_empty() && self.kept.len() >= (32 + self.credit / 100) / 2
    }
}

const fn name(owner: u8) -> MailboxId {
    MailboxId::new([owner; 32])
}

fn write_key(key: u8) -> WriteKey {
    WriteKey::new([key + 1; 32])
}

/// Makes an envelope whose content names its mailbox.
fn envelope(owner: u8, mark: u8) -> Envelope<Toy> {
    let mut bytes = vec![mark; Toy::ENVELOPE_LEN];
    bytes[0] = owner;
    Envelope::from_bytes(&bytes).expect("an envelope's length")
}

fn pull(owner: u8, keys: [u8; 2], acks: &[u8], serial: u32) -> Pull<Toy> {
    let mut block = BLOCKS[usize::from(owner)].clone();
    block[..4].copy_from_slice(&serial.to_be_bytes());
    Pull {
        mailbox: name(owner),
        write_keys: keys.map(write_key),
        acks: acks.iter().map(|mark| EnvelopeId::of(&envelope(owner, *mark))).collect(),
        surb: Surb::decode(&block).expect("encoded below"),
    }
}

/// Opens an answer as its owner, who alone can.
fn read(owner: u8, packet: Packet<Toy>) -> Answer<Toy> {
    let opened = open_header(packet, 0, &HOP).expect("made from the owner's reply block");
    let (id, mut payload) = opened.reply();
    let (_, opener) = surb(owner);
    assert!(opener.id() == id, "an answer over another's reply block");
    let body = opener.open(&mut payload).expect("made from the owner's reply block");
    Answer::decode(&body).expect("made by a relay")
}

fn block(owner: u8) -> Vec<u8> {
    let mut block = vec![0; Surb::<Toy>::ENCODED_LEN];
    surb(owner).0.encode(&mut block);
    block
}

fn surb(owner: u8) -> (Surb<Toy>, SurbOpener<Toy>) {
    let route = Route::reply(SessionId::new([owner; 16]));
    let hops = [PathHop { key: HOP.public(), route }];
    build_surb(NodeNumber::new(0), &hops, &mut rng(80 + owner)).expect("one hop with a valid key")
}

/// Cuts a wait to the longest that an answer can say: 32 bits of microseconds.
fn short(waited: Duration) -> Duration {
    waited.min(Duration::from_micros(u64::from(u32::MAX)))
}

const OWNERS: u8 = 6;
const KEYS: u8 = 3;
const OPERATIONS: usize = 128;
