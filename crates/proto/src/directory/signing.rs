//! Ed25519 (RFC 8032) by aws-lc-rs: identities of nodes and agencies, keys of mailboxes.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::HEXLOWER_PERMISSIVE;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_LEN: usize = 64;

/// Secret signing key, wiped when dropped. There is no `Debug` or `Clone`.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
}

impl SigningKey {
    /// Makes a fresh random key.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self::from_seed(&seed)
    }

    /// Makes the key of a seed (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .expect("any 32 bytes are the seed of an Ed25519 key");
        Self { pair, seed: Zeroizing::new(*seed) }
    }

    /// Reads a key from PKCS#8 (RFC 8410), as the key files of nodes and agencies hold it.
    ///
    /// # Errors
    /// The bytes are no Ed25519 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| KeyError)?;
        let secret = pair.seed().map_err(|_| KeyError)?;
        let secret: Curve25519SeedBin<'_> = secret.as_be_bytes().map_err(|_| KeyError)?;
        let mut seed = Zeroizing::new([0; 32]);
        seed.copy_from_slice(secret.as_ref());
        Ok(Self { pair, seed })
    }

    /// Writes the key as PKCS#8 version 1 (RFC 8410).
    #[must_use]
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        let mut der = Zeroizing::new(Vec::with_capacity(PKCS8_PREFIX.len() + 32));
        der.extend_from_slice(&PKCS8_PREFIX);
        der.extend_from_slice(self.seed.as_ref());
        der
    }

    /// The key's seed, for the encrypted vault of a client.
    #[must_use]
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        self.seed.clone()
    }

    /// A secret of the key for one purpose, which `context` names for all time (BLAKE3, `derive_key`): 32
    /// bytes from which neither the key nor another secret of it can be told.
    #[must_use]
    pub fn derive(&self, context: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key(context, self.seed.as_ref()))
    }

    /// The public half of the key.
    #[must_use]
    pub fn public(&self) -> IdentityKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        IdentityKey(key)
    }

    /// Signs `label ‖ message`; a label belongs to one kind of message only.
    #[must_use]
    pub fn sign(&self, label: &[u8], message: &[u8]) -> Signature {
        let mut bytes = [0; SIGNATURE_LEN];
        bytes.copy_from_slice(self.pair.sign(&[label, message].concat()).as_ref());
        Signature(bytes)
    }
}

/// Public Ed25519 key of a node or an agency; shown as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct IdentityKey([u8; 32]);

impl IdentityKey {
    /// Makes a key from 32 bytes; one that is no point fails at the first signature.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Tells whether `signature` over `label ‖ message` is this key's.
    #[must_use]
    pub fn verify(&self, label: &[u8], message: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(&[label, message].concat(), &signature.0)
            .is_ok()
    }
}

impl fmt::Display for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER_PERMISSIVE.encode(&self.0))
    }
}

impl FromStr for IdentityKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| KeyError)?;
        Ok(Self(bytes.try_into().map_err(|_| KeyError)?))
    }
}

/// An Ed25519 signature; shown as 128 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signature([u8; SIGNATURE_LEN]);

impl Signature {
    /// Reads the signature from the wire.
    #[must_use]
    pub const fn new(bytes: [u8; SIGNATURE_LEN]) -> Self {
        Self(bytes)
    }

    /// The signature's bytes, for the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; SIGNATURE_LEN] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER_PERMISSIVE.encode(&self.0))
    }
}

impl FromStr for Signature {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| KeyError)?;
        Ok(Self(bytes.try_into().map_err(|_| KeyError)?))
    }
}

/// Failure to read an Ed25519 key or signature.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an Ed25519 key or signature")]
#[non_exhaustive]
pub struct KeyError;

/// DER of a PKCS#8 version 1 Ed25519 key up to its 32-byte seed (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks signatures against RFC 8032, section 7.1, test 2.
    #[test]
    fn signatures_match_the_vector_of_rfc_8032() {
        let seed = HEXLOWER_PERMISSIVE
            .decode(b"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
            .unwrap();
        let key = SigningKey::from_seed(&seed.try_into().unwrap());
        assert_eq!(
            key.public().to_string(),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
        let signature = key.sign(b"", &[0x72]);
        assert!(
            signature.to_string().starts_with("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8f")
        );
        assert!(key.public().verify(b"", &[0x72], &signature));
        assert!(!key.public().verify(b"", &[0x73], &signature));
        assert!(!key.public().verify(b"r", &[0x72], &signature));
    }

    #[test]
    fn pkcs8_gives_the_same_key_back() {
        let key = SigningKey::from_seed(&[6; 32]);
        let again = SigningKey::from_pkcs8(&key.to_pkcs8()).unwrap();
        assert_eq!(again.public(), key.public());
        assert!(SigningKey::from_pkcs8(b"no key").is_err());
    }
}
