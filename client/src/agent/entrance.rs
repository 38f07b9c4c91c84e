//! The relay through which a client enters, and when it enters through another (`docs/traffic.md`,
//! Entries). Time is an argument.
//!
//! A relay that is silent may be gone, or the machine may be cut off, and the client cannot tell these
//! apart where it stands. So it tries its spare relays; if one of them serves, the machine is on the
//! network, and the own relay is tried once more before it is given up.

use std::time::{Duration, Instant};

use rohrpost_packet::NodeNumber;

use crate::profile::SPARE_ENTRIES;

/// The entry of a client and its spare ones.
pub(super) struct Entrance {
    /// The relay through which the client enters for good.
    own: NodeNumber,
    /// Relays that are tried when that is silent, in this order.
    spares: Vec<NodeNumber>,
    /// Time that a relay has to serve a document when it is tried.
    patience: Duration,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// At the own relay, which has served or been given time since then.
    Own(Instant),
    /// At a spare one, since then.
    Spare(usize, Instant),
    /// Back at the own one since then, for a spare one has served.
    Again(usize, Instant),
}

/// A relay through which the client is to enter from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// To see whether it serves.
    Try(NodeNumber),
    /// For good.
    Move(NodeNumber),
}

impl Entrance {
    /// The entrance of a client that starts, to which its own relay has been silent for so long. One that
    /// serves brings a document within `patience`.
    pub(super) fn new(
        own: NodeNumber,
        spares: Vec<NodeNumber>,
        patience: Duration,
        silent: Duration,
        now: Instant,
    ) -> Self {
        let since = now.checked_sub(silent.min(SILENT)).unwrap_or(now);
        Self { own, spares, patience: patience.max(TRIED), state: State::Own(since) }
    }

    /// The relay through which the client enters for good.
    pub(super) const fn own(&self) -> NodeNumber {
        self.own
    }

    /// The relay through which the client enters now, to try it or for good.
    pub(super) fn present(&self) -> NodeNumber {
        match self.state {
            State::Spare(at, _) => self.spares.get(at).copied().unwrap_or(self.own),
            State::Own(_) | State::Again(..) => self.own,
        }
    }

    /// Time for which the own relay has been silent, by what is known: as long as it takes to leave it
    /// while others are tried.
    pub(super) fn silent(&self, now: Instant) -> Duration {
        match self.state {
            State::Own(since) => now.duration_since(since),
            State::Spare(..) | State::Again(..) => SILENT,
        }
    }

    /// The spare relays, in the order in which they are tried.
    pub(super) fn spares(&self) -> &[NodeNumber] {
        &self.spares
    }

    /// Has other spare relays from now on. If the client is at one that is no more among them, or such a
    /// one has served, it goes back to its own.
    pub(super) fn replace_spares(&mut self, spares: Vec<NodeNumber>, now: Instant) -> Option<Step> {
        let before = std::mem::replace(&mut self.spares, spares);
        let moved = |at: usize| self.spares.iter().position(|spare| before.get(at) == Some(spare));
        let state = match self.state {
            State::Own(_) => return None,
            State::Spare(at, since) => moved(at).map(|at| State::Spare(at, since)),
            State::Again(at, since) => moved(at).map(|at| State::Again(at, since)),
        };
        match state {
            Some(state) => {
                self.state = state;
                None
            }
            None => self.go_home(now),
        }
    }

    /// True unless the client is at a spare relay.
    pub(super) const fn is_at_own(&self) -> bool {
        !matches!(self.state, State::Spare(..))
    }

    /// Enters through this relay from now on. The one before is the last spare, unless it is not to be.
    pub(super) fn enter(&mut self, relay: NodeNumber, keeps: bool, now: Instant) {
        self.spares = self.spares_after(relay, keeps);
        self.own = relay;
        self.state = State::Own(now);
    }

    /// The spare relays that there would be then.
    pub(super) fn spares_after(&self, relay: NodeNumber, keeps: bool) -> Vec<NodeNumber> {
        let others = self.spares.iter().copied().filter(|spare| *spare != relay);
        let before = Some(self.own).filter(|own| keeps && *own != relay);
        let kept = SPARE_ENTRIES - usize::from(before.is_some());
        others.take(kept).chain(before).collect()
    }

    /// Tells where to enter next, by whether there is a link to the present relay on which it has `served`
    /// a document. To be asked every minute.
    pub(super) fn step(&mut self, served: bool, now: Instant) -> Option<Step> {
        match self.state {
            State::Own(_) if served => {
                self.state = State::Own(now);
                None
            }
            State::Own(since) if now.duration_since(since) >= SILENT => self.try_spare(0, now),
            State::Own(_) => None,
            State::Spare(at, _) if served => {
                self.state = State::Again(at, now);
                Some(Step::Try(self.own))
            }
            State::Spare(at, since) if now.duration_since(since) >= self.patience => {
                self.try_spare(at + 1, now)
            }
            State::Again(_, _) if served => {
                self.state = State::Own(now);
                None
            }
            State::Again(at, since) if now.duration_since(since) >= self.patience => {
                self.spares.get(at).map(|spare| Step::Move(*spare))
            }
            State::Spare(..) | State::Again(..) => None,
        }
    }

    /// Tries a spare relay; after the last the own one has its time again.
    fn try_spare(&mut self, at: usize, now: Instant) -> Option<Step> {
        if let Some(spare) = self.spares.get(at) {
            self.state = State::Spare(at, now);
            return Some(Step::Try(*spare));
        }
        self.go_home(now)
    }

