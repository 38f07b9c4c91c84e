//! The two key encapsulations that the suites and the envelope combine.
//!
//! Both sides of X25519 and decapsulation of ML-KEM run on aws-lc-rs, which is the fastest and
//! wipes its keys when freed. Encapsulation takes its randomness as an argument: an ephemeral
//! X25519 secret is made of it, and libcrux-ml-kem takes the randomness of FIPS 203 itself. X25519
//! is tested against x25519-dalek, the two forms of ML-KEM against each other.

use aws_lc_rs::{agreement, kem};
use libcrux_ml_kem::mlkem768;
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::reveal::{Secret, reveal};
use crate::scrub::on_wiped_stack;

/// Bytes of an X25519 public key or ephemeral (RFC 7748).
pub(crate) const X25519_LEN: usize = 32;
/// Bytes of an ML-KEM-768 encapsulation key (FIPS 203, table 3).
pub(crate) const MLKEM_PUBLIC_LEN: usize = 1184;
/// Bytes of an ML-KEM-768 ciphertext (FIPS 203, table 3).
pub(crate) const MLKEM_CIPHERTEXT_LEN: usize = 1088;
/// Bytes of the seed d ‖ z of an ML-KEM key pair (FIPS 203, section 7.1).
pub(crate) const MLKEM_SEED_LEN: usize = 64;

/// X25519 secret, held by aws-lc and wiped when freed.
pub(crate) struct X25519Secret(agreement::PrivateKey);

impl X25519Secret {
    pub(crate) fn from_seed(seed: &[u8; 32]) -> (Self, [u8; X25519_LEN]) {
        let secret = agreement::PrivateKey::from_private_key(&agreement::X25519, seed)
            .expect("any 32 bytes are an X25519 secret");
        let public = secret.compute_public_key().expect("an X25519 secret has a public key");
        let public = public.as_ref().try_into().expect("an X25519 public key has 32 bytes");
        (Self(secret), public)
    }

    /// Writes `X25519(secret, public)` to `shared`; an all-zero result is refused (RFC 7748, 6.1).
    pub(crate) fn agree(&self, public: &[u8], shared: &mut [u8]) -> Result<(), KemError> {
        let public = agreement::UnparsedPublicKey::new(&agreement::X25519, public);
        agreement::agree(&self.0, public, KemError::Agreement, |secret| {
            shared.copy_from_slice(secret);
            Ok(())
        })?;
        refuse_zero(shared)
    }
}

/// Encapsulates by ephemeral X25519: writes the ephemeral public key to `ciphertext`, the result to
/// `shared`.
pub(crate) fn x25519_encapsulate(
    public: &[u8],
    ciphertext: &mut [u8],
    shared: &mut [u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), KemError> {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut());
    let (secret, ephemeral) = X25519Secret::from_seed(&seed);
    ciphertext.copy_from_slice(&ephemeral);
    secret.agree(public, shared)
}

/// Checks that `public` is an X25519 public key with which somebody may agree on a secret: 32 bytes that
/// are none of the points of small order, for which the secret is zero whatever the other key (RFC
/// 7748, section 6.1).
pub(crate) fn x25519_public_is_valid(public: &[u8]) -> bool {
    <[u8; X25519_LEN]>::try_from(public).is_ok_and(|mut public| {
        // The highest bit is not looked at (RFC 7748, section 5).
        public[X25519_LEN - 1] &= 0x7f;
        !SMALL_ORDER.contains(&public)
    })
}

/// The u-coordinates below 2^255 of all points of small order of the curve and of its twist: 0, 1, the
/// two of order eight, p - 1, p and p + 1, little-endian.
const SMALL_ORDER: [[u8; X25519_LEN]; 7] = [
    [0; X25519_LEN],
    near_zero(1),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    near_p(0xec),
    near_p(0xed),
    near_p(0xee),
];

const fn near_zero(lowest: u8) -> [u8; X25519_LEN] {
    let mut bytes = [0; X25519_LEN];
    bytes[0] = lowest;
    bytes
}

