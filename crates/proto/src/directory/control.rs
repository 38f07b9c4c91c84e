//! Messages between nodes and relays, over control links.

use rohrpost_packet::NodeNumber;

use crate::directory::carousel::object::Object;
use crate::directory::consensus::proposal::{MAX_PROPOSAL_LEN, Proposal};
use crate::directory::consensus::vote::SignedVote;
use crate::directory::descriptor::{DescriptorHash, SignedDescriptor};
use crate::time::{Slot, Time};
use crate::wire::{Malformed, Reader};

/// A message of a control link: kind u8, then the message.
pub enum ControlMessage {
    /// Kind 1: a node announces itself and its newest key.
    Announcement(Announcement),
    /// Kind 2: a relay's clock, u64 µs.
    Clock(Time),
    /// Kind 3: what a relay hears, for the other relays.
    Vote(SignedVote),
    /// Kind 4: a document that is being signed, for the other relays.
    Proposal(Proposal),
    /// Kind 5: what everybody follows.
    Object(Object),
}

/// A node's word that it is there: flags u8 (1: it stays), descriptor.
#[derive(Clone, PartialEq, Eq)]
pub struct Announcement {
    /// False once the node has been told to stop: it is not to be used in the next documents.
    pub stays: bool,
    /// The node's newest key.
    pub descriptor: SignedDescriptor,
}

/// Place of a message among all that a node has to say: one is of use until another has its place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// The own announcement.
    Announcement,
    /// The own clock.
    Clock,
    /// The own vote of a slot.
    Vote(Slot),
    /// The proposal of a slot.
    Proposal(Slot),
    /// The document of a slot.
    Document(Slot),
    /// A descriptor of a node.
    Descriptor(NodeNumber, DescriptorHash),
    /// The proof against a relay.
    Proof(NodeNumber),
    /// The roster of a version.
    Roster(u32),
}

impl ControlMessage {
    /// The message as it stands on the link, behind its length.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Announcement(announcement) => (ANNOUNCEMENT, announcement.encode()),
            Self::Clock(time) => (CLOCK, time.micros().to_be_bytes().to_vec()),
            Self::Vote(vote) => (VOTE, vote.encode()),
            Self::Proposal(proposal) => (PROPOSAL, proposal.encode()),
            Self::Object(object) => (OBJECT, object.encode()),
        };
        [&[kind], &body[..]].concat()
    }

    /// Reads a message off a control link.
    ///
    /// # Errors
    /// The message is of an unknown kind or malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (kind, body) = bytes.split_first().ok_or(Malformed)?;
        match *kind {
            ANNOUNCEMENT => Announcement::decode(body).map(Self::Announcement),
            CLOCK => {
                let mut reader = Reader::new(body);
                let time = Time::from_micros(reader.u64()?);
                reader.end()?;
                Ok(Self::Clock(time))
            }
            VOTE => SignedVote::decode(body).map(Self::Vote),
            PROPOSAL => Proposal::decode(body).map(Self::Proposal),
            OBJECT => Object::decode(body).map(Self::Object),
            _ => Err(Malformed),
        }
    }
}

impl Announcement {
    fn encode(&self) -> Vec<u8> {
        [&[u8::from(self.stays)], &self.descriptor.encode()[..]].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (flags, descriptor) = bytes.split_first().ok_or(Malformed)?;
        let stays = match *flags {
            0 => false,
            1 => true,
            _ => return Err(Malformed),
        };
        Ok(Self { stays, descriptor: SignedDescriptor::decode(descriptor)? })
    }
}

/// Longest message of a relay, in bytes.
pub const MAX_CONTROL_LEN: usize = MAX_PROPOSAL_LEN + 1;
/// Longest announcement, in bytes: room for keys of any suite.
pub const MAX_ANNOUNCEMENT_LEN: usize = 4096;
const ANNOUNCEMENT: u8 = 1;
const CLOCK: u8 = 2;
const VOTE: u8 = 3;
const PROPOSAL: u8 = 4;
const OBJECT: u8 = 5;
