//! Instructions to the last hop of a packet, and the answers of a mailbox (`docs/packet-format.md`
//! §10).

mod pull;

use std::time::Duration;

use blake3::Hasher;
use rand_core::CryptoRng;
use rohrpost_packet::envelope::{Envelope, NetworkId};
use rohrpost_packet::{NodeNumber, STORE_HEADER_LEN, Suite};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub use pull::{MAX_ACKS, Pull, PullRequest, WRITE_KEYS};

use crate::signing::{IdentityKey, SigningKey};
use crate::time::Time;
use crate::trust::JoinKey;
use crate::wire::{Malformed, Reader};

/// A mailbox's secret key, made for this mailbox alone; wiped when dropped.
pub struct MailboxKey(SigningKey);

impl MailboxKey {
    /// Makes a fresh random mailbox key.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(SigningKey::generate(rng))
    }

    /// Restores the mailbox key from the bytes that the client's encrypted vault stores.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_seed(seed))
    }

    /// The secret as 32 bytes, for the client's encrypted vault.
    #[must_use]
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        self.0.to_seed()
    }

    /// Name of the mailbox that belongs to this key.
    #[must_use]
    pub fn id(&self) -> MailboxId {
        MailboxId::of(&self.0.public())
    }
}

/// Name of a mailbox: the hash of its public key. It is a pseudonym; there is no `Debug`, so that
/// it is never in a log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxId([u8; 32]);

impl MailboxId {
    /// Reads the name from a contact card or the wire.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The name's bytes, for a contact card or the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn of(key: &IdentityKey) -> Self {
        Self(blake3::derive_key("rohrpost mailbox id v1", key.as_bytes()))
    }
}

/// Permission to store into a mailbox; the same for all its contacts and for its owner's loops.
#[derive(Clone)]
pub struct WriteKey(Zeroizing<[u8; 32]>);

impl WriteKey {
    /// Makes a fresh random write key.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut());
        Self(bytes)
    }

    /// Reads the key from a contact card or the wire.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key's bytes, for a contact card or the wire.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares two keys in constant time.
    #[must_use]
    pub fn fits(&self, other: &Self) -> bool {
        self.0.ct_eq(other.expose()).into()
    }
}

/// Name of an envelope between its relay and its owner: the first 16 bytes of the envelope's hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnvelopeId([u8; 16]);

impl EnvelopeId {
    /// Derives the name of this envelope.
    #[must_use]
    pub fn of<S: Suite>(envelope: &Envelope<S>) -> Self {
        let mut id = [0; 16];
        Hasher::new().update(envelope.as_bytes()).finalize_xof().fill(&mut id);
        Self(id)
    }
}

/// Context against which a relay checks instructions.
pub struct RelayContext {
    /// Identifier of the relay's network.
    pub network: NetworkId,
    /// The relay's own number.
    pub relay: NodeNumber,
    /// The network's join key.
    pub join_key: JoinKey,
}

/// An instruction to the last relay, checked.
pub enum Instruction<S: Suite> {
    /// Kind 0: drop cover, to be forgotten.
    Discard,
    /// Kind 1: store an envelope for a mailbox.
    Store(Store<S>),
    /// Kind 2: the owner of a mailbox asks for an answer.
    Pull(Box<Pull<S>>),
}

/// An envelope for a mailbox.
pub struct Store<S: Suite> {
    /// The mailbox to store into.
    pub mailbox: MailboxId,
    /// Proof that the sender may store.
    pub write_key: WriteKey,
    /// The envelope to store.
    pub envelope: Envelope<S>,
}

impl<S: Suite> Store<S> {
    /// Encodes a whole body: kind 1, version 1, 2 zeros, mailbox 32, write key 32, 12 zeros,
    /// envelope.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut body = Zeroizing::new(vec![0; STORE_HEADER_LEN]);
        body[..2].copy_from_slice(&[STORE, VERSION]);
        body[4..36].copy_from_slice(&self.mailbox.0);
        body[36..68].copy_from_slice(self.write_key.expose());
        body.extend_from_slice(self.envelope.as_bytes());
        body
    }

    fn decode(mut reader: Reader<'_>) -> Result<Self, Malformed> {
        let mailbox = MailboxId(reader.array()?);
        let write_key = WriteKey::new(reader.array()?);
        reader.zeros::<12>()?;
        let envelope = Envelope::from_bytes(reader.take(S::ENVELOPE_LEN)?);
        reader.end()?;
        Ok(Self { mailbox, write_key, envelope: envelope.map_err(|_| Malformed)? })
    }
}

