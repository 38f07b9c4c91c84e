//! Sequences of operations on a client's courier whose only contact writes what it likes, against a
//! model.
//!
//! The model stores what a client's store holds. It checks that a message is told of once, whole
//! and in order; that nothing is acknowledged that was not stored; that a message is delivered if
//! and only if all of it was acknowledged, and expires in its time; and that no fragment changes
//! the grid.
#![no_main]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rohrpost_fuzz::application::{Kept, Posted, ROOM};
use rohrpost_fuzz::carrier::{Carrier, End};
use rohrpost_fuzz::fragment::{LETTERS, PARTIES, fragment_len, seal_in_roster};
use rohrpost_fuzz::mail::{AcknowledgementChoice, PartChoice, fragment};
use rohrpost_fuzz::network::{NODES, NOW, ROSTER, join_key};
use rohrpost_fuzz::rng;
use rohrpost_fuzz::toy::Toy;
use rohrpost_packet::envelope::{
    Envelope, EnvelopeMark, Fragment, FragmentPosition, IdentitySecret, KeyId, Kind, MessageId,
    PrekeySecret,
};
use rohrpost_packet::{NodeNumber, SessionId, Surb};
use rohrpost_proto::courier::{
    Account, Attachment, Contact, Courier, CourierConfig, Departure, Event, OwnMailbox, Part,
    Receipt,
};
use rohrpost_proto::frame::UpCell;
use rohrpost_proto::instruction::{
    Answer, EnvelopeId, Instruction, MailboxKey, SurbWait, WriteKey,
};
use rohrpost_proto::time::{Steady, Time};

#[derive(Arbitrary, Debug)]
enum Operation {
    /// The contact sends a fragment of a message, which the store can write or not.
    Part(PartChoice, bool),
    /// The contact sends an acknowledgement, cut short by so many bytes.
    Acknowledgement(AcknowledgementChoice, u8),
    /// The contact sends any bytes of fragment, which are no acknowledgement.
    Fragment(Vec<u8>),
    /// A relay answers with garbage.
    Garbage,
    /// A relay hands out one of the client's own loops again.
    Loop,
    /// A relay hands out the last letter again.
    Again,
    Post {
        skip: u8,
        len: u16,
        seconds: u16,
    },
    Slots(u8),
    Wait {
        seconds: u16,
    },
    /// A node starts anew, which the client may hear of.
    Restart {
        node: u8,
        told: bool,
    },
    Down(u8),
    Blind,
    Rejoin {
        phase: u8,
    },
    MarkLost,
    Readdress,
    Forget,
    RestartClient,
}

fuzz_target!(|operations: Vec<Operation>| {
    let mut world = World::new();
    for operation in operations.iter().take(OPERATIONS) {
        world.follow(operation);
    }
});

struct World {
    now: Time,
    carrier: Carrier,
    courier: Courier<Toy>,
    /// What the client knew when it built the cell that leaves next.
    built: Built,
    /// True once the client's session has been named.
    named: bool,
    blind: bool,
    mail: VecDeque<Mail>,
    own: VecDeque<Envelope<Toy>>,
    /// Number of letters that the contact has sealed, the last of them, and what that acknowledges.
    letters: usize,
    last: Option<Vec<u8>>,
    said: Option<(AcknowledgementChoice, Vec<u8>)>,
    kept: Kept,
    /// Marks of letters that were opened; they outlive the process.
    opened: Vec<EnvelopeMark>,
    posted: BTreeMap<u64, Posted>,
    /// The number after that of the last message.
    next: u64,
    messages: u32,
    slots: usize,
}

#[derive(Default)]
struct Built {
    blind: bool,
    kept: Kept,
    posted: BTreeMap<u64, Posted>,
}

/// Content of an envelope that waits in the client's mailbox.
enum Mail {
    Fragment(Vec<u8>),
    Acknowledgement(AcknowledgementChoice, Vec<u8>),
    Garbage,
    Loop,
    Again,
}

impl World {
    fn new() -> Self {
        let now = Time::from_micros(NOW * 1_000_000);
        let carrier = Carrier::default();
        let mut courier = courier(now, 0);
        courier.add_contact(alice());
        courier.handle_view(Steady::of_clock(now), carrier.view(now, None));
        courier.prepare(Steady::of_clock(now));
        Self {
            now,
            built: Built::default(),
            carrier,
            courier,
            named: false,
            blind: false,
            mail: VecDeque::new(),
            own: VecDeque::new(),
            letters: 0,
            last: None,
            said: None,
            kept: Kept::default(),
            opened: Vec::new(),
            posted: BTreeMap::new(),
            next: 0,
            messages: 0,
            slots: 0,
        }
    }

