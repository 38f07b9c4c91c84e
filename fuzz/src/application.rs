//! Model of the application around a courier: what it stores of the contact's messages as far as
//! they have come.

use std::collections::{BTreeMap, BTreeSet};

use rohrpost_packet::envelope::{FragmentPosition, Kind, MessageId, REPEATED, Standing};
use rohrpost_proto::courier::{Complete, Memory, Part, Receipt};

use crate::fragment::fragment_len;
use crate::mail::{Name, Report, name, short};
use crate::toy::Toy;

/// Model of the client's store: what it has of the contact's messages.
#[derive(Clone, Default)]
pub struct Kept {
    /// Incarnation since which the client counts the contact's messages.
    pub since: u32,
    /// Bound below which all messages are over.
    pub below: u64,
    /// Version of the newest address.
    pub address: u64,
    /// True if something has come since the last acknowledgement left.
    pub owes: bool,
    /// The messages that acknowledgements have named as told of, each with its short name.
    pub repeated: BTreeMap<u64, u16>,
    /// Number that the contact has given to two messages, as this run was told.
    pub disputed: Option<u64>,
    /// Number of letters that were stored and committed.
    pub commits: u32,
    /// Bound below which all messages are over by the contact's word: of the letters that this run
    /// of the client has opened, and of what the store knows.
    floor: u64,
    /// Messages that were told of, and that the contact may not know to have come.
    told: BTreeMap<u64, (MessageId, u32)>,
    open: BTreeMap<u64, Open>,
    /// The least that this run was told each message waits for, of those that are not over.
    waits: BTreeMap<u64, Waits>,
    addresses: BTreeMap<u64, Open>,
    /// Numbers of all messages that were ever told of.
    ever: BTreeSet<u64>,
}

/// What a message waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Waits {
    Nothing,
    For(u64),
}

#[derive(Clone)]
struct Open {
    message: MessageId,
    count: u32,
    indices: BTreeSet<u32>,
}

impl Kept {
    /// An empty store of a contact that was just added.
    #[must_use]
    pub fn since(since: u32) -> Self {
        Self { since, ..Self::default() }
    }

    /// Hears where the contact stands. True if that shows that this store is an older copy: the
    /// contact has heard of a message that is not here, or of a later incarnation.
    pub fn hear(&mut self, standing: &Standing) -> bool {
        let later = standing.since > self.since;
        let whole = |number| self.open.get(&number).is_some_and(Open::is_whole);
        let lacks =
            |heard: u64| heard >= self.below && !self.told.contains_key(&heard) && !whole(heard);
        let mut heard = (1..=128).filter(|before| standing.whole & 1 << (before - 1) != 0);
        let forgotten = later
            || standing.since == self.since
                && heard.any(|before| standing.heard.checked_sub(before).is_some_and(lacks));
        self.floor = self.floor.max(standing.open);
        forgotten
    }

    /// The messages that were told of, each with its short name.
    #[must_use]
    pub fn names(&self) -> BTreeMap<u64, u16> {
        let short = |(number, (message, _)): (&u64, &(MessageId, u32))| {
            (*number, short(name(*number, *message).1))
        };
        self.told.iter().map(short).collect()
    }

    /// Checks that a letter repeats, of what was acknowledged, some message and those up to it, or that
    /// there is none.
    pub fn check_repeated(&self, last: u64, told: [u16; REPEATED]) {
        let all: BTreeMap<_, _> =
            self.repeated.iter().filter(|(number, _)| **number >= self.floor).collect();
        let named = |before: u64| last.checked_sub(before).and_then(|number| all.get(&number));
        let expected = std::array::from_fn(|before| {
            named(u64::try_from(before).expect("it is small")).map_or(0, |name| **name)
        });
        assert_eq!(told, expected, "what was acknowledged, and that alone");
        assert!(all.contains_key(&last) || all.is_empty() && last == 0);
    }

    /// Checks a fragment that the courier takes for new.
    pub fn check_new(&self, part: &Part) {
        match part.kind {
            Kind::Content => {
                assert!(!self.is_over(part.sequence), "of a message that is over");
                assert!(!self.is_passed(part.sequence, |count| is_short(count)
                    == is_short(part.position.count)));
            }
            Kind::Address => {
                assert!(part.sequence > self.address, "of an older address");
                assert!(part.position.count <= 4, "no address is that long");
            }
            Kind::Acknowledgement | Kind::Loop => panic!("nobody acknowledges these"),
        }
        if let Some(open) = self.table(part.kind).get(&part.sequence) {
            assert!(open.is_of(part), "two messages of one number");
            assert!(!open.indices.contains(&part.position.index), "it is there already");
        }
    }

