//! An outgoing message: cut into fragments, each of which leaves again and again until the
//! recipient's client has acknowledged it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand_core::CryptoRng;
use rohrpost_packet::NodeNumber;
use rohrpost_packet::envelope::{Fragment, FragmentPosition, Standing};
use zeroize::Zeroizing;

use super::acknowledgement::{Acknowledgement, Name};
use super::fragments::Fragments;
use super::message::{Lane, Message, most_of};
use super::retransmission::RetransmitTimer;
use crate::path::Path;
use crate::time::{Steady, Time};

/// A message, and which of its fragments are under way.
pub(super) struct OutgoingMessage {
    message: Message,
    lane: Lane,
    /// Fragments that are acknowledged.
    arrived: Fragments,
    /// True once the recipient's reader has the message: it does not wait for others.
    told: bool,
    /// Fragments before this one have left at least once.
    fresh: u32,
    /// Fragments that have left and are not acknowledged.
    flights: BTreeMap<u32, Flight>,
}

/// A fragment that has left.
pub(super) struct Flight {
    /// Time at which the fragment left last.
    pub(super) sent: Steady,
    /// Time at which the first of the copies left that may be in a mailbox: what is acknowledged is
    /// that one, for a mailbox hands out what came first. `None` if they are in two mailboxes: which of
    /// those has come so far is not known then.
    first: Option<Steady>,
    /// Time at which the fragment leaves again, whatever the retransmit timer says.
    due: Option<Steady>,
    /// Factor of the timer's wait.
    jitter: f64,
    /// Number of times that the fragment has left.
    times: u32,
    /// Number of times in a row that it has left without a sign of life from the recipient.
    unanswered: u32,
    /// True if what has come since, or what the network tells, shows that the fragment is lost.
    lost: bool,
    /// Nodes of the fragment's way; the last one holds the mailbox.
    way: Vec<NodeNumber>,
}

impl OutgoingMessage {
    /// A message of which nothing has left in this run, with `room` bytes of its body in each fragment
    /// but the last.
    pub(super) fn new(message: Message, room: usize) -> Self {
        let count = message.body.len().div_ceil(room).max(1);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let arrived = Fragments::none(count);
        let flights = BTreeMap::new();
        let lane = Lane::of(count, most_of(room));
        let mut outgoing = Self { message, lane, arrived, told: false, fresh: 0, flights };
        if let Some(left) = outgoing.message.left.filter(|_| count <= REMEMBERED) {
            let (sent, times) = (Steady::of_clock(left.last), left.times);
            let flight = |index| (index, Flight::past(sent, times));
            outgoing.flights = (0..count).map(flight).collect();
            outgoing.fresh = count;
        }
        outgoing
    }

    pub(super) const fn message(&self) -> &Message {
        &self.message
    }

    /// Fragments of the message.
    pub(super) const fn count(&self) -> u32 {
        self.arrived.count()
    }

    /// Fragments that have left and are not acknowledged, by index.
    pub(super) fn flights(&self) -> impl Iterator<Item = (u32, &Flight)> {
        self.flights.iter().map(|(index, flight)| (*index, flight))
    }

    /// The next fragment that has never left.
    pub(super) fn fresh(&self) -> Option<u32> {
        (self.fresh < self.arrived.count()).then_some(self.fresh)
    }

    /// Chooses the fragment that leaves next: one whose time is up, else a new one.
    pub(super) fn next(&self, now: Steady, timer: RetransmitTimer) -> Option<u32> {
        let mut overdue = self.flights().filter(|(_, flight)| flight.is_overdue(now, timer));
        overdue.next().map(|(index, _)| index).or_else(|| self.fresh())
    }

    /// The relay that a fragment went to when it left last.
    pub(super) fn last_relay(&self, index: u32) -> Option<NodeNumber> {
        self.flights.get(&index)?.relay()
    }

    /// Name of the message in an acknowledgement.
    pub(super) fn name(&self) -> Name {
        Name::of(self.message.sequence, self.message.id)
    }

    /// The fragment of this index with its body.
    pub(super) fn fragment(
        &self,
        index: u32,
        standing: Standing,
        body: Zeroizing<Vec<u8>>,
    ) -> Fragment {
        Fragment {
            message: self.message.id,
            kind: self.message.kind,
            sequence: self.message.sequence,
            position: FragmentPosition { index, count: self.arrived.count() },
            minutes: self.message.minutes,
            standing,
            body,
        }
    }