    /// Gives the own relay its time again, before spare ones are tried.
    fn go_home(&mut self, now: Instant) -> Option<Step> {
        let was_away = matches!(self.state, State::Spare(..));
        let since = now.checked_sub(SILENT.saturating_sub(self.patience));
        self.state = State::Own(since.unwrap_or(now));
        was_away.then_some(Step::Try(self.own))
    }
}

/// Time without a document after which the own relay may be gone: longer than any maintenance, shorter
/// than the time that messages wait. It counts while the machine is awake.
const SILENT: Duration = Duration::from_secs(6 * 3600);
/// Least time that a relay has to serve a document when it is tried: for a link and some documents.
const TRIED: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: NodeNumber = NodeNumber::new(1);
    const FIRST: NodeNumber = NodeNumber::new(2);
    const SECOND: NodeNumber = NodeNumber::new(3);

    fn entrance(now: Instant) -> Entrance {
        Entrance::new(OWN, vec![FIRST, SECOND], Duration::ZERO, Duration::ZERO, now)
    }

    /// Asks every minute until there is a step, for a time; gives it, and the time that it took.
    fn until_step(
        entrance: &mut Entrance,
        now: &mut Instant,
        most: Duration,
        served: impl Fn(NodeNumber) -> bool,
    ) -> Option<(Step, Duration)> {
        let began = *now;
        while now.duration_since(began) < most {
            *now += Duration::from_secs(60);
            if let Some(step) = entrance.step(served(entrance.present()), *now) {
                return Some((step, now.duration_since(began)));
            }
        }
        None
    }

    const DAYS: Duration = Duration::from_secs(10 * 86_400);

    #[test]
    fn a_relay_that_serves_now_and_then_is_kept() {
        let mut now = Instant::now();
        let mut entrance = entrance(now);
        for _ in 0..50 {
            assert_eq!(until_step(&mut entrance, &mut now, SILENT - TRIED, |_| false), None);
            assert_eq!(entrance.step(true, now), None);
        }
    }

    #[test]
    fn a_relay_that_is_gone_is_left_for_a_spare_one_that_serves() {
        let mut now = Instant::now();
        let mut entrance = entrance(now);
        let serves = |relay| relay == SECOND;
        let mut steps = Vec::new();
        while steps.last().is_none_or(|(step, _)| !matches!(step, Step::Move(_))) {
            steps.push(until_step(&mut entrance, &mut now, DAYS, serves).unwrap());
        }
        let minute = Duration::from_secs(60);
        assert_eq!(
            steps,
            [
                (Step::Try(FIRST), SILENT),
                (Step::Try(SECOND), TRIED),
                (Step::Try(OWN), minute),
                (Step::Move(SECOND), TRIED),
            ]
        );
        entrance.enter(SECOND, true, now);
        assert_eq!((entrance.own(), entrance.present()), (SECOND, SECOND));
        assert_eq!(entrance.spares(), [FIRST, OWN]);
        let other = NodeNumber::new(9);
        entrance.enter(other, true, now);
        assert_eq!(entrance.spares(), [FIRST, SECOND], "the one before stays, whoever goes");
        entrance.enter(FIRST, false, now);
        assert_eq!(entrance.spares(), [SECOND], "a retired one does not");
    }

    #[test]
    fn other_spares_leave_a_client_where_it_is_if_that_is_one_of_them() {
        let now = Instant::now() + SILENT;
        let (third, fourth) = (NodeNumber::new(4), NodeNumber::new(5));
        let mut entrance = Entrance::new(OWN, vec![FIRST, SECOND], TRIED, SILENT, now);
        assert_eq!(entrance.replace_spares(vec![SECOND, FIRST], now), None);
        assert_eq!(entrance.step(false, now), Some(Step::Try(SECOND)));
        assert_eq!(entrance.replace_spares(vec![third, SECOND], now), None);
        assert_eq!(entrance.present(), SECOND);
        assert_eq!(entrance.replace_spares(vec![third, fourth], now), Some(Step::Try(OWN)));
        assert_eq!(entrance.present(), OWN);
        assert_eq!(entrance.step(false, now + TRIED), Some(Step::Try(third)));
    }

    #[test]
    fn silence_counts_over_starts() {
        let now = Instant::now() + SILENT;
        let all = vec![FIRST, SECOND];
        let mut entrance = Entrance::new(OWN, all.clone(), TRIED, SILENT - TRIED, now);
        assert_eq!(entrance.silent(now), SILENT - TRIED);
        assert_eq!(entrance.step(false, now + TRIED), Some(Step::Try(FIRST)));
        assert_eq!(entrance.silent(now), SILENT, "not served by a spare one either");
        let mut again = Entrance::new(OWN, all, TRIED, SILENT, now);
        assert_eq!(again.step(false, now), Some(Step::Try(FIRST)));
    }

    #[test]
    fn a_machine_that_was_cut_off_for_days_comes_back_to_its_own_relay() {
        let mut now = Instant::now();
        let mut entrance = entrance(now);
        let mut tried = Vec::new();
        for _ in 0..200 {
            match until_step(&mut entrance, &mut now, DAYS, |_| false) {
                Some((Step::Try(relay), _)) => tried.push(relay),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(tried[..6], [FIRST, SECOND, OWN, FIRST, SECOND, OWN]);
        // The network is back while a spare one is tried.
        while entrance.present() == OWN {
            until_step(&mut entrance, &mut now, DAYS, |_| false).unwrap();
        }
        let back = until_step(&mut entrance, &mut now, DAYS, |_| true);
        assert!(matches!(back, Some((Step::Try(OWN), _))), "{back:?}");
        assert_eq!(until_step(&mut entrance, &mut now, DAYS, |_| true), None);
        assert_eq!(entrance.own(), OWN);
    }
}
