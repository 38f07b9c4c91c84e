//! Choice of what leaves next for a correspondent.

use super::super::message::Lane;
use super::super::outgoing::{Flight, OutgoingMessage};
use super::super::reassembly::WINDOW;
use super::super::retransmission::RetransmitTimer;
use super::presence::Presence;
use super::{Correspondent, Place};
use crate::time::Steady;

impl Correspondent {
    /// What may leave next, the first of it first: how this client is reached goes before all that
    /// may be answered, and a short message before a long one. While nothing is heard, few copies
    /// are under way.
    pub(super) fn due(
        &self,
        now: Steady,
        timer: RetransmitTimer,
    ) -> impl Iterator<Item = (Place, u32)> {
        let address = self.address.as_ref().and_then(|address| address.next(now, timer));
        let address = address.map(|index| (Place::Address, index));
        let again = self.overdue(now, timer);
        let lanes = [Lane::Short, Lane::Long].into_iter().filter_map(move |lane| {
            let again = again.filter(|(at, _)| self.outgoing[*at].lane() == lane);
            let (at, index) = again.or_else(|| self.fresh(now, timer, lane))?;
            Some((Place::Message(at), index))
        });
        address.into_iter().chain(lanes)
    }

    /// The first fragment whose time is up, of the first lane that has one. So many copies may be
    /// under way; beyond that only the first of all fragments leaves again, which shows in time
    /// that the contact is back.
    fn overdue(&self, now: Steady, timer: RetransmitTimer) -> Option<(usize, u32)> {
        let unanswered: u32 = self.flights().map(|(_, _, flight)| flight.unanswered()).sum();
        let most = self.presence.window(now, timer) + timer.spare_copies();
        let room = usize::try_from(unanswered).is_ok_and(|copies| copies < most);
        let flights = self.flights().take(if room { usize::MAX } else { 1 });
        let overdue = flights.filter(|(_, _, flight)| flight.is_overdue(now, timer));
        let first = overdue.min_by_key(|(at, _, _)| self.outgoing[*at].lane());
        first.map(|(at, index, _)| (at, index))
    }

    /// The first fragment of a lane that has never left, if another may be under way; or though
    /// none may, once nothing has left for so long that an acknowledgement may be lost. What is new
    /// draws another one at once, which copies do not.
    fn fresh(&self, now: Steady, timer: RetransmitTimer, lane: Lane) -> Option<(usize, u32)> {
        let of_lane = |at: usize| self.outgoing[at].lane() == lane;
        let share = Presence::share(self.presence.window(now, timer), lane);
        let flights = || self.flights().filter(|(at, ..)| of_lane(*at));
        if flights().count() >= share {
            let last = flights().map(|(_, _, flight)| flight.sent).max();
            let silent = last.is_none_or(|last| last + timer.probe() <= now);
            if !(silent && self.presence.is_there(now, timer)) {
                return None;
            }
        }
        let mut open = self.open().filter(|(at, _)| of_lane(*at));
        open.find_map(|(at, outgoing)| Some((at, outgoing.fresh()?)))
    }

    /// Fragments that have left and are not acknowledged: place and index of each.
    fn flights(&self) -> impl Iterator<Item = (usize, u32, &Flight)> {
        self.open().flat_map(|(at, outgoing)| {
            outgoing.flights().map(move |(index, flight)| (at, index, flight))
        })
    }

    /// Messages for which the contact has room.
    fn open(&self) -> impl Iterator<Item = (usize, &OutgoingMessage)> {
        let first = self.outgoing.front().map_or(0, |front| front.message().sequence);
        let within =
            move |of: &&OutgoingMessage| of.message().sequence < first.saturating_add(WINDOW);
        self.outgoing.iter().take_while(within).enumerate()
    }
}
