//! Descriptors: nodes announce their packet keys, signed (`docs/directory.md`).

use rohrpost_packet::{Generation, NodeNumber, SuiteId};

use crate::directory::roster::Roster;
use crate::directory::signing::{Signature, SigningKey};
use crate::wire::{Malformed, Reader};

/// A node's announcement of its newest packet key.
#[derive(Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The node that announces its key.
    pub node: NodeNumber,
    /// Generation of the key.
    pub generation: Generation,
    /// Suite of the key.
    pub suite: SuiteId,
    /// The public key, at most [`MAX_KEY_LEN`] bytes.
    pub key: Box<[u8]>,
}

/// BLAKE3 hash of a signed descriptor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DescriptorHash([u8; 32]);

impl DescriptorHash {
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

/// A descriptor under its node's identity key.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedDescriptor {
    descriptor: Descriptor,
    signature: Signature,
}

impl SignedDescriptor {
    /// Signs a node's own descriptor.
    #[must_use]
    pub fn sign(descriptor: Descriptor, key: &SigningKey) -> Self {
        let signature = key.sign(LABEL, &descriptor.encode());
        Self { descriptor, signature }
    }

    /// The announcement; trust it only after [`Self::verify`].
    #[must_use]
    pub const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Tells whether the node is in the roster and has signed the announcement.
    #[must_use]
    pub fn verify(&self, roster: &Roster) -> bool {
        roster.node(self.descriptor.node).is_some_and(|node| {
            node.identity.verify(LABEL, &self.descriptor.encode(), &self.signature)
        })
    }

    /// Hash of the descriptor and its signature, by which documents name it.
    #[must_use]
    pub fn hash(&self) -> DescriptorHash {
        DescriptorHash(*blake3::hash(&self.encode()).as_bytes())
    }

    /// Bytes of the encoded descriptor.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        signed_len(self.descriptor.key.len())
    }

    /// Encodes the descriptor: version 1, suite u8, key length u16, node u32, generation u32,
    /// key, signature.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&self.descriptor.encode()[..], self.signature.as_bytes()].concat()
    }

    /// Reads a descriptor from the wire.
    ///
    /// # Errors
    /// The bytes are malformed; whether the announcement is true is up to [`Self::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        reader.expect(VERSION)?;
        let suite = SuiteId::new(reader.u8()?);
        let len = usize::from(reader.u16()?);
        let node = NodeNumber::new(reader.u32()?);
        let generation = Generation::new(reader.u32()?);
        if len > MAX_KEY_LEN {
            return Err(Malformed);
        }
        let key = reader.take(len)?.into();
        let signature = Signature::new(reader.array()?);
        reader.end()?;
        let descriptor = Descriptor { node, generation, suite, key };
        Ok(Self { descriptor, signature })
    }
}

impl Descriptor {
    fn encode(&self) -> Vec<u8> {
        let len = u16::try_from(self.key.len()).expect("keys of all suites are under 64 KiB");
        let mut bytes = vec![VERSION, self.suite.get()];
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(&self.node.get().to_be_bytes());
        bytes.extend_from_slice(&self.generation.get().to_be_bytes());
        bytes.extend_from_slice(&self.key);
        bytes
    }
}

/// Bytes of a signed descriptor with a key of this length.
pub(crate) const fn signed_len(key: usize) -> usize {
    12 + key + 64
}

/// Bytes of the longest public key in a descriptor.
pub const MAX_KEY_LEN: usize = 2_048;
const VERSION: u8 = 1;
const LABEL: &[u8] = b"rohrpost descriptor v1\0";