    /// Notes that a fragment leaves at `at`; gives back its former flight.
    pub(super) fn leave(
        &mut self,
        index: u32,
        at: Steady,
        path: &Path,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<Flight> {
        let before = self.flights.get(&index);
        let times = before.map_or(0, |before| before.times);
        let there = before.filter(|before| !RetransmitTimer::is_forgotten(at, before.sent));
        let unanswered = there.map_or(0, |before| before.unanswered);
        let relay = path.nodes().into_iter().last();
        let first = there.filter(|before| !before.lost).map_or(Some(at), |before| {
            before.first.filter(|_| before.relay() == relay).map(|first| first.min(at))
        });
        let flight = Flight {
            sent: at,
            first,
            due: None,
            jitter: RetransmitTimer::jitter(rng),
            times: times + 1,
            unanswered: unanswered + 1,
            lost: false,
            way: path.nodes().into_iter().collect(),
        };
        let before = self.flights.insert(index, flight);
        self.begin(index + 1);
        before
    }

    /// Takes back that a fragment leaves at `at`: it is as far as it was before.
    pub(super) fn stay(&mut self, index: u32, at: Steady, before: Option<Flight>) {
        if self.left_at(index, at).is_none() {
            return;
        }
        match before {
            Some(flight) => drop(self.flights.insert(index, flight)),
            None => {
                self.flights.remove(&index);
                self.fresh = self.fresh.min(index);
            }
        }
    }

    /// The flight of a fragment that left last at `at`.
    pub(super) fn left_at(&self, index: u32, at: Steady) -> Option<&Flight> {
        self.flights.get(&index).filter(|flight| flight.sent == at)
    }

    /// Goes on after the fragments before `next`, and after those that the recipient has already:
    /// from a former run of this client.
    fn begin(&mut self, next: u32) {
        self.fresh = self.fresh.max(next);
        while self.arrived.contains(self.fresh) {
            self.fresh += 1;
        }
    }

    /// Takes the place of an older message all of which has left more than once without a sign of life
    /// from the recipient.
    pub(super) fn follow(&mut self, before: &Self) {
        let unanswered = before.flights.values().map(|flight| flight.unanswered).min().unwrap_or(0);
        let last = before.flights.values().max_by_key(|flight| flight.sent);
        if let Some(last) = last.filter(|_| before.fresh().is_none() && unanswered > 1) {
            let flight = |index| {
                let left = before.flights.get(&index).unwrap_or(last);
                let Flight { due, jitter, times, lost, .. } = *left;
                let (new, way) = (Flight::past(left.sent, times), left.way.clone());
                (index, Flight { due, jitter, unanswered, lost, way, ..new })
            };
            self.fresh = self.arrived.count();
            self.flights = (0..self.fresh).map(flight).collect();
        }
    }

    /// Takes note of what has come, and adds to `newest` the time at which the newest of it had left
    /// for each relay; where letters wait behind others, by the first copy of each. That of a former
    /// run left for none that is known.
    pub(super) fn acknowledge(
        &mut self,
        acknowledgement: &Acknowledgement,
        newest: &mut BTreeMap<Option<NodeNumber>, Steady>,
        timer: RetransmitTimer,
    ) {
        let name = self.name();
        self.told |= acknowledgement.told.contains(&name);
        let whole = acknowledgement.whole().any(|whole| whole == name);
        let whole = whole.then_some((0, self.arrived.count()));
        for (first, len) in acknowledgement.ranges(name).iter().copied().chain(whole) {
            let end = first.saturating_add(len).min(self.arrived.count());
            (first..end).for_each(|index| {
                self.arrived.insert(index);
            });
        }
        self.flights.retain(|index, flight| {
            let came = self.arrived.contains(*index);
            let left = if timer.queues { flight.first } else { Some(flight.sent) };
            if came && let Some(left) = left {
                let newest = newest.entry(flight.relay()).or_insert(left);
                *newest = left.max(*newest);
            }
            !came
        });
        self.begin(self.fresh);
    }

    /// Has what left for a mailbox after the newest that has come from it wait as long as at first
    /// from now on, where letters wait behind others: the mailbox has come so far, and hands it out
    /// later.
    pub(super) fn wait_behind(
        &mut self,
        now: Steady,
        newest: &BTreeMap<Option<NodeNumber>, Steady>,
        timer: RetransmitTimer,
    ) {
        for flight in self.flights.values_mut().filter(|flight| timer.queues && !flight.lost) {
            let newest = newest.get(&flight.relay()).copied();
            if newest.zip(flight.first).is_some_and(|(newest, first)| newest < first) {
                let first = now + timer.first.mul_f64(flight.jitter);
                flight.due = Some(flight.due(timer).max(first));
            }
        }
    }

    /// The lane of the message.
    pub(super) const fn lane(&self) -> Lane {
        self.lane
    }

    /// Tells whether all of the message is at the recipient.
    pub(super) const fn has_arrived(&self) -> bool {
        self.arrived.is_complete()
    }

    /// Tells whether the recipient's reader has the message.
    pub(super) const fn is_delivered(&self) -> bool {
        self.has_arrived() && self.told
    }

    /// Begins anew: the recipient has lost what it had of the message.
    pub(super) fn count_anew(&mut self) {
        self.arrived = Fragments::none(self.arrived.count());
        self.flights.clear();
        (self.fresh, self.told) = (0, false);
    }

    /// Has the last fragment leave once more, for the sake of what a letter says beside it.
    pub(super) fn remind(&mut self, due: Steady) {
        let last = self.arrived.count() - 1;
        self.arrived.remove(last);
        self.flights.insert(last, Flight { due: Some(due), ..Flight::past(due, 1) });
    }

    /// Marks as lost the fragments that `lost` picks, so that they leave again at `due`. That they are
    /// not acknowledged says nothing of the recipient.
    pub(super) fn mark_lost(
        &mut self,
        due: Steady,
        timer: RetransmitTimer,
        lost: impl Fn(&Flight) -> bool,
    ) {
        for flight in self.flights.values_mut().filter(|flight| lost(flight)) {
            flight.lost = true;
            if flight.due(timer) > due {
                (flight.due, flight.unanswered) = (Some(due), 0);
            }
        }
    }

    /// Expedites what waits for the recipient, which has shown that it is there: nothing waits
    /// longer than at first.
    pub(super) fn expedite(&mut self, now: Steady, timer: RetransmitTimer) {
        for flight in self.flights.values_mut() {
            let due = flight.due(timer).min(now + timer.first);
            (flight.due, flight.unanswered) = (Some(due), 0);
        }
    }

    /// Tells whether the message's time is up.
    pub(super) fn is_over(&self, now: Steady, document: Time) -> bool {
        let expires = self.message.expires;
        now.has_reached(expires) && document >= expires
    }
}

impl Flight {
    /// A flight of a former run.
    const fn past(sent: Steady, times: u32) -> Self {
        Self {
            sent,
            first: Some(sent),
            due: None,
            jitter: 1.0,
            times,
            unanswered: times,
            lost: false,
            way: Vec::new(),
        }
    }

