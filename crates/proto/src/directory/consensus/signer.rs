//! The duty of a signatory: it votes, proposes in its turn, and signs one document a slot.

use std::collections::BTreeMap;
use std::sync::Arc;

use rohrpost_packet::NodeNumber;

use super::document::{Document, DocumentHash, Signatures, SignedDocument, sign, verify};
use super::equivocation::Equivocation;
use super::pledge::Pledge;
use super::proposal::Proposal;
use super::rosters::Charter;
use super::vote::{Heard, SignedVote, Vote};
use crate::directory::roster::Roster;
use crate::directory::signing::{Signature, SigningKey};
use crate::directory::timing::{LEAD, Timing};
use crate::time::{Slot, Time};

/// A message for all other signatories, or for everybody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outgoing {
    /// For the signatories: what this relay hears.
    Vote(SignedVote),
    /// For the signatories: the document of a slot, with the signatures that it has.
    Proposal(Proposal),
    /// For everybody: a document that holds.
    Document(SignedDocument),
    /// For everybody: a relay has signed two documents of one slot.
    Equivocation(Equivocation),
}

/// State of a signatory. It is lost with the process, and need not be kept.
pub struct Signer {
    own: NodeNumber,
    key: Arc<SigningKey>,
    charter: Charter,
    timing: Timing,
    pledge: Pledge,
    /// The first slot that this relay signs for its agency. Before it another one may, by a roster
    /// before.
    elected: Slot,
    /// Slots that are open: [`KEPT`] at most.
    rounds: BTreeMap<Slot, Round>,
    /// Relays that have signed twice: as many as there are signatories at most.
    convicted: BTreeMap<NodeNumber, Equivocation>,
}

/// State of one slot. Each list has as many entries as there are signatories at most.
#[derive(Default)]
struct Round {
    voted: bool,
    votes: BTreeMap<NodeNumber, SignedVote>,
    /// First document that each relay was seen to sign.
    seen: BTreeMap<NodeNumber, (DocumentHash, Signature)>,
    /// The document that this relay has signed.
    signed: Option<Proposal>,
    /// True if the document that this relay has signed holds.
    holds: bool,
}

impl Signer {
    /// Begins the duty of a relay that starts now.
    #[must_use]
    pub fn begin(
        own: NodeNumber,
        key: Arc<SigningKey>,
        charter: Charter,
        timing: Timing,
        now: Time,
    ) -> Self {
        let (rounds, convicted) = (BTreeMap::new(), BTreeMap::new());
        let pledge = Pledge::begin(now, timing);
        // By the roster before, another relay may sign for the agency.
        let is_first = charter.roster.version <= 1;
        let elected = if is_first { Slot::new(0) } else { elected(timing, now) };
        Self { own, key, charter, timing, pledge, elected, rounds, convicted }
    }

    /// Goes by a newer roster from now on. Where it names this relay in the place of another, the
    /// other may not have heard of it, and signs for the agency by the roster before. So this one
    /// begins after slots in which the roster reaches all who are connected; or sooner, when k
    /// agencies have signed by it: too few are left then for the one before.
    pub fn adopt(&mut self, now: Time, charter: Charter) {
        if charter.roster.version <= self.charter.roster.version {
            return;
        }
        if !self.charter.signatories.contains(self.own) {
            self.elected = elected(self.timing, now);
        }
        // A relay with another key is another signatory.
        self.convicted.retain(|_, proof| proof.verify(&charter.roster));
        self.charter = charter;
        for round in self.rounds.values_mut() {
            (round.voted, round.votes) = (false, BTreeMap::new());
        }
    }

    /// Time of the next step after `now`: the begin of a slot, or the end of its voting.
    #[must_use]
    pub fn due(&self, now: Time) -> Time {
        let slot = self.timing.slot_of(now);
        let voted = self.timing.begin_of(slot) + self.timing.voting();
        if now < voted { voted } else { self.timing.begin_of(slot.next()) }
    }

    /// Votes at the begin of a slot by what the relay hears, and proposes when the voting is over.
    pub fn step(&mut self, now: Time, heard: impl FnOnce() -> Vec<Heard>) -> Vec<Outgoing> {
        self.forget(now);
        let slot = self.timing.slot_of(now);
        if slot < self.pledge.first() || !self.charter.signatories.contains(self.own) {
            return Vec::new();
        }
        let mut out = Vec::new();
        if !self.rounds.entry(slot).or_default().voted {
            out.push(self.vote(slot, heard()));
        }
        out.extend(self.propose(now, slot));
        out
    }