    /// Checks a letter that the courier says brings nothing new.
    pub fn check_known(&self, receipt: &Receipt, part: &Part) {
        let over = match receipt.kind {
            Kind::Address => receipt.sequence <= self.address,
            _ => self.is_over(receipt.sequence) || self.is_passed(receipt.sequence, |_| true),
        };
        let open = self.table(receipt.kind).get(&receipt.sequence);
        assert!(
            self.is_disputed(part)
                || over
                || open.is_some_and(|open| open.indices.contains(&receipt.fragment))
        );
    }

    /// Hears what a message of the contact waits for.
    pub fn hear_order(&mut self, kind: Kind, number: u64, behind: u8) {
        if kind == Kind::Content && !self.is_over(number) {
            let first = number.saturating_sub(behind.into());
            let waits = if behind == 0 { Waits::Nothing } else { Waits::For(first) };
            let least = self.waits.entry(number).or_insert(waits);
            *least = waits.min(*least);
        }
    }

    /// True for a letter of a number that the contact has given twice, or behind such a one.
    #[must_use]
    pub fn is_disputed(&self, part: &Part) -> bool {
        let other = |open: &Open| open.message != part.message;
        let twice = self.open.get(&part.sequence).is_none_or(other);
        let disputed = |number| number < part.sequence || number == part.sequence && twice;
        part.kind == Kind::Content && self.disputed.is_some_and(disputed)
    }

    fn is_over(&self, number: u64) -> bool {
        number < self.below || self.told.contains_key(&number)
    }

    /// Tells whether a later message was told of whose count of fragments shows that it is `of_lane`.
    fn is_passed(&self, number: u64, of_lane: impl Fn(u32) -> bool) -> bool {
        self.told.range(number.saturating_add(1)..).any(|(_, (_, count))| of_lane(*count))
    }

    /// Tells whether what a message waits for is over. Before a restart it was said in vain.
    fn is_turn(&self, number: u64) -> bool {
        if number >> 32 < self.floor >> 32 {
            // It comes again under a new number, or its sender has forgotten it.
            return false;
        }
        let over = |number| number < self.floor || self.is_over(number);
        number < self.floor
            || match self.waits.get(&number) {
                Some(Waits::Nothing) => true,
                Some(Waits::For(first)) => over(*first),
                None => number <= self.below,
            }
    }

    /// Goes on to the lowest number that is not over.
    fn pass(&mut self) {
        self.below = self.below.max(self.floor);
        while self.told.contains_key(&self.below) {
            self.below += 1;
        }
    }

    /// Stores a fragment on the disk.
    pub fn keep(&mut self, part: &Part) {
        let Part { sequence, message, kind, position } = *part;
        let table = if kind == Kind::Address { &mut self.addresses } else { &mut self.open };
        let new = || Open { message, count: position.count, indices: BTreeSet::new() };
        table.entry(sequence).or_insert_with(new).indices.insert(position.index);
    }

    /// Takes messages that the courier tells of: whole, once, in order, and none that was over.
    pub fn complete(&mut self, messages: &[Complete], below: u64, floor: u64) {
        assert!(below >= self.below && floor <= below);
        assert!(floor == self.floor, "the bound is the contact's word");
        let mut last = None;
        for (at, complete) in messages.iter().enumerate() {
            let Complete { sequence, message, kind, fragments } = *complete;
            let open = &self.table(kind)[&sequence];
            assert!(open.is_whole() && open.message == message && open.count == fragments);
            if kind == Kind::Address {
                assert!(sequence > self.address, "an older address");
                self.address = sequence;
                self.addresses.retain(|version, _| *version > sequence);
                continue;
            }
            assert!(kind == Kind::Content);
            assert!(!self.is_over(sequence), "it was over");
            let lane = |other: &Complete| is_short(other.fragments) == is_short(fragments);
            assert!(!self.is_passed(sequence, |count| is_short(count) == is_short(fragments)));
            let mut turns = messages[at..].iter().filter(|other| lane(other));
            assert!(turns.any(|other| self.is_turn(other.sequence)), "another comes first");
            assert!(self.ever.insert(sequence), "told twice");
            assert!(last.replace(sequence) < Some(sequence), "out of order");
            self.told.insert(sequence, (message, fragments));
            self.open.remove(&sequence);
            self.waits.remove(&sequence);
            while self.told.contains_key(&self.below) {
                self.below += 1;
            }
        }
        self.pass();
        assert!(below == self.below, "the lowest number that is not over");
        let told = std::mem::take(&mut self.open);
        let passed = |number: u64, open: &Open| {
            self.is_passed(number, |count| is_short(count) == is_short(open.count))
        };
        let open = told.into_iter().filter(|(number, open)| !passed(*number, open));
        self.open = open.filter(|(number, _)| *number >= floor).collect();
        self.waits.retain(|sequence, _| *sequence >= floor);
        self.told.retain(|sequence, _| *sequence >= floor);
    }