/// A number near p = 2^255 - 19, whose lowest byte is 0xed.
const fn near_p(lowest: u8) -> [u8; X25519_LEN] {
    let mut bytes = [0xff; X25519_LEN];
    bytes[0] = lowest;
    bytes[X25519_LEN - 1] = 0x7f;
    bytes
}

fn refuse_zero(shared: &mut [u8]) -> Result<(), KemError> {
    if shared.iter().fold(0, |all, byte| all | byte) == 0 {
        return Err(KemError::Agreement);
    }
    Ok(())
}

/// ML-KEM-768 decapsulation key, held by aws-lc and wiped when freed.
pub(crate) struct MlKemSecret(kem::DecapsulationKey);

impl MlKemSecret {
    pub(crate) fn from_seed(seed: &[u8; MLKEM_SEED_LEN]) -> (Self, [u8; MLKEM_PUBLIC_LEN]) {
        on_wiped_stack(|| Self::expand(seed))
    }

    /// Makes the pair by libcrux, which takes and gives secrets by value and wipes no copy.
    fn expand(seed: &[u8; MLKEM_SEED_LEN]) -> (Self, [u8; MLKEM_PUBLIC_LEN]) {
        let (secret, public) = mlkem768::generate_key_pair(*seed).into_parts();
        let mut bytes: Zeroizing<[u8; 2400]> = Zeroizing::new(secret.into());
        let secret = kem::DecapsulationKey::new(&kem::ML_KEM_768, bytes.as_ref())
            .expect("libcrux makes decapsulation keys of the length of FIPS 203");
        reveal(Secret::Expanded, bytes.as_ref());
        bytes.zeroize();
        (Self(secret), public.into())
    }

    pub(crate) fn decapsulate(&self, ciphertext: &[u8], shared: &mut [u8]) -> Result<(), KemError> {
        let secret = self.0.decapsulate(ciphertext.into()).map_err(|_| KemError::Decapsulation)?;
        shared.copy_from_slice(secret.as_ref());
        Ok(())
    }
}

/// Checks that `public` is a valid encapsulation key (the modulus check of FIPS 203, section 7.2).
pub(crate) fn mlkem_public_is_valid(public: &[u8]) -> bool {
    <&[u8; MLKEM_PUBLIC_LEN]>::try_from(public)
        .is_ok_and(|public| mlkem768::validate_public_key(&public.into()))
}

pub(crate) fn mlkem_encapsulate(
    public: &[u8],
    ciphertext: &mut [u8],
    shared: &mut [u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), KemError> {
    let public: &[u8; MLKEM_PUBLIC_LEN] = public.try_into().map_err(|_| KemError::Length)?;
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut());
    let (encapsulated, mut secret) = mlkem768::encapsulate(&public.into(), *seed);
    ciphertext.copy_from_slice(encapsulated.as_slice());
    shared.copy_from_slice(&secret);
    secret.zeroize();
    Ok(())
}

/// Reason why an encapsulation or decapsulation failed.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum KemError {
    /// The public key or ciphertext has another length than the suite's.
    #[error("key or ciphertext of the wrong length")]
    Length,
    /// X25519 gave zero: a point of small order (RFC 7748, 6.1).
    #[error("the X25519 result is zero")]
    Agreement,
    /// ML-KEM could not decapsulate.
    #[error("ML-KEM decapsulation failed")]
    Decapsulation,
}

#[cfg(test)]
mod tests {
    use chacha20::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    #[test]
    fn aws_lc_opens_what_libcrux_sealed() {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        for _ in 0..20 {
            let mut seed = [0; MLKEM_SEED_LEN];
            rand_core::Rng::fill_bytes(&mut rng, &mut seed);
            let (secret, public) = MlKemSecret::from_seed(&seed);
            let (mut ciphertext, mut ours, mut theirs) =
                ([0; MLKEM_CIPHERTEXT_LEN], [0; 32], [0; 32]);
            mlkem_encapsulate(&public, &mut ciphertext, &mut ours, &mut rng).unwrap();
            secret.decapsulate(&ciphertext, &mut theirs).unwrap();
            assert_eq!(ours, theirs);
        }
    }

