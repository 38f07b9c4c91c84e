//! Documents that hold, as everybody follows them: each from its start on.

use std::collections::{BTreeMap, BTreeSet};

use rohrpost_packet::NodeNumber;

use super::document::SignedDocument;
use super::rosters::Rosters;
use crate::directory::descriptor::DescriptorHash;
use crate::directory::timing::Timing;
use crate::time::{Slot, Time};

/// The documents that hold now and next.
#[derive(Clone)]
pub struct Documents {
    timing: Timing,
    /// By slot: of each slot one, from those that are stale soon to the one that is made now. That is
    /// as many as slots pass from the begin of one to when its document is stale, and one more.
    known: BTreeMap<Slot, SignedDocument>,
}

/// Why a document was not taken.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentRefusal {
    /// The document of that slot is known, or the document is stale.
    #[error("an old document")]
    Old,
    /// The document's slot has not begun.
    #[error("a document of a slot that has not begun")]
    Ahead,
    /// The document goes by a roster that is not known.
    #[error("the document goes by a roster that is not known, of version {version}")]
    Roster {
        /// Version of that roster, by the document's word, on which nothing is to be built.
        version: u32,
    },
    /// The document goes by an older roster than a document of an earlier slot.
    #[error("the document goes by an older roster than one before it")]
    OlderRoster,
    /// Fewer than k agencies have signed the document, or it breaks its own rules.
    #[error("fewer agencies have signed the document than must")]
    Signatures,
}

impl Documents {
    /// There are none yet.
    #[must_use]
    pub const fn new(timing: Timing) -> Self {
        Self { timing, known: BTreeMap::new() }
    }

    /// Takes a document, if k agencies have signed it and it is of these minutes. Signatures are
    /// looked at last, and of each slot once. Those of relays for which `counts` is false are not
    /// counted.
    ///
    /// # Errors
    /// The document is old, of the future, or does not hold.
    pub fn take(
        &mut self,
        now: Time,
        signed: SignedDocument,
        rosters: &Rosters,
        counts: impl Fn(NodeNumber) -> bool,
    ) -> Result<(), DocumentRefusal> {
        self.forget(now);
        let (slot, version) = (signed.document.slot, signed.document.roster_version);
        if self.known.contains_key(&slot) || self.is_stale(now, slot) {
            return Err(DocumentRefusal::Old);
        }
        if slot > self.timing.slot_of(now + self.timing.clocks()) {
            return Err(DocumentRefusal::Ahead);
        }
        let Some(charter) = rosters.of(&signed.document.roster_hash) else {
            return Err(DocumentRefusal::Roster { version });
        };
        let before = self.known.range(..slot).next_back();
        if before.is_some_and(|(_, before)| before.document.roster_version > version) {
            return Err(DocumentRefusal::OlderRoster);
        }
        if !signed.holds(charter, counts) {
            return Err(DocumentRefusal::Signatures);
        }
        self.known.insert(slot, signed);
        Ok(())
    }

    /// The document by which packets are built now: the last that has started; none if that is
    /// stale.
    #[must_use]
    pub fn current(&self, now: Time) -> Option<&SignedDocument> {
        let (slot, last) =
            self.known.iter().rev().find(|(slot, _)| self.has_started(now, **slot))?;
        (!self.is_stale(now, *slot)).then_some(last)
    }

    /// The newest document, whether it has started or not.
    #[must_use]
    pub fn newest(&self) -> Option<&SignedDocument> {
        self.known.values().next_back()
    }

    /// Lowest version of the rosters by which they go; zero if there are none.
    #[must_use]
    pub fn oldest_roster(&self) -> u32 {
        let versions = self.known.values().map(|signed| signed.document.roster_version);
        versions.min().unwrap_or(0)
    }

    /// The document of a slot.
    #[must_use]
    pub fn of(&self, slot: Slot) -> Option<&SignedDocument> {
        self.known.get(&slot)
    }

    /// All documents of these minutes, by slot: for whoever has none.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &SignedDocument> {
        self.known.values()
    }

    /// Hashes of the descriptors that they name.
    #[must_use]
    pub fn named(&self) -> BTreeSet<DescriptorHash> {
        let members = self.known.values().flat_map(|signed| &signed.document.members);
        members.map(|member| member.key.descriptor).collect()
    }

    /// The times by which documents start and grow stale.
    #[must_use]
    pub const fn timing(&self) -> Timing {
        self.timing
    }

    pub(crate) fn has_started(&self, now: Time, slot: Slot) -> bool {
        self.timing.start_of(slot) <= now
    }

    pub(crate) fn is_stale(&self, now: Time, slot: Slot) -> bool {
        now.since(self.timing.start_of(slot)) >= self.timing.stale_after()
    }

    fn forget(&mut self, now: Time) {
        let timing = self.timing;
        self.known.retain(|slot, _| now.since(timing.start_of(*slot)) < timing.stale_after());
    }
}
