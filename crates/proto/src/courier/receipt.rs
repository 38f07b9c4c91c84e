//! Receipts of letters, and the memory of which letters were opened.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rohrpost_packet::envelope::{EnvelopeMark, KeyId, Kind, MARK_LEN, PrekeyId, PrekeySecret};

use crate::weakness::Weakness;

/// Receipt of a letter that was opened. The application stores the mark, together with the fragment
/// if that is new, and then commits the receipt: only by that does the sender hear of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The contact that sealed the letter.
    pub sender: KeyId,
    /// Purpose of the message.
    pub kind: Kind,
    /// Number of the message; the version of an address.
    pub sequence: u64,
    /// Index of the fragment.
    pub fragment: u32,
    /// True for a fragment that is to be stored; false for a letter that brings nothing new.
    pub new: bool,
    /// The mark of the letter's envelope.
    pub mark: EnvelopeMark,
}

/// Marks of the letters that were opened, for as long as their prekeys are there.
///
/// Only a relay can serve an opened letter again, for a sender seals each fragment anew: so what is
/// known never draws an acknowledgement. At most [`MARKS_PER_PREKEY`] are remembered of each prekey.
#[derive(Default)]
pub(super) struct OpenedLetters {
    of: BTreeMap<PrekeyId, HashSet<[u8; MARK_LEN]>>,
}

impl OpenedLetters {
    /// Tells whether this letter was opened before.
    pub(super) fn knows(&self, mark: &EnvelopeMark) -> bool {
        !Weakness::KnownEnvelopesAreAcknowledged.is_active()
            && self.of.get(&mark.prekey()).is_some_and(|marks| marks.contains(mark.as_bytes()))
    }

    /// Remembers a letter; false if there is no room. Without room, no letter of this prekey draws
    /// an acknowledgement that brings nothing new.
    pub(super) fn remember(&mut self, mark: &EnvelopeMark) -> bool {
        let marks = self.of.entry(mark.prekey()).or_default();
        let room = u32::try_from(marks.len()).is_ok_and(|len| len < MARKS_PER_PREKEY);
        if room {
            marks.insert(*mark.as_bytes());
        }
        room
    }

    /// Forgets the letters of all prekeys but these.
    pub(super) fn retain<'a>(&mut self, prekeys: impl IntoIterator<Item = &'a PrekeySecret>) {
        let left: BTreeSet<_> = prekeys.into_iter().map(|prekey| prekey.public().id()).collect();
        self.of.retain(|prekey, _| left.contains(prekey));
    }
}

/// Marks per prekey: more than two mailboxes serve in 72 hours by the default rates, with a letter
/// in each answer, where contacts are told another prekey each third day. A thousand letters a day
/// are some 60 KiB; a full memory is 9 MiB.
pub const MARKS_PER_PREKEY: u32 = 1 << 19;

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(prekey: u8, number: u64) -> EnvelopeMark {
        EnvelopeMark::new(PrekeyId::new([prekey; 16]), number.to_be_bytes())
    }

    #[test]
    fn a_full_memory_of_one_prekey_leaves_room_for_the_letters_of_another() {
        let mut opened = OpenedLetters::default();
        let all = 0..u64::from(MARKS_PER_PREKEY);
        assert!(all.clone().all(|number| opened.remember(&mark(1, number))));
        let next = mark(1, all.end);
        assert!(!opened.remember(&next) && !opened.knows(&next));
        assert!(opened.knows(&mark(1, 7)) && !opened.knows(&mark(2, 7)));
        assert!(opened.remember(&mark(2, 7)) && opened.knows(&mark(2, 7)));
        opened.retain([]);
        assert!(opened.remember(&next), "what is forgotten makes room");
    }
}
