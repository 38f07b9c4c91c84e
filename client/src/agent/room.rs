//! Contacts that have no room left for what they write: which of them were told of, and what is said.

use std::collections::BTreeMap;

use rohrpost_packet::envelope::KeyId;

use crate::store::{Lack, NoRoom};

/// Contacts of which it was told that they have no room.
pub(super) struct Room(BTreeMap<KeyId, NoRoom>);

impl Room {
    pub(super) fn of(without: &[NoRoom]) -> Self {
        Self(without.iter().map(|one| (one.contact, *one)).collect())
    }

    /// True if any contact was told to have none.
    pub(super) fn is_short(&self) -> bool {
        !self.0.is_empty()
    }

    /// Notes which contacts have no room now. Gives those of which that is news, and those that had
    /// none and have some again.
    pub(super) fn renew(&mut self, without: &[NoRoom]) -> (Vec<NoRoom>, Vec<NoRoom>) {
        let before = std::mem::replace(self, Self::of(without));
        let known =
            |one: &&NoRoom| before.0.get(&one.contact).is_some_and(|other| other.lack == one.lack);
        let new = without.iter().filter(|one| !known(one)).copied().collect();
        let again = before.0.into_values().filter(|one| !self.0.contains_key(&one.contact));
        (new, again.collect())
    }
}

/// Sentence on a contact of this name that has no room, with what to do.
pub(super) fn sentence(name: &str, NoRoom { lack, bytes, limit, .. }: &NoRoom) -> String {
    let (bytes, limit) = (bytes.div_ceil(MIB), limit / MIB);
    match lack {
        Lack::Unfinished => format!(
            "{name}: files that are not complete take {bytes} of the {limit} MiB that they may have \
             here, so no more of them is taken; texts come through. Ask whether such files are meant \
             to come, else: rohrpost block"
        ),
        Lack::Unread => format!(
            "{name}: messages that you have not read take {bytes} of the {limit} MiB that they may \
             have here, so no more is taken; nothing is lost, what is not taken is sent again, until \
             it expires there. Read them, and save what you need (rohrpost inbox, read), else: \
             rohrpost block. Messages of others come through"
        ),
    }
}

const MIB: u64 = 1 << 20;
