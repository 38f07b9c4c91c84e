//! Incoming messages of one correspondent: fragments in any order, messages in theirs.
//!
//! A fragment is handed to the application once, acknowledged after the application has stored and
//! committed it, and never asked for again. A message is complete when all of its fragments are
//! committed, and is told of when the one before it in its lane is over: it has been told of, or its
//! sender has given it up. Every letter says by its [`Standing`] which one that is: so there is
//! nothing to wait for in vain, whatever was lost, and a text need not wait for a file. What a
//! message of its lane has passed is over: a copy that comes late is not told of.
//!
//! An address is no message of the conversation: it has a version, and only the newest counts.

use std::collections::BTreeMap;

use rohrpost_packet::envelope::{Fragment, FragmentPosition, Kind, MessageId, REPEATED, Standing};

use super::acknowledgement::{Acknowledged, Acknowledgement, Name, Partial};
use super::fragments::Fragments;
use super::message::{Lane, incarnation_of};
use crate::time::{Steady, Time};

/// Reassembly of what has come from one correspondent.
///
/// At most [`WINDOW`] messages are open or remembered, and of the open ones no more fragments have
/// come than [`OPEN_SIZE`] of the largest have, beside those of the next message.
pub(super) struct Reassembly {
    /// Incarnation since which this client counts the correspondent's messages.
    since: u32,
    /// Number before which every message is over by its sender's word.
    floor: u64,
    /// The lowest number of a message that is not over.
    next: u64,
    /// Messages from `floor` on that were told of; some may be beyond `next`.
    told: BTreeMap<u64, Told>,
    /// The last [`PAST`] of those before `floor`: by their ids it shows that a number is given again.
    past: BTreeMap<u64, MessageId>,
    open: BTreeMap<u64, Assembly>,
    address: AddressReassembly,
    /// Number of a message that was told of, and that its sender has given to another meanwhile.
    disputed: Option<u64>,
    /// Time at which the letter had left that showed so last.
    disputed_at: Steady,
    /// Time at which the letter had left that came last.
    left: Steady,
    /// Fragments of the largest message.
    most: u32,
}

/// The newest address that has come, and newer ones that are incomplete.
#[derive(Default)]
struct AddressReassembly {
    /// Version of the newest address that the application has taken note of.
    known: u64,
    /// The [`OPEN_ADDRESSES`] newest versions of which something has come: the newest may never come
    /// whole, if its sender went home before all of it had left, and the one before may be.
    open: BTreeMap<u64, Assembly>,
}

/// A message that was told of.
#[derive(Clone, Copy)]
struct Told {
    message: MessageId,
    /// Fragments of the message.
    count: u32,
    /// True once an acknowledgement has said so, which may have been lost.
    acknowledged: bool,
}

/// A message of which something has come.
struct Assembly {
    message: MessageId,
    /// Fragments handed to the application.
    came: Fragments,
    /// Fragments that the application has committed; a subset of `came`.
    committed: Fragments,
    waits: Waits,
}

/// What a message waits for once it is complete, by the word of its sender; the later word is the
/// lesser.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Waits {
    Nothing,
    /// The message of this number.
    For(u64),
    /// All messages before it: what its sender said of it was before a restart.
    All,
}

/// A fragment of a message, as it has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Number of the message; the version of an address.
    pub sequence: u64,
    /// Identifier of the message.
    pub message: MessageId,
    /// Purpose of the message.
    pub kind: Kind,
    /// Place of the fragment in the message.
    pub position: FragmentPosition,
}

/// A message that is complete, and whose turn has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Complete {
    /// Number of the message; the version of an address.
    pub sequence: u64,
    /// Identifier of the message.
    pub message: MessageId,
    /// Purpose of the message.
    pub kind: Kind,
    /// Fragments of the message.
    pub fragments: u32,
}

impl Part {
    /// The part that this fragment carries.
    #[must_use]
    pub const fn of(fragment: &Fragment) -> Self {
        let Fragment { message, kind, sequence, position, .. } = fragment;
        Self { sequence: *sequence, message: *message, kind: *kind, position: *position }
    }

    /// True for what is no message of an older incarnation than a number.
    const fn is_since(&self, number: u64) -> bool {
        matches!(self.kind, Kind::Address)
            || incarnation_of(self.sequence) >= incarnation_of(number)
    }
}

/// Outcome of a commit.
pub(super) struct Committed {
    /// True if the fragment was not committed before.
    pub(super) new: bool,
    /// Messages that are complete by it, in order.
    pub(super) complete: Vec<Complete>,
}