    fn follow(&mut self, operation: &Operation) {
        match operation {
            Operation::Part(part, kept) => {
                let body = if *kept { &b"x"[..] } else { LOST };
                self.mail.push_back(Mail::Fragment(fragment(&part.part(), body)));
            }
            Operation::Acknowledgement(acknowledgement, cut) => {
                let mut body = acknowledgement.encode();
                body.truncate(body.len().saturating_sub(usize::from(cut % 16)));
                self.mail.push_back(Mail::Acknowledgement(acknowledgement.clone(), body));
            }
            Operation::Fragment(bytes) => {
                let mut bytes = rohrpost_fuzz::sized(bytes, fragment_len::<Toy>());
                bytes[42] = bytes[42].min(2);
                self.mail.push_back(Mail::Fragment(bytes));
            }
            Operation::Garbage => self.mail.push_back(Mail::Garbage),
            Operation::Loop => self.mail.push_back(Mail::Loop),
            Operation::Again => self.mail.push_back(Mail::Again),
            Operation::Post { skip, len, seconds } => self.post(*skip, *len, *seconds),
            Operation::Slots(count) => (0..=count % 32).for_each(|_| self.slot()),
            Operation::Wait { seconds } => {
                self.now = self.now + Duration::from_secs(u64::from(*seconds));
            }
            Operation::Restart { node, told } => {
                self.carrier.restart(number(*node));
                if *told {
                    self.see(None);
                }
            }
            Operation::Down(node) => self.see(Some(number(*node))),
            Operation::Blind => {
                self.courier.withdraw_view();
                self.blind = true;
            }
            Operation::Rejoin { phase } => {
                let phase = Duration::from_millis(u64::from(*phase) % 250);
                self.courier.rejoin(self.own(), self.now, SessionId::new([2; 16]), phase);
                self.named = false;
                self.prepare();
            }
            Operation::MarkLost => self.courier.mark_lost(self.own(), sender()),
            Operation::Readdress => self.courier.add_contact(alice()),
            Operation::Forget => self.forget(),
            Operation::RestartClient => self.restart(),
        }
        self.handle_events();
        assert_eq!(self.courier.outbox_len(), self.posted.len());
    }

    fn see(&mut self, down: Option<NodeNumber>) {
        self.courier.handle_view(self.own(), self.carrier.view(self.now, down));
        self.blind = false;
    }

    fn post(&mut self, skip: u8, len: u16, seconds: u16) {
        self.messages += 1;
        let mut id = [0xff; 16];
        id[..4].copy_from_slice(&self.messages.to_be_bytes());
        let posted = Posted {
            id: MessageId::new(id),
            expires: self.now + Duration::from_secs(u64::from(seconds)),
            tombstone: false,
            len: usize::from(len) % (4 * ROOM),
            acknowledged: BTreeSet::new(),
        };
        let sequence = self.next + u64::from(skip % 4);
        let taken = self.courier.post(sender(), posted.message(sequence));
        assert!(taken.is_ok(), "an outbox has room for more");
        self.next = sequence + 1;
        self.posted.insert(sequence, posted);
    }

    /// The client's own clock, which agrees with document time.
    fn own(&self) -> Steady {
        Steady::of_clock(self.now)
    }

    /// Removes the contact and adds it again by its card.
    fn forget(&mut self) {
        self.courier.remove_contact(sender());
        self.courier.add_contact(alice());
        self.posted.clear();
        self.kept = Kept::default();
        self.next = 0;
        // What was ready for the contact is thrown away.
        self.prepare();
    }

    fn restart(&mut self) {
        self.messages += 1;
        self.courier = courier(self.now, self.messages);
        self.courier.add_contact(alice());
        self.courier.resume(sender(), self.kept.below, &self.kept.parts());
        self.courier.resume_opened(&self.opened);
        for (sequence, posted) in &mut self.posted {
            posted.acknowledged.clear();
            assert!(self.courier.post(sender(), posted.message(*sequence)).is_ok());
        }
        self.named = false;
        self.see(None);
        self.prepare();
    }

    /// Opens what has come, and builds the next cell unless it is ready: before what has come is
    /// stored, so that the cell does not tell of that.
    fn prepare(&mut self) {
        let (builds, kept) = (!self.courier.is_ready(), self.kept.clone());
        self.courier.prepare(self.own());
        self.handle_events();
        if builds {
            self.built = Built { blind: self.blind, kept, posted: self.posted.clone() };
        }
    }

