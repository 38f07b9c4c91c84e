//! Model of what a courier is to do with a client's own messages, and of what the client stores of
//! them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rohrpost_packet::envelope::{Fragment, Kind, MessageId, Standing};
use rohrpost_proto::courier::{Acknowledged, Body, Message, PastFlights};
use rohrpost_proto::time::Time;

use crate::application::ROOM;
use crate::mail::{Name, Report, name, short};

/// Model of the client's outbox for its contact.
#[derive(Clone, Default)]
pub struct Outbox {
    /// Messages that are not over, by number.
    pub posted: BTreeMap<u64, Posted>,
    /// The number after that of the last message.
    pub next: u64,
    /// The newest own address that was announced; its version is its number.
    newest: Option<(u64, Posted)>,
    /// Version of an own address that the contact has acknowledged, as the store knows.
    known: u64,
    /// What the contact has acknowledged.
    pub acknowledged: Acknowledged,
    /// Knowledge that this run of the client has of the contact.
    run: Run,
}

/// Knowledge that is forgotten when the client ends.
#[derive(Clone, Default)]
struct Run {
    /// The number after that of the last message that this run was given to send.
    posted: u64,
    /// Version of the newest own address that the contact has acknowledged.
    told: u64,
    /// True while the newest address goes to the contact.
    announces: bool,
    /// True once the client was told that its store is an older copy.
    surpassed: bool,
}

/// Model of an entry in the outbox.
#[derive(Clone)]
pub struct Posted {
    /// Identifier of the message.
    pub id: MessageId,
    /// Time at which the message is given up.
    pub expires: Time,
    /// Bytes of the message's body.
    pub len: usize,
    /// Fragments that have left at least once.
    sent: BTreeSet<u32>,
    /// Time at which the last fragment left for the first time.
    left: Option<Time>,
    /// Fragments that the contact says have come.
    acknowledged: BTreeSet<u32>,
}

/// Events that follow from a letter, and that the courier must tell before the next.
#[derive(Default)]
pub struct Expected {
    /// True if the client is to hear that its store is an older copy.
    pub older_copy: bool,
    /// Version of the own address that the contact has now.
    pub told: Option<u64>,
    /// What the contact has acknowledged, each time that it is more than before.
    pub acknowledged: VecDeque<Acknowledged>,
    /// Messages that are delivered.
    pub delivered: BTreeSet<MessageId>,
}

impl Outbox {
    /// An outbox whose first message bears the first number of an incarnation.
    #[must_use]
    pub fn since(incarnation: u32) -> Self {
        let next = u64::from(incarnation) << 32;
        Self { next, run: Run { posted: next, ..Run::default() }, ..Self::default() }
    }

