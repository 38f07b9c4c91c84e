//! Votes: what an agency's relay hears of the nodes in a slot.

use rohrpost_packet::{Generation, NodeNumber};

use crate::directory::descriptor::DescriptorHash;
use crate::directory::roster::{Roster, RosterHash};
use crate::directory::signing::{Signature, SigningKey};
use crate::time::Slot;
use crate::wire::{Malformed, Reader, count};

/// What a relay says of all nodes in one slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vote {
    /// Version of the roster by which the relay goes.
    pub roster_version: u32,
    /// Hash of that roster.
    pub roster_hash: RosterHash,
    /// The slot.
    pub slot: Slot,
    /// Nodes of which the relay has heard, by number: as many as the roster has at most.
    pub heard: Vec<Heard>,
}

/// What a relay says of one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// The node.
    pub node: NodeNumber,
    /// True if the node is to be used: the relay has heard it lately, and it has not said that it
    /// will stop.
    pub up: bool,
    /// Keys of the node that the relay has: the newest, and the one before it. In the slot in which
    /// the newest comes, some have heard of it and some have not; the one before it is what they
    /// share.
    pub keys: Keys,
}

/// A node's newest key and the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keys {
    /// The newest.
    pub newest: Key,
    /// The one before it; none if the relay knows of none.
    pub before: Option<Key>,
}

/// A key of a node, by the hash of the descriptor that announces it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// Generation of the key.
    pub generation: Generation,
    /// Hash of the descriptor.
    pub descriptor: DescriptorHash,
}

/// A vote under the identity key of its relay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedVote {
    vote: Vote,
    relay: NodeNumber,
    signature: Signature,
}

impl SignedVote {
    /// Signs the vote of a relay.
    #[must_use]
    pub fn sign(vote: Vote, relay: NodeNumber, key: &SigningKey) -> Self {
        let signature = key.sign(LABEL, &vote.encode(relay));
        Self { vote, relay, signature }
    }

    /// The vote; to be trusted only after [`Self::verify`].
    #[must_use]
    pub const fn vote(&self) -> &Vote {
        &self.vote
    }

    /// The relay that voted.
    #[must_use]
    pub const fn relay(&self) -> NodeNumber {
        self.relay
    }

    /// True if the vote is by this roster, names its nodes in order, and is signed by its relay.
    #[must_use]
    pub fn verify(&self, roster: &Roster) -> bool {
        let known = |heard: &Heard| roster.node(heard.node).is_some();
        let falls = |keys: &Keys| {
            keys.before.is_none_or(|before| before.generation < keys.newest.generation)
        };
        self.vote.roster_hash == roster.hash
            && self.vote.roster_version == roster.version
            && self.vote.heard.is_sorted_by(|one, next| one.node < next.node)
            && self.vote.heard.iter().all(|heard| known(heard) && falls(&heard.keys))
            && roster.node(self.relay).is_some_and(|relay| {
                relay.identity.verify(LABEL, &self.vote.encode(self.relay), &self.signature)
            })
    }

    /// Encodes the vote: version 1, 3 zeros, relay u32, roster version u32, roster hash 32, slot
    /// u64, count u16, for each node: node u32, flags u8 (1: up, 2: a key before the newest),
    /// generation u32, descriptor 32, and both again for the key before; signature 64.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&self.vote.encode(self.relay)[..], self.signature.as_bytes()].concat()
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.expect(VERSION)?;
        reader.zeros::<3>()?;
        let relay = NodeNumber::new(reader.u32()?);
        let roster_version = reader.u32()?;
        let roster_hash = RosterHash::new(reader.array()?);
        let slot = Slot::new(reader.u64()?);
        let count = reader.u16()?;
        let heard = (0..count).map(|_| Heard::read(reader)).collect::<Result<_, _>>()?;
        let signature = Signature::new(reader.array()?);
        Ok(Self { vote: Vote { roster_version, roster_hash, slot, heard }, relay, signature })
    }

    /// Reads a vote from the wire.
    ///
    /// # Errors
    /// The bytes are malformed; whether the vote is true is up to [`Self::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let vote = Self::read(&mut reader)?;
        reader.end()?;
        Ok(vote)
    }
}

/// Bytes of an encoded vote about so many nodes, of each of which it names two keys.
pub(in crate::directory) const fn encoded_len(nodes: usize) -> usize {
    118 + 77 * nodes
}

impl Vote {
    fn encode(&self, relay: NodeNumber) -> Vec<u8> {
        let mut bytes = vec![VERSION, 0, 0, 0];
        bytes.extend_from_slice(&relay.get().to_be_bytes());
        bytes.extend_from_slice(&self.roster_version.to_be_bytes());
        bytes.extend_from_slice(self.roster_hash.as_bytes());
        bytes.extend_from_slice(&self.slot.number().to_be_bytes());
        bytes.extend_from_slice(&count(self.heard.len()));
        self.heard.iter().for_each(|heard| heard.write(&mut bytes));
        bytes
    }
}

impl Heard {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.node.get().to_be_bytes());
        let flags = if self.up { UP } else { 0 };
        bytes.push(flags | if self.keys.before.is_some() { BEFORE } else { 0 });
        self.keys.newest.write(bytes);
        if let Some(before) = &self.keys.before {
            before.write(bytes);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let node = NodeNumber::new(reader.u32()?);
        let flags = reader.u8()?;
        if flags & !(UP | BEFORE) != 0 {
            return Err(Malformed);
        }
        let newest = Key::read(reader)?;
        let before = match flags & BEFORE {
            0 => None,
            _ => Some(Key::read(reader)?),
        };
        Ok(Self { node, up: flags & UP != 0, keys: Keys { newest, before } })
    }
}

impl Keys {
    /// Both keys, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = Key> {
        std::iter::once(self.newest).chain(self.before)
    }
}

impl Key {
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.generation.get().to_be_bytes());
        bytes.extend_from_slice(self.descriptor.as_bytes());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let generation = Generation::new(reader.u32()?);
        Ok(Self { generation, descriptor: DescriptorHash::new(reader.array()?) })
    }
}

const VERSION: u8 = 1;
const UP: u8 = 1;
const BEFORE: u8 = 2;
const LABEL: &[u8] = b"rohrpost vote v1\0";