/// Outcome of an incoming fragment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// Hand the fragment to the application.
    New,
    /// The fragment is there already, or another message has its number, or the number of one that it
    /// waits for: its sender is to hear what is there.
    Known,
    /// The fragment finds no room: its sender gets no word of it.
    Silent,
}

/// Memory of what has come from one contact, as the application has stored it.
#[derive(Clone, Default)]
pub struct Memory {
    /// Incarnation since which this client counts the contact's messages. It rises when the client
    /// goes on from an older copy of its store, and the contact then sends again whatever is open.
    pub since: u32,
    /// Number before which every message of the contact is over.
    pub below: u64,
    /// Messages that were told of and that the contact may not know to have come: those of which
    /// [`Event::Complete`](super::Event::Complete) has told, from its `floor` on.
    pub told: Vec<Complete>,
    /// The last messages before those, of which the contact knows that they have come: number and id,
    /// of [`PAST`] at most.
    pub past: Vec<(u64, MessageId)>,
    /// Version of the contact's address.
    pub address: u64,
    /// Time at which the contact was heard of last, by the machine's clock; `None` if that is not
    /// known.
    pub heard: Option<Time>,
    /// Number that the contact has given to two messages, as
    /// [`Event::Disputed`](super::Event::Disputed) has told last.
    pub disputed: Option<u64>,
    /// What the contact has acknowledged, as [`Event::Acknowledged`](super::Event::Acknowledged)
    /// has told.
    pub acknowledged: Acknowledged,
    /// Fragments of messages that are not over.
    pub parts: Vec<Part>,
    /// True if something has come since the last acknowledgement left: another leaves after a delay
    /// that is drawn anew.
    pub owes: bool,
}

impl Reassembly {
    /// An empty reassembly, for a correspondent whose messages have at most `most` fragments.
    pub(super) fn new(most: u32) -> Self {
        Self::resume(most, &Memory::default()).0
    }

    /// Restores what a former run of this client has stored. Gives the messages that are complete
    /// by that.
    pub(super) fn resume(most: u32, memory: &Memory) -> (Self, Vec<Complete>) {
        let entry = |complete: &Complete| {
            let Complete { sequence, message, fragments: count, .. } = *complete;
            (sequence, Told { message, count, acknowledged: false })
        };
        let told: BTreeMap<_, _> = memory.told.iter().map(entry).collect();
        let named = told.keys().next().copied().unwrap_or(memory.below);
        // The application hears of a higher floor late: what came by that is within a window of it.
        let numbers = memory.parts.iter().filter(|part| part.kind != Kind::Address);
        let last = numbers.map(|part| part.sequence).max().unwrap_or(0);
        let reached = last.saturating_sub(WINDOW - 1).max(memory.below);
        let floor = if reached > memory.below { reached } else { named.min(reached) };
        let mut reassembly = Self {
            since: memory.since,
            floor: reached,
            next: memory.below,
            told,
            past: memory.past.iter().copied().collect(),
            open: BTreeMap::new(),
            address: AddressReassembly { known: memory.address, open: BTreeMap::new() },
            disputed: None,
            disputed_at: Steady::BEGIN,
            left: Steady::BEGIN,
            most,
        };
        for part in memory.parts.iter().filter(|part| part.is_since(reached)) {
            if reassembly.take(part) == Taken::New
                && let Some(open) = reassembly.assembly(part.kind, part.sequence)
            {
                open.committed.insert(part.position.index);
            }
        }
        reassembly.floor = floor;
        // What came before the dispute stays.
        reassembly.disputed = memory.disputed.filter(|number| reassembly.is_current(*number));
        let mut complete: Vec<_> = reassembly.tell_address().into_iter().collect();
        reassembly.advance(&mut complete);
        (reassembly, complete)
    }

    /// Incarnation since which the correspondent's messages are counted.
    pub(super) const fn since(&self) -> u32 {
        self.since
    }

    /// Notes that an acknowledgement has named all that was told of.
    pub(super) fn note_acknowledged(&mut self) {
        self.told.values_mut().for_each(|told| told.acknowledged = true);
    }

    /// The first and the last of the messages that were told of.
    pub(super) fn told_range(&self) -> Option<(u64, u64)> {
        Some((*self.told.first_key_value()?.0, *self.told.last_key_value()?.0))
    }

