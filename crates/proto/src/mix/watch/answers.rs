//! Test of the answers to the mix's own pulls: whether they come, at one mailbox or at both.

use rohrpost_packet::NodeNumber;

use crate::courier::Event;

/// Evidence against the relays of the own mailboxes.
#[derive(Default)]
pub(super) struct Answers {
    /// Evidence that pulls at a relay are lost, for each mailbox, the newer last; at most
    /// [`MAILBOXES`]. Invariant: `0 <= evidence <= ONE_THRESHOLD`.
    relays: Vec<(NodeNumber, f64)>,
}

/// Fate of an own pull.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PullFate {
    /// The relay has answered.
    Answered(NodeNumber),
    /// The relay will not answer any more, or the answer was lost.
    Lost(NodeNumber),
}

impl PullFate {
    /// The fate of a pull that a courier tells of.
    #[must_use]
    pub const fn of(event: &Event) -> Option<Self> {
        match event {
            Event::PullAnswered { relay, .. } => Some(Self::Answered(*relay)),
            Event::PullLost { relay } => Some(Self::Lost(*relay)),
            _ => None,
        }
    }
}

impl Answers {
    /// Takes the fate of a pull; true if that makes an alarm, after which the test begins anew.
    pub(super) fn add(&mut self, fate: PullFate) -> bool {
        let (relay, evidence) = match fate {
            PullFate::Answered(relay) => (relay, ((1.0 - LOST_ATTACKED) / (1.0 - LOST)).ln()),
            PullFate::Lost(relay) => (relay, (LOST_ATTACKED / LOST).ln()),
        };
        let held = self.of(relay);
        *held = (*held + evidence).clamp(0.0, ONE_THRESHOLD);
        let one = *held >= ONE_THRESHOLD;
        let failing = self.relays.iter().filter(|(_, evidence)| *evidence >= ALL_THRESHOLD);
        let all = failing.count() == MAILBOXES;
        if one || all {
            self.relays.clear();
        }
        one || all
    }

    /// Evidence against a relay; a new one takes the place of the oldest.
    fn of(&mut self, relay: NodeNumber) -> &mut f64 {
        let known = self.relays.iter().position(|(known, _)| *known == relay);
        let place = known.unwrap_or_else(|| {
            if self.relays.len() == MAILBOXES {
                self.relays.remove(0);
            }
            self.relays.push((relay, 0.0));
            self.relays.len() - 1
        });
        &mut self.relays[place].1
    }
}

/// Mailboxes of an own client.
const MAILBOXES: usize = 2;
/// Share of pulls that is lost in good order: there are 17 to 16 answers, and links lose some.
const LOST: f64 = 0.125;
/// Share of pulls that is lost under attack.
const LOST_ATTACKED: f64 = 0.5;
/// Threshold where both relays answer too little: 33 pulls in a row at each. A mix that has stopped
/// stays in the documents for some 40 s; in a network of two per layer, three of four pulls are lost
/// for that long.
const ALL_THRESHOLD: f64 = 45.0;
/// Threshold where one relay does: 73 pulls in a row. One that starts anew loses some 50: those of
/// 40 s, and what it held.
const ONE_THRESHOLD: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NodeNumber = NodeNumber::new(1);
    const OTHER: NodeNumber = NodeNumber::new(2);

    /// Number of rounds, each with a pull at both relays, until there is an alarm.
    fn rounds(mut pull: impl FnMut(NodeNumber, usize) -> bool) -> Option<usize> {
        let mut answers = Answers::default();
        let mut add = |relay, round| {
            let answered = pull(relay, round);
            answers.add(if answered { PullFate::Answered(relay) } else { PullFate::Lost(relay) })
        };
        (0..10_000).find(|round| add(ONE, *round) | add(OTHER, *round))
    }

    #[test]
    fn pulls_that_the_schedule_has_too_many_of_raise_no_alarm() {
        assert_eq!(rounds(|_, round| round % 17 != 0), None);
        assert_eq!(rounds(|_, round| round % 8 != 0), None, "and links lose as many again");
    }

    #[test]
    fn a_relay_that_starts_anew_raises_no_alarm_and_one_that_stops_answering_does() {
        assert_eq!(rounds(|relay, round| relay == OTHER || round % 1_000 >= 50), None);
        let noticed = rounds(|relay, _| relay == OTHER);
        assert!(noticed.is_some_and(|rounds| (60..80).contains(&rounds)), "{noticed:?}");
    }

    #[test]
    fn answers_that_fail_everywhere_are_noticed_sooner() {
        let noticed = rounds(|_, _| false);
        assert!(noticed.is_some_and(|rounds| rounds < 35), "{noticed:?}");
        let half = rounds(|_, round| round % 2 == 0);
        assert!(half.is_some_and(|rounds| rounds < 120), "{half:?}");
    }

    /// A client that moves to other mailboxes: what was held against the old ones is forgotten.
    #[test]
    fn new_mailboxes_begin_without_evidence() {
        let mut answers = Answers::default();
        for number in 0..1_000 {
            for _ in 0..50 {
                assert!(!answers.add(PullFate::Answered(NodeNumber::new(number))));
            }
            assert!((0..30).all(|_| !answers.add(PullFate::Lost(NodeNumber::new(number)))));
            assert!(answers.relays.len() <= MAILBOXES);
        }
    }
}
