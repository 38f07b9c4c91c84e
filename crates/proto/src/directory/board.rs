//! A board: what a node has to say on its control links.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::directory::control::Place;

/// Messages, each in the place of the one before it. Whoever connects gets all that are of use, oldest
/// first, and whoever has got some gets what was posted after those.
#[derive(Default)]
pub struct Board {
    /// Number of the last post.
    last: u64,
    /// By number: one for each place.
    posts: BTreeMap<u64, Posted>,
    places: BTreeMap<Place, u64>,
}

struct Posted {
    place: Place,
    audience: Audience,
    message: Arc<[u8]>,
}

/// Parties at the other ends of control links.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// Relays alone.
    Relays,
    /// All nodes.
    All,
}

impl Board {
    /// Posts a message in the place of the one before it, if there is one.
    pub fn post(&mut self, audience: Audience, place: Place, message: Arc<[u8]>) {
        self.last += 1;
        if let Some(before) = self.places.insert(place, self.last) {
            self.posts.remove(&before);
        }
        self.posts.insert(self.last, Posted { place, audience, message });
    }

    /// Takes down what is of no more use.
    pub fn retain(&mut self, is_of_use: impl Fn(Place) -> bool) {
        self.posts.retain(|_, posted| is_of_use(posted.place));
        self.places.retain(|place, _| is_of_use(*place));
    }

    /// The first message after the one of number `told` that is for this audience, and its number.
    #[must_use]
    pub fn after(&self, told: u64, audience: Audience) -> Option<(u64, Arc<[u8]>)> {
        let for_it =
            |posted: &Posted| audience == Audience::Relays || posted.audience == Audience::All;
        let mut later = self.posts.range(told.saturating_add(1)..);
        let (number, posted) = later.find(|(_, posted)| for_it(posted))?;
        Some((*number, Arc::clone(&posted.message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Slot;

    fn all(board: &Board, audience: Audience) -> Vec<u8> {
        let mut told = 0;
        let next = || {
            let (number, message) = board.after(told, audience)?;
            told = number;
            Some(message[0])
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn whoever_connects_gets_what_is_of_use_and_afterwards_what_is_new() {
        let mut board = Board::default();
        let post = |board: &mut Board, audience, place, message: u8| {
            board.post(audience, place, [message].into());
        };
        post(&mut board, Audience::All, Place::Clock, 1);
        post(&mut board, Audience::Relays, Place::Vote(Slot::new(7)), 2);
        post(&mut board, Audience::All, Place::Document(Slot::new(6)), 3);
        post(&mut board, Audience::All, Place::Clock, 4);
        assert_eq!(all(&board, Audience::Relays), [2, 3, 4]);
        assert_eq!(all(&board, Audience::All), [3, 4]);
        board.retain(|place| place != Place::Document(Slot::new(6)));
        assert_eq!(all(&board, Audience::Relays), [2, 4]);
        assert_eq!(board.after(4, Audience::Relays), None);
        post(&mut board, Audience::All, Place::Document(Slot::new(7)), 5);
        assert_eq!(board.after(4, Audience::All).map(|(_, message)| message[0]), Some(5));
    }
}
