//! Sequences of operations on a client's courier whose only contact writes what it likes, against a
//! model.
//!
//! The model stores what a client's store holds. It checks that a message is told of once, whole,
//! in its turn; that acknowledgements say what is stored and nothing else; that a
//! message is delivered if and only if it was acknowledged as read, and expires in its time; that
//! each letter says where the client stands; that an older copy of the store is found out if and
//! only if the contact shows it; and that no fragment changes the grid.
#![no_main]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rohrpost_fuzz::application::{Kept, ROOM};
use rohrpost_fuzz::carrier::{Carrier, End};
use rohrpost_fuzz::client::{BOB_RELAY, alice, alice_prekey, courier, own_mailbox, sender};
use rohrpost_fuzz::fragment::{LETTERS, PARTIES, fragment_len, seal_in_roster};
use rohrpost_fuzz::mail::{AcknowledgementChoice, Letter, Numbers, PartChoice, Report};
use rohrpost_fuzz::network::{NODES, NOW, ROSTER};
use rohrpost_fuzz::outbox::{Expected, Outbox, Posted};
use rohrpost_fuzz::toy::Toy;
use rohrpost_packet::envelope::{
    Envelope, EnvelopeMark, Fragment, FragmentPosition, Kind, MessageId, Standing,
};
use rohrpost_packet::{NodeNumber, SessionId, Surb};
use rohrpost_proto::courier::{Courier, Departure, Event, Memory, Part, Receipt};
use rohrpost_proto::frame::UpCell;
use rohrpost_proto::instruction::{Answer, EnvelopeId, Instruction, SurbWait};
use rohrpost_proto::time::{Steady, Time};

#[derive(Arbitrary, Debug)]
enum Operation {
    /// The contact sends a fragment of a message, which the store can write or not.
    Part(PartChoice, bool),
    /// The contact sends an acknowledgement, cut short by so many bytes.
    Acknowledgement(AcknowledgementChoice, u8),
    /// The contact sends any bytes of fragment.
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
    /// The client has another address, of so many versions above the next.
    Announce {
        skip: u8,
        len: u16,
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
    Readdress,
    AddAgain,
    /// The contact is removed and added again.
    Forget,
    /// The store begins a new incarnation, as that of an older copy does.
    BeginAgain,
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
    /// Knowledge of the client when it built the cell that leaves next.
    built: Built,
    /// True once the client's session has been named.
    named: bool,
    blind: bool,
    mail: VecDeque<Mail>,
    own: VecDeque<Envelope<Toy>>,
    /// Number of letters that the contact has sealed, and the last of them.
    letters: usize,
    last: Option<Sealed>,
    /// True while the last letter may bring events.
    arriving: bool,
    expected: Expected,
    kept: Kept,
    /// Marks of letters that were opened; they outlive the process.
    opened: Vec<EnvelopeMark>,
    outbox: Outbox,
    /// Pieces that the courier has asked for, and which come a slot later.
    wanted: Vec<(MessageId, usize, usize)>,
    /// What had been told of when the last cell left, each message with its short name.
    told: BTreeMap<u64, u16>,
    /// True from when the courier was told of the store until it has said what follows from it.
    resumed: bool,
    /// The newest incarnation of the store.
    incarnation: u32,
    /// Messages and runs of the client, all of which differ.
    count: u32,
    slots: usize,
}

/// Knowledge of the client when it builds a cell.
#[derive(Default)]
struct Built {
    blind: bool,
    kept: Kept,
    outbox: Outbox,
}

/// Content of an envelope that waits in the client's mailbox.
enum Mail {
    Letter(Vec<u8>),
    Garbage,
    Loop,
    Again,
}

/// A letter of the contact.
struct Sealed {
    envelope: Vec<u8>,
    /// The fragment in it, if that is well-formed.
    letter: Option<Letter>,
    /// True once the client has stored that it came.
    committed: bool,
}

impl World {
    fn new() -> Self {
        let now = Time::from_micros(NOW * 1_000_000);
        let carrier = Carrier::default();
        let mut courier = courier(now, 0);
        courier.handle_view(Steady::of_clock(now), carrier.view(None));
        let mut world = Self {
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
            arriving: false,
            expected: Expected::default(),
            kept: Kept::since(1),
            opened: Vec::new(),
            outbox: Outbox::since(1),
            wanted: Vec::new(),
            told: BTreeMap::new(),
            resumed: false,
            incarnation: 1,
            count: 0,
            slots: 0,
        };
        world.introduce();
        world.prepare();
        world
    }

