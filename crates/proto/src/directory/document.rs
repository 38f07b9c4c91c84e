//! The network document: the roster's hash and the current descriptors (`docs/directory.md`).
//!
//! The encoding is final and holds any number of signatures. Until the agencies agree on one
//! network document, each relay makes its own and signs it alone.

use std::time::Duration;

use rohrpost_packet::NodeNumber;

use crate::directory::descriptor::{DescriptorBook, SignedDescriptor};
pub use crate::directory::roster::STALE_AFTER;
use crate::directory::roster::{Roster, RosterHash};
use crate::directory::signing::{Signature, SigningKey};
use crate::time::Time;
use crate::wire::{Malformed, Reader};

/// Time ahead of the network's at which a network document may start at most: relays' clocks agree
/// within 5 s.
pub const AHEAD: Duration = Duration::from_secs(10);

/// Network document: the keys that all parties of a network need to build packets.
#[derive(Clone)]
pub struct NetworkDocument {
    /// Version of the roster that the document belongs to.
    pub roster_version: u32,
    /// Hash of the roster that the document belongs to.
    pub roster_hash: RosterHash,
    /// Number of the document, which rises with every document.
    pub number: u64,
    /// Time from which the document holds.
    pub start: Time,
    /// Time of making, by the maker's clock; clients set theirs by it.
    pub made: Time,
    /// The nodes that are up, by number.
    pub descriptors: Vec<SignedDescriptor>,
}

/// A network document and who signed it.
#[derive(Clone)]
pub struct SignedDocument {
    document: NetworkDocument,
    signatures: Vec<(NodeNumber, Signature)>,
}

impl SignedDocument {
    /// Signs a network document as one relay.
    #[must_use]
    pub fn sign(document: NetworkDocument, relay: NodeNumber, key: &SigningKey) -> Self {
        let signature = key.sign(LABEL, &document.encode());
        Self { document, signatures: vec![(relay, signature)] }
    }

    /// Gives the network document, if `relay` signed it and every descriptor in it is its node's
    /// own, each node once.
    ///
    /// # Errors
    /// The reason why the document is not to be trusted.
    pub fn verify(
        self,
        roster: &Roster,
        relay: NodeNumber,
    ) -> Result<NetworkDocument, DocumentRefusal> {
        let bytes = self.document.encode();
        let signed = self.signatures.iter().find(|(signer, _)| *signer == relay);
        let identity = roster.node(relay).map(|node| node.identity);
        let (Some((_, signature)), Some(identity)) = (signed, identity) else {
            return Err(DocumentRefusal::Signer);
        };
        if !identity.verify(LABEL, &bytes, signature) {
            return Err(DocumentRefusal::Signer);
        }
        if self.document.roster_hash != roster.hash {
            return Err(DocumentRefusal::Roster { version: self.document.roster_version });
        }
        let numbers: Vec<_> =
            self.document.descriptors.iter().map(|signed| signed.descriptor().node).collect();
        let ordered = numbers.is_sorted_by(|one, next| one < next);
        let genuine = self.document.descriptors.iter().all(|signed| signed.verify(roster));
        if !ordered || !genuine {
            return Err(DocumentRefusal::Descriptor);
        }
        Ok(self.document)
    }

    /// The number that the maker claims, before anything is verified.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.document.number
    }

    /// Encodes the document, then count u16 and for each signature: relay u32, signature 64.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.document.encode();
        bytes.extend_from_slice(&count(self.signatures.len()));
        for (signer, signature) in &self.signatures {
            bytes.extend_from_slice(&signer.get().to_be_bytes());
            bytes.extend_from_slice(signature.as_bytes());
        }
        bytes
    }

    /// Reads a network document from the wire.
    ///
    /// # Errors
    /// The bytes are malformed; whether the document is true is up to [`Self::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let document = NetworkDocument::decode(&mut reader)?;
        let mut signatures = Vec::new();
        for _ in 0..reader.u16()? {
            signatures.push((NodeNumber::new(reader.u32()?), Signature::new(reader.array()?)));
        }
        reader.end()?;
        Ok(Self { document, signatures })
    }
}

