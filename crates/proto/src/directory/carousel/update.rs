//! Updates: a document as what differs from one that clients have.

use std::collections::BTreeMap;

use rohrpost_packet::NodeNumber;

use crate::directory::consensus::document::{
    Document, DocumentHash, Member, Signatures, SignedDocument, read_signatures, write_signatures,
};
use crate::time::Slot;
use crate::wire::{Malformed, Reader, count};

/// What differs in a document from another one, of the same roster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Update {
    /// Hash of the document that it builds on.
    pub base: DocumentHash,
    /// Slot of the document that it gives.
    pub slot: Slot,
    /// Nodes that are gone, by number.
    pub gone: Vec<NodeNumber>,
    /// Nodes that have come, or have other keys, by number.
    pub changed: Vec<Member>,
    /// Signatures of the document that it gives.
    pub signatures: Signatures,
}

impl Update {
    /// What differs in a document from `base`; `None` if they go by different rosters.
    #[must_use]
    pub fn between(base: &Document, signed: &SignedDocument) -> Option<Self> {
        let document = &signed.document;
        if document.roster_hash != base.roster_hash {
            return None;
        }
        let before: BTreeMap<_, _> = base.members.iter().map(|it| (it.node, it.key)).collect();
        let now: BTreeMap<_, _> = document.members.iter().map(|it| (it.node, it.key)).collect();
        let changed = document.members.iter().filter(|it| before.get(&it.node) != Some(&it.key));
        Some(Self {
            base: base.hash(),
            slot: document.slot,
            gone: before.keys().copied().filter(|node| !now.contains_key(node)).collect(),
            changed: changed.copied().collect(),
            signatures: signed.signatures.clone(),
        })
    }

    /// The document that it gives with its base; `None` if this is not the base.
    #[must_use]
    pub fn apply(self, base: &Document) -> Option<SignedDocument> {
        if base.hash() != self.base {
            return None;
        }
        let mut members: BTreeMap<_, _> = base.members.iter().map(|it| (it.node, it.key)).collect();
        members.retain(|node, _| self.gone.binary_search(node).is_err());
        members.extend(self.changed.iter().map(|member| (member.node, member.key)));
        let members = members.into_iter().map(|(node, key)| Member { node, key }).collect();
        let Document { roster_version, roster_hash, .. } = *base;
        let document = Document { roster_version, roster_hash, slot: self.slot, members };
        Some(SignedDocument { document, signatures: self.signatures })
    }

    /// Base 32, slot u64, count u16 and nodes u32 that are gone, count u16 and members as in a
    /// document, signatures as under a document.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.base.as_bytes().to_vec();
        bytes.extend_from_slice(&self.slot.number().to_be_bytes());
        bytes.extend_from_slice(&count(self.gone.len()));
        self.gone.iter().for_each(|node| bytes.extend_from_slice(&node.get().to_be_bytes()));
        bytes.extend_from_slice(&count(self.changed.len()));
        self.changed.iter().for_each(|member| member.write(&mut bytes));
        write_signatures(&self.signatures, &mut bytes);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let base = DocumentHash::new(reader.array()?);
        let slot = Slot::new(reader.u64()?);
        let mut gone = Vec::new();
        for _ in 0..reader.u16()? {
            gone.push(NodeNumber::new(reader.u32()?));
        }
        let mut changed = Vec::new();
        for _ in 0..reader.u16()? {
            changed.push(Member::read(&mut reader)?);
        }
        let signatures = read_signatures(&mut reader)?;
        reader.end()?;
        Ok(Self { base, slot, gone, changed, signatures })
    }
}
