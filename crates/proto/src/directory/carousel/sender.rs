//! The order in which a relay sends the directory to its clients, a chunk a slot.

use std::collections::{BTreeSet, VecDeque};

use super::object::{KIND_LEN, Object, RosterFiles, room_of};
use super::update::Update;
use crate::directory::consensus::document::{Document, SignedDocument};
use crate::directory::consensus::documents::Documents;
use crate::directory::consensus::equivocation::Equivocation;
use crate::directory::descriptor::{DescriptorHash, SignedDescriptor};
use crate::directory::descriptors::Descriptors;
use crate::frame::{Chunk, chunks};
use crate::time::{Slot, Time};

/// What a relay has to send at a moment.
pub struct Contents {
    /// The documents of these minutes.
    pub documents: Documents,
    /// The descriptors that they name.
    pub descriptors: Descriptors,
    /// Proofs against relays: as many as there are signatories at most.
    pub proofs: Vec<Equivocation>,
    /// The newest roster, and its version.
    pub roster: (RosterFiles, u32),
}

/// What is sent next.
///
/// In each lane one object may be under way. A whole document and a roster may take longer than a slot
/// of the directory, and no update waits for them.
pub struct Carousel {
    /// Bytes of a chunk.
    room: usize,
    /// Objects that were begun.
    count: u32,
    /// Chunks that were sent.
    chunks: u32,
    /// What is left of the objects under way.
    lanes: [VecDeque<Chunk>; LANES],
    /// The document whose whole is under way.
    whole: Option<Document>,
    /// The document that was sent whole last, on which updates build.
    base: Option<Document>,
    /// The newest document that was sent, whole or as an update.
    told: Option<Slot>,
    /// Version of the roster that was begun last.
    roster: Option<u32>,
    /// True while that is under way for the first time.
    is_new: bool,
    /// Descriptors that were sent, of those at hand.
    sent: BTreeSet<DescriptorHash>,
    /// Descriptors that were sent while a roster was under way for the first time. Those of nodes that it
    /// brings were taken by nobody, so all are sent again.
    early: Vec<DescriptorHash>,
    /// What is left of the round: as many as there are descriptors at hand and proofs, and one.
    round: VecDeque<Item>,
}

/// A place in the round.
enum Item {
    /// The document that holds now, whole.
    Document,
    /// The later document of this slot, as an update to that.
    Update(Slot),
    Proof(usize),
    Descriptors(Vec<DescriptorHash>),
}

/// Which objects wait for each other.
#[derive(Clone, Copy)]
enum Lane {
    /// Updates, descriptors, proofs.
    Short,
    /// Whole documents.
    Whole,
    /// Rosters.
    Roster,
}