    /// Runs one slot, in its time or late.
    fn slot(&mut self) {
        self.slots += 1;
        if self.slots > SLOTS {
            return;
        }
        self.now = self.now.max(self.courier.poll_timeout().reading());
        let departure = self.courier.handle_timeout(self.own());
        let next = self.courier.poll_timeout();
        assert!(next > self.own() && next <= self.own() + ROSTER.traffic.slot);
        let Some(Departure::Cell(cell)) = departure else {
            panic!("a client's slot has a cell");
        };
        match UpCell::decode(cell).expect("a courier encodes valid cells") {
            UpCell::Hello(_) => assert!(!std::mem::replace(&mut self.named, true)),
            UpCell::Idle => assert!(self.named && self.built.blind),
            UpCell::Packet { first_hop, packet, .. } => {
                assert!(self.named && !self.built.blind);
                if let End::Relay(relay, instruction) = self.carrier.carry(first_hop, packet) {
                    self.instruct(relay, instruction);
                }
            }
        }
        self.prepare();
        let over = |posted: &Posted| !posted.tombstone && posted.expires <= self.now;
        // Without a view nothing bears the relay's word out, and nothing is given up by it.
        assert!(self.blind || !self.posted.values().any(over), "a message outlived its time");
    }

    fn instruct(&mut self, relay: NodeNumber, instruction: Instruction<Toy>) {
        match instruction {
            Instruction::Discard => {}
            Instruction::Pull(pull) => self.answer(pull.surb),
            Instruction::Store(store) if store.mailbox == mailbox(BOB, BOB_RELAY).key.id() => {
                assert!(relay == NodeNumber::new(BOB_RELAY));
                self.own.push_back(store.envelope);
                if self.own.len() > 4 {
                    self.own.pop_front();
                }
            }
            Instruction::Store(store) => {
                let to = alice().mailboxes.into_iter().find(|known| known.id == store.mailbox);
                assert!(to.is_some_and(|known| known.relay == relay));
                self.check_fragment(&store.envelope);
            }
        }
    }

    fn answer(&mut self, surb: Surb<Toy>) {
        let mail = self.mail.pop_front();
        let envelope: Option<Envelope<Toy>> = match &mail {
            Some(Mail::Fragment(bytes)) => Some(self.seal(bytes)),
            Some(Mail::Acknowledgement(acknowledgement, body)) => {
                let part = Part {
                    sequence: 0,
                    message: MessageId::new([9; 16]),
                    kind: Kind::Acknowledgement,
                    position: FragmentPosition::WHOLE,
                };
                let envelope = self.seal(&fragment(&part, body));
                self.said = Some((acknowledgement.clone(), body.clone()));
                Some(envelope)
            }
            Some(Mail::Loop) => self.own.front().map(|own| {
                Envelope::from_bytes(own.as_bytes()).expect("it is a copy of an envelope")
            }),
            Some(Mail::Again) => self
                .last
                .as_ref()
                .map(|last| Envelope::from_bytes(last).expect("it is a copy of an envelope")),
            Some(Mail::Garbage) | None => None,
        };
        let envelope = envelope.map(|envelope| (EnvelopeId::of(&envelope), envelope));
        let mut body = Answer { wait: SurbWait::new(self.now, self.now), envelope }.encode();
        if matches!(mail, Some(Mail::Garbage)) {
            body.fill(0x5a);
        }
        let to = surb.first_hop();
        let packet = surb.reply(&body).expect("an answer fits");
        // The reply may have been built for keys that are no more.
        if let End::Session(id, payload) = self.carrier.carry(to, packet) {
            if matches!(mail, Some(Mail::Acknowledgement(..) | Mail::Again)) {
                self.acknowledged();
            }
            self.courier.handle_reply(self.own(), id, payload);
            self.prepare();
        }
        self.handle_events();
        let over = |posted: &Posted| posted.is_acknowledged();
        assert!(!self.posted.values().any(over), "all of a message came, and nobody was told");
    }

    /// Seals the contact's next letter.
    fn seal(&mut self, fragment: &[u8]) -> Envelope<Toy> {
        let envelope = seal_in_roster(self.letters, fragment);
        self.letters += 1;
        self.last = Some(envelope.as_bytes().to_vec());
        self.said = None;
        envelope
    }

    /// Takes what the last letter acknowledges into account, if it can be read at all.
    fn acknowledged(&mut self) {
        let Some((acknowledgement, body)) = &self.said else { return };
        if body.len() == acknowledgement.encode().len() {
            for (sequence, posted) in &mut self.posted {
                let came =
                    (0..posted.count()).filter(|index| acknowledgement.covers(*sequence, *index));
                posted.acknowledged.extend(came);
            }
        }
    }

