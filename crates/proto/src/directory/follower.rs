//! The directory as whoever follows it knows it: rosters, documents and descriptors, each verified
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rohrpost_packet::{NodeNumber, SuiteId};

use crate::directory::carousel::object::{Object, RosterFiles};
use crate::directory::carousel::update::Update;
use crate::directory::consensus::document::{Document, SignedDocument};
use crate::directory::consensus::documents::{DocumentRefusal, Documents};
use crate::directory::consensus::equivocation::Equivocation;
use crate::directory::consensus::rosters::{Break, Charter, Rosters};
use crate::directory::descriptor::{DescriptorHash, SignedDescriptor};
use crate::directory::descriptors::Descriptors;
use crate::directory::roster::{NetworkFilesError, Roster, RosterHash, parse_signatures};
use crate::directory::signing::IdentityKey;
use crate::directory::timing::{LEAD, STALE};
use crate::directory::trust::TrustRoot;
use crate::time::{Slot, Time};

/// The directory as a party knows it: a client by its entry relay's carousel, a node by what the relays
/// tell it.
pub struct Follower {
    trust: Arc<TrustRoot>,
    suite: SuiteId,
    rosters: Rosters,
    documents: Documents,
    descriptors: Descriptors,
    /// What documents at hand name.
    named: BTreeSet<DescriptorHash>,
    /// The document on which updates build.
    base: Option<Document>,
    /// Relays that have signed twice, since when that is known, and by which key: as many as there are
    /// signatories at most.
    convicted: BTreeMap<NodeNumber, (Slot, IdentityKey)>,
}

/// What an object has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// Nothing that was not known.
    None,
    /// There is a newer document, or a descriptor that one names.
    Directory,
    /// There is a newer roster.
    Roster {
        /// Its version.
        version: u32,
    },
    /// There is a newer roster, which cannot be followed without a restart.
    Unfollowed {
        /// Its version.
        version: u32,
        /// What in it cannot be followed.
        reason: Break,
    },
    /// A relay has signed two documents of one slot.
    Equivocation(NodeNumber),
}

impl News {
    /// This, or the other if this is none.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self == Self::None { other } else { self }
    }
}

