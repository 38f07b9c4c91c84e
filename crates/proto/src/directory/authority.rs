//! A directory authority: all that a relay does for the directory. It hears the nodes, votes and signs
//! with the other authorities, follows the documents that hold, and says what is to go to whom.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rohrpost_packet::{NodeNumber, Suite};

use crate::directory::board::{Audience, Board};
use crate::directory::carousel::object::{Object, RosterFiles};
use crate::directory::carousel::sender::Contents;
use crate::directory::clocks::Clocks;
use crate::directory::consensus::document::SignedDocument;
use crate::directory::consensus::equivocation::Equivocation;
use crate::directory::consensus::signer::{Outgoing, Signer};
use crate::directory::control::{Announcement, ControlMessage, Place};
use crate::directory::descriptor::{DescriptorHash, SignedDescriptor};
use crate::directory::follower::{Follower, News};
use crate::directory::presence::Presence;
use crate::directory::roster::{Roster, RosterNode};
use crate::directory::signing::SigningKey;
use crate::directory::timing::Timing;
use crate::directory::trust::TrustRoot;
use crate::directory::views::{Turn, Views};
use crate::time::Time;

/// What a relay is started with.
pub struct AuthorityConfig {
    /// Number of the relay in the roster.
    pub number: NodeNumber,
    /// The relay's identity key.
    pub key: Arc<SigningKey>,
    /// The network's trust root.
    pub trust: Arc<TrustRoot>,
    /// The roster, which was verified.
    pub roster: Arc<Roster>,
    /// Its text and signatures.
    pub files: RosterFiles,
}

/// State of an authority. It is lost with the process, and need not be kept.
pub struct Authority<S: Suite> {
    number: NodeNumber,
    timing: Timing,
    /// Texts of the newest roster.
    files: RosterFiles,
    views: Views<S>,
    signer: Signer,
    presence: Presence,
    clocks: Clocks,
    /// Descriptors that were handed on: no more than documents name.
    posted: BTreeSet<DescriptorHash>,
    /// What is to be handed out: few, for they are taken after each call.
    posts: Vec<Post>,
}

/// Something that goes out on control links.
struct Post {
    audience: Audience,
    place: Place,
    message: ControlMessage,
}

impl<S: Suite> Authority<S> {
    /// Begins the duty of a relay that starts now.
    #[must_use]
    pub fn begin(now: Time, config: AuthorityConfig) -> Self {
        let AuthorityConfig { number, key, trust, roster, files } = config;
        let (timing, version) = (roster.directory.timing, roster.version);
        let files = files.essential(&trust);
        let follower = Follower::new(trust, roster, S::ID);
        let charter = follower.rosters().newest().clone();
        let mut begun = Self {
            number,
            timing,
            files,
            signer: Signer::begin(number, key, charter, timing, now),
            views: Views::new(follower),
            presence: Presence::new(timing),
            clocks: Clocks::default(),
            posted: BTreeSet::new(),
            posts: Vec::new(),
        };
        begun.post_roster(version);
        begun
    }

    /// The directory as this relay follows it.
    #[must_use]
    pub const fn follower(&self) -> &Follower {
        self.views.follower()
    }

    /// What holds now, against what held at the last call.
    pub fn turn(&mut self, now: Time) -> Turn<S> {
        let time = self.time(now);
        self.views.turn(time)
    }

    /// The time by which documents are followed: that of the other relays, if the own clock is off by more
    /// than relays' may be. What a relay gives its clients then shows them that its clock is wrong.
    #[must_use]
    pub fn time(&self, now: Time) -> Time {
        let roster = &self.views.follower().rosters().newest().roster;
        let fresh = self.timing.heard_within();
        let time = self.clocks.network_time(now, roster, fresh, Duration::MAX);
        let off = time.since(now).max(now.since(time));
        if off > self.timing.clocks() { time } else { now }
    }

    /// Time of the next step after `now`: a slot begins, and with it a document starts, or its voting
    /// ends.
    #[must_use]
    pub fn due(&self, now: Time) -> Time {
        self.signer.due(now)
    }

    /// Votes at the begin of a slot, and proposes when the voting is over.
    pub fn step(&mut self, now: Time) {
        let (presence, roster) = (&self.presence, &self.views.follower().rosters().newest().roster);
        let out = self.signer.step(now, || presence.heard(now, roster));
        self.hand_out(now, out);
        self.post(Audience::All, Place::Clock, ControlMessage::Clock(now));
    }