    /// What a letter repeats of acknowledgements, as [`Standing::told`] says it: the last message
    /// before a number, or of all if there is none before it, and the names of those up to it.
    pub(super) fn repeated(&self, before: u64) -> Option<(u64, [u16; REPEATED])> {
        let acknowledged = |(_, told): &(&u64, &Told)| told.acknowledged;
        let last = self.told.range(..before).rfind(acknowledged);
        let (last, _) = last.or_else(|| self.told.iter().rfind(acknowledged))?;
        let mut names = [0; REPEATED];
        for (number, told) in self.told.range(..=last).rev().filter(acknowledged) {
            let at = usize::try_from(last - number).unwrap_or(usize::MAX);
            let Some(name) = names.get_mut(at) else { break };
            *name = Name::of(*number, told.message).short();
        }
        Some((*last, names))
    }

    /// Bound below which every message is over.
    pub(super) const fn below(&self) -> u64 {
        self.next
    }

    /// Number from which on it is remembered what was told of.
    pub(super) const fn floor(&self) -> u64 {
        self.floor
    }

    /// Hears where the sender of a letter stood when the letter left: what it has given up is not
    /// waited for. Gives the messages whose turn has come by that.
    ///
    /// A sender that goes on from an older copy of its store numbers what it has anew. What waits
    /// under the numbers before comes again under the new ones, in its order; or the sender has
    /// forgotten it, of which the application knows as soon as something comes that was written
    /// later.
    pub(super) fn hear(&mut self, standing: &Standing, left: Steady) -> Vec<Complete> {
        let mut complete = Vec::new();
        self.left = left;
        let rises = standing.open > self.floor;
        if rises {
            let incarnation = incarnation_of(standing.open);
            self.open.retain(|number, _| incarnation_of(*number) >= incarnation);
            self.floor = standing.open;
            self.forget_told();
        }
        // The message is given up; or the letter is of before its sender went back to an older copy.
        let later = rises || standing.open == self.floor && left > self.disputed_at;
        if later && self.disputed.is_some_and(|number| number < standing.open) {
            self.disputed = None;
        }
        if rises {
            self.advance(&mut complete);
        }
        complete
    }

    /// Tells whether the sender of a letter has heard of something that is not here, or of a later
    /// incarnation: then this client goes on from an older copy of its store.
    pub(super) fn has_forgotten(&self, standing: &Standing) -> bool {
        if standing.since != self.since {
            return standing.since > self.since;
        }
        let whole = |open: &Assembly| open.committed.is_complete();
        let known = |number: u64| {
            let over = number < self.next || self.told.contains_key(&number);
            over || self.open.get(&number).is_some_and(whole)
        };
        let heard = (0..u128::BITS).filter(|bit| standing.whole >> bit & 1 == 1);
        let mut heard = heard.filter_map(|bit| standing.heard.checked_sub(1 + u64::from(bit)));
        heard.any(|number| !known(number))
    }

    /// Number that the sender has given to two messages: it goes on from an older copy of its store, and
    /// does not know so yet. Until it does, or has given that message up, nothing behind it is
    /// taken: it comes again under numbers of the next incarnation, and in its order.
    pub(super) const fn disputed(&self) -> Option<u64> {
        self.disputed
    }

    /// Notes a part of a message that came before a restart.
    pub(super) fn take(&mut self, part: &Part) -> Taken {
        match part.kind {
            Kind::Address => self.address.take(part),
            _ => self.take_message(part, Waits::All),
        }
    }

    /// Notes a part of a message that has come, with its sender's word on what is told of first: how
    /// many numbers before it, and its name. Who knows another message under that number knows that
    /// the sender has given it twice, though the second has not come yet.
    pub(super) fn take_behind(&mut self, part: &Part, behind: u8, after: u16) -> Taken {
        if part.kind == Kind::Address {
            return self.address.take(part);
        }
        let first = part.sequence.saturating_sub(behind.into());
        let known = self.known(first).filter(|_| behind > 0 && after > 0);
        if known.is_some_and(|message| Name::of(first, message).short() != after) {
            self.dispute(first);
        }
        let waits = if behind == 0 { Waits::Nothing } else { Waits::For(first) };
        self.take_message(part, waits)
    }

    /// The message that is known under a number, told of or open.
    fn known(&self, number: u64) -> Option<MessageId> {
        let told = self.told.get(&number).map(|told| told.message);
        let told = told.or_else(|| self.past.get(&number).copied());
        told.or_else(|| self.open.get(&number).map(|open| open.message))
    }

    /// Notes that a number was given to two messages, if it is one of the newest incarnation.
    fn dispute(&mut self, number: u64) {
        if self.is_current(number) {
            self.disputed = Some(self.disputed.map_or(number, |known| known.min(number)));
            self.disputed_at = self.disputed_at.max(self.left);
        }
    }

