//! Changed bytes: what an attacker on a link can do to a message that it cannot make.

use std::num::NonZeroU8;
use std::ops::Range;

use arbitrary::Arbitrary;

/// One byte that is changed.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Change {
    /// Where, modulo the message's length.
    pub place: u16,
    /// Which bits.
    pub bits: NonZeroU8,
}

/// Applies all of them; two changes may undo each other.
pub fn apply(bytes: &mut [u8], changes: &[Change]) {
    for change in changes {
        let place = usize::from(change.place) % bytes.len();
        bytes[place] ^= change.bits.get();
    }
}

/// Whether two messages of one length differ within `range`.
#[must_use]
pub fn differ(one: &[u8], other: &[u8], range: Range<usize>) -> bool {
    one[range.clone()] != other[range]
}
