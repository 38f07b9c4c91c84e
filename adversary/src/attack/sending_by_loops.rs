//! Telling whether a client sends by the loops that come to its own mailboxes.

use rohrpost_measure::detection::Scores;
use rohrpost_proto::weakness::Weakness;
use rohrpost_virtual::{KeyRing, Layout, LoneClient, NORTH, Role};

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;

pub(super) const ATTACK: Attack = Attack {
    name: "sending-by-loops",
    claim: "a mailbox relay does not learn from a mailbox whether its owner sends",
    attacker: "the relays of both mailboxes of each client",
    sees: "the number of envelopes that come in each two minutes while nobody writes to the client",
    knows: "the rate of loops; each client is watched twice, while it is idle and while letters \
            wait all the time. Fewer envelopes may tell that it sends, or more",
    number: "area under the curve, times of sending against idle ones, counted to either side of 1/2",
    limit: Some(Bound::AtMost(0.52)),
    quick: true,
    run: attack,
    weakened: &[Weakened {
        what: "slots of loops carry letters while any wait",
        how: How::Law(Weakness::LoopsYieldToLetters),
        reaches: Bound::AtLeast(0.75),
    }],
};

fn attack(effort: &Effort<'_>) -> Measured {
    let ring = KeyRing::new(effort.seed, &Layout::default());
    let view = ring.view(&[]);
    let watched = effort.trials(effort.size(4, 16), |number, _| {
        // The same client twice: nothing differs but what it sends.
        let client = || LoneClient::new(&ring, effort.seed + number, NORTH, view.clone());
        [loops(client(), Activity::Idle), loops(client(), Activity::Sending)]
    });
    let scored: Vec<_> = watched
        .iter()
        .flat_map(|[idle, sending]| {
            let score = |is_sending| move |loops: &u32| (-f64::from(*loops), is_sending);
            idle.iter().map(score(false)).chain(sending.iter().map(score(true))).collect::<Vec<_>>()
        })
        .collect();
    let total = |activity: usize| watched.iter().flat_map(|it| &it[activity]).sum::<u32>();
    Measured::new(Scores::of_pairs(scored.iter()).area().either_way())
        .with("times", scored.len())
        .with("loops_idle", total(0))
        .with("loops_sending", total(1))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Activity {
    Idle,
    /// Letters wait all the time.
    Sending,
}

/// Loops that a client sends in each two minutes.
fn loops(mut client: LoneClient<'_>, activity: Activity) -> Vec<u32> {
    let sends = activity == Activity::Sending;
    (0..if sends { WAITING } else { 0 }).for_each(|_| client.post());
    let mut watch = || {
        let mut loops = 0;
        for _ in 0..SLOTS {
            match client.step().map(|sent| sent.role) {
                Some(Role::Loop) => loops += 1,
                Some(Role::Letter) if sends => client.post(),
                _ => {}
            }
        }
        loops
    };
    (0..TIMES).map(|_| watch()).collect()
}

/// Letters that wait.
const WAITING: u32 = 20;
/// Times of two minutes for which a client is watched.
const TIMES: u32 = 5;
/// Slots of two minutes.
const SLOTS: u32 = 480;
