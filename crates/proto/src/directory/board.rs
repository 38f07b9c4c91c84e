//! A board: what a node has to say on its control links.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::directory::control::Place;

/// Messages, each in the place of the one before it. Whoever connects gets all that are of use, and
/// whoever has got some gets what was posted after those.
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

impl Posted {
    fn is_for(&self, audience: Audience) -> bool {
        audience == Audience::Relays || self.audience == Audience::All
    }
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

    /// What whoever connects now is to get, in this order, and the number of the last post: rosters, proofs
    /// and documents, then what they are needed for. What a clock showed when it was posted is of no use
    /// by then.
    #[must_use]
    pub fn first(&self, audience: Audience) -> (u64, Vec<Arc<[u8]>>) {
        let leads =
            |place: Place| matches!(place, Place::Roster(_) | Place::Proof(_) | Place::Document(_));
        let of = |leading: bool| {
            let posts = self.posts.values().filter(move |posted| leads(posted.place) == leading);
            posts.filter(move |posted| posted.place != Place::Clock && posted.is_for(audience))
        };
        let all = of(true).chain(of(false)).map(|posted| Arc::clone(&posted.message));
        (self.last, all.collect())
    }

    /// The first message after the one of number `told` that is for this audience, and its number.
    #[must_use]
    pub fn after(&self, told: u64, audience: Audience) -> Option<(u64, Arc<[u8]>)> {
        let mut later = self.posts.range(told.saturating_add(1)..);
        let (number, posted) = later.find(|(_, posted)| posted.is_for(audience))?;
        Some((*number, Arc::clone(&posted.message)))
    }
}

#[cfg(test)]
mod tests {
    use rohrpost_packet::NodeNumber;

    use super::*;
    use crate::directory::descriptor::DescriptorHash;
    use crate::time::Slot;

    fn all(board: &Board, audience: Audience) -> Vec<u8> {
        board.first(audience).1.iter().map(|message| message[0]).collect()
    }

    #[test]
    fn whoever_connects_gets_what_is_of_use_and_afterwards_what_is_new() {
        let mut board = Board::default();
        let post = |board: &mut Board, audience, place, message: u8| {
            board.post(audience, place, [message].into());
        };
        let (node, hash) = (NodeNumber::new(9), DescriptorHash::new([1; 32]));
        post(&mut board, Audience::All, Place::Clock, 1);
        post(&mut board, Audience::All, Place::Descriptor(node, hash), 2);
        post(&mut board, Audience::Relays, Place::Vote(Slot::new(7)), 3);
        post(&mut board, Audience::All, Place::Document(Slot::new(6)), 4);
        post(&mut board, Audience::All, Place::Clock, 5);
        assert_eq!(all(&board, Audience::Relays), [4, 2, 3], "documents before what they name");
        assert_eq!(all(&board, Audience::All), [4, 2]);
        board.retain(|place| place != Place::Document(Slot::new(6)));
        assert_eq!(all(&board, Audience::Relays), [2, 3]);
        let (last, _) = board.first(Audience::All);
        assert_eq!(board.after(last, Audience::Relays), None);
        post(&mut board, Audience::All, Place::Clock, 6);
        assert_eq!(board.after(last, Audience::All).map(|(_, message)| message[0]), Some(6));
    }
}