    /// Takes a message of a node, its own announcement among them.
    pub fn handle(&mut self, now: Time, from: NodeNumber, message: ControlMessage) -> News {
        let rosters = self.views.follower().rosters();
        match message {
            ControlMessage::Announcement(announcement) => self.hear(now, from, announcement),
            _ if !rosters.is_relay(from) => News::None,
            ControlMessage::Clock(time) => {
                self.clocks.hear(now, from, time, &rosters.newest().roster);
                News::None
            }
            ControlMessage::Vote(vote) => {
                let out = self.signer.take_vote(now, vote);
                self.hand_out(now, out)
            }
            ControlMessage::Proposal(proposal) => {
                let out = self.signer.take_proposal(now, &proposal);
                self.hand_out(now, out)
            }
            ControlMessage::Object(object) => self.take(now, object),
        }
    }

    /// True if there is something to be posted.
    #[must_use]
    pub const fn has_posts(&self) -> bool {
        !self.posts.is_empty()
    }

    /// Posts what there is to be said since the last call, and takes down what is of no more use.
    pub fn post_to(&mut self, now: Time, board: &mut Board) {
        for Post { audience, place, message } in std::mem::take(&mut self.posts) {
            board.post(audience, place, message.encode().into());
        }
        board.retain(|place| self.is_of_use(now, place));
    }

    /// True for what is of use to whoever connects now.
    fn is_of_use(&self, now: Time, place: Place) -> bool {
        let now = self.time(now);
        let first = self.timing.slot_of(now - self.timing.lead());
        match place {
            Place::Announcement | Place::Clock | Place::Proof(_) => true,
            Place::Roster(version) => {
                let mut rosters = self.views.follower().rosters().iter();
                rosters.any(|charter| charter.roster.version == version)
            }
            Place::Vote(slot) | Place::Proposal(slot) => slot > first,
            Place::Document(slot) => {
                let current = self.views.follower().documents().current(now);
                current.is_none_or(|current| slot >= current.document.slot)
            }
            Place::Descriptor(_, hash) => self.views.follower().is_named(&hash),
        }
    }

    /// What a relay's carousel sends.
    #[must_use]
    pub fn contents(&self) -> Contents {
        let follower = self.views.follower();
        Contents {
            documents: follower.documents().clone(),
            descriptors: follower.descriptors().only_named(|hash| follower.is_named(hash)),
            proofs: self.signer.equivocations().cloned().collect(),
            roster: (self.files.clone(), follower.rosters().newest().roster.version),
        }
    }

    /// Microseconds by which the other relays' clocks are ahead of this one's, if enough of them have
    /// said.
    #[must_use]
    pub fn ahead(&self, now: Time) -> Option<i64> {
        let roster = &self.views.follower().rosters().newest().roster;
        self.clocks.ahead(now, roster, self.timing.heard_within())
    }

    /// Hears a node on its own link. Who has no link to it hears of its key once a document names it.
    fn hear(&mut self, now: Time, from: NodeNumber, announcement: Announcement) -> News {
        let descriptor = announcement.descriptor.descriptor();
        if descriptor.node != from || descriptor.suite != S::ID {
            return News::None;
        }
        let hash = announcement.descriptor.hash();
        if !self.presence.is_newest(from, &hash) && !self.presence.admit(now, from) {
            return News::None;
        }
        // The key before a newer roster may have been stolen.
        let newest = &self.views.follower().rosters().newest().roster;
        if !self.presence.is_newest(from, &hash) && !announcement.descriptor.verify(newest) {
            return News::None;
        }
        let mut news = News::None;
        if !self.views.follower().descriptors().contains(from, &hash) {
            news = self.take_descriptor(now, announcement.descriptor.clone());
        }
        if self.views.follower().descriptors().contains(from, &hash) {
            self.views.touch(from, &hash);
            self.presence.hear(now, &announcement);
        }
        news
    }

    fn take(&mut self, now: Time, object: Object) -> News {
        match object {
            Object::Document(signed) => self.take_document(now, signed),
            Object::Descriptors(all) => {
                let mut news = News::None;
                for signed in all {
                    if self.views.follower().is_named(&signed.hash()) {
                        news = self.take_descriptor(now, signed).or(news);
                    }
                }
                news
            }
            Object::Equivocation(proof) => {
                let out = self.signer.take_equivocation(&proof);
                self.hand_out(now, out)
            }
            Object::Roster(files) => self.take_roster(now, files),
            Object::Update(_) => News::None,
        }
    }