impl NetworkDocument {
    /// Network document of the interval in which `start` lies, of the current descriptors of a
    /// book.
    #[must_use]
    pub fn of(roster: &Roster, book: &mut DescriptorBook, start: Time, made: Time) -> Self {
        Self {
            roster_version: roster.version,
            roster_hash: roster.hash,
            number: start.slot(roster.directory.document_interval).number(),
            start,
            made,
            descriptors: book.current(made, roster),
        }
    }

    /// Time that nodes of other operators than the maker's attest, each by the signature of its own
    /// descriptor: the median of when they announced. `None` if the document has no such node.
    ///
    /// A relay that makes a document can leave nodes out of it, or name an older announcement; it
    /// cannot have most of them announce at a time of its choice.
    #[must_use]
    pub fn attested(&self, roster: &Roster, maker: NodeNumber) -> Option<Time> {
        let own = roster.node(maker).map(|node| node.operator.as_str());
        let foreign = self.descriptors.iter().map(SignedDescriptor::descriptor).filter(|node| {
            roster.node(node.node).is_some_and(|node| Some(node.operator.as_str()) != own)
        });
        let mut announced: Vec<_> = foreign.map(|descriptor| descriptor.issued).collect();
        announced.sort_unstable();
        announced.get(announced.len() / 2).copied()
    }

    /// Checks that the document's number is that of its start, and that it starts no later than
    /// [`AHEAD`] from now. Else one document could bear a number above those of all that follow, or
    /// never become stale.
    ///
    /// # Errors
    /// Number or start is impossible.
    pub fn check_start(&self, roster: &Roster, now: Time) -> Result<(), DocumentRefusal> {
        if self.number != self.start.slot(roster.directory.document_interval).number() {
            return Err(DocumentRefusal::Number);
        }
        if self.start.since(now) > AHEAD {
            return Err(DocumentRefusal::Ahead);
        }
        Ok(())
    }

    /// Encodes the document without signatures: version 1, 3 zeros, roster version u32, roster hash
    /// 32, number u64, start u64, made u64, count u16, and for each descriptor: length u16,
    /// descriptor.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, 0, 0, 0];
        bytes.extend_from_slice(&self.roster_version.to_be_bytes());
        bytes.extend_from_slice(self.roster_hash.as_bytes());
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(&self.start.micros().to_be_bytes());
        bytes.extend_from_slice(&self.made.micros().to_be_bytes());
        bytes.extend_from_slice(&count(self.descriptors.len()));
        for signed in &self.descriptors {
            let descriptor = signed.encode();
            bytes.extend_from_slice(&count(descriptor.len()));
            bytes.extend_from_slice(&descriptor);
        }
        bytes
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.expect(VERSION)?;
        reader.zeros::<3>()?;
        let roster_version = reader.u32()?;
        let roster_hash = RosterHash::new(reader.array()?);
        let number = reader.u64()?;
        let start = Time::from_micros(reader.u64()?);
        let made = Time::from_micros(reader.u64()?);
        let mut descriptors = Vec::new();
        for _ in 0..reader.u16()? {
            let len = usize::from(reader.u16()?);
            descriptors.push(SignedDescriptor::decode(reader.take(len)?)?);
        }
        Ok(Self { roster_version, roster_hash, number, start, made, descriptors })
    }
}

fn count(len: usize) -> [u8; 2] {
    u16::try_from(len).expect("rosters and descriptors are under 64 Ki").to_be_bytes()
}

/// Reason why a network document is not used; always the maker's fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum DocumentRefusal {
    /// The document is not signed by the relay that served it.
    #[error("the document is not signed by the relay that served it")]
    Signer,
    /// The document belongs to another roster.
    #[error("the document goes with another roster, of version {version}")]
    Roster {
        /// Version of that roster, by the word of the relay that signed the document.
        version: u32,
    },
    /// A descriptor in the document is forged, repeated or out of order.
    #[error("a descriptor in the document is not genuine")]
    Descriptor,
    /// The document's number is not that of its start.
    #[error("the number of the document does not fit its start")]
    Number,
    /// The document starts too far ahead of time.
    #[error("the document starts too far ahead")]
    Ahead,
    /// A newer document of the same relay is known.
    #[error("an old document")]
    Old,
}

const VERSION: u8 = 1;
const LABEL: &[u8] = b"rohrpost document v1\0";
