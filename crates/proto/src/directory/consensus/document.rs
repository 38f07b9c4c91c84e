//! The document on which the agencies agree, and their signatures.

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use rohrpost_packet::NodeNumber;

use super::rosters::Charter;
use super::vote::Key;
use crate::directory::roster::{Roster, RosterHash};
use crate::directory::signing::{Signature, SigningKey};
use crate::time::Slot;
use crate::weakness::Weakness;
use crate::wire::{Malformed, Reader, count};

/// The nodes that are up in a slot, and their keys. Descriptors are named by their hashes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// Version of the roster to which the document belongs.
    pub roster_version: u32,
    /// Hash of that roster.
    pub roster_hash: RosterHash,
    /// The slot, from which follows when the document starts to hold.
    pub slot: Slot,
    /// The nodes that are up, by number.
    pub members: Vec<Member>,
}

/// A node that is up, and its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// The node.
    pub node: NodeNumber,
    /// Key by which packets for it are built.
    pub key: Key,
}

/// BLAKE3 hash of a document without its signatures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DocumentHash([u8; 32]);

/// Signatures of one document, one for each relay.
pub type Signatures = BTreeMap<NodeNumber, Signature>;

/// A document and the signatures under it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedDocument {
    /// The document.
    pub document: Document,
    /// Who signed it: as many as there are agencies at most.
    pub signatures: Signatures,
}

impl Document {
    /// Hash of the document.
    #[must_use]
    pub fn hash(&self) -> DocumentHash {
        DocumentHash(*blake3::hash(&self.encode()).as_bytes())
    }

    /// Encodes the document: version 1, 3 zeros, roster version u32, roster hash 32, slot u64, count
    /// u16, for each node: node u32, generation u32, descriptor 32.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, 0, 0, 0];
        bytes.extend_from_slice(&self.roster_version.to_be_bytes());
        bytes.extend_from_slice(self.roster_hash.as_bytes());
        bytes.extend_from_slice(&self.slot.number().to_be_bytes());
        bytes.extend_from_slice(&count(self.members.len()));
        self.members.iter().for_each(|member| member.write(&mut bytes));
        bytes
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.expect(VERSION)?;
        reader.zeros::<3>()?;
        let roster_version = reader.u32()?;
        let roster_hash = RosterHash::new(reader.array()?);
        let slot = Slot::new(reader.u64()?);
        let mut members = Vec::new();
        for _ in 0..reader.u16()? {
            members.push(Member::read(reader)?);
        }
        Ok(Self { roster_version, roster_hash, slot, members })
    }
}

impl Member {
    pub(in crate::directory) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.node.get().to_be_bytes());
        self.key.write(bytes);
    }

    pub(in crate::directory) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { node: NodeNumber::new(reader.u32()?), key: Key::read(reader)? })
    }
}

impl SignedDocument {
    /// A document under the signatures of these relays.
    #[must_use]
    pub fn by<'a>(
        document: Document,
        signers: impl IntoIterator<Item = (NodeNumber, &'a SigningKey)>,
    ) -> Self {
        let (slot, hash) = (document.slot, document.hash());
        let signature = |(relay, key)| (relay, sign(key, slot, hash));
        Self { signatures: signers.into_iter().map(signature).collect(), document }
    }

    /// True if k agencies have signed the document, and it goes by this charter's roster. Signatures
    /// of the relays for which `counts` is false are not counted.
    #[must_use]
    pub fn holds(&self, charter: &Charter, counts: impl Fn(NodeNumber) -> bool) -> bool {
        let Charter { roster, signatories } = charter;
        let one = Weakness::DocumentOfOneRelay.is_active();
        let threshold = if one { 1 } else { signatories.threshold() };
        let (slot, hash) = (self.document.slot, self.document.hash());
        let ordered = self.document.members.is_sorted_by(|one, next| one.node < next.node);
        let known = |member: &Member| roster.node(member.node).is_some();
        let signed = self.signatures.iter().filter(|(relay, signature)| {
            signatories.contains(**relay)
                && counts(**relay)
                && verify(roster, **relay, slot, hash, signature)
        });
        self.document.roster_hash == roster.hash
            && self.document.roster_version == roster.version
            && ordered
            && self.document.members.iter().all(known)
            && signed.take(threshold).count() == threshold
    }

    /// Encodes the document, then count u16 and for each signature: relay u32, signature 64.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.document.encode();
        write_signatures(&self.signatures, &mut bytes);
        bytes
    }

    /// Reads a document from the wire.
    ///
    /// # Errors
    /// The bytes are malformed; whether the document holds is up to [`Self::holds`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let document = Document::read(&mut reader)?;
        let signatures = read_signatures(&mut reader)?;
        reader.end()?;
        Ok(Self { document, signatures })
    }
}

/// Signs the document of a slot by its hash. Slot and hash suffice to prove that somebody signed
/// two.
pub(in crate::directory) fn sign(key: &SigningKey, slot: Slot, hash: DocumentHash) -> Signature {
    key.sign(LABEL, &signed_bytes(slot, hash))
}

/// True if the relay has signed the document of a slot with this hash.
pub(super) fn verify(
    roster: &Roster,
    relay: NodeNumber,
    slot: Slot,
    hash: DocumentHash,
    signature: &Signature,
) -> bool {
    let relay = roster.node(relay);
    relay.is_some_and(|relay| relay.identity.verify(LABEL, &signed_bytes(slot, hash), signature))
}

pub(in crate::directory) fn write_signatures(signatures: &Signatures, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&count(signatures.len()));
    for (relay, signature) in signatures {
        bytes.extend_from_slice(&relay.get().to_be_bytes());
        bytes.extend_from_slice(signature.as_bytes());
    }
}

/// Reads signatures, which stand in the order of their relays: a document has one encoding.
pub(in crate::directory) fn read_signatures(
    reader: &mut Reader<'_>,
) -> Result<Signatures, Malformed> {
    let mut signatures = Signatures::new();
    for _ in 0..reader.u16()? {
        let relay = NodeNumber::new(reader.u32()?);
        if signatures.last_key_value().is_some_and(|(last, _)| *last >= relay) {
            return Err(Malformed);
        }
        signatures.insert(relay, Signature::new(reader.array()?));
    }
    Ok(signatures)
}

/// Bytes of an encoded document with so many nodes and signatures.
pub(in crate::directory) const fn signed_len(nodes: usize, signatures: usize) -> usize {
    52 + 40 * nodes + 68 * signatures
}

fn signed_bytes(slot: Slot, hash: DocumentHash) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(&slot.number().to_be_bytes());
    bytes[8..].copy_from_slice(&hash.0);
    bytes
}

impl DocumentHash {
    /// Makes a hash of its 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for DocumentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER_PERMISSIVE.encode(&self.0))
    }
}

const VERSION: u8 = 1;
const LABEL: &[u8] = b"rohrpost document v2\0";
