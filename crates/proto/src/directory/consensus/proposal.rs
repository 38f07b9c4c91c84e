//! Proposals: the document of a slot with the votes that it follows from, and who has signed it yet.

use std::collections::BTreeSet;

use super::document::{Document, Signatures, read_signatures, signed_len, write_signatures};
use super::merge::merge;
use super::rosters::Charter;
use super::vote::{SignedVote, encoded_len as vote_len};
use crate::wire::{Malformed, Reader, count};

/// A document, the votes that it was merged from, and the signatures that it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// The document.
    pub document: Document,
    /// The votes: k at least, of different agencies.
    pub votes: Vec<SignedVote>,
    /// Signatures, the proposer's among them.
    pub signatures: Signatures,
}

impl Proposal {
    /// Merges these votes into the document of their slot; no signatures are under it.
    pub(super) fn of(votes: Vec<SignedVote>) -> Option<Self> {
        let first = votes.first()?.vote();
        let document = Document {
            roster_version: first.roster_version,
            roster_hash: first.roster_hash,
            slot: first.slot,
            members: merge(votes.iter().map(SignedVote::vote)),
        };
        Some(Self { document, votes, signatures: Signatures::new() })
    }

    /// True if k votes of different agencies, all of the document's slot, give this document. Votes
    /// for which `known` is true are known to be genuine.
    pub(super) fn follows(&self, charter: &Charter, known: impl Fn(&SignedVote) -> bool) -> bool {
        let Charter { roster, signatories } = charter;
        let relays: BTreeSet<_> = self.votes.iter().map(SignedVote::relay).collect();
        let genuine = |vote: &SignedVote| {
            signatories.contains(vote.relay())
                && vote.vote().slot == self.document.slot
                && (known(vote) || vote.verify(roster))
        };
        self.document.roster_hash == roster.hash
            && self.document.roster_version == roster.version
            && relays.len() == self.votes.len()
            && self.votes.len() >= signatories.threshold()
            && self.votes.len() <= signatories.len()
            && self.votes.iter().all(genuine)
            && merge(self.votes.iter().map(SignedVote::vote)) == self.document.members
    }

    /// Encodes the proposal: document, count u16, votes, count u16, signatures.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.document.encode();
        bytes.extend_from_slice(&count(self.votes.len()));
        self.votes.iter().for_each(|vote| bytes.extend_from_slice(&vote.encode()));
        write_signatures(&self.signatures, &mut bytes);
        bytes
    }

    /// Reads a proposal from the wire.
    ///
    /// # Errors
    /// The bytes are malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let document = Document::read(&mut reader)?;
        let mut votes = Vec::new();
        for _ in 0..reader.u16()? {
            votes.push(SignedVote::read(&mut reader)?);
        }
        let signatures = read_signatures(&mut reader)?;
        reader.end()?;
        Ok(Self { document, votes, signatures })
    }
}

/// Bytes of an encoded proposal of so many nodes with the votes and signatures of so many agencies, where
/// each node has changed its key of late.
pub(in crate::directory) const fn encoded_len(nodes: usize, agencies: usize) -> usize {
    signed_len(nodes, agencies) + 2 + agencies * vote_len(nodes)
}

/// Longest proposal, in bytes, that passes between relays: two seconds of a control link.
pub const MAX_PROPOSAL_LEN: usize = 1024 * 1024;
