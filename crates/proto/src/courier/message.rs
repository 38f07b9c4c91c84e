//! A message as the application posts it.

use rohrpost_packet::Suite;
use rohrpost_packet::envelope::{Kind, MessageId, fragment_body_len};
use zeroize::Zeroizing;

use crate::time::Time;

/// A message for a contact. The application stores it until it is delivered or has expired.
pub struct Message {
    /// Identifier of the message for good.
    pub id: MessageId,
    /// Kind of the message: [`Kind::Content`] or [`Kind::Address`].
    pub kind: Kind,
    /// Number of the message, above that of the message to this contact before it; the version of
    /// an address. See [`Courier::next_sequence`](super::Courier::next_sequence).
    pub sequence: u64,
    /// Time of writing, in minutes since the Unix epoch.
    pub minutes: u32,
    /// Time at which the message is given up if it is not acknowledged: once both the process's own
    /// clock and document time have reached it, so that neither a relay nor a wrong clock of the
    /// machine makes a message expire alone.
    pub expires: Time,
    /// How all of the message had left in a former run. It leaves again when its acknowledgement is
    /// overdue since then, not at once; `None` if some of it has never left.
    pub left: Option<PastFlights>,
    /// Body that the fragments carry.
    pub body: Body,
}

impl Message {
    /// An address of this client, as it leaves for a contact for the first time. Its id is a hash of it:
    /// fragments that leave in other runs are of the same message.
    #[must_use]
    pub fn address(version: u64, body: &[u8]) -> Self {
        let hash = blake3::derive_key("rohrpost address id v1", body);
        Self {
            id: MessageId::new(*hash.first_chunk().expect("a hash is longer than an id")),
            kind: Kind::Address,
            sequence: version,
            minutes: 0,
            expires: Time::from_micros(u64::MAX),
            left: None,
            body: body.to_vec().into(),
        }
    }
}

/// Body of a message, which its fragments carry.
pub enum Body {
    /// All bytes, at most [`BODY_BYTES`].
    With(Zeroizing<Vec<u8>>),
    /// So many bytes, at most [`MESSAGE_BYTES`], which the application has. The courier asks for
    /// pieces of them ([`Event::Wanted`](super::Event::Wanted)) as they are about to leave.
    Stored(usize),
}

impl Body {
    /// Bytes of the whole body.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::With(bytes) => bytes.len(),
            Self::Stored(len) => *len,
        }
    }

    /// True of a body without a byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the longest body of this kind.
    pub(super) const fn limit(&self) -> usize {
        match self {
            Self::With(_) => BODY_BYTES,
            Self::Stored(_) => MESSAGE_BYTES,
        }
    }
}

impl From<Zeroizing<Vec<u8>>> for Body {
    /// A body that goes with its message.
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self::With(bytes)
    }
}

impl From<Vec<u8>> for Body {
    /// A body that goes with its message.
    fn from(bytes: Vec<u8>) -> Self {
        Self::With(bytes.into())
    }
}

/// Flights of a message in former runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PastFlights {
    /// Time at which the message left last.
    pub last: Time,
    /// Number of times in a row that the message has left without a sign of life from its recipient,
    /// none of them so long after another that the mailboxes have forgotten that: as
    /// [`Event::Sent`](super::Event::Sent) says.
    pub times: u32,
}

/// Number of the first message to a contact that is written in an incarnation: in the middle of the
/// incarnation's numbers. What an older copy of a store still has for the contact gets the numbers
/// just before, in its order.
#[must_use]
pub const fn first_number(incarnation: u32) -> u64 {
    ((incarnation as u64) << 32) | WRITTEN_ANEW
}

/// Incarnation in which a message's number was given: the number's upper half.
#[must_use]
pub const fn incarnation_of(sequence: u64) -> u32 {
    (sequence >> 32) as u32
}

/// True if a message was written in the incarnation of its number; one that was not has its number
/// from before [`first_number`].
#[must_use]
pub const fn is_written_anew(sequence: u64) -> bool {
    sequence & WRITTEN_ANEW != 0
}

/// The bit that is set in the second half of an incarnation's numbers.
const WRITTEN_ANEW: u64 = 1 << 31;

/// Messages that keep their order among each other: short ones pass long ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    Short,
    Long,
}

impl Lane {
    /// The lane of a message of `count` fragments, where the largest one has `most`: both ends tell it
    /// by that.
    pub(super) const fn of(count: u32, most: u32) -> Self {
        if count <= Self::longest_short(most) { Self::Short } else { Self::Long }
    }

    /// Fragments of the longest message that is short.
    pub(super) const fn longest_short(most: u32) -> u32 {
        most.div_ceil(SHORT_PER_LARGEST)
    }
}

/// Short messages in the largest one: with 64 KiB all texts that people write are short.
const SHORT_PER_LARGEST: u32 = 256;
/// Fragments of the largest message.
pub(super) fn most_fragments<S: Suite>() -> u32 {
    most_of(fragment_body_len::<S>())
}

/// Fragments of the largest message, where each has `room` bytes of it.
pub(super) fn most_of(room: usize) -> u32 {
    u32::try_from(MESSAGE_BYTES.div_ceil(room)).unwrap_or(u32::MAX)
}

/// Bytes of one message at most: 16 MiB.
pub const MESSAGE_BYTES: usize = 16 << 20;
/// Bytes of a body that is given with its message, at most: what one envelope of any suite carries has
/// room. The courier holds them until the message is over.
pub const BODY_BYTES: usize = 8 << 10;
