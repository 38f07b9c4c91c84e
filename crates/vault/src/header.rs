//! The head of a vault's file: how its master key is wrapped. Implements docs/store.md, "The file".
//!
//! Numbers are big-endian. The file holds the header twice, a page apart, so that a change of
//! passphrase overwrites the old wrapping in place and still survives a power cut between the two:
//! the copy of the higher sequence counts. Magic, version and checksum stay where they are in
//! every version.

use std::path::Path;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{Tag, XNonce};
use rand::Rng;
use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::keys::{Key, NONCE_LEN, TAG_LEN};
use crate::unlock::{Cost, Secret, Unlock, stretch};

/// Salt, cost and the wrapped master key: all that is needed besides the passphrase or key file.
///
/// `wrapped = XChaCha20-Poly1305(KEK, nonce, bytes before the nonce; master key)`, where KEK is
/// `Argon2id(passphrase, salt; cost)` or `derive_key(context, key file ‖ salt)`.
#[derive(PartialEq, Eq)]
pub(crate) struct Header {
    sequence: u64,
    /// Cost of the passphrase; none for a key file.
    cost: Option<Cost>,
    salt: [u8; 32],
    nonce: [u8; NONCE_LEN],
    wrapped: [u8; 32 + TAG_LEN],
}

/// Reason why a copy of the header cannot be used.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Unreadable {
    /// The bytes are not what was written.
    Damaged,
    /// A later program has written the copy.
    Newer(u32),
}

impl Header {
    /// Wraps the master key anew, under fresh salt and nonce.
    pub(crate) fn wrap(master: &Key, unlock: &Unlock, sequence: u64) -> Result<Self, VaultError> {
        let cost = match &unlock.0 {
            Secret::Passphrase { cost, .. } => Some(*cost),
            Secret::KeyFile { .. } => None,
        };
        let (salt, nonce) = ([0; 32], [0; NONCE_LEN]);
        let mut header = Self { sequence, cost, salt, nonce, wrapped: [0; _] };
        rand::rng().fill_bytes(&mut header.salt);
        rand::rng().fill_bytes(&mut header.nonce);
        let wrapping = header.wrapping_key(unlock)?;
        let mut copy = Zeroizing::new(*master.expose());
        let tag = wrapping
            .cipher()
            .encrypt_inout_detached(
                &XNonce::from(header.nonce),
                &header.encode()[..NONCE],
                copy.as_mut_slice().into(),
            )
            .expect("32 bytes are not too long for the cipher");
        header.wrapped[..32].copy_from_slice(&*copy);
        header.wrapped[32..].copy_from_slice(&tag);
        Ok(header)
    }

    /// The master key.
    pub(crate) fn unwrap(&self, unlock: &Unlock, path: &Path) -> Result<Key, VaultError> {
        match (&unlock.0, self.cost) {
            (Secret::KeyFile { .. }, Some(_)) => {
                return Err(VaultError::PassphraseNeeded(path.to_owned()));
            }
            (Secret::Passphrase { .. }, None) => {
                return Err(VaultError::KeyFileNeeded(path.to_owned()));
            }
            _ => {}
        }
        let (sealed, tag) = self.wrapped.split_at(32);
        let tag = Tag::try_from(tag).expect("what remains of a wrapped key is a tag");
        let mut master = Key::zero();
        master.expose_mut().copy_from_slice(sealed);
        self.wrapping_key(unlock)?
            .cipher()
            .decrypt_inout_detached(
                &XNonce::from(self.nonce),
                &self.encode()[..NONCE],
                master.expose_mut().as_mut_slice().into(),
                &tag,
            )
            .map_err(|_| VaultError::WrongKey(path.to_owned()))?;
        Ok(master)
    }

