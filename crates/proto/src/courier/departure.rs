//! What follows from a departure: what the cell carried is noted once it has left, or given back if
//! it was thrown away.

use rohrpost_packet::Suite;
use rohrpost_packet::envelope::{KeyId, MessageId};
use zeroize::Zeroize;

use super::Courier;
use super::correspondent::Place;
use super::event::{Event, Trip};
use super::outgoing::Flight;
use super::ready::{Cargo, Content, Left, Ready};
use crate::time::Steady;

impl<S: Suite> Courier<S> {
    /// Notes what the last cell carried, now that it has left.
    pub(super) fn settle(&mut self) {
        let Some(left) = self.left.take() else {
            return;
        };
        let Left { slot, at, due, start, .. } = left;
        match left.cargo {
            Cargo::Cover | Cargo::Pull { .. } => {}
            Cargo::Acknowledgement { to, .. } => {
                self.repeat_others(to);
                let other = self.correspondents.get_mut(&to);
                if let Some(other) = other.filter(|other| other.acknowledgement_due().is_none()) {
                    other.reassembly.note_acknowledged();
                    self.events.push_mail(Event::AcknowledgementSent { to });
                }
            }
            Cargo::Fragment { to, message, index, path, before } => {
                self.repeat_others(to);
                // A message that is over meanwhile has nothing more to tell.
                if let Some(unanswered) = self.unanswered(to, message, index, due) {
                    let again = before.map_or(0, |flight| flight.times());
                    let trip = Trip { path, at: self.grid.document(at) };
                    let fragment = index;
                    let event = Event::Sent { message, fragment, again, unanswered, slot, trip };
                    self.events.push_mail(event);
                    if let Some(version) = self.whole_address(to, message, index) {
                        let times = unanswered;
                        self.events.push_mail(Event::Announced { to, version, times });
                    }
                }
            }
            Cargo::Loop { mailbox, message, path } => {
                self.expect_loop(mailbox, message, &Trip { path, at: start }, at);
            }
        }
    }

    fn repeat_others(&mut self, to: KeyId) {
        if let Some(other) = self.correspondents.get_mut(&to) {
            other.repeat_others();
        }
    }

    /// Throws the ready cell away, if there is one; what it carried leaves in a later slot.
    pub(super) fn discard_ready(&mut self, now: Steady) {
        let Some(Ready { content, cargo, due, .. }) = self.ready.take() else {
            return;
        };
        if let Content::Cell(mut bytes) = content {
            bytes.zeroize();
        }
        match cargo {
            Cargo::Cover | Cargo::Loop { .. } => {}
            Cargo::Pull { reply, .. } => drop(self.pending.take(reply)),
            Cargo::Fragment { to, message, index, before, .. } => {
                let other = self.correspondents.get_mut(&to);
                if let Some(outgoing) = other.and_then(|other| other.message_mut(message)) {
                    outgoing.stay(index, due, before);
                }
            }
            Cargo::Acknowledgement { to, due } => {
                if let Some(other) = self.correspondents.get_mut(&to) {
                    other.put_back_acknowledgement(due.min(now));
                }
            }
        }
    }

    /// Throws the ready cell away if it was built for what is no more; [`Courier::prepare`] builds
    /// another.
    pub(super) fn discard_ready_if(&mut self, is_stale: impl FnOnce(&Cargo) -> bool) {
        let stale = self.ready.as_ref().filter(|ready| is_stale(&ready.cargo));
        if let Some(due) = stale.map(|ready| ready.due) {
            self.discard_ready(due);
        }
    }

    /// Version of the address that goes to a contact, if a fragment is the last one of it.
    fn whole_address(&self, to: KeyId, message: MessageId, index: u32) -> Option<u64> {
        let address = self.correspondents.get(&to)?.at(Place::Address)?;
        let end = address.message().id == message && index + 1 == address.count();
        end.then(|| address.message().sequence)
    }

    /// Number of times in a row that a fragment, which leaves at `due`, has left without a sign of life
    /// from its recipient; `None` if its message is over.
    fn unanswered(
        &mut self,
        to: KeyId,
        message: MessageId,
        index: u32,
        due: Steady,
    ) -> Option<u32> {
        let outgoing = self.correspondents.get_mut(&to)?.message_mut(message)?;
        outgoing.left_at(index, due).map(Flight::unanswered)
    }
}