impl Carousel {
    /// Begins with chunks of this many bytes.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self {
            room,
            count: 0,
            chunks: 0,
            lanes: Default::default(),
            whole: None,
            base: None,
            told: None,
            roster: None,
            is_new: false,
            sent: BTreeSet::new(),
            early: Vec::new(),
            round: VecDeque::new(),
        }
    }

    /// The chunk of the next slot; `None` while there is nothing to send.
    ///
    /// A short object that has begun is finished. Then comes a document that was not sent, as an update;
    /// then descriptors that were not sent yet; then a new roster; then what is next in the round. Each
    /// eighth chunk is of the roster.
    pub fn next(&mut self, now: Time, contents: &Contents) -> Option<Chunk> {
        self.begin_roster(contents);
        self.chunks = self.chunks.wrapping_add(1);
        let turn = self.chunks.is_multiple_of(ROSTER_EVERY);
        if turn && let Some(chunk) = self.take(Lane::Roster) {
            return Some(chunk);
        }
        if self.lanes[Lane::Short as usize].is_empty()
            && let Some(news) = self.news(contents).or_else(|| self.fresh(contents))
        {
            self.begin(Lane::Short, &news);
        }
        let chunk = self.take(Lane::Short);
        let chunk = chunk.or_else(|| if self.is_new { self.take(Lane::Roster) } else { None });
        chunk.or_else(|| {
            if self.lanes[Lane::Whole as usize].is_empty() {
                self.go_round(now, contents);
            }
            self.take(Lane::Short).or_else(|| self.take(Lane::Whole))
        })
    }

    fn begin(&mut self, lane: Lane, object: &Object) {
        self.count = self.count.wrapping_add(1) % LANE;
        let number = self.count + LANE * u32::try_from(lane as usize).unwrap_or(0);
        self.lanes[lane as usize] = chunks(number, &object.encode(), self.room).into();
    }

    /// The next chunk of what is under way in a lane.
    fn take(&mut self, lane: Lane) -> Option<Chunk> {
        let chunk = self.lanes[lane as usize].pop_front()?;
        if self.lanes[lane as usize].is_empty() {
            match lane {
                Lane::Short => {}
                Lane::Whole => {
                    self.told = self.told.max(self.whole.as_ref().map(|whole| whole.slot));
                    self.base = self.whole.take();
                }
                Lane::Roster => {
                    self.is_new = false;
                    for hash in self.early.drain(..) {
                        self.sent.remove(&hash);
                    }
                }
            }
        }
        Some(chunk)
    }

    /// Begins the roster when it is another, or was sent.
    fn begin_roster(&mut self, contents: &Contents) {
        let (files, version) = (&contents.roster.0, contents.roster.1);
        let other = self.roster.replace(version) != Some(version);
        if (other || self.lanes[Lane::Roster as usize].is_empty()) && files.fits() {
            self.is_new |= other;
            self.begin(Lane::Roster, &Object::Roster(files.clone()));
        }
    }

    /// The next document that was not sent, as an update; none if it builds on no document that was
    /// sent, and has to be sent whole.
    fn news(&mut self, contents: &Contents) -> Option<Object> {
        let mut unsent =
            contents.documents.iter().filter(|signed| self.told < Some(signed.document.slot));
        let next = unsent.next()?;
        let update = Update::between(self.base.as_ref()?, next)?;
        self.told = Some(next.document.slot);
        Some(Object::Update(update))
    }

    /// As many descriptors that were not sent yet as a chunk has room for, one at least.
    fn fresh(&mut self, contents: &Contents) -> Option<Object> {
        let fresh = contents.descriptors.iter().filter(|(hash, _)| !self.sent.contains(hash));
        let batch = Batch::of(fresh, self.room).next()?;
        self.sent.extend(&batch.hashes);
        if self.is_new {
            self.early.extend(&batch.hashes);
        }
        Some(Object::Descriptors(batch.descriptors.into_iter().cloned().collect()))
    }

    /// Begins what is next: the first document by another roster than those sent, or what stands next in
    /// the round.
    fn go_round(&mut self, now: Time, contents: &Contents) {
        if let (Some(newest), Some(base)) = (contents.documents.newest(), &self.base)
            && newest.document.roster_hash != base.roster_hash
        {
            let same = |signed: &&SignedDocument| {
                signed.document.roster_hash == newest.document.roster_hash
            };
            return self.begin_whole(contents.documents.iter().find(same).unwrap_or(newest));
        }
        // A place of the round may be empty by the time that it is reached.
        if !self.begin_place(now, contents) {
            self.begin_round(now, contents);
            self.begin_place(now, contents);
        }
    }

    /// The document of a slot as an update to the one that was sent whole last.
    fn update(&self, slot: Slot, contents: &Contents) -> Option<Object> {
        let signed = contents.documents.of(slot)?;
        Update::between(self.base.as_ref()?, signed).map(Object::Update)
    }

    fn begin_whole(&mut self, newest: &SignedDocument) {
        self.whole = Some(newest.document.clone());
        self.begin(Lane::Whole, &Object::Document(newest.clone()));
    }

    fn begin_round(&mut self, now: Time, contents: &Contents) {
        let all: BTreeSet<_> = contents.descriptors.iter().map(|(hash, _)| hash).collect();
        self.sent.retain(|hash| all.contains(hash));
        self.round.push_back(Item::Document);
        let first = whole(now, contents).map(|whole| whole.document.slot);
        let slots = contents.documents.iter().map(|signed| signed.document.slot);
        self.round.extend(slots.filter(|slot| Some(*slot) > first).map(Item::Update));
        self.round.extend((0..contents.proofs.len()).map(Item::Proof));
        let batches = Batch::of(contents.descriptors.iter(), self.room);
        self.round.extend(batches.map(|batch| Item::Descriptors(batch.hashes)));
    }

    /// Begins what stands next in the round and is still there; false if that is nothing.
    fn begin_place(&mut self, now: Time, contents: &Contents) -> bool {
        while let Some(item) = self.round.pop_front() {
            let object = match item {
                Item::Document => {
                    let Some(whole) = whole(now, contents) else { continue };
                    self.begin_whole(whole);
                    return true;
                }
                Item::Update(slot) => self.update(slot, contents),
                Item::Proof(at) => {
                    contents.proofs.get(at).map(|proof| Object::Equivocation(proof.clone()))
                }
                Item::Descriptors(hashes) => found(&contents.descriptors, &hashes),
            };
            if let Some(object) = object {
                self.begin(Lane::Short, &object);
                return true;
            }
        }
        false
    }
}

/// The document that holds now; before there is one, the newest.
fn whole(now: Time, contents: &Contents) -> Option<&SignedDocument> {
    contents.documents.current(now).or_else(|| contents.documents.newest())
}

/// Descriptors of a batch that are still at hand.
fn found(descriptors: &Descriptors, hashes: &[DescriptorHash]) -> Option<Object> {
    let found = descriptors.iter().filter(|(hash, _)| hashes.contains(hash));
    let found: Vec<_> = found.map(|(_, signed)| signed.clone()).collect();
    (!found.is_empty()).then_some(Object::Descriptors(found))
}

/// Descriptors that fit one chunk, or a single one that does not.
struct Batch<'a> {
    hashes: Vec<DescriptorHash>,
    descriptors: Vec<&'a SignedDescriptor>,
}

impl<'a> Batch<'a> {
    fn of(
        all: impl Iterator<Item = (DescriptorHash, &'a SignedDescriptor)>,
        room: usize,
    ) -> impl Iterator<Item = Self> {
        let mut all = all.peekable();
        std::iter::from_fn(move || {
            let (hash, first) = all.next()?;
            let mut len = KIND_LEN + room_of(first.encoded_len());
            let mut batch = Self { hashes: vec![hash], descriptors: vec![first] };
            while let Some((hash, next)) =
                all.next_if(|(_, next)| len + room_of(next.encoded_len()) <= room)
            {
                len += room_of(next.encoded_len());
                batch.hashes.push(hash);
                batch.descriptors.push(next);
            }
            Some(batch)
        })
    }
}

/// Lanes, and numbers of objects in each: the lane is the number divided by this.
pub(in crate::directory) const LANES: usize = 3;
pub(super) const LANE: u32 = 1 << 30;
/// One of so many chunks is of the roster, of which most clients have the newest.
pub(super) const ROSTER_EVERY: u32 = 8;