    /// True for a number of the newest incarnation of the sender of which it is known.
    const fn is_current(&self, sequence: u64) -> bool {
        incarnation_of(sequence) >= incarnation_of(self.floor)
    }

    fn take_message(&mut self, part: &Part, waits: Waits) -> Taken {
        let (sequence, position) = (part.sequence, part.position);
        if self.known(sequence).is_some_and(|message| message != part.message) {
            self.dispute(sequence);
            return Taken::Known;
        }
        if self.disputed.is_some_and(|number| sequence > number) {
            return Taken::Known;
        }
        let over = sequence < self.next || self.told.contains_key(&sequence);
        if over || self.is_passed(sequence, position.count) {
            return Taken::Known;
        }
        // After the last number of all there is none that would end it.
        let last = sequence == u64::MAX;
        if last || sequence.saturating_sub(self.floor) >= WINDOW || position.count > self.most {
            return Taken::Silent;
        }
        if let Some(open) = self.open.get(&sequence)
            && !open.is_of(part)
        {
            return Taken::Silent;
        }
        if sequence != self.next && self.fragments() >= OPEN_SIZE * self.most {
            return Taken::Silent;
        }
        let open = self.open.entry(sequence).or_insert_with(|| Assembly::of(part));
        open.waits = open.waits.min(waits);
        open.take(position.index)
    }

    /// Tells whether all fragments of an open message have come, committed or not.
    pub(super) fn has_all(&mut self, kind: Kind, sequence: u64) -> bool {
        self.assembly(kind, sequence).is_some_and(|open| open.came.is_complete())
    }

    /// Commits a fragment that the application has stored; gives what is complete by that, in
    /// order.
    pub(super) fn commit(&mut self, kind: Kind, sequence: u64, index: u32) -> Committed {
        let open = self.assembly(kind, sequence).filter(|open| open.came.contains(index));
        let new = open.is_some_and(|open| open.committed.insert(index));
        Committed { new, ..self.commit_nothing() }
    }

    /// Takes note that a letter was stored that brought no fragment; gives what is complete because
    /// it asks for less than one before.
    pub(super) fn commit_nothing(&mut self) -> Committed {
        let mut complete: Vec<_> = self.tell_address().into_iter().collect();
        self.advance(&mut complete);
        Committed { new: false, complete }
    }

    /// Makes the acknowledgement of what has come.
    pub(super) fn acknowledgement(&self) -> Acknowledgement {
        let name = |(sequence, told): (&u64, &Told)| Name::of(*sequence, told.message);
        let mut acknowledgement = Acknowledgement {
            since: self.since,
            address: self.address.known,
            floor: self.floor,
            told: self.told.iter().map(name).collect(),
            waiting: Vec::new(),
            partial: Vec::new(),
        };
        for (sequence, open) in &self.open {
            let name = Name::of(*sequence, open.message);
            if open.committed.is_complete() {
                acknowledgement.waiting.push(name);
            } else if open.committed.held() > 0 {
                let ranges = open.committed.ranges().collect();
                acknowledgement.partial.push(Partial { name, ranges });
            }
        }
        acknowledgement
    }

    /// Tells of the messages whose turn has come, and forgets those that are over.
    fn advance(&mut self, complete: &mut Vec<Complete>) {
        let mut told = Vec::new();
        let turn = |this: &Self| {
            let whole = |open: &Assembly| open.committed.is_complete();
            let open = this.open.iter().filter(|(_, open)| whole(open));
            open.map(|(number, _)| *number).find(|number| this.is_turn(*number))
        };
        while let Some(sequence) = turn(self) {
            self.tell_up_to(sequence, &mut told);
        }
        told.sort_by_key(|complete| complete.sequence);
        complete.append(&mut told);
        self.open = self.open.split_off(&self.floor);
        self.next = self.next.max(self.floor);
        self.pass_told();
        self.forget_told();
    }

    /// Forgets what was told of and is before `floor`, but for the ids of the last messages.
    fn forget_told(&mut self) {
        let left = self.told.split_off(&self.floor);
        let past = std::mem::replace(&mut self.told, left);
        self.past.extend(past.into_iter().map(|(number, told)| (number, told.message)));
        while self.past.len() > PAST {
            self.past.pop_first();
        }
    }