    /// The sequence that a change writes.
    pub(crate) const fn next_sequence(&self) -> u64 {
        self.sequence.saturating_add(1)
    }

    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, MAGIC);
        put(VERSION, &FORMAT.to_be_bytes());
        put(SEQUENCE, &self.sequence.to_be_bytes());
        match self.cost {
            Some(cost) => {
                put(KIND, &[PASSPHRASE]);
                put(COST, &cost.memory_kib.to_be_bytes());
                put(COST + 4, &cost.passes.to_be_bytes());
                put(COST + 8, &cost.lanes.to_be_bytes());
            }
            None => put(KIND, &[KEY_FILE]),
        }
        put(SALT, &self.salt);
        put(NONCE, &self.nonce);
        put(WRAPPED, &self.wrapped);
        let sum = blake3::hash(&bytes[..CHECKSUM]);
        bytes[CHECKSUM..].copy_from_slice(&sum.as_bytes()[..HEADER_LEN - CHECKSUM]);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, Unreadable> {
        let sum = blake3::hash(&bytes[..CHECKSUM]);
        if !bytes.starts_with(MAGIC) || sum.as_bytes()[..HEADER_LEN - CHECKSUM] != bytes[CHECKSUM..]
        {
            return Err(Unreadable::Damaged);
        }
        let number = |at: usize| u32::from_be_bytes(array(bytes, at));
        match number(VERSION) {
            FORMAT => {}
            version if version > FORMAT => return Err(Unreadable::Newer(version)),
            _ => return Err(Unreadable::Damaged),
        }
        let cost = match bytes[KIND] {
            PASSPHRASE => Some(
                Cost::checked(number(COST), number(COST + 4), number(COST + 8))
                    .ok_or(Unreadable::Damaged)?,
            ),
            KEY_FILE => None,
            _ => return Err(Unreadable::Damaged),
        };
        Ok(Self {
            sequence: u64::from_be_bytes(array(bytes, SEQUENCE)),
            cost,
            salt: array(bytes, SALT),
            nonce: array(bytes, NONCE),
            wrapped: array(bytes, WRAPPED),
        })
    }

    /// The copy that counts, with true if both are the same.
    pub(crate) fn choose(
        first: Result<Self, Unreadable>,
        second: Result<Self, Unreadable>,
    ) -> Result<(Self, bool), Unreadable> {
        match (first, second) {
            (Err(Unreadable::Newer(version)), _) | (_, Err(Unreadable::Newer(version))) => {
                Err(Unreadable::Newer(version))
            }
            (Ok(first), Ok(second)) => {
                let same = first == second;
                Ok((if second.sequence > first.sequence { second } else { first }, same))
            }
            (Ok(whole), Err(_)) | (Err(_), Ok(whole)) => Ok((whole, false)),
            (Err(_), Err(_)) => Err(Unreadable::Damaged),
        }
    }

    fn wrapping_key(&self, unlock: &Unlock) -> Result<Key, VaultError> {
        match &unlock.0 {
            Secret::Passphrase { text, cost } => {
                stretch(text, &self.salt, self.cost.unwrap_or(*cost))
            }
            Secret::KeyFile { key } => {
                Ok(Key::derive("rohrpost vault 1 key file", &[key.expose(), &self.salt]))
            }
        }
    }
}

fn array<const N: usize>(bytes: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

/// First bytes of each copy.
pub(crate) const MAGIC: &[u8; 16] = b"rohrpost vault\r\n";
/// Bytes of a header: half a sector, and disks write a sector whole.
pub(crate) const HEADER_LEN: usize = 256;
const FORMAT: u32 = 1;
const VERSION: usize = 16;
const SEQUENCE: usize = 20;
const KIND: usize = 28;
const COST: usize = 32;
const SALT: usize = 44;
const NONCE: usize = 76;
const WRAPPED: usize = 100;
const CHECKSUM: usize = 240;
const PASSPHRASE: u8 = 1;
const KEY_FILE: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn unlock(text: &str) -> Unlock {
        Unlock::passphrase_at(Zeroizing::new(text.into()), Cost::danger_cheap())
    }

    #[test]
    fn a_header_wraps_and_unwraps_the_master_key() {
        let (master, path) = (Key::generate(), Path::new("v"));
        let header = Header::wrap(&master, &unlock("right"), 7).unwrap();
        let again = Header::decode(&header.encode()).unwrap();
        assert!(again == header);
        assert!(again.unwrap(&unlock("right"), path).unwrap().expose() == master.expose());
        let wrong = again.unwrap(&unlock("wrong"), path).err();
        assert!(matches!(wrong, Some(VaultError::WrongKey(_))));
    }

    #[test]
    fn no_byte_of_a_copy_can_change() {
        let header = Header::wrap(&Key::generate(), &unlock("right"), 0).unwrap().encode();
        for at in 0..HEADER_LEN {
            let mut changed = header;
            changed[at] ^= 0x10;
            assert_eq!(Header::decode(&changed).err(), Some(Unreadable::Damaged), "byte {at}");
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut bytes = Header::wrap(&Key::generate(), &unlock("right"), 0).unwrap().encode();
        bytes[VERSION..SEQUENCE].copy_from_slice(&2_u32.to_be_bytes());
        let sum = blake3::hash(&bytes[..CHECKSUM]);
        bytes[CHECKSUM..].copy_from_slice(&sum.as_bytes()[..16]);
        assert_eq!(Header::decode(&bytes).err(), Some(Unreadable::Newer(2)));
    }

    #[test]
    fn the_copy_of_the_higher_sequence_counts() {
        let header = |sequence| Header::wrap(&Key::generate(), &unlock("x"), sequence).unwrap();
        for (first, second) in [(4, 5), (5, 4)] {
            let (chosen, same) =
                Header::choose(Ok(header(first)), Ok(header(second))).ok().unwrap();
            assert_eq!((chosen.sequence, same), (5, false));
        }
        let (chosen, same) = Header::choose(Err(Unreadable::Damaged), Ok(header(3))).ok().unwrap();
        assert_eq!((chosen.sequence, same), (3, false));
    }
}