impl<S: Suite> Instruction<S> {
    /// Body of drop cover.
    pub const DISCARD: [u8; 2] = [DISCARD, VERSION];

    /// Reads a body and checks what can be checked without the mailboxes.
    ///
    /// # Errors
    /// The body is malformed, or a pull is sent without the right to it.
    pub fn decode(body: &[u8], context: &RelayContext) -> Result<Self, InstructionError> {
        let mut reader = Reader::new(body);
        let kind = reader.u8()?;
        reader.expect(VERSION)?;
        reader.zeros::<2>()?;
        match kind {
            DISCARD => Ok(Self::Discard),
            STORE => Ok(Self::Store(Store::decode(reader)?)),
            PULL => Ok(Self::Pull(Box::new(Pull::decode(body, reader, context)?))),
            _ => Err(InstructionError::Malformed(Malformed)),
        }
    }
}

/// An answer of a mailbox to its owner.
pub struct Answer<S: Suite> {
    /// Lifetime, at the mailbox, of the SURB that the answer was made with.
    pub stay: Stay,
    /// An envelope, and the name by which to acknowledge it; `None` if nothing waits, or it was
    /// served a moment ago.
    pub envelope: Option<(EnvelopeId, Envelope<S>)>,
}

/// Lifetime of a SURB at its mailbox, by the relay's word. With it the owner, who alone can read
/// it, can tell which part of a round was drawn or waited for, and whether a hop held the packet
/// for longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stay {
    /// The common tick at which the SURB was spent.
    pub spent: Time,
    /// Time from the SURB's arrival until it was spent. On the wire in microseconds, at most 71
    /// minutes.
    pub waited: Duration,
}

impl Stay {
    /// Lifetime of a SURB that arrived at `arrived` and was spent at `spent`.
    #[must_use]
    pub const fn new(arrived: Time, spent: Time) -> Self {
        Self { spent, waited: spent.since(arrived) }
    }
}

impl<S: Suite> Answer<S> {
    /// Encodes the answer: kind 0 or 1, version 1, 2 zeros, tick u64, wait u32; with kind 1
    /// envelope id 16, envelope.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Stay { spent, waited } = self.stay;
        let waited = u32::try_from(waited.as_micros()).unwrap_or(u32::MAX);
        let mut body = vec![u8::from(self.envelope.is_some()), VERSION, 0, 0];
        body.extend_from_slice(&spent.micros().to_be_bytes());
        body.extend_from_slice(&waited.to_be_bytes());
        if let Some((id, envelope)) = &self.envelope {
            body.extend_from_slice(&id.0);
            body.extend_from_slice(envelope.as_bytes());
        }
        body
    }

    /// Reads the body of a reply.
    ///
    /// # Errors
    /// The body is malformed.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let kind = reader.u8()?;
        reader.expect(VERSION)?;
        reader.zeros::<2>()?;
        let spent = Time::from_micros(reader.u64()?);
        let stay = Stay { spent, waited: Duration::from_micros(reader.u32()?.into()) };
        let envelope = match kind {
            0 => None,
            1 => {
                let id = EnvelopeId(reader.array()?);
                let envelope = Envelope::from_bytes(reader.take(S::ENVELOPE_LEN)?);
                Some((id, envelope.map_err(|_| Malformed)?))
            }
            _ => return Err(Malformed),
        };
        Ok(Self { stay, envelope })
    }
}

/// Reason why an instruction is dropped; always the fault of whoever built the packet.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum InstructionError {
    /// The body does not have the layout of an instruction.
    #[error("malformed instruction")]
    Malformed(#[from] Malformed),
    /// A pull lacks the join key or the mailbox's signature.
    #[error("a pull without the right to it")]
    Unauthorized,
}

const VERSION: u8 = 1;
const DISCARD: u8 = 0;
const STORE: u8 = 1;
const PULL: u8 = 2;

#[cfg(test)]
mod tests;