    fn follow(&mut self, operation: &Operation) {
        match operation {
            Operation::Part(part, kept) => {
                let body = if *kept { &b"x"[..] } else { LOST };
                let letter = part.letter(&self.numbers(), body);
                self.mail.push_back(Mail::Letter(letter.encode()));
            }
            Operation::Acknowledgement(acknowledgement, cut) => {
                let tag = |number| self.outbox.tag(number);
                let letter = acknowledgement.letter(&self.numbers(), cut % 16, tag);
                self.mail.push_back(Mail::Letter(letter.encode()));
            }
            Operation::Fragment(bytes) => self.mail.push_back(Mail::Letter(bytes.clone())),
            Operation::Garbage => self.mail.push_back(Mail::Garbage),
            Operation::Loop => self.mail.push_back(Mail::Loop),
            Operation::Again => self.mail.push_back(Mail::Again),
            Operation::Post { skip, len, seconds } => self.post(*skip, *len, *seconds),
            Operation::Announce { skip, len } => {
                let len = usize::from(*len) % (2 * ROOM);
                let posted = self.draft(Time::from_micros(u64::MAX), len);
                self.outbox.renew_address(*skip, posted);
                self.announce();
            }
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
            Operation::Readdress => self.courier.readdress(self.own(), alice()),
            Operation::AddAgain => self.courier.add_contact(alice()),
            Operation::Forget => self.forget(),
            Operation::BeginAgain => self.begin_again(),
            Operation::RestartClient => self.restart(),
        }
        assert!(self.handle_events().is_empty(), "letters are opened ahead of a slot");
        self.kept.check_turns();
        self.expected.check();
        assert_eq!(self.courier.outbox_len(), self.outbox.posted.len());
        assert_eq!(self.courier.next_sequence(sender()), self.outbox.posted_next());
    }

    /// Numbers that a letter may mean.
    fn numbers(&self) -> Numbers {
        Numbers {
            below: self.kept.below,
            address: self.kept.address,
            open: self.outbox.standing().open,
            next: self.outbox.next,
            version: self.outbox.version(),
            own: self.outbox.names().collect(),
        }
    }

    fn see(&mut self, down: Option<NodeNumber>) {
        self.courier.handle_view(self.own(), self.carrier.view(down));
        self.blind = false;
    }

    fn draft(&mut self, expires: Time, len: usize) -> Posted {
        self.count += 1;
        let mut id = [0xff; 16];
        id[..4].copy_from_slice(&self.count.to_be_bytes());
        Posted::new(MessageId::new(id), expires, len)
    }

    fn post(&mut self, skip: u8, len: u16, seconds: u16) {
        let expires = self.now + Duration::from_secs(u64::from(seconds));
        let posted = self.draft(expires, usize::from(len) % (4 * ROOM));
        let sequence = self.outbox.next + u64::from(skip % 4);
        let taken = self.courier.post(sender(), posted.message(sequence, Kind::Content));
        assert!(taken.is_ok(), "an outbox has room for more");
        self.outbox.post(sequence, posted);
    }

    fn announce(&mut self) {
        if let Some(address) = self.outbox.announcement() {
            self.courier.announce(sender(), address);
        }
    }

    /// The client's own clock, which agrees with document time.
    fn own(&self) -> Steady {
        Steady::of_clock(self.now)
    }

    /// Adds the contact to the courier, with what is in the store.
    fn introduce(&mut self) {
        self.courier.add_contact(alice());
        let (open, next) = (self.outbox.open(), self.outbox.next);
        let memory = Memory { acknowledged: self.outbox.acknowledged, ..self.kept.resume() };
        self.courier.resume(sender(), open, next, &memory);
        self.resumed = true;
        for message in self.outbox.resume() {
            assert!(self.courier.post(sender(), message).is_ok());
        }
        self.announce();
    }

    /// Removes the contact and adds it again by its card.
    fn forget(&mut self) {
        self.incarnation += 1;
        self.courier.remove_contact(sender());
        (self.kept, self.outbox) = (Kept::since(self.incarnation), Outbox::since(self.incarnation));
        self.introduce();
        // What was ready for the contact is thrown away.
        self.prepare();
    }

    fn begin_again(&mut self) {
        self.incarnation += 1;
        self.courier.remove_contact(sender());
        self.kept.since = self.incarnation;
        self.outbox.renumber(self.incarnation);
        self.introduce();
        self.prepare();
    }

    fn restart(&mut self) {
        self.count += 1;
        self.courier = courier(self.now, self.count);
        self.introduce();
        self.courier.resume_opened(&self.opened);
        self.named = false;
        self.see(None);
        self.prepare();
    }