    /// Number before which every message is over, by what is stored.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.posted.keys().next().copied().unwrap_or(self.next)
    }

    /// Standing of the client with its contact, by what this run knows of its own messages.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let open = self.posted.keys().next().copied().unwrap_or(self.run.posted);
        let Acknowledged { below: heard, whole, since } = self.acknowledged;
        Standing { open, heard, whole, since, ..Standing::default() }
    }

    /// How many numbers before a message the one stands that is not over, and its name; zeros if there is
    /// none. All are short here.
    #[must_use]
    pub fn behind(&self, number: u64) -> (u8, u16) {
        let Some((before, _)) = self.posted.range(..number).next_back() else { return (0, 0) };
        let behind = u8::try_from(number - before).expect("the window is shorter");
        (behind, short(self.tag(*before)))
    }

    /// Version of the newest own address.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.newest.as_ref().map_or(0, |(version, _)| *version)
    }

    /// First bytes of the id of the message of a number; zeros if there is none.
    #[must_use]
    pub fn tag(&self, number: u64) -> [u8; 4] {
        self.posted.get(&number).map_or([0; 4], |posted| name(number, posted.id).1)
    }

    /// The number after that of the last message that this run was given to send.
    #[must_use]
    pub fn posted_next(&self) -> u64 {
        self.run.posted
    }

    /// Begins a run of the client, or knows the contact anew. Gives the messages to post.
    pub fn resume(&mut self) -> Vec<Message> {
        let last = self.posted.keys().next_back().map(|number| number + 1);
        self.run = Run { posted: last.unwrap_or(self.next), ..Run::default() };
        self.posted.values_mut().for_each(|posted| posted.acknowledged.clear());
        self.posted.iter().map(|(number, posted)| posted.message(*number, Kind::Content)).collect()
    }

    /// The newest address, if the contact is to be told of it by this run.
    pub fn announcement(&mut self) -> Option<Message> {
        let untold = |(version, _): &&(u64, Posted)| *version > self.known;
        let (version, posted) = self.newest.as_ref().filter(untold)?;
        let message = posted.message(*version, Kind::Address);
        self.run.announces = *version > self.run.told;
        Some(message)
    }

    /// Takes another address, which is the newest.
    pub fn renew_address(&mut self, skip: u8, posted: Posted) {
        self.newest = Some((self.version() + 1 + u64::from(skip), posted));
    }

    /// Numbers what waits anew, from the begin of an incarnation on.
    pub fn renumber(&mut self, incarnation: u32) {
        self.next = u64::from(incarnation) << 32;
        for posted in std::mem::take(&mut self.posted).into_values() {
            self.posted.insert(self.next, posted);
            self.next += 1;
        }
    }

    /// Takes a message of a number that is not below [`Outbox::next`].
    pub fn post(&mut self, number: u64, posted: Posted) {
        (self.next, self.run.posted) = (number + 1, number + 1);
        self.posted.insert(number, posted);
    }

    /// Notes that the contact's letter shows this store to be an older copy.
    pub fn surpass(&mut self, expected: &mut Expected) {
        expected.older_copy |= !std::mem::replace(&mut self.run.surpassed, true);
    }

    /// Names of the messages that are not over.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        self.posted.iter().map(|(number, posted)| name(*number, posted.id))
    }

    /// Takes what a letter repeats of the contact's acknowledgements into account.
    pub fn acknowledge_again(&mut self, standing: &Standing, expected: &mut Expected) {
        if standing.told.iter().all(|name| *name == 0) {
            return;
        }
        let repeated = |number: &u64| {
            let all = (0_u64..).zip(standing.told).filter(|(_, name)| *name != 0);
            let mut of =
                all.filter(|(before, _)| number.checked_add(*before) == Some(standing.last));
            of.next().map(|(_, name)| name)
        };
        let other =
            |number: &u64| repeated(number).is_some_and(|name| name != short(self.tag(*number)));
        if self.posted.keys().any(other) || standing.last >= self.next {
            return self.surpass(expected);
        }
        let told = |number: &u64| repeated(number).is_some();
        let report = Report {
            since: standing.incarnation,
            address: self.run.told,
            floor: self.standing().open,
            told: self.names().filter(|(number, _)| told(number)).collect(),
            waiting: Vec::new(),
            partial: Vec::new(),
        };
        if !report.told.is_empty() {
            self.acknowledge(&report, expected);
        }
    }

    /// Takes the contact's acknowledgement into account.
    pub fn acknowledge(&mut self, report: &Report, expected: &mut Expected) {
        let before = self.acknowledged;
        if report.since < before.since || self.run.surpassed {
            return;
        }
        if self.is_surpassed_by(report) {
            return self.surpass(expected);
        }
        if report.since > before.since && before.since != 0 {
            (self.acknowledged.below, self.acknowledged.whole) = (0, 0);
            self.posted.values_mut().for_each(|posted| posted.acknowledged.clear());
        }
        let Acknowledged { below: last, whole: bits, .. } = self.acknowledged;
        let set = (0..128).filter(|bit| bits & 1 << bit != 0).map(|bit| last - bit);
        let come = report.whole().map(|(number, _)| number.saturating_add(1));
        let whole: BTreeSet<u64> = set.chain(come).collect();
        let below = whole.last().copied().unwrap_or(last);
        let bits = whole.iter().filter(|number| below - **number < 128);
        let bits = bits.fold(0, |bits, number| bits | 1_u128 << (below - number));
        self.acknowledged = Acknowledged { below, whole: bits, since: report.since };
        expected.acknowledged.extend(Some(self.acknowledged).filter(|now| *now != before));
        if report.address > self.run.told {
            self.run.told = report.address;
            expected.told = Some(report.address);
        }
        self.run.announces &= self.version() > report.address;
        self.posted.retain(|number, posted| {
            let of = name(*number, posted.id);
            let came = (0..posted.count()).filter(|index| report.has(of, *index));
            posted.acknowledged.extend(came);
            let over = report.told.contains(&of);
            if over {
                expected.delivered.insert(posted.id);
            }
            !over
        });
        self.remind();
    }

    /// Tells whether an acknowledgement says what only a later copy of this store can know.
    fn is_surpassed_by(&self, report: &Report) -> bool {
        let other = |(number, tag)| {
            number >= self.next || self.posted.contains_key(&number) && self.tag(number) != tag
        };
        report.floor > self.standing().open || report.names().any(other)
    }

    /// The last fragment of the first message leaves once more, if all of it has come and waits.
    fn remind(&mut self) {
        let Some(mut front) = self.posted.first_entry() else { return };
        let front = front.get_mut();
        let count = front.count();
        if (0..count).all(|index| front.acknowledged.contains(&index)) {
            front.acknowledged.remove(&(count - 1));
        }
    }

    /// Notes that the contact has an address of this version; the store believes none of a version
    /// that there never was.
    pub fn told(&mut self, version: u64) {
        if version <= self.version() {
            self.known = self.known.max(version);
        }
    }

    /// A piece of a message that the courier asks for, if the message is not over.
    #[must_use]
    pub fn piece(&self, message: MessageId, offset: usize, len: usize) -> Option<Vec<u8>> {
        let newest = self.newest.iter().map(|(_, posted)| posted);
        let mut all = self.posted.values().chain(newest);
        let posted = all.find(|posted| posted.id == message)?;
        assert!(posted.len > ROOM, "the courier has it");
        assert!(offset.is_multiple_of(ROOM) && len > 0 && offset + len <= posted.len);
        Some(vec![TEXT; len])
    }

    /// Notes that a message was given up.
    pub fn expired(&mut self, message: MessageId, now: Time) {
        let found = self.posted.iter().find(|(_, posted)| posted.id == message);
        let number = *found.expect("it was posted, and is not over").0;
        let posted = self.posted.remove(&number);
        assert!(posted.is_some_and(|posted| posted.expires <= now), "its time is not up");
        self.remind();
    }

    /// Notes that a fragment has left.
    pub fn sent(&mut self, message: MessageId, fragment: u32, now: Time) {
        let address =
            self.newest.as_mut().filter(|_| self.run.announces).map(|newest| &mut newest.1);
        let mut all = self.posted.values_mut().chain(address);
        let posted = all.find(|posted| posted.id == message);
        let posted = posted.expect("it was posted, and is not over");
        posted.check_need(fragment);
        posted.sent.insert(fragment);
        if posted.sent.len() == usize::try_from(posted.count()).expect("a few") {
            posted.left.get_or_insert(now);
        }
    }

    /// Checks that the contact gets a fragment as it was posted.
    pub fn check(&self, fragment: &Fragment) {
        let Fragment { message, sequence, position, .. } = fragment;
        let posted = match fragment.kind {
            Kind::Address => {
                assert!(self.run.announces, "nobody is to be told");
                let (version, posted) = self.newest.as_ref().expect("it was announced");
                assert!(version == sequence);
                posted
            }
            _ => {
                assert!(sequence - self.standing().open < WINDOW, "the contact has no room");
                &self.posted[sequence]
            }
        };
        assert!(posted.id == *message && posted.count() == position.count);
        posted.check_need(position.index);
        let before = usize::try_from(position.index).expect("a few") * ROOM;
        assert!(fragment.body.len() == (posted.len - before).min(ROOM));
        assert!(fragment.body.iter().all(|byte| *byte == TEXT));
    }

    /// Checks that no message has outlived its time.
    pub fn check_times(&self, now: Time) {
        let over = |posted: &Posted| posted.expires <= now;
        assert!(!self.posted.values().any(over), "a message outlived its time");
    }
}

