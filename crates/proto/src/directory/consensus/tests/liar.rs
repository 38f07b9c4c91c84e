//! A signatory that lies: it signs twice, tells some and not others, at the last moment, of old and of
//! future slots, and votes as it likes.

use std::time::Duration;

use chacha20::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rohrpost_packet::NodeNumber;

use super::scene::{RELAYS, key_of, node_key};
use crate::directory::consensus::document::sign;
use crate::directory::consensus::proposal::Proposal;
use crate::directory::consensus::signer::Outgoing;
use crate::directory::consensus::vote::{Heard, Keys, SignedVote, Vote};
use crate::directory::roster::{Directory, Roster};
use crate::time::{Slot, Time};

/// The liar among the relays.
pub(super) struct Liar {
    pub(super) at: usize,
    rng: ChaCha8Rng,
    threshold: usize,
    /// What it has said once, to be said again.
    said: Vec<Outgoing>,
}

/// What a liar says, to whom and when.
pub(super) type Lies = Vec<(usize, Duration, Outgoing)>;

impl Liar {
    pub(super) fn new(at: usize, seed: u64, threshold: usize) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Self { at, rng, threshold, said: Vec::new() }
    }

    /// Signs every proposal that it sees, and hands it to some, some time later.
    pub(super) fn sees(&mut self, own: NodeNumber, seen: &Proposal) -> Lies {
        let mut mine = seen.clone();
        let (slot, hash) = (mine.document.slot, mine.document.hash());
        mine.signatures.insert(own, sign(&node_key(own.get()), slot, hash));
        if self.rng.random_bool(0.3) {
            return Vec::new();
        }
        self.tell_some(&Outgoing::Proposal(mine), 20_000)
    }

    /// Says something else in the place of what an honest relay would say.
    pub(super) fn speaks(
        &mut self,
        roster: &Roster,
        own: NodeNumber,
        now: Time,
        honest: Vec<Outgoing>,
    ) -> Lies {
        let mut lies = Lies::new();
        for message in honest {
            match message {
                Outgoing::Vote(vote) if self.rng.random_bool(0.5) => {
                    let lie = self.vote(own, vote.vote());
                    lies.extend(self.tell_some(&Outgoing::Vote(lie), 8_000));
                    lies.extend(self.tell_some(&Outgoing::Vote(vote), 8_000));
                }
                Outgoing::Proposal(proposal) => lies.extend(self.propose(own, &proposal)),
                other => lies.extend(self.tell_some(&other, 2_000)),
            }
        }
        if !self.said.is_empty() && self.rng.random_bool(0.3) {
            let again = self.said[self.rng.random_range(0..self.said.len())].clone();
            lies.extend(self.tell_some(&again, 1_000));
        }
        if self.rng.random_bool(0.2) {
            let present = Directory::default().timing.slot_of(now).number();
            let ahead = Slot::new(present + self.rng.random_range(1..30));
            let (roster_version, roster_hash) = (roster.version, roster.hash);
            let empty = Vote { roster_version, roster_hash, slot: ahead, heard: Vec::new() };
            let vote = SignedVote::sign(empty, own, &node_key(own.get()));
            lies.extend(self.tell_some(&Outgoing::Vote(vote), 100));
        }
        self.said.extend(lies.iter().map(|(_, _, message)| message.clone()).take(1));
        self.said.truncate(200);
        lies
    }

    /// Proposes two documents, each to some, at times up to the last at which they are signed.
    fn propose(&mut self, own: NodeNumber, proposal: &Proposal) -> Lies {
        let mut lies = Lies::new();
        let mut documents = vec![proposal.clone()];
        documents.extend(self.other(proposal));
        // One that the votes do not give, now and then.
        if self.rng.random_bool(0.02) {
            let mut forged = proposal.clone();
            forged.document.members.pop();
            documents.push(forged);
        }
        let split = self.rng.random_bool(0.8);
        let wait = Duration::from_millis(self.rng.random_range(0..6_000));
        for (at, mut document) in documents.into_iter().enumerate() {
            let (slot, hash) = (document.document.slot, document.document.hash());
            let signature = sign(&node_key(own.get()), slot, hash);
            document.signatures = [(own, signature)].into();
            let proposal = Outgoing::Proposal(document);
            if split && at < 2 {
                // One to the one half of the others, one to the other half, at one moment.
                let others = (0..RELAYS.len()).filter(|to| *to != self.at);
                let half = others.enumerate().filter(|(place, _)| place % 2 == at);
                lies.extend(half.map(|(_, to)| (to, wait, proposal.clone())));
            } else {
                lies.extend(self.tell_some(&proposal, 11_000));
            }
        }
        lies
    }

    /// Another document of the same votes. Most often there is none: what a majority says, every
    /// choice of k votes says.
    fn other(&mut self, proposal: &Proposal) -> Option<Proposal> {
        for _ in 0..50 {
            let mut votes = proposal.votes.clone();
            while votes.len() > self.threshold {
                votes.remove(self.rng.random_range(0..votes.len()));
            }
            let other = Proposal::of(votes)?;
            if other.document != proposal.document {
                return Some(other);
            }
        }
        None
    }

    /// A vote by which half of the nodes are gone and the others have old keys, or some from the
    /// future.
    fn vote(&mut self, own: NodeNumber, honest: &Vote) -> SignedVote {
        let mut vote = honest.clone();
        vote.heard.retain(|_| self.rng.random_bool(0.5));
        for Heard { node, up, keys } in &mut vote.heard {
            *up = self.rng.random_bool(0.5);
            let generation = keys.newest.generation.get();
            let shifted = generation.saturating_sub(3) + self.rng.random_range(0..7);
            *keys = Keys { newest: key_of(*node, shifted), before: None };
        }
        SignedVote::sign(vote, own, &node_key(own.get()))
    }

    /// To each of the others or not, each at a time of its own within so many milliseconds.
    fn tell_some(&mut self, message: &Outgoing, within: u64) -> Lies {
        let some: Vec<_> = (0..RELAYS.len()).filter(|_| self.rng.random_bool(0.6)).collect();
        let late = |rng: &mut ChaCha8Rng| Duration::from_millis(rng.random_range(0..within));
        some.into_iter().map(|to| (to, late(&mut self.rng), message.clone())).collect()
    }
}
