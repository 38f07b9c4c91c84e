//! Agreement of clocks: whether a client goes by what its entry relay says the time is
//! (`docs/traffic.md`, Clocks).
//!
//! A relay's word is one clock among three. The second is the client's machine, the third the network
//! documents, whose slots k agencies have signed. A relay whose clock agrees with neither of the
//! others is not believed.

use std::fmt;
use std::time::Duration;

use super::{Steady, Time, calendar};
use crate::weakness::Weakness;

/// Clocks of which none bears a relay's out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disagreement {
    /// The time by the relay's word.
    pub relay: Time,
    /// The time by the client's machine.
    pub machine: Time,
    /// The time by the network documents; `None` if there are none.
    pub nodes: Option<Time>,
}

/// Outcome of a comparison in which a relay is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The machine's clock and the documents both bear the relay's out.
    All,
    /// The machine's clock bears the relay's out.
    Machine,
    /// The documents bear the relay's clock out: the machine's is wrong.
    Nodes,
}

/// Compares a relay's clock with the client's machine and with the network documents, where there are
/// some.
///
/// # Errors
/// Both are more than [`TOLERANCE`] off, or the relay names a time after [`Time::LATEST`].
pub fn compare(relay: Time, machine: Time, nodes: Option<Time>) -> Result<Agreement, Disagreement> {
    let near = |other: Time| relay.since(other).max(other.since(relay)) <= TOLERANCE;
    if relay > Time::LATEST {
        return Err(Disagreement { relay, machine, nodes });
    }
    let by_machine = near(machine) || Weakness::TheRelaysClockIsBelieved.is_active();
    match (by_machine, nodes.is_some_and(near)) {
        (true, true) => Ok(Agreement::All),
        (true, false) => Ok(Agreement::Machine),
        (false, true) => Ok(Agreement::Nodes),
        (false, false) => Err(Disagreement { relay, machine, nodes }),
    }
}

/// Record of what network documents have shown of the time, over the links of one client.
#[derive(Clone, Copy, Default)]
pub struct Witness {
    /// The time that the newest document attests, and when it came.
    attested: Option<(Steady, Time)>,
    /// True once something bears out the clock of the relay of this link.
    borne_out: bool,
}

impl Witness {
    /// Judges a relay's clock by its first cell.
    ///
    /// # Errors
    /// Neither the machine's clock nor the documents so far bear the relay's out. It cannot be told
    /// here whose clock is wrong: after a stop of the whole machine, its clock and what the client
    /// has carried on with its own agree with each other, and both are behind. So the relay is
    /// heard, and the client goes by no view until a document of this link has judged
    /// ([`Self::handle_document`]).
    pub fn greet(
        &mut self,
        now: Steady,
        relay: Time,
        machine: Time,
    ) -> Result<Agreement, Disagreement> {
        let nodes = self.attested.map(|(then, time)| time + now.since(then));
        let judged = compare(relay, machine, nodes);
        self.borne_out = judged.is_ok();
        judged
    }

    /// Judges a relay's clock by the time that documents attest
    /// ([`Follower::attested`](crate::directory::follower::Follower::attested)).
    ///
    /// # Errors
    /// Neither the machine's clock nor the document bears the relay's out.
    pub fn handle_document(
        &mut self,
        now: Steady,
        relay: Time,
        machine: Time,
        attested: Option<Time>,
    ) -> Result<Agreement, Disagreement> {
        self.attested = attested.map(|time| (now, time)).or(self.attested);
        let judged = compare(relay, machine, attested);
        self.borne_out = judged.is_ok();
        judged
    }

    /// Time by which the client's own clock has fallen behind, while the machine stood still or before
    /// its clock was set right: up to what relay and machine both show. Zero where they do not agree,
    /// and for less than [`STOPPED`].
    #[must_use]
    pub fn lag(now: Steady, relay: Time, machine: Time) -> Duration {
        let agreed = compare(relay, machine, None).is_ok();
        let lag = relay.min(machine).since(now.reading());
        if agreed && lag >= STOPPED { lag } else { Duration::ZERO }
    }

    /// Tells whether anything bears out the clock of the relay of this link. While nothing does, the
    /// client builds no packets, and has documents judge that are no newer than its last as well.
    #[must_use]
    pub const fn is_borne_out(&self) -> bool {
        self.borne_out
    }
}

impl Disagreement {
    /// Tells whether the machine's clock and the documents agree, so that the relay's is wrong.
    fn is_the_relays_fault(&self) -> bool {
        self.nodes.is_some_and(|nodes| compare(nodes, self.machine, None).is_ok())
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (relay, machine) = (minute(self.relay), minute(self.machine));
        write!(f, "the relay's clock shows {relay}, this machine's {machine}")?;
        match self.nodes {
            Some(nodes) if self.is_the_relays_fault() => {
                let nodes = minute(nodes);
                write!(
                    f,
                    ", the agencies' documents {nodes}: the relay's is wrong; tell its operators"
                )
            }
            Some(nodes) => {
                let nodes = minute(nodes);
                write!(
                    f,
                    ", the agencies' documents {nodes}: set this machine's right, and tell the operators"
                )
            }
            None => write!(
                f,
                ", and no document of the agencies has shown which is right: set this machine's right if it is \
                 wrong, else tell the relay's operators"
            ),
        }
    }
}

impl std::error::Error for Disagreement {}

/// Date and minute in UTC.
fn minute(time: Time) -> String {
    let minutes = time.seconds() / 60;
    let (hour, minute) = (minutes / 60 % 24, minutes % 60);
    format!("{} {hour:02}:{minute:02} UTC", calendar::date(Duration::from_secs(time.seconds())))
}

