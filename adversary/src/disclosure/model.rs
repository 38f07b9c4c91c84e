//! The network that is attacked: its traffic schedule (`docs/traffic.md`) with the rates, and what
//! the attacker is told beyond it (`docs/anonymity.md`).

use std::time::Duration;

use rand::{CryptoRng, Rng, RngExt};
use rohrpost_packet::HOPS;
use rohrpost_proto::delay::exponential;
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::time::{Slot, Time};

/// Setting of an attack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    /// Slot, mix delay and answer period.
    pub(crate) traffic: Traffic,
    /// Users among whom Alice is sought; Bob comes on top.
    pub(crate) users: usize,
    /// Mean time between Alice's messages to Bob.
    pub(crate) spacing: Duration,
    /// Mean time between the messages of every user, Bob included, to random others.
    pub(crate) mail: Duration,
    /// Mean delay of an acknowledgement.
    pub(crate) acknowledgement: Duration,
    /// Mailboxes, of their two, that Alice and Bob each use in writing to each other: 1 or 2.
    pub(crate) mailboxes: u32,
    /// The attacker's knowledge of Bob's mailbox.
    pub(crate) knowledge: Knowledge,
    /// Replies of the person who reads Bob's messages.
    pub(crate) replies: Option<Replies>,
    /// False if clients leave no loops, which the network's always do.
    pub(crate) loops: bool,
}

/// Replies of a person: each message is answered with a chance, after a time whose logarithm is
/// normal, as has been found of mail (Stouffer, Malmgren and Amaral, "Log-normal statistics in
/// e-mail communication patterns", 2006).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replies {
    pub(crate) chance: f64,
    pub(crate) median: Duration,
    /// Standard deviation of the logarithm.
    pub(crate) spread: f64,
}

impl Replies {
    /// The time until the person answers a message; `None` if that never happens.
    pub(super) fn draw(&self, rng: &mut impl Rng) -> Option<Duration> {
        rng.random_bool(self.chance).then(|| self.wait(rng))
    }

    /// The time until an answer.
    pub(super) fn wait(&self, rng: &mut impl Rng) -> Duration {
        // Box and Muller's method.
        let length = (-2.0 * (1.0 - rng.random_range(0.0..1.0_f64)).ln()).sqrt();
        let normal = length * rng.random_range(0.0..std::f64::consts::TAU).cos();
        self.median.mul_f64((self.spread * normal).exp())
    }
}

/// Knowledge of the envelopes in Bob's mailbox that colluding relays have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Knowledge {
    /// Times at which each is stored and handed out, which relays see.
    Times,
    /// Besides, which of them are messages and not Bob's loops or acknowledgements to him.
    Messages,
}

impl Knowledge {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Times => "times",
            Self::Messages => "messages",
        }
    }
}

impl Model {
    /// Three mixes.
    pub(super) fn transit(&self, rng: &mut impl CryptoRng) -> Duration {
        let micros = |_| u64::from(exponential(self.traffic.mix_delay, rng).micros());
        Duration::from_micros((1..HOPS).map(micros).sum())
    }

    /// The wait before an acknowledgement is due.
    pub(super) fn acknowledgement_delay(&self, rng: &mut impl CryptoRng) -> Duration {
        // In parts: a delay of the packet format ends at 71 minutes, 27.6 means at 11 hours.
        exponential(self.acknowledgement / PARTS, rng).duration() * PARTS
    }

    /// Share of a user's envelopes that pass through the mailboxes that matter.
    pub(super) fn view(&self) -> f64 {
        f64::from(self.mailboxes) / MAILBOXES
    }

    /// Loops per second that one user leaves in the mailboxes that matter.
    pub(super) fn loop_rate(&self) -> f64 {
        self.loop_chance() / self.loop_period().as_secs_f64()
    }

    /// The chance that an odd slot carries a loop to a mailbox that matters.
    pub(super) fn loop_chance(&self) -> f64 {
        if self.loops { LOOP * self.view() } else { NEVER }
    }

