//! The letter inside an envelope: header of 44 bytes, certificate, text, zero padding.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Bytes before certificate and text.
pub(super) const HEADER_LEN: usize = 44;

/// Identifies a message among all of its sender's and recipient's: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId([u8; 16]);

impl MessageId {
    /// A fresh identifier.
    #[must_use]
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// From storage.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// For storage.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The first four bytes, enough for a person to tell two messages apart.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Place of a letter in a message that needs more than one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// `0 <= index < count`.
    pub index: u32,
    /// `1` for a message of one envelope.
    pub count: u32,
}

impl Fragment {
    /// The only letter of its message.
    pub const WHOLE: Self = Self { index: 0, count: 1 };
}

/// What a message is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// For the recipient's owner to read.
    Content,
    /// How the sender can be reached from now on; for the recipient's client.
    Address,
    /// Takes the place of a message that has expired, so that later ones need not wait for it.
    Void,
    /// What has come of the recipient's own messages; not acknowledged itself.
    Acknowledgement,
}

impl Kind {
    /// For storage, and in a letter.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Content => 0,
            Self::Address => 1,
            Self::Void => 2,
            Self::Acknowledgement => 3,
        }
    }

    /// From storage or a letter.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Content,
            1 => Self::Address,
            2 => Self::Void,
            3 => Self::Acknowledgement,
            _ => return None,
        })
    }
}

/// What the sender tells the recipient.
pub struct Letter {
    /// Identifies the message.
    pub message: MessageId,
    /// What the message is for.
    pub kind: Kind,
    /// Position among the sender's messages to this recipient.
    pub sequence: u64,
    /// Place in the message.
    pub fragment: Fragment,
    /// When it was written, in minutes since the Unix epoch.
    pub minutes: u32,
    /// The sender's certificate by its agency, if it shows one.
    pub certificate: Option<Vec<u8>>,
    /// The text; with the certificate at most the letter's room.
    pub body: Zeroizing<Vec<u8>>,
}

impl Letter {
    /// Fills `out`, which is all zero and has the length of the suite's letters.
    pub(super) fn encode(&self, out: &mut [u8]) -> Result<(), LetterError> {
        if self.fragment.index >= self.fragment.count {
            return Err(LetterError::Malformed);
        }
        let certificate = self.certificate.as_deref().unwrap_or_default();
        let room = out.len() - HEADER_LEN;
        let len = certificate.len() + self.body.len();
        if len > room {
            return Err(LetterError::TooLong { len, room });
        }
        let short = |len: usize| u16::try_from(len).map_err(|_| LetterError::TooLong { len, room });
        out[0] = VERSION;
        out[1] = u8::from(self.certificate.is_some());
        out[2..4].copy_from_slice(&short(certificate.len())?.to_be_bytes());
        out[4..20].copy_from_slice(&self.message.0);
        out[20..28].copy_from_slice(&self.sequence.to_be_bytes());
        out[28..32].copy_from_slice(&self.fragment.index.to_be_bytes());
        out[32..36].copy_from_slice(&self.fragment.count.to_be_bytes());
        out[36..40].copy_from_slice(&self.minutes.to_be_bytes());
        out[40..42].copy_from_slice(&short(self.body.len())?.to_be_bytes());
        out[42] = self.kind.byte();
        let (first, rest) = out[HEADER_LEN..].split_at_mut(certificate.len());
        first.copy_from_slice(certificate);
        rest[..self.body.len()].copy_from_slice(&self.body);
        Ok(())
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, LetterError> {
        let short = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        if bytes[0] != VERSION {
            return Err(LetterError::Version);
        }
        let (certificate_len, body_len) = (short(2), short(40));
        let fragment = Fragment { index: word(28), count: word(32) };
        let content = &bytes[HEADER_LEN..];
        let fits = certificate_len + body_len <= content.len();
        let flags = bytes[1] <= 1 && (bytes[1] == 1 || certificate_len == 0);
        if !fits || !flags || fragment.index >= fragment.count || bytes[43] != 0 {
            return Err(LetterError::Malformed);
        }
        let kind = Kind::from_byte(bytes[42]).ok_or(LetterError::Malformed)?;
        let (certificate, rest) = content.split_at(certificate_len);
        let mut message = [0; 16];
        message.copy_from_slice(&bytes[4..20]);
        let mut sequence = [0; 8];
        sequence.copy_from_slice(&bytes[20..28]);
        Ok(Self {
            message: MessageId(message),
            kind,
            sequence: u64::from_be_bytes(sequence),
            fragment,
            minutes: word(36),
            certificate: (bytes[1] == 1).then(|| certificate.to_vec()),
            body: Zeroizing::new(rest[..body_len].to_vec()),
        })
    }
}

/// Why a letter cannot be written or read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LetterError {
    /// Text and certificate together are longer than one envelope holds.
    #[error("{len} bytes do not fit one envelope, which holds {room}")]
    TooLong {
        /// Bytes given.
        len: usize,
        /// Bytes that fit.
        room: usize,
    },
    /// Not version 1.
    #[error("unknown letter version")]
    Version,
    /// Lengths or places contradict each other.
    #[error("malformed letter")]
    Malformed,
}

const VERSION: u8 = 1;