    /// Checks that public keys, encapsulation and decapsulation of X25519 are those of
    /// x25519-dalek.
    #[test]
    fn aws_lc_agrees_with_dalek() {
        let mut rng = ChaCha20Rng::from_seed([8; 32]);
        for _ in 0..50 {
            let mut seed = [0; 32];
            rand_core::Rng::fill_bytes(&mut rng, &mut seed);
            let (secret, public) = X25519Secret::from_seed(&seed);
            let dalek = x25519_dalek::StaticSecret::from(seed);
            assert_eq!(public, *x25519_dalek::PublicKey::from(&dalek).as_bytes());
            let (mut ephemeral, mut ours, mut theirs) = ([0; 32], [0; 32], [0; 32]);
            x25519_encapsulate(&public, &mut ephemeral, &mut ours, &mut rng).unwrap();
            secret.agree(&ephemeral, &mut theirs).unwrap();
            assert_eq!(ours, theirs);
            let shared = dalek.diffie_hellman(&x25519_dalek::PublicKey::from(ephemeral));
            assert_eq!(ours, *shared.as_bytes());
        }
    }

    /// Checks that with each point of small order a secret is zero, and that it is refused as a key:
    /// to whoever has such a one nothing could be sealed.
    #[test]
    fn points_of_small_order_are_no_keys() {
        let (secret, public) = X25519Secret::from_seed(&[9; 32]);
        let dalek = x25519_dalek::StaticSecret::from([9; 32]);
        for mut point in SMALL_ORDER {
            for _ in 0..2 {
                let shared = dalek.diffie_hellman(&x25519_dalek::PublicKey::from(point));
                assert!(!shared.was_contributory() && !x25519_public_is_valid(&point));
                assert_eq!(secret.agree(&point, &mut [0; 32]), Err(KemError::Agreement));
                point[31] |= 0x80;
            }
        }
        assert!(x25519_public_is_valid(&public) && !x25519_public_is_valid(&public[1..]));
    }

    /// Seals with aws-lc and opens with libcrux: the other direction of
    /// `aws_lc_opens_what_libcrux_sealed`.
    #[test]
    fn libcrux_opens_what_aws_lc_sealed() {
        let pair = mlkem768::generate_key_pair([9; MLKEM_SEED_LEN]);
        let key = kem::EncapsulationKey::new(&kem::ML_KEM_768, pair.pk()).unwrap();
        let (ciphertext, secret) = key.encapsulate().unwrap();
        let ciphertext: [u8; MLKEM_CIPHERTEXT_LEN] = ciphertext.as_ref().try_into().unwrap();
        let opened = mlkem768::decapsulate(pair.private_key(), &ciphertext.into());
        assert_eq!(opened, secret.as_ref());
    }

    /// Holds X25519 against the vector of RFC 7748, section 6.1.
    #[test]
    fn x25519_matches_the_vector_of_rfc_7748() {
        let alice = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let bob = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        let expected = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        let (secret, public) = X25519Secret::from_seed(&alice);
        assert_eq!(public, hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
        let mut shared = [0; 32];
        secret.agree(&bob, &mut shared).unwrap();
        assert_eq!(shared, expected);
    }

    #[test]
    fn a_point_of_small_order_is_refused() {
        let (secret, _) = X25519Secret::from_seed(&[5; 32]);
        assert!(secret.agree(&[0; 32], &mut [0; 32]).is_err());
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        assert!(x25519_encapsulate(&[0; 32], &mut [0; 32], &mut [0; 32], &mut rng).is_err());
    }

    fn hex(text: &str) -> [u8; 32] {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        bytes.try_into().unwrap()
    }
}