    /// Opens what has come, and builds the next cell unless it is ready: before what has come is
    /// stored, so that the cell does not tell of that.
    fn prepare(&mut self) {
        let builds = !self.courier.is_ready();
        self.courier.prepare(self.own());
        let letters = self.handle_events();
        if builds {
            let (kept, outbox) = (self.kept.clone(), self.outbox.clone());
            self.built = Built { blind: self.blind, kept, outbox };
        }
        for (fragment, receipt) in letters {
            self.store(fragment.as_deref(), &receipt);
            assert!(self.handle_events().is_empty(), "what is stored brings no letter");
        }
    }

    /// Runs one slot, in its time or late.
    fn slot(&mut self) {
        self.slots += 1;
        if self.slots > SLOTS {
            return;
        }
        self.now = self.now.max(self.courier.poll_timeout().reading());
        self.told = self.kept.names();
        let departure = self.courier.handle_timeout(self.own());
        let next = self.courier.poll_timeout();
        assert!(next > self.own() && next <= self.own() + ROSTER.traffic.slot);
        let Some(Departure::Cell(cell)) = departure else {
            panic!("a client's slot has a cell");
        };
        self.supply();
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
        // Without a view, nobody may have borne the relay's word for the time out.
        if !self.blind {
            self.outbox.check_times(self.now);
        }
    }

