//! Events of the clients' couriers: each one, and how many there were of each kind.

use rohrpost_proto::courier::Event;
use rohrpost_proto::time::Time;

/// Event of a client's courier.
pub struct ClientEvent {
    /// Index of the client.
    pub client: usize,
    /// Time of the event, by the true clock.
    pub at: Time,
    /// Event as the courier gave it.
    pub event: Event,
}

/// Number of events of all clients, by kind.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Fragments that have left for the first time.
    pub sent: u64,
    /// Fragments that have left once more.
    pub sent_again: u64,
    /// Fragments that have come.
    pub arrived: u64,
    /// Fragments that have come again, sealed anew, and were there.
    pub repeated: u64,
    /// Messages that the recipient's client has acknowledged.
    pub delivered: u64,
    /// Messages that were given up.
    pub expired: u64,
    /// Envelopes that could not be read.
    pub dropped: u64,
    /// Letters of identities that are no contacts.
    pub strangers: u64,
    /// Pulls that were answered.
    pub answered: u64,
    /// Pulls that were given up.
    pub pulls_lost: u64,
    /// Loops sent that are expected back.
    pub loops_sent: u64,
    /// Loops that came back.
    pub loops_returned: u64,
    /// Loops that were given up.
    pub loops_lost: u64,
    /// Slots without a departure.
    pub skipped: u64,
    /// Contacts that have shown a client that it goes on from an older copy of its store.
    pub older_copies: u64,
    /// Loops of another copy of a client.
    pub twins: u64,
}

impl Tally {
    pub(super) fn count(&mut self, event: &Event) {
        match event {
            Event::Sent { again: 0, .. } => self.sent += 1,
            Event::Sent { .. } => self.sent_again += 1,
            Event::Wanted { .. }
            | Event::Complete { .. }
            | Event::Told { .. }
            | Event::Acknowledged { .. }
            | Event::Disputed { .. }
            | Event::Heard { .. }
            | Event::Announced { .. }
            | Event::AcknowledgementSent { .. } => {}
            Event::OlderCopy { .. } => self.older_copies += 1,
            Event::Twin(_) => self.twins += 1,
            Event::Delivered { .. } => self.delivered += 1,
            Event::Expired { .. } => self.expired += 1,
            Event::Arrived { .. } => self.arrived += 1,
            Event::Repeated { .. } => self.repeated += 1,
            Event::Dropped => self.dropped += 1,
            Event::Stranger { .. } => self.strangers += 1,
            Event::PullAnswered { .. } => self.answered += 1,
            Event::PullLost { .. } => self.pulls_lost += 1,
            Event::LoopSent => self.loops_sent += 1,
            Event::LoopReturned { .. } => self.loops_returned += 1,
            Event::LoopLost { .. } => self.loops_lost += 1,
            Event::Skipped { slots } => self.skipped += slots,
        }
    }
}