/// Difference between two clocks that agree: clients' clocks and mixes' may be off by so much.
pub const TOLERANCE: Duration = Duration::from_secs(300);
/// Time from which on an own clock that is behind goes forward: more than clocks drift in a day.
pub const STOPPED: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_micros(1_795_000_000_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_relay_is_believed_if_the_machine_or_the_nodes_bear_it_out() {
        let next = TOLERANCE + Duration::from_micros(1);
        assert_eq!(compare(NOW, NOW + TOLERANCE, None), Ok(Agreement::Machine));
        assert_eq!(compare(NOW, NOW - TOLERANCE, Some(NOW - DAY)), Ok(Agreement::Machine));
        assert_eq!(compare(NOW, NOW - TOLERANCE, Some(NOW + TOLERANCE)), Ok(Agreement::All));
        assert_eq!(compare(NOW, NOW - DAY, Some(NOW - TOLERANCE)), Ok(Agreement::Nodes));
        assert_eq!(compare(NOW, NOW + DAY, Some(NOW + TOLERANCE)), Ok(Agreement::Nodes));
        for (machine, nodes) in [
            (NOW + next, None),
            (NOW - next, None),
            (NOW + next, Some(NOW + next)),
            (NOW - next, Some(NOW + DAY)),
        ] {
            let refused = Disagreement { relay: NOW, machine, nodes };
            assert_eq!(compare(NOW, machine, nodes), Err(refused));
        }
    }

    #[test]
    fn a_relay_is_borne_out_by_its_first_cell_or_by_its_document() {
        let now = Steady::of_clock(NOW);
        let mut witness = Witness::default();
        let refused = Disagreement { relay: NOW + DAY, machine: NOW, nodes: None };
        assert_eq!(witness.greet(now, NOW + DAY, NOW), Err(refused));
        assert!(!witness.is_borne_out());
        let nodes = Some(NOW);
        let refused = Disagreement { nodes, ..refused };
        assert_eq!(witness.handle_document(now, NOW + DAY, NOW, nodes), Err(refused));
        assert_eq!(witness.greet(now, NOW + DAY, NOW), Err(refused));
        assert!(!witness.is_borne_out());
        // What a document has shown goes on with the own clock, also where the machine's is wrong.
        let later = now + DAY;
        assert_eq!(witness.greet(later, NOW + DAY, NOW + DAY), Ok(Agreement::All));
        assert_eq!(witness.greet(later, NOW + DAY, NOW + DAY * 9), Ok(Agreement::Nodes));
        assert!(witness.is_borne_out());
    }

    #[test]
    fn a_machine_that_was_stopped_goes_by_a_document_that_bears_the_relay_out() {
        let now = Steady::of_clock(NOW);
        let mut witness = Witness::default();
        let agreed = witness.handle_document(now, NOW, NOW, Some(NOW));
        assert_eq!(agreed, Ok(Agreement::All));
        // All its clocks stood still for a day.
        assert!(witness.greet(now, NOW + DAY, NOW).is_err() && !witness.is_borne_out());
        let agreed = witness.handle_document(now, NOW + DAY, NOW, Some(NOW + DAY));
        assert_eq!(agreed, Ok(Agreement::Nodes));
        assert!(witness.is_borne_out());
        assert_eq!(witness.greet(now, NOW + DAY, NOW), Ok(Agreement::Nodes));
    }

    #[test]
    fn an_own_clock_goes_forward_to_what_relay_and_machine_both_show() {
        let now = Steady::of_clock(NOW);
        let minute = Duration::from_secs(60);
        assert_eq!(Witness::lag(now, NOW + DAY, NOW + DAY + minute), DAY);
        assert_eq!(Witness::lag(now, NOW + DAY + minute, NOW + DAY), DAY);
        // Neither moves it alone, nor back.
        for (relay, machine) in [(NOW + DAY, NOW), (NOW, NOW + DAY), (NOW - DAY, NOW - DAY)] {
            assert_eq!(Witness::lag(now, relay, machine), Duration::ZERO);
        }
        let drift = Duration::from_secs(59);
        assert_eq!(Witness::lag(now, NOW + drift, NOW + drift), Duration::ZERO);
    }

    #[test]
    fn the_last_time_that_can_be_named_is_refused() {
        for time in [Time::LATEST, Time::LATEST + Duration::from_micros(1), Time::from_micros(0)] {
            assert!(compare(time, NOW, Some(NOW)).is_err());
        }
        let beyond = Time::LATEST + Duration::from_micros(1);
        assert!(compare(beyond, beyond, Some(beyond)).is_err());
    }

    #[test]
    fn a_disagreement_names_all_clocks_and_says_whose_is_wrong() {
        let of = |machine, nodes| Disagreement { relay: NOW + DAY * 8, machine, nodes }.to_string();
        let relay =
            "the relay's clock shows 2026-11-26 11:06 UTC, this machine's 2026-11-18 11:06 UTC";
        let known = of(NOW, Some(NOW - Duration::from_secs(60)));
        assert_eq!(
            known,
            format!(
                "{relay}, the agencies' documents 2026-11-18 11:05 UTC: the relay's is wrong; tell its operators"
            )
        );
        let unknown = of(NOW, None);
        assert!(unknown.starts_with(relay) && unknown.contains("if it is wrong, else tell"));
        let all_apart = of(NOW, Some(NOW - DAY));
        assert!(
            all_apart.contains("set this machine's right, and tell the operators"),
            "{all_apart}"
        );
    }
}
