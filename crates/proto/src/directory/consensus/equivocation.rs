//! Proof that a relay has signed two documents of one slot.

use rohrpost_packet::NodeNumber;

use super::document::{DocumentHash, verify};
use crate::directory::roster::Roster;
use crate::directory::signing::Signature;
use crate::time::Slot;
use crate::wire::{Malformed, Reader};

/// Two signatures of one relay under two documents of one slot. No honest relay gives them, and
/// nobody else can: so whoever has them counts that relay's signatures no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Equivocation {
    /// The relay.
    pub relay: NodeNumber,
    /// The slot.
    pub slot: Slot,
    /// Hashes of the two documents, and the signatures.
    pub signed: [(DocumentHash, Signature); 2],
}

impl Equivocation {
    /// True if it proves what it says.
    #[must_use]
    pub fn verify(&self, roster: &Roster) -> bool {
        let [(one, _), (other, _)] = &self.signed;
        let genuine = |(hash, signature): &(DocumentHash, Signature)| {
            verify(roster, self.relay, self.slot, *hash, signature)
        };
        one != other && self.signed.iter().all(genuine)
    }

    /// Encodes the proof: version 1, 3 zeros, relay u32, slot u64, and twice hash 32, signature 64.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, 0, 0, 0];
        bytes.extend_from_slice(&self.relay.get().to_be_bytes());
        bytes.extend_from_slice(&self.slot.number().to_be_bytes());
        for (hash, signature) in &self.signed {
            bytes.extend_from_slice(hash.as_bytes());
            bytes.extend_from_slice(signature.as_bytes());
        }
        bytes
    }

    /// Reads a proof from the wire.
    ///
    /// # Errors
    /// The bytes are malformed; whether they prove anything is up to [`Self::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        reader.expect(VERSION)?;
        reader.zeros::<3>()?;
        let (relay, slot) = (NodeNumber::new(reader.u32()?), Slot::new(reader.u64()?));
        let mut signed =
            || Ok((DocumentHash::new(reader.array()?), Signature::new(reader.array()?)));
        let signed = [signed()?, signed()?];
        reader.end()?;
        Ok(Self { relay, slot, signed })
    }
}

const VERSION: u8 = 1;