impl Posted {
    /// A message of which nothing has left.
    #[must_use]
    pub fn new(id: MessageId, expires: Time, len: usize) -> Self {
        let (sent, acknowledged) = (BTreeSet::new(), BTreeSet::new());
        Self { id, expires, len, sent, left: None, acknowledged }
    }

    /// Number of the message's fragments.
    fn count(&self) -> u32 {
        u32::try_from(self.len.div_ceil(ROOM).max(1)).expect("a few fragments")
    }

    /// Checks that a fragment leaves that is there, and that the contact has not.
    fn check_need(&self, fragment: u32) {
        assert!(fragment < self.count());
        assert!(!self.acknowledged.contains(&fragment), "the contact has it");
    }

    /// The message as the courier takes it.
    #[must_use]
    pub fn message(&self, sequence: u64, kind: Kind) -> Message {
        Message {
            id: self.id,
            kind,
            sequence,
            minutes: 0,
            expires: self.expires,
            left: self.left.map(|last| PastFlights { last, times: 1 }),
            body: match self.len {
                ..=ROOM => vec![TEXT; self.len].into(),
                len => Body::Stored(len),
            },
        }
    }
}

impl Expected {
    /// Checks that all has been told.
    pub fn check(&self) {
        let nothing = !self.older_copy && self.told.is_none() && self.delivered.is_empty();
        assert!(nothing, "a letter came, and nobody was told what follows from it");
    }
}

/// The byte of which all texts are made.
const TEXT: u8 = 1;
/// Messages of the contact, from the first that is open, for which a client has room.
const WINDOW: u64 = 128;