    /// Tells of a message whose turn has come. Those before it in its lane wait for nothing any more:
    /// what is whole of them goes before it, and the rest is over.
    fn tell_up_to(&mut self, sequence: u64, complete: &mut Vec<Complete>) {
        let lane = |open: &Assembly| Lane::of(open.came.count(), self.most);
        let last = self.open.get(&sequence).map(lane);
        let of_lane = self.open.range(..=sequence).filter(|(_, open)| Some(lane(open)) == last);
        for number in of_lane.map(|(number, _)| *number).collect::<Vec<_>>() {
            let open = self.open.remove(&number);
            if let Some(open) = open.filter(|open| open.committed.is_complete()) {
                let (message, fragments) = (open.message, open.came.count());
                let kind = Kind::Content;
                complete.push(Complete { sequence: number, message, kind, fragments });
                let told = Told { message, count: fragments, acknowledged: false };
                self.told.insert(number, told);
            }
        }
        self.pass_told();
    }

    /// Tells whether what a message waits for is over.
    fn is_turn(&self, sequence: u64) -> bool {
        let over = |number| number < self.next.max(self.floor) || self.told.contains_key(&number);
        match self.open.get(&sequence).map(|open| open.waits) {
            Some(Waits::Nothing) => true,
            Some(Waits::For(number)) => sequence < self.floor || over(number),
            Some(Waits::All) | None => sequence <= self.next.max(self.floor),
        }
    }

    /// Tells whether a later message of the same lane as one of `count` fragments was told of. Its
    /// sender then waited for an earlier one at most, or for none: so this one was given up.
    fn is_passed(&self, sequence: u64, count: u32) -> bool {
        let lane = |count| Lane::of(count, self.most);
        let mut later = self.told.range(sequence.saturating_add(1)..);
        later.any(|(_, told)| lane(told.count) == lane(count))
    }

    /// Goes on to the lowest number that is not over.
    fn pass_told(&mut self) {
        while self.told.contains_key(&self.next) {
            self.next += 1;
        }
    }

    fn tell_address(&mut self) -> Option<Complete> {
        let open = &mut self.address.open;
        let whole = open.iter().rfind(|(_, open)| open.committed.is_complete());
        let version = *whole?.0;
        let mut newer = open.split_off(&version);
        let open = newer.remove(&version)?;
        self.address = AddressReassembly { known: version, open: newer };
        let (message, fragments) = (open.message, open.came.count());
        Some(Complete { sequence: version, message, kind: Kind::Address, fragments })
    }

    fn assembly(&mut self, kind: Kind, sequence: u64) -> Option<&mut Assembly> {
        match kind {
            Kind::Address => self.address.open.get_mut(&sequence),
            _ => self.open.get_mut(&sequence),
        }
    }

    fn fragments(&self) -> u32 {
        self.open.values().map(|open| open.came.held()).sum()
    }
}

impl AddressReassembly {
    fn take(&mut self, part: &Part) -> Taken {
        if part.sequence <= self.known {
            return Taken::Known;
        }
        if part.position.count > ADDRESS_FRAGMENTS {
            return Taken::Silent;
        }
        self.open.entry(part.sequence).or_insert_with(|| Assembly::of(part));
        if self.open.len() > OPEN_ADDRESSES {
            // What has all come is about to be told of.
            let mut oldest = self.open.extract_if(.., |_, open| !open.came.is_complete());
            drop(oldest.next());
        }
        let open = self.open.get_mut(&part.sequence).filter(|open| open.is_of(part));
        open.map_or(Taken::Silent, |open| open.take(part.position.index))
    }
}

impl Assembly {
    fn of(part: &Part) -> Self {
        let none = Fragments::none(part.position.count);
        Self { message: part.message, came: none.clone(), committed: none, waits: Waits::All }
    }

    fn is_of(&self, part: &Part) -> bool {
        self.message == part.message && self.came.count() == part.position.count
    }

    fn take(&mut self, index: u32) -> Taken {
        if self.committed.contains(index) {
            return Taken::Known;
        }
        self.came.insert(index);
        Taken::New
    }
}

/// Messages of one correspondent that are open or remembered at once, on both sides: an
/// acknowledgement in an envelope of the classic suite has room for the names of so many.
pub(super) const WINDOW: u64 = 128;
/// Messages whose ids are remembered though their sender knows that they have come: as many may have
/// come of it since the copy was made from which it goes on.
pub const PAST: usize = 64;
/// Size of open messages, in the largest messages: 48 MiB of the application's disk.
const OPEN_SIZE: u32 = 3;
/// Versions of an address of which there may be fragments at once.
pub const OPEN_ADDRESSES: usize = 2;
/// Fragments of an address at most.
const ADDRESS_FRAGMENTS: u32 = 4;

#[cfg(test)]
mod tests;