    /// Time between two odd slots.
    pub(super) fn loop_period(&self) -> Duration {
        self.traffic.slot * 2
    }

    /// Messages per second of a user to random others, and so on average also to one user.
    pub(super) fn mail_rate(&self) -> f64 {
        1.0 / self.mail.as_secs_f64()
    }

    /// Alice's messages to Bob, per second.
    pub(super) fn rate(&self) -> f64 {
        1.0 / self.spacing.as_secs_f64()
    }

    /// Envelopes per second in a candidate's mailboxes that have nothing to do with Bob: loops,
    /// mail, acknowledgements for own mail.
    pub(super) fn background(&self) -> f64 {
        self.loop_rate() + 2.0 * self.mail_rate() * self.view()
    }

    /// The share of Alice's messages among what the attacker takes for messages to Bob.
    pub(super) fn share(&self) -> f64 {
        let others = match self.knowledge {
            Knowledge::Times => self.background(),
            Knowledge::Messages => self.mail_rate() * self.view(),
        };
        self.rate() / (self.rate() + others)
    }
}

/// A user's place on the grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    slot: Duration,
    /// A cell leaves so long after its slot's start.
    phase: Duration,
    /// The session's tick lies so long after each multiple of a slot.
    tick: Duration,
}

impl Place {
    pub(super) fn draw(traffic: &Traffic, rng: &mut impl CryptoRng) -> Self {
        let slot = traffic.slot;
        let phase = traffic.client_phase(rng);
        let tick = traffic.phase() * rng.random_range(0..4);
        Self { slot, phase, tick }
    }

    /// Time at which a cell of this slot leaves the entry relay: the next slot's begin.
    pub(super) fn leaves(&self, slot: Slot) -> Time {
        slot.next().start(self.slot)
    }

    /// The session's next tick after `now`; whatever comes down to the user comes with one.
    pub(super) fn next_tick(&self, now: Time) -> Time {
        // One slot later and back, since time does not go below zero.
        (now + self.slot - self.tick).next_multiple(self.slot) - self.slot + self.tick
    }

    /// The first payload slot whose cell leaves the client after `due`.
    pub(super) fn payload_slot(&self, due: Time, rng: &mut impl Rng) -> Slot {
        let mut slot = (due + self.slot - self.phase).slot(self.slot);
        while slot.pulls() || rng.random_bool(LOOP) {
            slot = slot.next();
        }
        slot
    }

    /// Time at which the cell of a slot leaves the client.
    pub(super) fn sends(&self, slot: Slot) -> Time {
        slot.start(self.slot) + self.phase
    }
}

/// The chance that an odd slot carries a loop (`docs/traffic.md`).
const LOOP: f64 = 0.25;
/// The chance of a loop where there are none; above zero, since the gap between them is divided by
/// it.
const NEVER: f64 = 1e-9;
/// Mailboxes of each user.
const MAILBOXES: f64 = 2.0;
const PARTS: u32 = 16;

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn payload_leaves_in_odd_slots_after_it_is_due() {
        let mut rng = StdRng::seed_from_u64(1);
        let traffic = Traffic::default();
        let mut waits = Duration::ZERO;
        for n in 0..4_000 {
            let place = Place::draw(&traffic, &mut rng);
            let due = Time::from_micros(5_000_000 + n * 12_345);
            let slot = place.payload_slot(due, &mut rng);
            assert!(!slot.pulls());
            assert!(place.sends(slot) >= due);
            let wait = place.leaves(slot).since(place.sends(slot));
            assert!(wait >= traffic.slot / 2 && wait <= traffic.slot, "half a slot or more");
            waits += place.sends(slot).since(due);
        }
        // Half of two slots, and two slots more for each odd slot without payload, 19 of 64 (one of
        // 16 is a pull, a quarter of the others loops): 0.25 + 0.5 * 19 / 45.
        let mean = waits.as_secs_f64() / 4_000.0;
        assert!((0.44..0.48).contains(&mean), "{mean}");
    }
}
