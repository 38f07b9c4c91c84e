//! Records of the vault's tables: JSON inside the encryption, with a version, strict when read.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::{Zeroize, Zeroizing};

use super::error::StoreError;

/// Bytes of a record, as hex in it; wiped when dropped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hex<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> Drop for Hex<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(HEXLOWER.encode(&self.0)))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(HexVisitor)
    }
}

struct HexVisitor<const N: usize>;

impl<const N: usize> de::Visitor<'_> for HexVisitor<N> {
    type Value = Hex<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes in hex")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Hex<N>, E> {
        let mut bytes = Hex([0; N]);
        let fits = HEXLOWER.decode_len(text.len()) == Ok(N);
        let read = fits && HEXLOWER.decode_mut(text.as_bytes(), &mut bytes.0).is_ok();
        if read { Ok(bytes) } else { Err(E::invalid_value(de::Unexpected::Str("text"), &self)) }
    }
}

pub(super) fn encode<T: Serialize>(record: &T) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    serde_json::to_vec(record).map(Zeroizing::new).map_err(|_| StoreError::Record)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|_| StoreError::Record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_were_written_and_others_refused() {
        let text = encode(&Hex([0x0a, 0xff])).ok().unwrap();
        assert_eq!(*text, b"\"0aff\"");
        assert_eq!(decode::<Hex<2>>(&text).ok().unwrap().0, [0x0a, 0xff]);
        for wrong in ["\"0aff00\"", "\"0a\"", "\"0aFF\"", "\"\"", "7"] {
            assert!(decode::<Hex<2>>(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
