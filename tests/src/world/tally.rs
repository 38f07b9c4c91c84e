//! What the clients' couriers tell: each event, and how many there were of each kind.

use rohrpost_proto::courier::Event;
use rohrpost_proto::time::Time;

/// Something a client's courier has told.
pub struct ClientEvent {
    /// Which client.
    pub client: usize,
    /// When, by the true clock.
    pub at: Time,
    /// What.
    pub event: Event,
}

/// Events of all clients, counted.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Letters that have left for the first time.
    pub sent: u64,
    /// Letters that have left once more.
    pub sent_again: u64,
    /// Letters that have come.
    pub arrived: u64,
    /// Messages that the recipient's client has acknowledged.
    pub delivered: u64,
    /// Messages that were given up.
    pub expired: u64,
    /// Envelopes that could not be read.
    pub dropped: u64,
    /// Pulls answered.
    pub answered: u64,
    /// Pulls given up.
    pub pulls_lost: u64,
    /// Loops sent that are expected back.
    pub loops_sent: u64,
    /// Loops that came back.
    pub loops_returned: u64,
    /// Loops given up.
    pub loops_lost: u64,
    /// Slots without a departure.
    pub skipped: u64,
}

impl Tally {
    pub(super) fn count(&mut self, event: &Event) {
        match event {
            Event::Sent { again: 0, .. } => self.sent += 1,
            Event::Sent { .. } => self.sent_again += 1,
            Event::Unsendable { .. } | Event::Complete { .. } => {}
            Event::Delivered { .. } => self.delivered += 1,
            Event::Expired { .. } => self.expired += 1,
            Event::Arrived { .. } => self.arrived += 1,
            Event::Dropped => self.dropped += 1,
            Event::PullAnswered { .. } => self.answered += 1,
            Event::PullLost { .. } => self.pulls_lost += 1,
            Event::LoopSent => self.loops_sent += 1,
            Event::LoopReturned { .. } => self.loops_returned += 1,
            Event::LoopLost => self.loops_lost += 1,
            Event::Skipped { slots } => self.skipped += slots,
        }
    }
}
