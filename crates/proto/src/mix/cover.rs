//! Drop cover of a mix's own pool: what every packet is mixed with, whoever starves the mix.
//!
//! Packets that relays discard are put into the pool at exponential intervals, as many as the
//! roster's floor asks for beyond what others bring. Of that the busiest operator's packets do not
//! count, and each other operator's at most its even share of the floor: two operators, or a
//! stranger's clients at two relays, cannot talk a mix out of its cover. Only fresh packets that
//! were taken count at all ([`FreshInflow`](super::inflow::FreshInflow)).

use std::time::Duration;

use rand_core::CryptoRng;
use rohrpost_packet::{Route, Suite, wrap};

use super::inflow::InflowCounts;
use super::operators::Operators;
use crate::delay::exponential;
use crate::directory::roster::Roster;
use crate::directory::view::View;
use crate::frame::{Frame, OutgoingFrame};
use crate::instruction::Instruction;
use crate::path::{Path, below};
use crate::places::Places;
use crate::time::Time;

/// Drop cover of one mix. The order of calls: [`Self::handle_inflow`] now and then,
/// [`Self::handle_timeout`] at [`Self::poll_timeout`]; what that gives goes into the pool.
pub struct DropCover {
    layer: usize,
    operators: Operators,
    /// Packets per second that are mixed with at least.
    floor: u32,
    mean_delay: Duration,
    /// Mean time between two packets; `None` while others bring enough.
    interval: Option<Duration>,
    next: Option<Time>,
}

/// A packet of the cover.
pub struct CoverPacket<S: Suite> {
    /// Time at which the packet leaves the pool.
    pub due: Time,
    /// The packet and its next node.
    pub outgoing: OutgoingFrame<S>,
}

impl DropCover {
    /// Makes the cover of a mix in `layer`, which begins at the floor.
    #[must_use]
    pub fn new(now: Time, roster: &Roster, layer: usize) -> Self {
        let floor = roster.traffic.cover_floor;
        Self {
            layer,
            operators: Operators::before(roster, layer),
            floor,
            mean_delay: roster.traffic.mix_delay,
            interval: Duration::from_secs(1).checked_div(floor),
            next: Some(now),
        }
    }

    /// Goes by the places of links as they are now.
    pub fn follow(&mut self, places: &Places) {
        self.operators = Operators::of(places);
    }

    /// Sets the rate by what came in during `period`; `doubled` adds the whole floor once more, for
    /// a mix that is under attack.
    pub fn handle_inflow(
        &mut self,
        now: Time,
        came: &InflowCounts,
        period: Duration,
        doubled: bool,
        rng: &mut (impl CryptoRng + ?Sized),
    ) {
        let millis = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        let wanted = u64::from(self.floor).saturating_mul(millis) / 1_000;
        let counted = counted(came.by_operator(self.operators.of_links()), wanted);
        let more = if doubled { wanted } else { 0 };
        let missing = wanted - counted + more;
        self.interval = period.checked_div(u32::try_from(missing).unwrap_or(u32::MAX));
        // Exponential intervals have no memory: the next may be drawn anew at any time.
        self.draw_next(now, rng);
    }

    /// Builds a packet, if one is due and there is a way for it.
    pub fn handle_timeout<S: Suite>(
        &mut self,
        now: Time,
        view: Option<&View<S>>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<CoverPacket<S>> {
        self.next.filter(|next| *next <= now)?;
        self.draw_next(now, rng);
        let due = now + exponential(self.mean_delay, rng).duration();
        Some(CoverPacket { due, outgoing: self.build(view?, rng)? })
    }

    /// Time of the next packet.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Time> {
        self.next
    }

    /// Mean time between two packets; `None` while others bring enough.
    #[must_use]
    pub const fn interval(&self) -> Option<Duration> {
        self.interval
    }

    fn draw_next(&mut self, now: Time, rng: &mut (impl CryptoRng + ?Sized)) {
        self.next = self.interval.map(|mean| now + exponential(mean, rng).duration());
    }

    /// A packet for a random relay, as one that passes this mix goes on from here.
    fn build<S: Suite>(
        &self,
        view: &View<S>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Option<OutgoingFrame<S>> {
        let relays: Vec<_> = view.live(3).map(|node| node.number).collect();
        let relay = (!relays.is_empty()).then(|| relays[below(relays.len(), rng)])?;
        let first_layer = self.layer + 1;
        let path = Path::to_relay(view, first_layer, relay, rng).ok()?;
        let hops = path.hops(view, Route::deliver()).ok()?;
        let packet = wrap(first_layer, &hops, &Instruction::<S>::DISCARD, rng).ok()?;
        let to = path.first();
        let generation = view.key(to)?.generation().short();
        Some(OutgoingFrame { to, frame: Frame { generation, packet } })
    }
}

/// Packets of others that count towards `wanted`: not those of the busiest operator, and of each
/// other at most its even share.
fn counted(mut by_operator: Vec<u64>, wanted: u64) -> u64 {
    by_operator.sort_unstable();
    by_operator.pop();
    let others = u64::try_from(by_operator.len()).unwrap_or(u64::MAX);
    let share = wanted / others.max(1);
    by_operator.iter().map(|packets| (*packets).min(share)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_operators_cannot_talk_a_mix_out_of_its_cover() {
        assert_eq!(counted(vec![10_000, 10_000, 0, 0], 500), 166, "one even share of three");
        assert_eq!(counted(vec![10_000, 10_000, 10_000, 10_000], 500), 498, "honest load of all");
        assert_eq!(counted(vec![300, 100, 50, 20], 600), 170, "all but the busiest");
        assert_eq!(counted(vec![10_000, 10_000], 500), 500);
        assert_eq!(counted(vec![10_000], 500), 0, "one operator alone never counts");
        assert_eq!(counted(vec![], 500), 0);
    }
}
