//! Descriptors: nodes announce their packet keys, signed (`docs/directory.md`).

use std::collections::BTreeMap;

use rohrpost_packet::{Generation, NodeNumber, SuiteId};

use crate::directory::roster::Roster;
use crate::directory::signing::{Signature, SigningKey};
use crate::time::Time;
use crate::wire::{Malformed, Reader};

/// A node's announcement of its newest packet key.
#[derive(Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The node that announces its key.
    pub node: NodeNumber,
    /// Generation of the key.
    pub generation: Generation,
    /// Time of the announcement, by the node's clock; rises with every announcement.
    pub issued: Time,
    /// Suite of the key.
    pub suite: SuiteId,
    /// The public key, at most [`MAX_KEY_LEN`] bytes.
    pub key: Box<[u8]>,
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

    /// Tells whether this announcement of a node supersedes another of the same node.
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        let age = |signed: &Self| (signed.descriptor.generation, signed.descriptor.issued);
        age(self) > age(other)
    }

    /// Tells whether the node is in the roster and has signed the announcement.
    #[must_use]
    pub fn verify(&self, roster: &Roster) -> bool {
        roster.node(self.descriptor.node).is_some_and(|node| {
            node.identity.verify(LABEL, &self.descriptor.encode(), &self.signature)
        })
    }

    /// Encodes the descriptor: version 1, suite u8, key length u16, node u32, generation u32,
    /// issued u64, key, signature.
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
        let issued = Time::from_micros(reader.u64()?);
        if len > MAX_KEY_LEN {
            return Err(Malformed);
        }
        let key = reader.take(len)?.into();
        let signature = Signature::new(reader.array()?);
        reader.end()?;
        let descriptor = Descriptor { node, generation, issued, suite, key };
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
        bytes.extend_from_slice(&self.issued.micros().to_be_bytes());
        bytes.extend_from_slice(&self.key);
        bytes
    }
}

/// Announcements that a relay knows: at most one descriptor for each node of the roster.
#[derive(Default)]
pub struct DescriptorBook {
    heard: BTreeMap<NodeNumber, (Time, SignedDescriptor)>,
}

impl DescriptorBook {
    /// Takes a node's announcement that arrived on the node's own link.
    ///
    /// # Errors
    /// The reason why the announcement is not taken.
    pub fn insert(
        &mut self,
        now: Time,
        from: NodeNumber,
        signed: SignedDescriptor,
        roster: &Roster,
        suite: SuiteId,
    ) -> Result<(), DescriptorRefusal> {
        let descriptor = signed.descriptor();
        if descriptor.node != from {
            return Err(DescriptorRefusal::Node);
        }
        if descriptor.suite != suite {
            return Err(DescriptorRefusal::Suite);
        }
        if !signed.verify(roster) {
            return Err(DescriptorRefusal::Signature);
        }
        if self.heard.get(&from).is_some_and(|(_, held)| !signed.is_newer_than(held)) {
            return Err(DescriptorRefusal::Older);
        }
        self.heard.insert(from, (now, signed));
        Ok(())
    }

    /// The descriptors heard within the roster's time, by node number; the others are forgotten.
    pub fn current(&mut self, now: Time, roster: &Roster) -> Vec<SignedDescriptor> {
        let limit = roster.directory.descriptor_max_age;
        self.heard.retain(|_, (heard, _)| now.since(*heard) <= limit);
        self.heard.values().map(|(_, signed)| signed.clone()).collect()
    }
}

/// Reason why a relay does not take an announcement; always the peer's fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum DescriptorRefusal {
    /// The announcement names another node than the link's.
    #[error("a descriptor of another node")]
    Node,
    /// The announcement is of another suite than the network's.
    #[error("a descriptor of another suite")]
    Suite,
    /// The node did not sign the announcement.
    #[error("a descriptor with a wrong signature")]
    Signature,
    /// A newer announcement is known.
    #[error("an old descriptor")]
    Older,
}

/// Bytes of the longest public key in a descriptor.
pub const MAX_KEY_LEN: usize = 2_048;
const VERSION: u8 = 1;
const LABEL: &[u8] = b"rohrpost descriptor v1\0";