    /// Time at which the fragment leaves again, by what the network loses at present.
    fn due(&self, timer: RetransmitTimer) -> Steady {
        self.due.unwrap_or_else(|| self.sent + timer.after(self.unanswered, self.jitter))
    }

    /// Tells whether the fragment's time is up. One that left in the future left by a clock of a
    /// former run that was wrong.
    pub(super) fn is_overdue(&self, now: Steady, timer: RetransmitTimer) -> bool {
        self.sent > now || self.due(timer) <= now
    }

    /// Number of times in a row that the fragment has left without a sign of life from the recipient.
    pub(super) const fn unanswered(&self) -> u32 {
        self.unanswered
    }

    /// Number of times that the fragment has left.
    pub(super) const fn times(&self) -> u32 {
        self.times
    }

    /// The relay of the mailbox that the fragment was for; none for one of a former run.
    pub(super) fn relay(&self) -> Option<NodeNumber> {
        self.way.last().copied()
    }

    /// Tells whether the fragment was for a mailbox at one of these relays.
    pub(super) fn ends_at(&self, nodes: &BTreeSet<NodeNumber>) -> bool {
        self.relay().is_some_and(|relay| nodes.contains(&relay))
    }

    /// Tells whether the fragment goes over one of these mixes, and may still be on its way.
    pub(super) fn is_passing(
        &self,
        now: Steady,
        nodes: &BTreeSet<NodeNumber>,
        transit: Duration,
    ) -> bool {
        now.since(self.sent) < transit && self.way.iter().any(|node| nodes.contains(node))
    }
}

/// Fragments of a message that left in a former run and count as under way. A longer message leaves
/// again from the start until an acknowledgement tells what is there, so that it does not hold up
/// all that is new.
const REMEMBERED: u32 = 64;

#[cfg(test)]
mod tests;