    fn instruct(&mut self, relay: NodeNumber, instruction: Instruction<Toy>) {
        match instruction {
            Instruction::Discard => {}
            Instruction::Pull(pull) => self.answer(pull.surb),
            Instruction::Store(store) if store.mailbox == own_mailbox().key.id() => {
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
        let copy = |bytes: &[u8]| Envelope::from_bytes(bytes).expect("it is a copy of an envelope");
        let envelope: Option<Envelope<Toy>> = match &mail {
            Some(Mail::Letter(bytes)) => Some(self.seal(bytes)),
            Some(Mail::Loop) => self.own.front().map(|own| copy(own.as_bytes())),
            Some(Mail::Again) => self.last.as_ref().map(|last| copy(&last.envelope)),
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
            self.arriving = matches!(mail, Some(Mail::Letter(_) | Mail::Again));
            self.expect();
            self.courier.handle_reply(self.own(), id, payload);
            self.prepare();
            self.arriving = false;
        }
        self.expected.check();
        self.kept.check_turns();
    }

    /// Seals the contact's next letter.
    fn seal(&mut self, fragment: &[u8]) -> Envelope<Toy> {
        let envelope = seal_in_roster(self.letters, fragment);
        self.letters += 1;
        let bytes = rohrpost_fuzz::sized(fragment, fragment_len::<Toy>());
        let (letter, bytes) = (Letter::read(&bytes), envelope.as_bytes().to_vec());
        self.last = Some(Sealed { envelope: bytes, letter, committed: false });
        envelope
    }

    /// Expects what follows from the letter that comes, unless it has come before.
    fn expect(&mut self) {
        let last = self.last.as_ref().filter(|last| self.arriving && !last.committed);
        let Some(letter) = last.and_then(|last| last.letter.as_ref()) else { return };
        if self.kept.hear(&letter.standing) {
            self.outbox.surpass(&mut self.expected);
        }
        self.outbox.acknowledge_again(&letter.standing, &mut self.expected);
        let report = Some(letter).filter(|letter| letter.part.kind == Kind::Acknowledgement);
        if let Some(report) = report.and_then(|letter| Report::read(&letter.body)) {
            self.outbox.acknowledge(&report, &mut self.expected);
        }
    }

    /// Takes all events; gives the letters that are to be stored.
    fn handle_events(&mut self) -> Vec<(Option<Box<Fragment>>, Receipt)> {
        let mut letters = Vec::new();
        while let Some(event) = self.courier.poll_event() {
            match event {
                Event::Arrived { fragment, receipt, .. } => letters.push((Some(fragment), receipt)),
                Event::Repeated { receipt } => letters.push((None, receipt)),
                Event::Complete { sender: from, messages, below, floor, .. } => {
                    assert!(from == sender());
                    self.kept.complete(&messages, below, floor);
                }
                Event::AcknowledgementSent { to } => {
                    assert!(to == sender() && self.kept.owes);
                    assert!(self.built.kept.commits == self.kept.commits, "more has come");
                    (self.kept.owes, self.kept.repeated) = (false, self.told.clone());
                }
                Event::Wanted { message, offset, len } => {
                    self.wanted.push((message, offset, len));
                    // Every other length is of what the store takes its time for.
                    if len.is_multiple_of(2) {
                        self.supply();
                    }
                }
                Event::Sent { message, fragment, .. } => {
                    self.outbox.sent(message, fragment, self.now);
                }
                Event::Delivered { message } => {
                    let told = self.expected.delivered.remove(&message);
                    assert!(told, "delivered, and nobody has said so");
                }
                Event::Expired { message } => self.outbox.expired(message, self.now),
                Event::Told { to, version } => {
                    assert!(to == sender() && self.expected.told.take() == Some(version));
                    self.outbox.told(version);
                }
                Event::Acknowledged { by, acknowledged } => {
                    let expected = self.expected.acknowledged.pop_front();
                    assert!(by == sender() && expected == Some(acknowledged));
                }
                Event::Disputed { number, .. } => self.kept.disputed = number,
                Event::OlderCopy { contact, .. } => {
                    let shown = std::mem::take(&mut self.expected.older_copy);
                    assert!(contact == sender() && shown, "nobody has shown it, or once more");
                }
                _ => {}
            }
        }
        if std::mem::take(&mut self.resumed) {
            let all = self.kept.names();
            self.kept.repeated = if self.kept.owes { BTreeMap::new() } else { all };
        }
        letters
    }

    /// Supplies the pieces that the courier has asked for.
    fn supply(&mut self) {
        for (message, offset, len) in std::mem::take(&mut self.wanted) {
            if let Some(piece) = self.outbox.piece(message, offset, len) {
                self.courier.supply(message, offset, piece.into());
            }
        }
    }

    /// Stores a letter that has come, and its fragment if that is new and can be stored.
    fn store(&mut self, fragment: Option<&Fragment>, receipt: &Receipt) {
        let last = self.last.as_mut().filter(|_| self.arriving).expect("a letter has come");
        let letter = last.letter.as_ref().expect("it can be read");
        let part = letter.part;
        let told = (receipt.kind, receipt.sequence, receipt.fragment);
        assert!(receipt.sender == sender());
        assert!(told == (part.kind, part.sequence, part.position.index));
        if !self.kept.is_disputed(&part) {
            self.kept.hear_order(part.kind, part.sequence, letter.standing.behind);
        }
        match fragment {
            Some(fragment) => {
                assert!(Part::of(fragment) == part && *fragment.body == letter.body);
                assert!(fragment.standing == letter.standing);
                assert!(fragment.minutes == letter.minutes);
                self.kept.check_new(&part);
                if *letter.body == *LOST {
                    return;
                }
                self.kept.keep(&part);
            }
            None => self.kept.check_known(receipt, &part),
        }
        assert!(!self.opened.contains(&receipt.mark), "a letter that was opened is told of again");
        last.committed = true;
        self.opened.push(receipt.mark);
        self.kept.owes = true;
        self.kept.commits += 1;
        self.courier.commit(self.own(), receipt);
    }

    /// Checks that the contact gets a fragment as it was posted, or an acknowledgement of what is
    /// stored of its own messages, and where the client stands beside it.
    fn check_fragment(&self, envelope: &Envelope<Toy>) {
        let prekey = alice_prekey();
        let opened = envelope.open(&[&prekey], &ROSTER.network_id).expect("sealed for the contact");
        let fragment = opened.fragment(PARTIES.alice.public(), PARTIES.bob.public());
        let fragment = fragment.expect("a courier writes valid fragments");
        let Built { kept, outbox, .. } = &self.built;
        let content = fragment.kind == Kind::Content;
        let (behind, after) = if content { outbox.behind(fragment.sequence) } else { (0, 0) };
        let hour = fragment.standing.hour;
        let Standing { last, told, .. } = fragment.standing;
        kept.check_repeated(last, told);
        let incarnation = kept.since;
        let standing =
            Standing { incarnation, last, told, behind, after, hour, ..outbox.standing() };
        assert_eq!(fragment.standing, standing);
        assert_eq!(fragment.minutes, 0);
        if fragment.kind != Kind::Acknowledgement {
            return outbox.check(&fragment);
        }
        assert!(fragment.sequence == 0 && fragment.position == FragmentPosition::WHOLE);
        let report = Report::read(&fragment.body).expect("a courier writes valid texts");
        kept.check_acknowledgement(&report, fragment.body.len());
    }
}

fn number(node: u8) -> NodeNumber {
    NodeNumber::new(1 + u32::from(node) % NODES)
}

/// A fragment that the client's store cannot write.
const LOST: &[u8] = b"-";
const OPERATIONS: usize = LETTERS;
/// Slots of a sequence at most: sealing and opening take time.
const SLOTS: usize = 256;
