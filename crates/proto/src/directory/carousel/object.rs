//! Objects of the carousel.

use super::update::Update;
use crate::directory::consensus::document::SignedDocument;
use crate::directory::consensus::equivocation::Equivocation;
use crate::directory::descriptor::SignedDescriptor;
use crate::directory::roster::{
    RosterHash, essential_signatures, parse_signatures, render_signatures,
};
use crate::directory::trust::TrustRoot;
use crate::frame::MAX_DOCUMENT_LEN;
use crate::wire::{Malformed, Reader};

/// One thing that goes round, in one chunk or several: kind u8, then as each kind says.
#[derive(Clone, PartialEq, Eq)]
pub enum Object {
    /// Kind 1: a whole document.
    Document(SignedDocument),
    /// Kind 2: a document as what differs from one that is known.
    Update(Update),
    /// Kind 3: descriptors, for each length u16 and descriptor.
    Descriptors(Vec<SignedDescriptor>),
    /// Kind 4: proof that a relay has signed two documents.
    Equivocation(Equivocation),
    /// Kind 5: the newest roster.
    Roster(RosterFiles),
}

/// Texts of a roster and its signatures, as the agencies made them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RosterFiles {
    /// Whole text of `roster.toml`.
    pub roster: String,
    /// Whole text of `roster.sig`.
    pub signatures: String,
}

impl Object {
    /// Encodes the object behind its kind, u8.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Document(document) => (DOCUMENT, document.encode()),
            Self::Update(update) => (UPDATE, update.encode()),
            Self::Descriptors(descriptors) => (DESCRIPTORS, encode_all(descriptors)),
            Self::Equivocation(proof) => (EQUIVOCATION, proof.encode()),
            Self::Roster(files) => (ROSTER, files.encode()),
        };
        [&[kind], &body[..]].concat()
    }

    /// Reads an object off the wire. Nothing of it is to be believed until it was verified.
    ///
    /// # Errors
    /// The bytes are malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (kind, body) = bytes.split_first().ok_or(Malformed)?;
        match *kind {
            DOCUMENT => SignedDocument::decode(body).map(Self::Document),
            UPDATE => Update::decode(body).map(Self::Update),
            DESCRIPTORS => decode_all(body).map(Self::Descriptors),
            EQUIVOCATION => Equivocation::decode(body).map(Self::Equivocation),
            ROSTER => RosterFiles::decode(body).map(Self::Roster),
            _ => Err(Malformed),
        }
    }
}

/// Bytes that a descriptor of so many bytes takes in an object of descriptors.
pub(super) const fn room_of(descriptor: usize) -> usize {
    2 + descriptor
}

/// Bytes of an object before the descriptors in it.
pub(super) const KIND_LEN: usize = 1;

fn encode_all(descriptors: &[SignedDescriptor]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for descriptor in descriptors {
        let descriptor = descriptor.encode();
        let len = u16::try_from(descriptor.len()).expect("descriptors are under 64 KiB");
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(&descriptor);
    }
    bytes
}

fn decode_all(bytes: &[u8]) -> Result<Vec<SignedDescriptor>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut descriptors = Vec::new();
    while !reader.is_empty() {
        let len = usize::from(reader.u16()?);
        descriptors.push(SignedDescriptor::decode(reader.take(len)?)?);
    }
    Ok(descriptors)
}

impl RosterFiles {
    /// The same roster with nothing but the signatures that it needs, whatever else came with them: that is
    /// what is handed on and kept. As it is where they cannot be read.
    #[must_use]
    pub fn essential(self, trust: &TrustRoot) -> Self {
        let Ok(signatures) = parse_signatures(&self.signatures) else { return self };
        let hash = RosterHash::of(&self.roster);
        let signatures = essential_signatures(&signatures, hash, trust);
        Self { signatures: render_signatures(&signatures), ..self }
    }

    /// True if clients put together an object of this length.
    #[must_use]
    pub fn fits(&self) -> bool {
        KIND_LEN + 4 + self.roster.len() + self.signatures.len() <= MAX_DOCUMENT_LEN
    }

    /// Length of the roster u32, the roster, and its signatures up to the end.
    fn encode(&self) -> Vec<u8> {
        let len = u32::try_from(self.roster.len()).expect("rosters are under 4 GiB");
        [&len.to_be_bytes()[..], self.roster.as_bytes(), self.signatures.as_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let len = usize::try_from(reader.u32()?).map_err(|_| Malformed)?;
        let roster = reader.take(len)?;
        let signatures = &bytes[4 + len..];
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| Malformed);
        Ok(Self { roster: text(roster)?, signatures: text(signatures)? })
    }
}

const DOCUMENT: u8 = 1;
const UPDATE: u8 = 2;
const DESCRIPTORS: u8 = 3;
const EQUIVOCATION: u8 = 4;
const ROSTER: u8 = 5;
