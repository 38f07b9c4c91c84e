//! Instructions to the last hop of a packet, and the answers of a mailbox (`docs/packet-format.md`
//! §10).

mod context;
mod mailbox;
mod pull;

use std::time::Duration;

use rohrpost_packet::envelope::Envelope;
use rohrpost_packet::{STORE_HEADER_LEN, Suite};
use zeroize::Zeroizing;

pub use context::{InstructionError, RelayContext};
pub use mailbox::{EnvelopeId, MailboxId, MailboxKey, WriteKey};
pub use pull::{MAX_ACKS, Pull, PullRequest, WRITE_KEYS};

use crate::time::Time;
use crate::wire::{Malformed, Reader};
use context::{DISCARD, PULL, STORE, VERSION};

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
    pub wait: SurbWait,
    /// An envelope, and the name by which to acknowledge it; `None` if nothing waits, or it was
    /// served a moment ago.
    pub envelope: Option<(EnvelopeId, Envelope<S>)>,
}

/// Wait of a SURB at its mailbox, by the relay's word. With it the owner, who alone can read
/// it, can tell which part of a round was drawn or waited for, and whether a hop held the packet
/// for longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SurbWait {
    /// The common tick at which the SURB was spent.
    pub spent: Time,
    /// Time from the SURB's arrival until it was spent. On the wire in microseconds, at most 71
    /// minutes.
    pub waited: Duration,
}

impl SurbWait {
    /// Wait of a SURB that arrived at `arrived` and was spent at `spent`.
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
        let SurbWait { spent, waited } = self.wait;
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
        let wait = SurbWait { spent, waited: Duration::from_micros(reader.u32()?.into()) };
        let envelope = match kind {
            0 => None,
            1 => {
                let id = EnvelopeId(reader.array()?);
                let envelope = Envelope::from_bytes(reader.take(S::ENVELOPE_LEN)?);
                Some((id, envelope.map_err(|_| Malformed)?))
            }
            _ => return Err(Malformed),
        };
        Ok(Self { wait, envelope })
    }
}

#[cfg(test)]
mod tests;
