//! The fragment inside an envelope: header of 60 bytes, text, zero padding.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::identifier::bytes_newtype;

/// Bytes before the text.
pub(super) const HEADER_LEN: usize = 106;
/// The most fragments of a message: index and count have three bytes each.
const MOST_FRAGMENTS: u32 = 0xff_ffff;

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
    /// Report of which messages of the recipient have arrived; not acknowledged itself.
    Acknowledgement,
    /// Cover from the sender to itself.
    Loop,
}

impl Kind {
    /// The kind's code in a fragment and in storage.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Content => 0,
            Self::Address => 1,
            Self::Acknowledgement => 2,
            Self::Loop => 3,
        }
    }

    /// Reads the kind from its code in a fragment or in storage; `None` if the code is unknown.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Content,
            1 => Self::Address,
            2 => Self::Acknowledgement,
            3 => Self::Loop,
            _ => return None,
        })
    }
}

/// Messages that a letter names as told of: one, and those whose numbers are just below.
pub const REPEATED: usize = 8;

/// Where the sender of a letter stands with its recipient: it goes with each letter, so that any
/// later one makes up for one that was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// Number before which every message is over: the recipient has it, or the sender gave it up,
    /// and nobody need wait for it.
    pub open: u64,
    /// Number after the highest one that the recipient has acknowledged; zero if there is none.
    pub heard: u64,
    /// Which of the sender's messages the recipient has acknowledged as whole: bit 0 is that before
    /// `heard`, bit n the one whose number is less by n. Whoever lacks one of them goes on from an
    /// older copy of its store.
    pub whole: u128,
    /// Incarnation of the recipient that has acknowledged them.
    pub since: u32,
    /// Incarnation of the sender, in which it counts the recipient's messages.
    pub incarnation: u32,
    /// Number of one of the recipient's messages that the sender has acknowledged as told to its
    /// reader; letters take turns with all of those that are not over.
    pub last: u64,
    /// Which messages up to that were told: the first is that one itself, the one at n that whose
    /// number is less by n. Each is named by the first two bytes of its identifier, 1 if those are
    /// zero; zero is none.
    pub told: [u16; REPEATED],
    /// How many numbers before this letter's message the one stands that the reader is told of
    /// first; zero if it waits for none.
    pub behind: u8,
    /// Name of that one, as in `told`; zero if it waits for none. Under its number the recipient may
    /// know another message: then the sender goes on from an older copy of its store.
    pub after: u16,
    /// Hour in which the letter leaves, since the Unix epoch, modulo 256: so that what has waited in
    /// a mailbox for days is not taken for a sign that its sender is there.
    pub hour: u8,
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
    /// What the sender knows of its messages to the recipient.
    pub standing: Standing,
    /// The text, which fills at most the room of one fragment.
    pub body: Zeroizing<Vec<u8>>,
}

impl Fragment {
    /// Fills `out`, which is all zero and has the length of the suite's fragments.
    pub(super) fn encode(&self, out: &mut [u8]) -> Result<(), FragmentError> {
        if self.position.index >= self.position.count || self.position.count > MOST_FRAGMENTS {
            return Err(FragmentError::Malformed);
        }
        let (len, room) = (self.body.len(), out.len() - HEADER_LEN);
        let short = u16::try_from(len).ok().filter(|_| len <= room);
        let short = short.ok_or(FragmentError::TooLong { len, room })?;
        out[0] = VERSION;
        out[1] = self.kind.byte();
        out[2..4].copy_from_slice(&short.to_be_bytes());
        out[4..20].copy_from_slice(&self.message.0);
        out[20..28].copy_from_slice(&self.sequence.to_be_bytes());
        out[28..32].copy_from_slice(&self.position.index.to_be_bytes());
        out[28] = self.standing.behind;
        out[32..36].copy_from_slice(&self.position.count.to_be_bytes());
        out[32] = self.standing.hour;
        out[36..40].copy_from_slice(&self.minutes.to_be_bytes());
        out[40..48].copy_from_slice(&self.standing.open.to_be_bytes());
        out[48..56].copy_from_slice(&self.standing.heard.to_be_bytes());
        out[56..72].copy_from_slice(&self.standing.whole.to_be_bytes());
        out[72..76].copy_from_slice(&self.standing.since.to_be_bytes());
        out[76..80].copy_from_slice(&self.standing.incarnation.to_be_bytes());
        out[80..88].copy_from_slice(&self.standing.last.to_be_bytes());
        for (name, told) in out[88..104].chunks_exact_mut(2).zip(self.standing.told) {
            name.copy_from_slice(&told.to_be_bytes());
        }
        out[104..HEADER_LEN].copy_from_slice(&self.standing.after.to_be_bytes());
        out[HEADER_LEN..][..len].copy_from_slice(&self.body);
        Ok(())
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FragmentError> {
        let short = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
        if bytes[0] != VERSION {
            return Err(FragmentError::Version);
        }
        let position =
            FragmentPosition { index: word(28) & MOST_FRAGMENTS, count: word(32) & MOST_FRAGMENTS };
        let body = bytes[HEADER_LEN..].get(..short).ok_or(FragmentError::Malformed)?;
        if position.index >= position.count {
            return Err(FragmentError::Malformed);
        }
        let [mut message, mut whole] = [[0; 16]; 2];
        message.copy_from_slice(&bytes[4..20]);
        whole.copy_from_slice(&bytes[56..72]);
        Ok(Self {
            message: MessageId(message),
            kind: Kind::from_byte(bytes[1]).ok_or(FragmentError::Malformed)?,
            sequence: long(20),
            position,
            minutes: word(36),
            standing: Standing {
                open: long(40),
                heard: long(48),
                whole: u128::from_be_bytes(whole),
                since: word(72),
                incarnation: word(76),
                last: long(80),
                told: std::array::from_fn(|at| {
                    u16::from_be_bytes([bytes[88 + 2 * at], bytes[89 + 2 * at]])
                }),
                behind: bytes[28],
                after: u16::from_be_bytes([bytes[104], bytes[105]]),
                hour: bytes[32],
            },
            body: Zeroizing::new(body.to_vec()),
        })
    }
}

/// Reason why a fragment cannot be written or read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FragmentError {
    /// The text is longer than one envelope holds.
    #[error("{len} bytes do not fit one envelope, which holds {room}")]
    TooLong {
        /// Bytes of text that were given.
        len: usize,
        /// Bytes of text that fit.
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