/// Why an object was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectRefusal {
    /// The document is not to be followed.
    #[error(transparent)]
    Document(#[from] DocumentRefusal),
    /// A descriptor is not its node's own.
    #[error("a descriptor is not genuine")]
    Descriptor,
    /// The proof proves nothing.
    #[error("a proof against a relay proves nothing")]
    Equivocation,
    /// The roster is not signed by the agencies, or has expired.
    #[error(transparent)]
    Roster(#[from] Box<NetworkFilesError>),
}

impl Follower {
    /// Begins with a verified roster of this trust root.
    #[must_use]
    pub fn new(trust: Arc<TrustRoot>, roster: Arc<Roster>, suite: SuiteId) -> Self {
        Self {
            trust,
            suite,
            documents: Documents::new(roster.directory.timing),
            rosters: Rosters::new(roster),
            descriptors: Descriptors::default(),
            named: BTreeSet::new(),
            base: None,
            convicted: BTreeMap::new(),
        }
    }

    /// Takes what came by a carousel or a control link. What is known costs no signature.
    ///
    /// # Errors
    /// The object is not genuine, or old.
    pub fn take(&mut self, now: Time, object: Object) -> Result<News, ObjectRefusal> {
        match object {
            Object::Document(signed) => self.take_whole(now, signed),
            Object::Update(update) => self.take_update(now, update),
            Object::Descriptors(descriptors) => self.take_descriptors(descriptors),
            Object::Equivocation(proof) => self.take_equivocation(now, &proof),
            Object::Roster(files) => self.take_roster(now, &files),
        }
    }

    /// The document by which packets are built now, its roster, and its descriptors: the last that
    /// has started and of which all descriptors are there; none if that is stale.
    #[must_use]
    pub fn current(&self, now: Time) -> Option<Current<'_>> {
        let started = |signed: &&SignedDocument| {
            let slot = signed.document.slot;
            self.documents.has_started(now, slot) && !self.documents.is_stale(now, slot)
        };
        let complete = |signed: &SignedDocument| {
            let document = &signed.document;
            let named = document.members.iter().map(|member| self.descriptors.named(member));
            let descriptors = named.collect::<Option<_>>()?;
            let charter = self.rosters.of(&document.roster_hash)?.clone();
            Some((charter, document.clone(), descriptors))
        };
        let all = self.documents.iter().rev().filter(started);
        let (charter, document, descriptors) = all.filter_map(complete).next()?;
        Some(Current { charter, document, descriptors })
    }

    /// Time at which a document starts that was taken and has not started; the first of them.
    #[must_use]
    pub fn next_start(&self, now: Time) -> Option<Time> {
        let timing = self.documents.timing();
        let starts = self.documents.iter().map(|signed| timing.start_of(signed.document.slot));
        starts.filter(|start| *start > now).min()
    }

    /// Time that k agencies attest: the newest document was made in a slot that began then.
    #[must_use]
    pub fn attested(&self) -> Option<Time> {
        let newest = self.documents.newest()?;
        Some(self.documents.timing().begin_of(newest.document.slot))
    }

    /// Time that k agencies attest by a document, though it may be stale or of the future by the clock of
    /// whoever asks: it shows whether that clock is right. None if the document does not hold.
    #[must_use]
    pub fn attests(&self, object: &Object) -> Option<Time> {
        let Object::Document(signed) = object else { return None };
        let charter = self.rosters.of(&signed.document.roster_hash)?;
        let holds = signed.holds(charter, counts(&self.convicted, signed.document.slot));
        holds.then(|| self.documents.timing().begin_of(signed.document.slot))
    }

    /// The trust root of the network.
    #[must_use]
    pub fn trust(&self) -> &TrustRoot {
        &self.trust
    }

    /// The documents of these minutes.
    #[must_use]
    pub const fn documents(&self) -> &Documents {
        &self.documents
    }

    /// True if a document at hand names this descriptor.
    #[must_use]
    pub fn is_named(&self, hash: &DescriptorHash) -> bool {
        self.named.contains(hash)
    }

    /// The descriptors at hand.
    #[must_use]
    pub const fn descriptors(&self) -> &Descriptors {
        &self.descriptors
    }

    /// Counts a descriptor that is there as the one of its node that came last.
    pub fn touch(&mut self, node: NodeNumber, hash: &DescriptorHash) {
        self.descriptors.touch(node, hash);
    }

    /// The rosters by which documents go.
    #[must_use]
    pub const fn rosters(&self) -> &Rosters {
        &self.rosters
    }

    fn take_whole(&mut self, now: Time, signed: SignedDocument) -> Result<News, ObjectRefusal> {
        let document = signed.document.clone();
        let known = self.documents.of(document.slot).map(|known| &known.document);
        if known == Some(&document) {
            self.base = Some(document);
            return Ok(News::None);
        }
        // An older one is as good to build on.
        let news = self.follow(now, signed)?;
        self.base = Some(document);
        Ok(news)
    }

    fn take_update(&mut self, now: Time, update: Update) -> Result<News, ObjectRefusal> {
        if self.documents.of(update.slot).is_some() {
            return Ok(News::None);
        }
        // Whoever has come in the middle of a round waits for the whole document.
        let signed = self.base.as_ref().and_then(|base| update.apply(base));
        signed.map_or(Ok(News::None), |signed| self.follow(now, signed))
    }

    fn follow(&mut self, now: Time, signed: SignedDocument) -> Result<News, ObjectRefusal> {
        let slot = signed.document.slot;
        let counts = counts(&self.convicted, slot);
        self.documents.take(now, signed, &self.rosters, counts)?;
        self.rosters.forget_before(self.documents.oldest_roster());
        self.named = self.documents.named();
        self.descriptors.forget(|hash| self.named.contains(hash));
        Ok(News::Directory)
    }

    fn take_descriptors(
        &mut self,
        descriptors: Vec<SignedDescriptor>,
    ) -> Result<News, ObjectRefusal> {
        let (mut news, mut refused) = (News::None, false);
        for signed in descriptors {
            let (node, hash) = (signed.descriptor().node, signed.hash());
            if self.descriptors.contains(node, &hash) {
                continue;
            }
            let genuine = |charter: &Charter| signed.verify(&charter.roster);
            if signed.descriptor().suite != self.suite || !self.rosters.iter().any(genuine) {
                refused = true;
                continue;
            }
            self.descriptors.insert(signed, |hash| self.named.contains(hash));
            if self.named.contains(&hash) {
                news = News::Directory;
            }
        }
        if refused && news == News::None {
            return Err(ObjectRefusal::Descriptor);
        }
        Ok(news)
    }

    fn take_equivocation(
        &mut self,
        now: Time,
        proof: &Equivocation,
    ) -> Result<News, ObjectRefusal> {
        let relay = proof.relay;
        if self.convicted.contains_key(&relay) {
            return Ok(News::None);
        }
        let Charter { roster, signatories } = self.rosters.newest();
        let identity = roster.node(relay).map(|node| node.identity);
        let proven = signatories.contains(relay) && proof.verify(roster);
        let Some(identity) = identity.filter(|_| proven) else {
            return Err(ObjectRefusal::Equivocation);
        };
        // Whoever follows no document yet has taken none that others refuse.
        let follows = self.documents.newest().is_some();
        let known = if follows { self.documents.timing().slot_of(now) } else { Slot::new(0) };
        self.convicted.insert(relay, (known, identity));
        Ok(News::Equivocation(relay))
    }

    fn take_roster(&mut self, now: Time, files: &RosterFiles) -> Result<News, ObjectRefusal> {
        let RosterFiles { roster, signatures } = files;
        if self.rosters.of(&RosterHash::of(roster)).is_some() {
            return Ok(News::None);
        }
        let boxed = |error| ObjectRefusal::Roster(Box::new(error));
        let signatures =
            parse_signatures(signatures).map_err(|it| boxed(NetworkFilesError::Signatures(it)))?;
        let roster = Roster::verify(roster, &signatures, &self.trust, now.seconds())
            .map_err(|it| boxed(it.into()))?;
        let version = roster.version;
        Ok(match self.rosters.take(Arc::new(roster)) {
            Ok(false) => News::None,
            Ok(true) => {
                let newest = &self.rosters.newest().roster;
                // A relay with another key is another signatory.
                self.convicted.retain(|relay, (_, identity)| has(newest, *relay, identity));
                News::Roster { version }
            }
            Err(reason) => News::Unfollowed { version, reason },
        })
    }
}

fn has(roster: &Roster, relay: NodeNumber, identity: &IdentityKey) -> bool {
    roster.node(relay).is_some_and(|node| node.identity == *identity)
}

/// The relays whose signatures count in a slot. Those of one that signs twice count until the documents
/// are stale that were made when its proof came: some parties have taken them before it, and all are to
/// follow the same ones. Whoever signs counts them no more at once.
fn counts(
    convicted: &BTreeMap<NodeNumber, (Slot, IdentityKey)>,
    slot: Slot,
) -> impl Fn(NodeNumber) -> bool + use<'_> {
    let grace = u64::from(LEAD + STALE);
    move |relay| {
        let known = convicted.get(&relay).map(|(known, _)| known.number());
        known.is_none_or(|known| known > 0 && slot.number() < known + grace)
    }
}

/// A document that holds, and what is needed to build packets by it.
pub struct Current<'a> {
    /// Its roster and the relays that sign.
    pub charter: Charter,
    /// The document.
    pub document: Document,
    /// The descriptors that it names, by node.
    pub descriptors: Vec<&'a SignedDescriptor>,
}
