//! Fingerprints: words by which two people make sure, by voice, that a card is the other's.
//!
//! `fingerprint = first 88 bits of BLAKE3-derive("rohrpost fingerprint v1", network id ‖
//! identity)`, shown as eight words of the BIP-39 English list, 11 bits each. Against an attacker
//! who wants an identity with the words of another, 88 bits stand; whoever compares fewer words has
//! less.

use std::fmt;

use bip39::Language;
use rohrpost_packet::envelope::{IdentityPublic, NetworkId};

/// Eight words that stand for an identity in a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint([&'static str; WORDS]);

impl Fingerprint {
    /// Computes the fingerprint of an identity.
    #[must_use]
    pub fn of(network: &NetworkId, identity: &IdentityPublic) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("rohrpost fingerprint v1");
        hasher.update(network.as_bytes()).update(identity.as_bytes());
        let mut bits = [0; 16];
        bits[5..].copy_from_slice(&hasher.finalize().as_bytes()[..11]);
        let bits = u128::from_be_bytes(bits);
        Self(std::array::from_fn(|at| {
            let place = (bits >> (BITS * (WORDS - 1 - at))) & ((1 << BITS) - 1);
            let place = usize::try_from(place).expect("11 bits");
            Language::English.word_list()[place]
        }))
    }

    /// True if these are the words, all of them and in this order. Case, commas, hyphens and
    /// line ends do not matter; four letters of a word are enough, which no two words share.
    #[must_use]
    pub fn matches(&self, spoken: &str) -> bool {
        let spoken = spoken.to_lowercase();
        let words: Vec<_> =
            spoken.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
        let fits = |(own, said): (&&str, &&str)| {
            own.starts_with(*said) && (said.len() >= PREFIX || said.len() == own.len())
        };
        words.len() == WORDS && self.0.iter().zip(&words).all(fits)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

const WORDS: usize = 8;
const BITS: usize = 11;
/// Letters by which the words of the list differ.
const PREFIX: usize = 4;

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use sha2::{Digest, Sha256};

    use super::*;

    fn fingerprint(network: u8, identity: u8) -> Fingerprint {
        let identity = IdentityPublic::from_bytes([identity; 32]);
        Fingerprint::of(&NetworkId::new([network; 32]), &identity)
    }

    #[test]
    fn the_words_are_as_documented() {
        let mut hasher = blake3::Hasher::new_derive_key("rohrpost fingerprint v1");
        hasher.update(&[1; 32]).update(&[2; 32]);
        let bits: String =
            hasher.finalize().as_bytes().iter().map(|byte| format!("{byte:08b}")).collect();
        let words: Vec<_> = (0..8)
            .map(|at| usize::from_str_radix(&bits[11 * at..11 * (at + 1)], 2).unwrap())
            .map(|place| Language::English.word_list()[place])
            .collect();
        assert_eq!(fingerprint(1, 2).to_string(), words.join(" "));
        assert_ne!(fingerprint(1, 2), fingerprint(1, 3));
        assert_ne!(fingerprint(1, 2), fingerprint(2, 2));
    }

    /// Words that another implementation of BLAKE3 has computed once.
    #[test]
    fn the_words_of_a_key_stay() {
        assert_eq!(
            fingerprint(0, 0).to_string(),
            "rose boring come catch crucial vehicle medal eternal"
        );
        assert_eq!(
            fingerprint(1, 2).to_string(),
            "drip cluster bench cart still cricket position art"
        );
        assert_eq!(
            fingerprint(2, 1).to_string(),
            "peanut patrol season rail window blouse awake cool"
        );
    }

    /// Compares the SHA-256 of BIP-39's own `english.txt`: were a word of the dependency another,
    /// people with different releases would read each other different words.
    #[test]
    fn the_list_is_the_one_of_bip_39() {
        let text: String =
            Language::English.word_list().iter().flat_map(|word| [word, "\n"]).collect();
        assert_eq!(
            HEXLOWER.encode(&Sha256::digest(text)),
            "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
        );
    }

    #[test]
    fn words_are_told_apart_by_four_letters() {
        let list = Language::English.word_list();
        let mut short: Vec<_> = list.iter().map(|word| &word[..word.len().min(PREFIX)]).collect();
        short.dedup();
        assert_eq!((list.len(), short.len()), (2048, 2048));
    }

    #[test]
    fn what_was_said_is_compared_as_people_say_it() {
        let own = fingerprint(1, 2);
        let said = own.to_string();
        assert!(own.matches(&said));
        assert!(own.matches(&said.to_uppercase().replace(' ', " - ")));
        assert!(own.matches(&format!("\n{}, ", said.replace(' ', ",\n"))));
        let short: Vec<_> = own.0.iter().map(|word| &word[..word.len().min(4)]).collect();
        assert!(own.matches(&short.join(" ")));
        assert!(!own.matches(""));
        assert!(!own.matches(&own.0[..7].join(" ")), "seven of eight words");
        assert!(!own.matches(&format!("{said} {}", own.0[0])));
        assert!(!own.matches(&short.join(" ").replacen(short[3], &short[3][..2], 1)));
    }

    #[test]
    fn another_word_anywhere_does_not_match() {
        let own = fingerprint(1, 2);
        for at in 0..WORDS {
            for other in Language::English.word_list() {
                let mut words = own.0;
                words[at] = other;
                assert_eq!(own.matches(&words.join(" ")), *other == own.0[at]);
            }
        }
    }
}
