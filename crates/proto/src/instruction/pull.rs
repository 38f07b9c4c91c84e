//! Pulls: the owner of a mailbox leaves one SURB and acknowledges what it has got.

use rohrpost_packet::envelope::NetworkId;
use rohrpost_packet::{NodeNumber, Suite, Surb};
use subtle::ConstantTimeEq;

use super::context::{InstructionError, PULL, RelayContext, VERSION};
use super::mailbox::{EnvelopeId, MailboxId, MailboxKey, WriteKey};
use crate::directory::signing::{IdentityKey, Signature};
use crate::directory::trust::JoinKey;
use crate::wire::{Malformed, Reader};

/// Acknowledgements that one pull carries.
pub const MAX_ACKS: usize = 8;
/// Write keys that a mailbox accepts at once, the current one and its predecessor, and that each
/// pull names: always as many, so that their number tells nothing of the mailbox.
pub const WRITE_KEYS: usize = 2;

/// A pull that its relay has checked.
pub struct Pull<S: Suite> {
    /// The mailbox that is pulled.
    pub mailbox: MailboxId,
    /// The write keys that the mailbox accepts from now on, all alike.
    pub write_keys: [WriteKey; WRITE_KEYS],
    /// Envelopes that the owner has; at most [`MAX_ACKS`].
    pub acks: Vec<EnvelopeId>,
    /// The SURB for one answer.
    pub surb: Surb<S>,
}

/// Contents of a pull, as the owner of a mailbox makes it.
pub struct PullRequest<'a, S: Suite> {
    /// The mailbox's key, which signs.
    pub key: &'a MailboxKey,
    /// Identifier of the network.
    pub network: &'a NetworkId,
    /// The relay that holds the mailbox.
    pub relay: NodeNumber,
    /// The network's join key.
    pub join_key: &'a JoinKey,
    /// The write keys that the mailbox is to accept, in an order that tells nothing.
    pub write_keys: [&'a WriteKey; WRITE_KEYS],
    /// Envelopes that the owner has; at most [`MAX_ACKS`], more are left out.
    pub acks: &'a [EnvelopeId],
    /// The SURB for one answer.
    pub surb: &'a Surb<S>,
}

impl<S: Suite> PullRequest<'_, S> {
    /// Encodes a whole body: kind 2, version 1, 2 zeros, public key 32, join proof 16, write keys 2
    /// × 32, count of acknowledgements u8, 3 zeros, acknowledgements 8 × 16, SURB, signature 64.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let public = self.key.0.public();
        let acks = &self.acks[..self.acks.len().min(MAX_ACKS)];
        let mut body = vec![PULL, VERSION, 0, 0];
        body.extend_from_slice(public.as_bytes());
        body.extend_from_slice(&join_proof(self.join_key, &public, self.relay));
        for write_key in self.write_keys {
            body.extend_from_slice(write_key.expose());
        }
        body.push(u8::try_from(acks.len()).expect("at most eight"));
        body.resize(body.len() + 3 + MAX_ACKS * ACK_LEN, 0);
        let start = body.len() - MAX_ACKS * ACK_LEN;
        for (place, ack) in body[start..].chunks_exact_mut(ACK_LEN).zip(acks) {
            place.copy_from_slice(&ack.0);
        }
        let start = body.len();
        body.resize(start + Surb::<S>::ENCODED_LEN, 0);
        self.surb.encode(&mut body[start..]);
        let signed = signed_part(self.network, self.relay, &body);
        body.extend_from_slice(self.key.0.sign(LABEL, &signed).as_bytes());
        body
    }
}

impl<S: Suite> Pull<S> {
    /// Reads the rest of a pull; the join proof is looked at before the costlier signature.
    pub(super) fn decode(
        body: &[u8],
        mut reader: Reader<'_>,
        context: &RelayContext,
    ) -> Result<Self, InstructionError> {
        let public = IdentityKey::new(reader.array()?);
        let proof: [u8; 16] = reader.array()?;
        if !bool::from(join_proof(&context.join_key, &public, context.relay).ct_eq(&proof)) {
            return Err(InstructionError::Unauthorized);
        }
        let write_keys = [WriteKey::new(reader.array()?), WriteKey::new(reader.array()?)];
        let count = usize::from(reader.u8()?);
        reader.zeros::<3>()?;
        if count > MAX_ACKS {
            return Err(Malformed.into());
        }
        let acks = reader.take(MAX_ACKS * ACK_LEN)?.chunks_exact(ACK_LEN).take(count);
        let ack = |ack: &[u8]| EnvelopeId(ack.try_into().expect("chunks of an id's length"));
        let acks = acks.map(ack).collect();
        let surb = Surb::decode(reader.take(Surb::<S>::ENCODED_LEN)?).map_err(|_| Malformed)?;
        let signature = Signature::new(reader.array()?);
        let signed = signed_part(&context.network, context.relay, &body[..signed_len::<S>()]);
        if !public.verify(LABEL, &signed, &signature) {
            return Err(InstructionError::Unauthorized);
        }
        Ok(Self { mailbox: MailboxId::of(&public), write_keys, acks, surb })
    }
}

/// Proof of knowing the join key, for one mailbox at one relay.
fn join_proof(key: &JoinKey, public: &IdentityKey, relay: NodeNumber) -> [u8; 16] {
    let mut proof = [0; 16];
    blake3::Hasher::new_keyed(key.expose())
        .update(public.as_bytes())
        .update(&relay.get().to_be_bytes())
        .finalize_xof()
        .fill(&mut proof);
    proof
}

/// Text that the mailbox signs: network, relay and all of the body before the signature.
fn signed_part(network: &NetworkId, relay: NodeNumber, body: &[u8]) -> Vec<u8> {
    [network.as_bytes(), &relay.get().to_be_bytes()[..], body].concat()
}

const fn signed_len<S: Suite>() -> usize {
    4 + 32 + 16 + WRITE_KEYS * 32 + 4 + MAX_ACKS * ACK_LEN + Surb::<S>::ENCODED_LEN
}

const ACK_LEN: usize = 16;
const LABEL: &[u8] = b"rohrpost pull v1\0";