    fn vote(&mut self, slot: Slot, heard: Vec<Heard>) -> Outgoing {
        let Roster { version, hash, .. } = *self.charter.roster;
        let vote = Vote { roster_version: version, roster_hash: hash, slot, heard };
        let vote = SignedVote::sign(vote, self.own, &self.key);
        let round = self.rounds.entry(slot).or_default();
        round.voted = true;
        round.votes.insert(self.own, vote.clone());
        Outgoing::Vote(vote)
    }

    /// Takes another signatory's vote.
    pub fn take_vote(&mut self, now: Time, vote: SignedVote) -> Vec<Outgoing> {
        let slot = vote.vote().slot;
        if !self.is_open(now, slot)
            || !self.charter.signatories.contains(vote.relay())
            || self.rounds.get(&slot).is_some_and(|round| round.votes.contains_key(&vote.relay()))
            || !vote.verify(&self.charter.roster)
        {
            return Vec::new();
        }
        self.rounds.entry(slot).or_default().votes.insert(vote.relay(), vote);
        self.propose(now, slot)
    }

    /// Takes a proposal, from its proposer or from whoever has signed it: signs it if that may be,
    /// and hands on what is new.
    pub fn take_proposal(&mut self, now: Time, proposal: &Proposal) -> Vec<Outgoing> {
        let (slot, hash) = (proposal.document.slot, proposal.document.hash());
        if !self.is_open(now, slot) {
            return Vec::new();
        }
        let (genuine, mut out) = self.genuine(slot, hash, &proposal.signatures);
        let signed = self.rounds.get_mut(&slot).and_then(|round| round.signed.as_mut());
        match signed {
            Some(signed) if signed.document.hash() == hash => signed.signatures.extend(genuine),
            Some(_) => return out,
            None => out.extend(self.consider(now, proposal, genuine)),
        }
        out.extend(self.complete(slot));
        out
    }

    /// Goes by a document that holds: k agencies have signed by its roster, so this relay may if it was
    /// waiting for that.
    pub fn follow(&mut self, document: &Document) {
        if document.roster_hash == self.charter.roster.hash {
            self.elected = self.elected.min(document.slot.next());
        }
    }

    /// Takes note of a document that holds: of who signed it, and that its roster is in force.
    pub fn take_document(&mut self, now: Time, signed: &SignedDocument) -> Vec<Outgoing> {
        let slot = signed.document.slot;
        if !self.is_open(now, slot) {
            return Vec::new();
        }
        self.genuine(slot, signed.document.hash(), &signed.signatures).1
    }

    /// Of these signatures those that are genuine, of relays that have signed nothing else in the
    /// slot; and what proves of the others that they have.
    fn genuine(
        &mut self,
        slot: Slot,
        hash: DocumentHash,
        signatures: &Signatures,
    ) -> (Signatures, Vec<Outgoing>) {
        let (mut genuine, mut out) = (Signatures::new(), Vec::new());
        for (relay, signature) in signatures {
            if self.is_genuine(slot, hash, *relay, signature) {
                out.extend(self.note(slot, hash, *relay, *signature));
                genuine.insert(*relay, *signature);
            }
        }
        genuine.retain(|relay, _| !self.convicted.contains_key(relay));
        (genuine, out)
    }

    /// Takes a proof against a relay.
    pub fn take_equivocation(&mut self, proof: &Equivocation) -> Vec<Outgoing> {
        let new = self.charter.signatories.contains(proof.relay)
            && !self.convicted.contains_key(&proof.relay)
            && proof.verify(&self.charter.roster);
        if !new {
            return Vec::new();
        }
        self.convict(proof.clone())
    }

    /// Proofs against relays that have signed two documents of one slot.
    pub fn equivocations(&self) -> impl Iterator<Item = &Equivocation> {
        self.convicted.values()
    }

    /// Signs a proposal of its proposer's that follows from its votes, if its time is not over.
    fn consider(
        &mut self,
        now: Time,
        proposal: &Proposal,
        signatures: Signatures,
    ) -> Option<Outgoing> {
        let slot = proposal.document.slot;
        let proposer = self.charter.signatories.proposer(slot)?;
        let votes = self.rounds.get(&slot).map(|round| &round.votes);
        let known =
            |vote: &SignedVote| votes.and_then(|votes| votes.get(&vote.relay())) == Some(vote);
        if !self.may_sign(slot)
            || !signatures.contains_key(&proposer)
            || !proposal.follows(&self.charter, known)
            || !self.pledge.sign(slot, now, signatures.len())
        {
            return None;
        }
        Some(self.put_signature(Proposal { signatures, ..proposal.clone() }))
    }

