//! Statistical disclosure by acknowledgements at the defaults; `rohrpost-adversary disclosure` has
//! the model, other settings and other knowledge.

use std::time::Duration;

use rohrpost_measure::detection::Estimate;
use rohrpost_proto::directory::roster::Traffic;

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;
use crate::disclosure::{self, Knowledge, Model, Needed, needed};

pub(super) const ATTACK: Attack = Attack {
    name: "acknowledgements",
    claim: "who writes to whom does not follow from acknowledgements within 500 messages",
    attacker: "the relays of all mailboxes together",
    sees: "times at which envelopes are stored and handed out, and which two mailboxes are one \
           client's",
    knows: "all rates and delays, which envelopes handed to Bob are messages; scores 100 users by \
            likelihood and by the epochs of Martiny et al. (NDSS 2021)",
    number: "messages until Alice ranks first in 95 % of 60 trials",
    limit: Some(Bound::AtLeast(500.0)),
    quick: false,
    run: |effort| attack(effort, Traffic::default().ack_delay),
    weakened: &[Weakened {
        what: "acknowledgements at once",
        how: How::Model(|effort| attack(effort, Duration::ZERO)),
        reaches: Bound::AtMost(50.0),
    }],
};

/// Plays the worst case that paths allow, one mailbox each, at the spacing that serves the attacker
/// best.
fn attack(effort: &Effort<'_>, acknowledgement: Duration) -> Measured {
    let model = Model {
        traffic: Traffic::default(),
        users: 100,
        spacing: Duration::from_secs(300),
        mail: Duration::from_secs(1_800),
        acknowledgement,
        mailboxes: 1,
        knowledge: Knowledge::Messages,
        replies: None,
        loops: true,
    };
    let trials = disclosure::Effort { trials: 60, seed: effort.seed, limit: 4_000 };
    let (found, course) = needed(&model, trials, effort.bar);
    let (method, played) = match found {
        Needed::Messages { count, method } => (method, count),
        Needed::More { played, .. } => ("none: more are needed", played),
    };
    Measured::new(Estimate::exact(found.at_least().into()))
        .with("method", method)
        .with("messages_played", played)
        .with_curve(
            "messages from Alice to Bob",
            "share of trials in which Alice ranks first",
            course.into_iter().map(|(messages, share)| (messages.into(), share)),
        )
}