    /// Takes a roster over, and hands a newer one on. It is voted by at once: all relays have it within
    /// seconds, and documents by the one before hold until clients have it too.
    fn take_roster(&mut self, now: Time, files: RosterFiles) -> News {
        let before = Arc::clone(&self.views.follower().rosters().newest().roster);
        let taken = self.views.take(self.time(now), Object::Roster(files.clone()));
        let news = taken.unwrap_or(News::None);
        if let News::Roster { version } = news {
            self.files = files.essential(self.views.follower().trust());
            let newest = self.views.follower().rosters().newest().clone();
            // What a node has announced under another key than its newest is not its own word, and as what
            // it was before it is of no use.
            let both = |node| newest.roster.node(node).zip(before.node(node));
            let same = |(new, old): (&RosterNode, &RosterNode)| {
                new.identity == old.identity && new.role == old.role
            };
            self.presence.forget(|node| both(node).is_none_or(same));
            self.signer.adopt(now, newest);
            self.post_roster(version);
        }
        news
    }

    fn post_roster(&mut self, version: u32) {
        let message = ControlMessage::Object(Object::Roster(self.files.clone()));
        self.post(Audience::All, Place::Roster(version), message);
    }

    /// Takes a document over that holds, and hands it on.
    fn take_document(&mut self, now: Time, signed: SignedDocument) -> News {
        let out = self.signer.take_document(now, &signed);
        let news = self.hand_out(now, out);
        let slot = signed.document.slot;
        match self.views.take(self.time(now), Object::Document(signed.clone())) {
            Ok(News::None) | Err(_) => news,
            Ok(taken) => {
                self.signer.follow(&signed.document);
                let rosters = self.views.follower().rosters();
                self.presence.forget(|node| rosters.node(node).is_some());
                let message = ControlMessage::Object(Object::Document(signed));
                self.post(Audience::All, Place::Document(slot), message);
                self.post_named();
                taken.or(news)
            }
        }
    }

    /// Takes a descriptor over that is its node's own.
    fn take_descriptor(&mut self, now: Time, signed: SignedDescriptor) -> News {
        let news = self.views.take(now, Object::Descriptors(vec![signed]));
        self.post_named();
        news.unwrap_or(News::None)
    }

    /// Hands on the descriptors that documents name and that were not handed on yet, behind the
    /// documents: whoever follows them may not have heard of the node.
    fn post_named(&mut self) {
        let follower = self.views.follower();
        self.posted.retain(|hash| follower.is_named(hash));
        let named = follower.descriptors().iter().filter(|(hash, _)| follower.is_named(hash));
        let new: Vec<_> = named.filter(|(hash, _)| !self.posted.contains(hash)).collect();
        for (hash, signed) in new {
            self.posted.insert(hash);
            let place = Place::Descriptor(signed.descriptor().node, hash);
            let message = ControlMessage::Object(Object::Descriptors(vec![signed.clone()]));
            self.posts.push(Post { audience: Audience::All, place, message });
        }
    }

    /// Hands out what the signer has to say, and follows it.
    fn hand_out(&mut self, now: Time, out: Vec<Outgoing>) -> News {
        let mut news = News::None;
        for outgoing in out {
            match outgoing {
                Outgoing::Vote(vote) => {
                    let place = Place::Vote(vote.vote().slot);
                    self.post(Audience::Relays, place, ControlMessage::Vote(vote));
                }
                Outgoing::Proposal(proposal) => {
                    let place = Place::Proposal(proposal.document.slot);
                    self.post(Audience::Relays, place, ControlMessage::Proposal(proposal));
                }
                Outgoing::Document(signed) => news = self.take_document(now, signed).or(news),
                Outgoing::Equivocation(proof) => news = self.convict(now, proof).or(news),
            }
        }
        news
    }

    fn convict(&mut self, now: Time, proof: Equivocation) -> News {
        let place = Place::Proof(proof.relay);
        let object = Object::Equivocation(proof);
        let news = self.views.take(self.time(now), object.clone()).unwrap_or(News::None);
        self.post(Audience::All, place, ControlMessage::Object(object));
        news
    }

    fn post(&mut self, audience: Audience, place: Place, message: ControlMessage) {
        self.posts.push(Post { audience, place, message });
    }

    /// Number of the relay in the roster.
    #[must_use]
    pub const fn number(&self) -> NodeNumber {
        self.number
    }
}

#[cfg(test)]
mod tests;