    fn handle_events(&mut self) {
        while let Some(event) = self.courier.poll_event() {
            match event {
                Event::Arrived { fragment, receipt, .. } => self.arrived(&fragment, &receipt),
                Event::Repeated { receipt } => {
                    assert!(receipt.sender == sender());
                    self.commit(&receipt);
                }
                Event::Complete { messages, below, .. } => self.kept.complete(&messages, below),
                Event::Sent { message, fragment, .. } => {
                    assert!(fragment < self.posted(message).1.count());
                }
                Event::Delivered { message } => {
                    let (sequence, posted) = self.posted(message);
                    assert!(posted.is_acknowledged(), "delivered, and nobody has said so");
                    self.posted.remove(&sequence);
                }
                Event::Expired { message } => {
                    let now = self.now;
                    let (_, posted) = self.posted(message);
                    assert!(posted.expires <= now && !posted.tombstone);
                    posted.tombstone = true;
                    posted.acknowledged.clear();
                }
                Event::Unsendable { .. } => panic!("the contact's keys are good"),
                _ => {}
            }
        }
    }

    fn arrived(&mut self, fragment: &Fragment, receipt: &Receipt) {
        assert!(receipt.sender == sender());
        assert!(fragment.sequence >= self.kept.below, "of a message that is over");
        if *fragment.body != *LOST {
            self.kept.keep(&Part::of(fragment));
            self.commit(receipt);
        }
    }

    fn commit(&mut self, receipt: &Receipt) {
        assert!(!self.opened.contains(&receipt.mark), "a letter that was opened is told of again");
        self.opened.push(receipt.mark);
        self.courier.commit(self.own(), receipt);
    }

    fn posted(&mut self, message: MessageId) -> (u64, &mut Posted) {
        let found = self.posted.iter_mut().find(|(_, posted)| posted.id == message);
        let (sequence, posted) = found.expect("it was posted, and is not over");
        (*sequence, posted)
    }

    /// Checks that the contact gets a fragment as it was posted, or an acknowledgement of what is
    /// stored of its own messages.
    fn check_fragment(&self, envelope: &Envelope<Toy>) {
        let prekey = alice_prekey();
        let opened = envelope.open(&[&prekey], &ROSTER.network_id).expect("sealed for the contact");
        let fragment = opened.fragment(PARTIES.alice.public(), PARTIES.bob.public());
        let fragment = fragment.expect("a courier writes valid fragments");
        if fragment.kind == Kind::Acknowledgement {
            return self.built.kept.check_acknowledgement(&fragment.body);
        }
        let posted = &self.built.posted[&fragment.sequence];
        assert!(posted.id == fragment.message && posted.count() == fragment.position.count);
        assert_eq!(posted.tombstone, fragment.kind == Kind::Tombstone);
    }
}

/// Makes the courier of bob, who is at relay 2 and enters at relay 1; each run has a seed of its
/// own.
fn courier(now: Time, run: u32) -> Courier<Toy> {
    let account = Account {
        identity: IdentitySecret::from_seed(&PARTIES.bob.to_seed()),
        prekeys: vec![PrekeySecret::from_seed(&PARTIES.prekey.to_seed())],
        mailboxes: vec![mailbox(BOB, BOB_RELAY)],
    };
    let entry = NodeNumber::new(1);
    let attachment = Attachment::Client { entry, session: SessionId::new([1; 16]) };
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&run.to_be_bytes());
    let phase = Duration::from_millis(40);
    let (roster, join_key) = (ROSTER.clone(), join_key());
    let own = Steady::of_clock(now);
    Courier::new(
        own,
        now,
        CourierConfig { attachment, account, roster, join_key, seed: seed.into(), phase },
    )
}

/// Card of the contact, who is reached at both relays.
fn alice() -> Contact {
    let account = Account {
        identity: IdentitySecret::from_seed(&PARTIES.alice.to_seed()),
        prekeys: vec![alice_prekey()],
        mailboxes: [1, 2].map(|relay| mailbox(ALICE, relay)).into(),
    };
    account.contact()
}

fn alice_prekey() -> PrekeySecret {
    PrekeySecret::generate(&mut rng(36))
}

fn mailbox(owner: u8, relay: u32) -> OwnMailbox {
    OwnMailbox {
        relay: NodeNumber::new(relay),
        key: MailboxKey::from_seed(&[owner + u8::try_from(relay).expect("two relays"); 32]),
        write_key: WriteKey::new([owner; 32]),
        predecessor: WriteKey::new([owner + 100; 32]),
    }
}

fn sender() -> KeyId {
    PARTIES.alice.public().key_id()
}

fn number(node: u8) -> NodeNumber {
    NodeNumber::new(1 + u32::from(node) % NODES)
}

/// A fragment that the client's store cannot write.
const LOST: &[u8] = b"-";
const ALICE: u8 = 40;
const BOB: u8 = 50;
const BOB_RELAY: u32 = 2;
const OPERATIONS: usize = LETTERS;
/// Slots of a sequence at most: sealing and opening take time.
const SLOTS: usize = 256;
