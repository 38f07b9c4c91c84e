//! Messages between nodes and relays, over control links.

use crate::directory::descriptor::SignedDescriptor;
use crate::directory::document::SignedDocument;
use crate::frame::MAX_DOCUMENT_LEN;
use crate::wire::{Malformed, Reader};

/// A message of a control link: kind u8, then the message.
pub enum ControlMessage {
    /// Kind 1: a node announces its keys.
    Descriptor(SignedDescriptor),
    /// Kind 2: a relay hands out its network document.
    Document(SignedDocument),
}

impl ControlMessage {
    /// The message as it stands on the link, behind its length.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Descriptor(descriptor) => (DESCRIPTOR, descriptor.encode()),
            Self::Document(document) => (DOCUMENT, document.encode()),
        };
        [&[kind], &body[..]].concat()
    }

    /// Reads a message off a control link.
    ///
    /// # Errors
    /// The message is of an unknown kind or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        match reader.u8()? {
            DESCRIPTOR => Ok(Self::Descriptor(SignedDescriptor::decode(&bytes[1..])?)),
            DOCUMENT => Ok(Self::Document(SignedDocument::decode(&bytes[1..])?)),
            _ => Err(Malformed),
        }
    }
}

/// Longest message of a control link.
pub const MAX_CONTROL_LEN: usize = MAX_DOCUMENT_LEN + 1;
const DESCRIPTOR: u8 = 1;
const DOCUMENT: u8 = 2;
