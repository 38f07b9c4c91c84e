//! Model of the agreement on the document of one slot: four agencies, of which one lies and signs
//! whatever it likes, and three go by the [`Pledge`] of the real relays. Their clocks are anywhere
//! within the limits, they are started anew with nothing in memory and with any other such clock, and
//! the network shows each of them whatever signatures there are, or some of them, or none.
//!
//! Where three agencies must sign, no run has two documents; where two suffice, the checker finds one.

use std::process::ExitCode;
use std::time::Duration;

use rohrpost_proto::directory::consensus::pledge::Pledge;
use rohrpost_proto::directory::roster::{Directory, Traffic};
use rohrpost_proto::directory::timing::Timing;
use rohrpost_proto::time::{Slot, Time};
use stateright::{Checker, Model, Property};

/// Honest relays; the liar is one more.
const HONEST: usize = 3;
/// Seconds by which clocks may be ahead of the slowest: 5 s to either side of the right time.
const AHEAD: [u64; HONEST] = [0, 5, 10];
/// Documents that the liar has signed.
const DOCUMENTS: usize = 2;
/// The slot that is looked at. The processes that begin with the model may sign it.
const SLOT: u64 = 103;
/// Seconds of the model: from four slots before to when nobody signs any more.
const LAST: u64 = 105;
/// Seconds from one moment to the next.
const STEP: u64 = 5;
/// Restarts of all relays together: one may start anew twice, or two may once.
const RESTARTS: u8 = 2;

/// A slot of which so many agencies must sign the document.
struct Agreement {
    threshold: usize,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    seconds: u64,
    relays: [Relay; HONEST],
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Relay {
    pledge: Pledge,
    /// Seconds by which its clock is ahead.
    ahead: u64,
    restarts: u8,
    /// What any process of the relay has signed.
    signed: [bool; DOCUMENTS],
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Action {
    /// Time passes.
    Wait,
    /// A relay sees a document with so many signatures, and signs it if its pledge lets it.
    Show { relay: usize, document: usize, signatures: usize },
    /// A relay is started anew, with a clock that is so many seconds ahead.
    Restart { relay: usize, ahead: u64 },
}

fn timing() -> Timing {
    Directory::of(&Traffic::default()).timing
}

/// Time by a clock that is so many seconds ahead.
fn clock(seconds: u64, ahead: u64) -> Time {
    timing().begin_of(Slot::new(SLOT - 4)) + Duration::from_secs(seconds + ahead)
}

impl State {
    /// Signatures of a document: the liar's, and those of honest relays.
    fn signatures(&self, document: usize) -> usize {
        1 + self.relays.iter().filter(|relay| relay.signed[document]).count()
    }
}

impl Model for Agreement {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let relay = |at| Relay {
            // It began long before.
            pledge: Pledge::begin(clock(0, AHEAD[at]) - Duration::from_secs(60), timing()),
            ahead: AHEAD[at],
            restarts: 0,
            signed: [false; DOCUMENTS],
        };
        vec![State { seconds: 0, relays: std::array::from_fn(relay) }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.seconds < LAST {
            actions.push(Action::Wait);
        }
        for relay in 0..HONEST {
            for document in 0..DOCUMENTS {
                let shown = 1..=state.signatures(document);
                let show = |signatures| Action::Show { relay, document, signatures };
                actions.extend(shown.map(show));
            }
        }
        if state.relays.iter().map(|relay| relay.restarts).sum::<u8>() < RESTARTS {
            let restart = |relay| AHEAD.map(|ahead| Action::Restart { relay, ahead });
            actions.extend((0..HONEST).flat_map(restart));
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Wait => state.seconds += STEP,
            Action::Show { relay, document, signatures } => {
                let one = &mut state.relays[relay];
                let now = clock(before.seconds, one.ahead);
                if !one.pledge.sign(Slot::new(SLOT), now, signatures) {
                    return None;
                }
                one.signed[document] = true;
            }
            Action::Restart { relay, ahead } => {
                let one = &mut state.relays[relay];
                one.ahead = ahead;
                one.restarts += 1;
                one.pledge = Pledge::begin(clock(before.seconds, ahead), timing());
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no slot has two documents", |model: &Self, state: &State| {
                let hold = |document: &usize| state.signatures(*document) >= model.threshold;
                (0..DOCUMENTS).filter(hold).count() < 2
            }),
            Property::sometimes("a slot has a document", |model: &Self, state: &State| {
                state.signatures(0) >= model.threshold
            }),
            Property::sometimes("a relay that was started anew stands by", |_, state: &State| {
                state.relays.iter().any(|relay| relay.restarts > 0 && relay.signed[0])
            }),
        ]
    }
}

/// Looks at all runs, and tells whether one has two documents.
fn forks(threshold: usize) -> bool {
    let checker = Agreement { threshold }.checker().threads(2).spawn_bfs().join();
    let found = checker.discoveries();
    for wanted in ["a slot has a document", "a relay that was started anew stands by"] {
        assert!(found.contains_key(wanted), "the model never comes to where {wanted}");
    }
    let states = checker.unique_state_count();
    let fork = found.get("no slot has two documents");
    let outcome = match fork {
        Some(_) => "and a run in which a slot has two documents",
        None => "and in none of them has a slot two documents",
    };
    println!("{threshold} of 4 must sign: {states} states, {outcome}");
    if let Some(path) = fork {
        path.clone().into_actions().iter().for_each(|action| println!("    {action:?}"));
    }
    fork.is_some()
}

fn main() -> ExitCode {
    let (safe, found) = (!forks(3), forks(2));
    if safe && found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
