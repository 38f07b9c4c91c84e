//! Statistical disclosure by the replies of a person, beside the acknowledgements of his client.
//!
//! Software cannot delay what people write. What hides a reply is that it lies among the loops of
//! those who might get it.

use std::time::Duration;

use rohrpost_measure::detection::Estimate;
use rohrpost_proto::directory::roster::Traffic;

use super::definition::{Attack, Bound, How, Measured, Weakened};
use super::effort::Effort;
use crate::disclosure::{self, Knowledge, Model, Needed, Replies, needed};

pub(super) const ATTACK: Attack = Attack {
    name: "replies",
    claim: "whoever answers soon and often shows who writes to him; loops put it off",
    attacker: "the relays of all mailboxes together",
    sees: "times at which envelopes are stored and handed out, and which two mailboxes are one \
           client's",
    knows: "all rates and delays, which envelopes handed to Bob are messages, and that Bob answers \
            half of them after a log-normal time, one minute in the median; scores 100 users by \
            likelihood",
    number: "messages until Alice ranks first in 95 % of 60 trials",
    limit: None,
    quick: false,
    run: |effort| attack(effort, true),
    weakened: &[Weakened {
        what: "clients leave no loops in their mailboxes",
        how: How::Model(|effort| attack(effort, false)),
        reaches: Bound::AtMost(50.0),
    }],
};

fn attack(effort: &Effort<'_>, loops: bool) -> Measured {
    let traffic = Traffic::default();
    let model = Model {
        traffic,
        users: 100,
        spacing: Duration::from_secs(300),
        mail: Duration::from_secs(1_800),
        acknowledgement: traffic.ack_delay,
        mailboxes: 1,
        knowledge: Knowledge::Messages,
        replies: Some(Replies { chance: 0.5, median: Duration::from_secs(60), spread: 1.0 }),
        loops,
    };
    let trials = disclosure::Effort { trials: 60, seed: effort.seed, limit: 2_000 };
    let (found, course) = needed(&model, trials, effort.bar);
    let method = match found {
        Needed::Messages { method, .. } => method,
        Needed::More { .. } => "none: more are needed",
    };
    Measured::new(Estimate::exact(found.at_least().into())).with("method", method).with_curve(
        "messages from Alice to Bob",
        "share of trials in which Alice ranks first",
        course.into_iter().map(|(messages, share)| (messages.into(), share)),
    )
}
