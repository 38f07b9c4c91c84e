//! Pieces of bodies that the application stores: those that leave next.
//!
//! The courier asks for a piece some slots before it needs it ([`Event::Wanted`]), and the
//! application supplies it when it can. A slot never waits for that: a fragment whose piece is not
//! there when the slot's cell is built leaves in a later one, and something else leaves in its place,
//! as if it had not been posted yet. So what can be observed does not depend on how long the
//! application takes.
//!
//! [`Event::Wanted`]: super::Event::Wanted

use std::collections::BTreeMap;
use std::time::Duration;

use rohrpost_packet::envelope::MessageId;
use zeroize::Zeroizing;

use super::message::{Body, Message};
use crate::time::Steady;

/// Pieces that are asked for or there, at most [`MOST`].
pub(super) struct Pieces {
    /// Bytes of a fragment.
    room: usize,
    /// Fragments of a piece, but for the last of a message.
    fragments: u32,
    slot: Duration,
    /// Pieces by message, and number in the message.
    held: BTreeMap<(MessageId, u32), Piece>,
}

struct Piece {
    /// Time at which the piece was needed last.
    needed: Steady,
    state: State,
}

enum State {
    /// Asked for at this time; it has so many bytes.
    Asked(Steady, usize),
    There(Zeroizing<Vec<u8>>),
}

/// A piece that the application is to supply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) message: MessageId,
    pub(super) offset: usize,
    pub(super) len: usize,
}

impl Pieces {
    /// No pieces, where a fragment has so many bytes, and a cell leaves in each `slot`.
    pub(super) fn new(room: usize, slot: Duration) -> Self {
        let fragments = u32::try_from(PIECE / room).unwrap_or(1).max(1);
        Self { room, fragments, slot, held: BTreeMap::new() }
    }

    /// Fragments after one that leaves for which the piece is asked for with it.
    pub(super) const fn ahead(&self) -> u32 {
        self.fragments / 2
    }

    /// Number of the piece that has a fragment.
    pub(super) const fn piece(&self, index: u32) -> u32 {
        index / self.fragments
    }

    /// Tells whether the body of a message's fragment is there.
    pub(super) fn has(&self, message: &Message, index: u32) -> bool {
        match message.body {
            Body::With(_) => true,
            Body::Stored(_) => self.there(message.id, index).is_some(),
        }
    }

    /// The body of a message's fragment, if it is there.
    pub(super) fn fragment(&self, message: &Message, index: u32) -> Option<Zeroizing<Vec<u8>>> {
        let (bytes, first) = match &message.body {
            Body::With(bytes) => (bytes, 0),
            Body::Stored(_) => {
                let first = self.piece(index) * self.fragments;
                (self.there(message.id, index)?, first)
            }
        };
        let start = self.bytes(index - first);
        let rest = bytes.get(start..).unwrap_or_default();
        Some(Zeroizing::new(rest[..rest.len().min(self.room)].to_vec()))
    }

    /// Notes that a piece of a message with a stored body of `len` bytes is needed; gives what to ask
    /// the application for, unless the piece is there or was asked for lately.
    pub(super) fn need(
        &mut self,
        now: Steady,
        (message, len): (MessageId, usize),
        piece: u32,
    ) -> Option<Wanted> {
        let offset = self.bytes(piece.saturating_mul(self.fragments));
        let wanted =
            Wanted { message, offset, len: len.checked_sub(offset)?.min(self.piece_bytes()) };
        let asked = State::Asked(now, wanted.len);
        if let Some(known) = self.held.get_mut(&(message, piece)) {
            known.needed = now;
            let late =
                matches!(known.state, State::Asked(at, _) if now.since(at) >= self.slot * AGAIN);
            return late.then(|| {
                known.state = asked;
                wanted
            });
        }
        if self.held.len() >= MOST && !self.make_room(now) {
            return None;
        }
        self.held.insert((message, piece), Piece { needed: now, state: asked });
        Some(wanted)
    }

    /// Takes a piece, if it was asked for.
    pub(super) fn supply(&mut self, message: MessageId, offset: usize, bytes: Zeroizing<Vec<u8>>) {
        let piece = offset / self.piece_bytes();
        let asked = u32::try_from(piece).ok().and_then(|at| self.held.get_mut(&(message, at)));
        if let Some(piece) = asked
            && matches!(piece.state, State::Asked(_, len) if len == bytes.len())
        {
            piece.state = State::There(bytes);
        }
    }

    /// Forgets what was not needed for a while: it has left, or waits for an acknowledgement.
    pub(super) fn forget(&mut self, now: Steady) {
        self.held.retain(|_, piece| now.since(piece.needed) < self.slot * KEPT);
    }

    /// Forgets the piece that was needed longest ago, unless all are needed now.
    fn make_room(&mut self, now: Steady) -> bool {
        let oldest = self.held.iter().min_by_key(|(_, piece)| piece.needed);
        let oldest = oldest.filter(|(_, piece)| piece.needed < now).map(|(key, _)| *key);
        oldest.is_some_and(|key| self.held.remove(&key).is_some())
    }

    fn there(&self, message: MessageId, index: u32) -> Option<&Zeroizing<Vec<u8>>> {
        match &self.held.get(&(message, self.piece(index)))?.state {
            State::There(bytes) => Some(bytes),
            State::Asked(..) => None,
        }
    }

    fn piece_bytes(&self) -> usize {
        self.bytes(self.fragments)
    }

    fn bytes(&self, fragments: u32) -> usize {
        usize::try_from(fragments).unwrap_or(usize::MAX).saturating_mul(self.room)
    }
}

/// Pieces that may be asked for or there: 2 MiB. They are enough for sixteen contacts that are sent
/// files at once; with more, those whose turn comes next have theirs.
pub(super) const MOST: usize = 32;
/// Bytes of a piece at most: what leaves to one contact in 7 seconds by the default rates, hybrid.
const PIECE: usize = 64 << 10;
/// Slots after which a piece that was not supplied is asked for again, for the disk may have failed:
/// a minute by the default rates.
const AGAIN: u32 = 240;
/// Slots for which a piece stays that nothing needs: two minutes by the default rates.
const KEPT: u32 = 480;

#[cfg(test)]
mod tests;
