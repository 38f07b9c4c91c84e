//! Presence: matching a session to a mailbox by when both come and go. Honestly bad, and published.
//!
//! A client that goes offline ends its session, and its pulls end with that. Who holds the entry
//! relay (or sees all links) and the mailbox relay compares both moments, over and over.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use rohrpost_measure::detection::Estimate;
use rohrpost_measure::statistics::Sample;
use rohrpost_proto::delay::exponential;
use rohrpost_proto::directory::roster::Traffic;
use rohrpost_proto::time::Time;

use super::definition::{Attack, Measured};
use super::effort::Effort;
use crate::pulls::transit;

pub(super) const ATTACK: Attack = Attack {
    name: "presence",
    claim: "who holds both ends, or sees all links and holds a mailbox relay, matches online times",
    attacker: "an entry relay and a mailbox relay in one hand; or an observer and a mailbox relay",
    sees: "when each of 100 sessions ends, and the last pull of each mailbox",
    knows: "that each client goes offline once an hour on average; retains the mailboxes whose \
            pulls end in the seconds after the session, each time",
    number: "times that a client goes offline until one mailbox is left, in the mean",
    limit: None,
    quick: true,
    run: attack,
    weakened: &[],
};

fn attack(effort: &Effort<'_>) -> Measured {
    let needed = effort.trials(effort.size(200, 2_000), |_, rng| needed(rng));
    let sample = Sample::new(needed.iter().copied());
    Measured::new(Estimate::mean(&sample))
        .with("p95", sample.quantile(0.95))
        .with("most", sample.max())
}

/// Times that one client goes offline until only its own mailbox is left.
fn needed(rng: &mut StdRng) -> f64 {
    let traffic = Traffic::default();
    let mut others = CLIENTS - 1;
    let mut events = 0.0;
    while others > 0 && events < MOST {
        events += 1.0;
        // The last pull of a mailbox leaves in the last period before the end of its session.
        let ended = BEGIN;
        let pulled = last_pull(ended, &traffic, rng);
        let window = Duration::from_secs_f64(WINDOW);
        let fits = |last: Time| last + traffic.answer_period() >= ended && last <= ended + window;
        if !fits(pulled) {
            // He is patient: what does not fit says nothing.
            continue;
        }
        others = (0..others)
            .filter(|_| {
                // The nearest ends of another client's sessions, before and after.
                let mut apart = || exponential(AWAY / PARTS, rng).duration() * PARTS;
                let ends = [ended - apart(), ended + apart()];
                ends.into_iter().any(|end| fits(last_pull(end, &traffic, rng)))
            })
            .count();
    }
    events
}

/// Arrival of the last pull of a mailbox whose owner's session ends at this moment.
fn last_pull(ended: Time, traffic: &Traffic, rng: &mut StdRng) -> Time {
    let sent = traffic.answer_period().mul_f64(rng.random_range(0.0..1.0));
    ended - sent + transit(traffic, rng)
}

const CLIENTS: usize = 100;
/// Mean time between two ends of a client's sessions.
const AWAY: Duration = Duration::from_secs(3_600);
/// A delay of the packet format ends at 71 minutes; it is drawn for a part.
const PARTS: u32 = 16;
/// Seconds after the end of a session in which its last pull arrives, but for one in a thousand.
const WINDOW: f64 = 2.3;
/// Events after which a trial ends.
const MOST: f64 = 1_000.0;
const BEGIN: Time = Time::from_micros(1_000_000_000_000_000);
