//! Changed bytes: all that an attacker on a link can do to a message that it cannot make.

use std::num::NonZeroU8;
use std::ops::Range;

use arbitrary::Arbitrary;

/// A byte of a message, and the change in it.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Change {
    /// Place of the byte, modulo the message's length.
    pub place: u16,
    /// Bits of the byte that are flipped.
    pub bits: NonZeroU8,
}

/// Applies all changes; two of them may undo each other.
pub fn apply(bytes: &mut [u8], changes: &[Change]) {
    for change in changes {
        let place = usize::from(change.place) % bytes.len();
        bytes[place] ^= change.bits.get();
    }
}

/// Tells whether two messages of one length differ within `range`.
#[must_use]
pub fn differ(one: &[u8], other: &[u8], range: Range<usize>) -> bool {
    one[range.clone()] != other[range]
}