    /// Proposes the document of a slot in its turn: when all have voted, or the voting is over and k
    /// have.
    fn propose(&mut self, now: Time, slot: Slot) -> Vec<Outgoing> {
        let over = now.since(self.timing.begin_of(slot)) >= self.timing.voting();
        let Some(round) = self.rounds.get(&slot) else { return Vec::new() };
        let (count, signatories) = (round.votes.len(), &self.charter.signatories);
        let enough = count == signatories.len() || over && count >= signatories.threshold();
        let turn = signatories.proposer(slot) == Some(self.own) && self.may_sign(slot);
        if !turn || !round.voted || round.signed.is_some() || !enough {
            return Vec::new();
        }
        let Some(proposal) = Proposal::of(round.votes.values().cloned().collect()) else {
            return Vec::new();
        };
        if !self.pledge.sign(slot, now, 1) {
            return Vec::new();
        }
        let mut out = vec![self.put_signature(proposal)];
        out.extend(self.complete(slot));
        out
    }

    /// Puts the own signature under a proposal that the pledge allows.
    fn put_signature(&mut self, mut proposal: Proposal) -> Outgoing {
        let (slot, hash) = (proposal.document.slot, proposal.document.hash());
        let signature = sign(&self.key, slot, hash);
        proposal.signatures.insert(self.own, signature);
        let round = self.rounds.entry(slot).or_default();
        round.seen.insert(self.own, (hash, signature));
        round.signed = Some(proposal.clone());
        Outgoing::Proposal(proposal)
    }

    /// Hands out the document that this relay has signed, as soon as it holds.
    fn complete(&mut self, slot: Slot) -> Option<Outgoing> {
        let round = self.rounds.get_mut(&slot)?;
        let signed = round.signed.as_mut()?;
        signed.signatures.retain(|relay, _| !self.convicted.contains_key(relay));
        if round.holds || signed.signatures.len() < self.charter.signatories.threshold() {
            return None;
        }
        round.holds = true;
        let (document, signatures) = (signed.document.clone(), signed.signatures.clone());
        Some(Outgoing::Document(SignedDocument { document, signatures }))
    }

    /// Notes which document a relay has signed. Another one of the same slot proves that it lies.
    fn note(
        &mut self,
        slot: Slot,
        hash: DocumentHash,
        relay: NodeNumber,
        signature: Signature,
    ) -> Vec<Outgoing> {
        let seen = &mut self.rounds.entry(slot).or_default().seen;
        let (other, its) = *seen.entry(relay).or_insert((hash, signature));
        if other == hash || self.convicted.contains_key(&relay) {
            return Vec::new();
        }
        self.convict(Equivocation { relay, slot, signed: [(other, its), (hash, signature)] })
    }

    fn convict(&mut self, proof: Equivocation) -> Vec<Outgoing> {
        self.convicted.insert(proof.relay, proof.clone());
        vec![Outgoing::Equivocation(proof)]
    }

    fn is_genuine(
        &self,
        slot: Slot,
        hash: DocumentHash,
        relay: NodeNumber,
        signature: &Signature,
    ) -> bool {
        let round = self.rounds.get(&slot);
        let seen = round.and_then(|round| round.seen.get(&relay)) == Some(&(hash, *signature));
        self.charter.signatories.contains(relay)
            && (seen || verify(&self.charter.roster, relay, slot, hash, signature))
    }

    fn may_sign(&self, slot: Slot) -> bool {
        slot >= self.elected && self.charter.signatories.contains(self.own)
    }

    /// True if messages of a slot are taken: its document has not started, and it has begun or
    /// begins within the clocks' largest difference.
    fn is_open(&self, now: Time, slot: Slot) -> bool {
        let timing = self.timing;
        slot <= timing.slot_of(now + timing.clocks()) && slot >= first_open(timing, now)
    }

    fn forget(&mut self, now: Time) {
        let first = first_open(self.timing, now);
        self.rounds = self.rounds.split_off(&first);
    }
}

/// The first slot that a relay signs that is elected now.
fn elected(timing: Timing, now: Time) -> Slot {
    Slot::new(timing.slot_of(now).number() + u64::from(LEAD))
}

/// The earliest slot of which messages are taken.
fn first_open(timing: Timing, now: Time) -> Slot {
    Slot::new(timing.slot_of(now).number().saturating_sub(u64::from(LEAD)))
}

/// Slots that are kept at a time: those whose documents have not started, the present one and the
/// next.
pub const KEPT: u32 = LEAD + 2;