    /// Checks that nothing waits whose turn has come.
    pub fn check_turns(&self) {
        assert!(self.below >= self.floor, "the contact has given those up");
        let turn = |(number, open): (&u64, &Open)| self.is_turn(*number) && open.is_whole();
        assert!(!self.open.iter().any(turn), "a message is whole, and nobody was told");
        assert!(!self.addresses.values().any(Open::is_whole), "an address waits");
    }

    /// Memory of which a courier is told after a restart.
    #[must_use]
    pub fn resume(&mut self) -> Memory {
        let first = self.told.keys().next().copied();
        self.floor = first.unwrap_or(self.below).min(self.below);
        self.waits.clear();
        self.disputed = None;
        let messages = parts(&self.open, Kind::Content);
        let mut parts: Vec<_> = messages.chain(parts(&self.addresses, Kind::Address)).collect();
        parts.sort_by_key(|part| (part.sequence, part.position.index));
        let told = |(sequence, (message, fragments)): (&u64, &(MessageId, u32))| Complete {
            sequence: *sequence,
            message: *message,
            kind: Kind::Content,
            fragments: *fragments,
        };
        Memory {
            since: self.since,
            below: self.below,
            told: self.told.iter().map(told).collect(),
            address: self.address,
            parts,
            owes: self.owes,
            ..Memory::default()
        }
    }

    /// Checks that an acknowledgement of `len` bytes says what is stored, and nothing else; what
    /// finds no room in it may be missing at its end.
    pub fn check_acknowledgement(&self, report: &Report, len: usize) {
        assert!(self.owes, "nothing has come since the last");
        assert_eq!((report.since, report.address), (self.since, self.address));
        assert_eq!(report.floor, self.floor);
        let told = self.told.range(self.floor..);
        let told = told.map(|(number, (message, _))| name(*number, *message));
        assert!(told.eq(report.told.iter().copied()));
        let open = self.open.iter().map(|(number, open)| (name(*number, open.message), open));
        let (come, partial): (Vec<_>, Vec<_>) = open.partition(|(_, open)| open.is_whole());
        assert!(come.into_iter().map(|(name, _)| name).eq(report.waiting.iter().copied()));
        let mut told: Vec<(Name, u32)> = Vec::new();
        for (name, ranges) in &report.partial {
            assert!(!ranges.is_empty());
            for (first, length) in ranges {
                assert!(*length > 0);
                told.extend((*first..first + length).map(|index| (*name, index)));
            }
        }
        let indices = |(name, open): &(Name, &Open)| {
            let name = *name;
            open.indices.iter().map(move |index| (name, *index)).collect::<Vec<_>>()
        };
        let stored: Vec<_> = partial.iter().flat_map(indices).collect();
        assert!(stored.starts_with(&told), "not as it is stored");
        assert!(told.len() == stored.len() || len + NAME_AND_RANGE > ROOM, "there was room");
    }

    fn table(&self, kind: Kind) -> &BTreeMap<u64, Open> {
        if kind == Kind::Address { &self.addresses } else { &self.open }
    }
}

impl Open {
    fn is_whole(&self) -> bool {
        u32::try_from(self.indices.len()) == Ok(self.count)
    }

    fn is_of(&self, part: &Part) -> bool {
        (self.message, self.count) == (part.message, part.position.count)
    }
}

fn parts(of: &BTreeMap<u64, Open>, kind: Kind) -> impl Iterator<Item = Part> {
    of.iter().flat_map(move |(sequence, open)| {
        let Open { message, count, indices } = open;
        indices.iter().map(move |index| Part {
            sequence: *sequence,
            message: *message,
            kind,
            position: FragmentPosition { index: *index, count: *count },
        })
    })
}

/// Tells whether a message of so many fragments counts as short: where each carries [`ROOM`] bytes, it
/// has 64 KiB at most.
const fn is_short(fragments: u32) -> bool {
    fragments as usize <= (64_usize << 10).div_ceil(ROOM)
}

/// Bytes of text in a fragment.
pub const ROOM: usize = fragment_len::<Toy>() - 106;
/// Bytes of an acknowledgement that one more message takes at least.
const NAME_AND_RANGE: usize = 5 + 1 + 8;
