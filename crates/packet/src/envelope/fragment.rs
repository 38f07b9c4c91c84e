//! The fragment inside an envelope: header of 44 bytes, certificate, text, zero padding.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::identifier::bytes_newtype;

/// Bytes before certificate and text.
pub(super) const HEADER_LEN: usize = 44;

bytes_newtype! {
    /// Identifier of a message among all between its sender and recipient: 16 random bytes.
    pub struct MessageId([u8; 16]);
}

impl MessageId {
    /// Draws a fresh identifier.
    #[must_use]
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

/// Prints the first four bytes, enough for a person to tell two messages apart.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Place of a fragment among all fragments of its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FragmentPosition {
    /// Number of the fragment within its message: `0 <= index < count`.
    pub index: u32,
    /// Number of fragments in the message; `1` for a message of one envelope.
    pub count: u32,
}

impl FragmentPosition {
    /// Place of the only fragment of a message.
    pub const WHOLE: Self = Self { index: 0, count: 1 };
}

/// Purpose of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A message for the application of the recipient to read.
    Content,
    /// New ways to reach the sender, meant for the recipient's client.
    Address,
    /// Tombstone: takes the place of a message that has expired, so that later ones need not wait
    /// for it.
    Tombstone,
    /// Report of which messages of the recipient have arrived; not acknowledged itself.
    Acknowledgement,
}

impl Kind {
    /// The kind's code in a fragment and in storage.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Content => 0,
            Self::Address => 1,
            Self::Tombstone => 2,
            Self::Acknowledgement => 3,
        }
    }

    /// Reads the kind from its code in a fragment or in storage; `None` if the code is unknown.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Content,
            1 => Self::Address,
            2 => Self::Tombstone,
            3 => Self::Acknowledgement,
            _ => return None,
        })
    }
}

/// Plaintext of one envelope: a whole message or a part of one, from the sender to the recipient.
pub struct Fragment {
    /// Identifier of the message.
    pub message: MessageId,
    /// Purpose of the message.
    pub kind: Kind,
    /// Position of the message among the sender's messages to this recipient.
    pub sequence: u64,
    /// Place of this fragment in the message.
    pub position: FragmentPosition,
    /// Time of writing, in minutes since the Unix epoch.
    pub minutes: u32,
    /// The sender's certificate by its agency, if the sender shows one.
    pub certificate: Option<Vec<u8>>,
    /// The text. Text and certificate together fill at most the room of one fragment.
    pub body: Zeroizing<Vec<u8>>,
}

impl Fragment {
    /// Fills `out`, which is all zero and has the length of the suite's fragments.
    pub(super) fn encode(&self, out: &mut [u8]) -> Result<(), FragmentError> {
        if self.position.index >= self.position.count {
            return Err(FragmentError::Malformed);
        }
        let certificate = self.certificate.as_deref().unwrap_or_default();
        let room = out.len() - HEADER_LEN;
        let len = certificate.len() + self.body.len();
        if len > room {
            return Err(FragmentError::TooLong { len, room });
        }
        let short =
            |len: usize| u16::try_from(len).map_err(|_| FragmentError::TooLong { len, room });
        out[0] = VERSION;
        out[1] = u8::from(self.certificate.is_some());
        out[2..4].copy_from_slice(&short(certificate.len())?.to_be_bytes());
        out[4..20].copy_from_slice(&self.message.0);
        out[20..28].copy_from_slice(&self.sequence.to_be_bytes());
        out[28..32].copy_from_slice(&self.position.index.to_be_bytes());
        out[32..36].copy_from_slice(&self.position.count.to_be_bytes());
        out[36..40].copy_from_slice(&self.minutes.to_be_bytes());
        out[40..42].copy_from_slice(&short(self.body.len())?.to_be_bytes());
        out[42] = self.kind.byte();
        let (first, rest) = out[HEADER_LEN..].split_at_mut(certificate.len());
        first.copy_from_slice(certificate);
        rest[..self.body.len()].copy_from_slice(&self.body);
        Ok(())
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FragmentError> {
        let short = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        if bytes[0] != VERSION {
            return Err(FragmentError::Version);
        }
        let (certificate_len, body_len) = (short(2), short(40));
        let position = FragmentPosition { index: word(28), count: word(32) };
        let content = &bytes[HEADER_LEN..];
        let fits = certificate_len + body_len <= content.len();
        let flags = bytes[1] <= 1 && (bytes[1] == 1 || certificate_len == 0);
        if !fits || !flags || position.index >= position.count || bytes[43] != 0 {
            return Err(FragmentError::Malformed);
        }
        let kind = Kind::from_byte(bytes[42]).ok_or(FragmentError::Malformed)?;
        let (certificate, rest) = content.split_at(certificate_len);
        let mut message = [0; 16];
        message.copy_from_slice(&bytes[4..20]);
        let mut sequence = [0; 8];
        sequence.copy_from_slice(&bytes[20..28]);
        Ok(Self {
            message: MessageId(message),
            kind,
            sequence: u64::from_be_bytes(sequence),
            position,
            minutes: word(36),
            certificate: (bytes[1] == 1).then(|| certificate.to_vec()),
            body: Zeroizing::new(rest[..body_len].to_vec()),
        })
    }
}

/// Reason why a fragment cannot be written or read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FragmentError {
    /// Text and certificate together are longer than one envelope holds.
    #[error("{len} bytes do not fit one envelope, which holds {room}")]
    TooLong {
        /// Bytes of text and certificate that were given.
        len: usize,
        /// Bytes of text and certificate that fit.
        room: usize,
    },
    /// The fragment is not of version 1.
    #[error("unknown fragment version")]
    Version,
    /// Lengths or places contradict each other.
    #[error("malformed fragment")]
    Malformed,
}

const VERSION: u8 = 1;
